"""Parameters of ``trace_follower``."""

from __future__ import annotations

from dataclasses import dataclass

from tracegen_ros.parameters import parameter


@dataclass(frozen=True)
class FollowerParameters:
    """Topics, frames and time limits of the node; how it moves is ``ik_controller.follower.FollowerConfig``."""

    limits: str = parameter(
        "fr3_rectangular", "Joint limits: the name of a shipped set, or the path of a file"
    )
    enabled: bool = parameter(
        False, "May move as soon as it is active; otherwise the enable service allows it"
    )
    base_frame: str = parameter("fr3_link0", "Frame of the robot's base")
    traces_topic: str = parameter("/tracegen/traces", "Traces to follow")
    depth_topic: str = parameter(
        "/camera/camera/aligned_depth_to_color/image_raw", "Depth images that the traces were predicted from"
    )
    camera_info_topic: str = parameter("/camera/camera/color/camera_info", "Intrinsics of the colour camera")
    joint_states_topic: str = parameter("/joint_states", "Measured joints of arm and fingers")
    instruction_topic: str = parameter("/task_instruction", "Sentence that says what to do; empty = stop")
    trajectory_topic: str = parameter(
        "/joint_trajectory_controller/joint_trajectory", "Where joint trajectories are sent"
    )
    gripper_action: str = parameter("/fr3_gripper/gripper_action", "Action server of the gripper")
    gripper_timeout_s: float = parameter(
        2.0,
        "A gripper that does not accept a goal for this long [s of wall time] stops the follower",
        minimum=0.1,
        maximum=30.0,
    )
    lockstep: bool = parameter(
        False,
        "A simulator waits for each command: traces alone decide, and the watchdog is off, so that runs repeat exactly",
    )
    tick_after_s: float = parameter(
        0.12,
        "Without a trace for this long [s, node clock] the watchdog looks after the motion",
        minimum=0.01,
        maximum=5.0,
    )
    input_timeout_s: float = parameter(
        1.0,
        "Traces wait this long [s of wall time] for the depth image and joint states of their stamp",
        minimum=0.05,
        maximum=10.0,
    )
    joint_timeout_s: float = parameter(
        0.3, "Joint states older than this [s, node clock] count as missing", minimum=0.01, maximum=5.0
    )
    joint_gap_s: float = parameter(
        0.1, "Joint states further apart than this [s] are not interpolated", minimum=0.001, maximum=1.0
    )
    diagnostics_rate_hz: float = parameter(
        1.0, "How often health is published [Hz of wall time]", minimum=0.1, maximum=50.0
    )
