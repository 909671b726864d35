"""Parameters of ``replay_node``."""

from __future__ import annotations

from dataclasses import dataclass

from tracegen_ros.parameters import parameter

LOCKSTEP = "lockstep"
REALTIME = "realtime"

TRAJECTORY_TOPIC = "/replay/joint_trajectory_controller/joint_trajectory"
CALLS_TOPIC = "/replay/core_calls"
GRIPPER_ACTION = "/replay/fr3_gripper/gripper_action"
"""Where a replay's commands go, which no robot listens to, and where it says what a recorded run decided on."""


@dataclass(frozen=True)
class ReplayParameters:
    """What is replayed, and how."""

    bag: str = parameter("", "Recording: a rosbag2 folder, an .mcap or a .db3 file")
    map: str = parameter("", "Mapping file (YAML) for bags with other topics; empty = this project's own")
    mode: str = parameter(
        LOCKSTEP,
        "lockstep waits for the answer to each frame; realtime keeps the recording's pace, as a camera would",
        choices=(LOCKSTEP, REALTIME),
    )
    rate: float = parameter(
        0.0,
        "Recorded seconds per second; 0 = realtime: 1, lockstep: as fast as answers come",
        minimum=0.0,
        maximum=100.0,
    )
    loop: bool = parameter(False, "Begin again at the end, until stopped")
    instruction: str = parameter("", "What is to be done, in place of what was recorded; empty = as recorded")
    commands: bool = parameter(True, "The follower runs too: in lockstep its commands are waited for")
    trajectory_topic: str = parameter(TRAJECTORY_TOPIC, "Where the follower sends its joint trajectories")
    gripper_action: str = parameter(GRIPPER_ACTION, "Action that the follower sends gripper goals to")
    sync_tolerance_s: float = parameter(
        0.01, "How far the stamps of colour and depth may be apart [s]", minimum=0.0, maximum=0.1
    )
    patience_s: float = parameter(
        120.0,
        "A node that says nothing for this long [s of wall time] ends the replay",
        minimum=1.0,
        maximum=3600.0,
    )
    report: str = parameter("", "JSON file that the numbers are written to at the end; empty = none")
