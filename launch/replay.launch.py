"""A recording as if it happened now: the bag's images, joints and instructions in, traces and commands out.

ros2 launch tracegen_ros replay.launch.py bag:=outputs/demo/bag                        # frame by frame, compared
ros2 launch tracegen_ros replay.launch.py bag:=outputs/demo/bag mode:=realtime loop:=true viz:=rviz
ros2 launch tracegen_ros replay.launch.py -s          # every argument with its description

No robot is started and none is moved: commands go to a topic of the replay's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ament_index_python.packages import PackageNotFoundError, get_package_share_directory
from launch import LaunchContext, LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    IncludeLaunchDescription,
    OpaqueFunction,
)
from launch.events import Shutdown
from launch.launch_description_entity import LaunchDescriptionEntity
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch_ros.actions import Node

from tracegen_model.runtime.engines import BEST_ENGINE, BEST_PRECISION, ENGINES
from tracegen_ros.bags.bag_reader import open_bag
from tracegen_ros.bags.recorded import BagError
from tracegen_ros.bags.recorded_parameters import recorded_parameters
from tracegen_ros.bags.recording import Recording
from tracegen_ros.bags.topic_map import TopicMap, TopicMapError
from tracegen_ros.launching import LaunchError, one_shot, required_node, room_for_images
from tracegen_ros.nodes.replay_parameters import (
    CALLS_TOPIC,
    GRIPPER_ACTION,
    LOCKSTEP,
    REALTIME,
    TRAJECTORY_TOPIC,
)
from tracegen_ros.nodes.trace_parameters import PRECISIONS

AS_RECORDED = "recorded"
"""The value of the recorded run where the bag tells it, else the node's own default."""

ARGUMENTS = [
    DeclareLaunchArgument("bag", description="Recording: a rosbag2 folder, an .mcap or a .db3 file"),
    DeclareLaunchArgument(
        "mode",
        default_value=LOCKSTEP,
        choices=[LOCKSTEP, REALTIME],
        description="lockstep: each frame waits for its answer, none is dropped; realtime: at the recording's pace",
    ),
    DeclareLaunchArgument(
        "rate",
        default_value="0.0",
        description="Recorded seconds per second; 0 = realtime: 1, lockstep: as fast as answers come",
    ),
    DeclareLaunchArgument(
        "loop", default_value="false", choices=["true", "false"], description="Begin again at the end"
    ),
    DeclareLaunchArgument(
        "map", default_value="", description="Mapping file for bags with other topics, names or units"
    ),
    DeclareLaunchArgument("model", default_value=AS_RECORDED, description="TraceGen checkpoint"),
    DeclareLaunchArgument(
        "engine",
        default_value=AS_RECORDED,
        choices=[AS_RECORDED, BEST_ENGINE, *ENGINES],
        description="What runs the network",
    ),
    DeclareLaunchArgument(
        "precision",
        default_value=AS_RECORDED,
        choices=[AS_RECORDED, BEST_PRECISION, *PRECISIONS],
        description="Arithmetic of the network",
    ),
    DeclareLaunchArgument("seed", default_value=AS_RECORDED, description="Seed of the sampler's noise"),
    DeclareLaunchArgument(
        "instruction", default_value="", description="What is to be done, in place of what was recorded"
    ),
    DeclareLaunchArgument(
        "commands",
        default_value="auto",
        choices=["auto", "true", "false"],
        description="Compute commands too; auto: where the bag has joint states and a camera pose",
    ),
    DeclareLaunchArgument(
        "viz", default_value="none", choices=["none", "rviz", "web"], description="What shows the traces"
    ),
    DeclareLaunchArgument(
        "report", default_value="", description="JSON file for the numbers that are printed at the end"
    ),
    DeclareLaunchArgument(
        "parameters", default_value="", description="YAML file with further parameters for any of the nodes"
    ),
]

_PATIENT_S = {"input_timeout_s": 10.0, "gripper_timeout_s": 30.0}
"""Nobody is in a hurry in lockstep: what is late on a busy machine must not change what is decided."""

_DIAGNOSTICS_RATE_HZ = 20.0
"""The replay takes from the nodes' diagnostics that they have heard an instruction."""


def examine(chosen: Mapping[str, str]) -> tuple[dict[str, dict[str, Any]], str | None]:
    """Parameters of the recorded run's nodes, and why the bag gives no commands (None where it does).

    Raises:
        LaunchError: The bag or the mapping file cannot be used.
    """
    try:
        topic_map = TopicMap.load(chosen["map"]) if chosen["map"] else TopicMap()
        with open_bag(chosen["bag"]) as bag:
            return recorded_parameters(bag.provenance), Recording(bag, topic_map).lacks_for_commands
    except (BagError, TopicMapError) as error:
        raise LaunchError(str(error)) from error


def network_parameters(chosen: Mapping[str, str], recorded: Mapping[str, Any]) -> dict[str, Any]:
    """The trace node's parameters: those of the recorded run, and what was chosen in their place.

    Raises:
        LaunchError: The seed is no number.
    """
    parameters = dict(recorded)
    for name in ("model", "engine", "precision", "seed"):
        if chosen[name] != AS_RECORDED:
            parameters[name] = chosen[name]
    try:
        return {**parameters, "seed": int(parameters.get("seed", 0))}
    except ValueError as error:
        raise LaunchError(f"seed:={chosen['seed']} must be a whole number such as seed:=1") from error


def nodes(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """Everything that the arguments ask for."""
    chosen = {argument.name: context.launch_configurations[argument.name] for argument in ARGUMENTS}
    # Nodes have working folders of their own; relative paths are the user's.
    for name in ("bag", "map", "report", "parameters"):
        chosen[name] = str(Path(chosen[name]).expanduser().absolute()) if chosen[name] else ""
    if chosen["viz"] == "rviz":
        try:
            get_package_share_directory("rviz2")
        except PackageNotFoundError as error:
            raise LaunchError(
                "viz:=rviz needs RViz, and no package rviz2 is found; install ros-jazzy-rviz2, or use viz:=web"
            ) from error
    recorded, lack = examine(chosen)
    commands = lack is None if chosen["commands"] == "auto" else chosen["commands"] == "true"
    if commands and lack is not None:
        raise LaunchError(f"no commands can be computed: {lack}; commands:=false replays the traces alone")
    try:
        rate = float(chosen["rate"])
    except ValueError as error:
        raise LaunchError(f"rate:={chosen['rate']} must be a number such as rate:=0.5") from error
    lockstep = chosen["mode"] == LOCKSTEP
    files = (chosen["parameters"],) if chosen["parameters"] else ()
    common = {"use_sim_time": True}
    trace_node = required_node(
        "tracegen_ros",
        "trace_node",
        {
            **network_parameters(chosen, recorded.get("trace_node", {})),
            **common,
            "diagnostics_rate_hz": _DIAGNOSTICS_RATE_HZ,
        },
        parameter_files=files,
    )
    markers_node = required_node("tracegen_ros", "trace_markers_node", common, parameter_files=files)
    follower_node = required_node(
        "ik_controller",
        "trace_follower_node",
        {
            **recorded.get("trace_follower", {}),
            **common,
            "enabled": True,
            "calibration_check": False,
            "lockstep": lockstep,
            "trajectory_topic": TRAJECTORY_TOPIC,
            "gripper_action": GRIPPER_ACTION,
            "calls_topic": CALLS_TOPIC,
            "robot_obeys": False,
            "diagnostics_rate_hz": _DIAGNOSTICS_RATE_HZ,
            **(_PATIENT_S if lockstep else {}),
        },
        parameter_files=files,
    )
    replay = one_shot(
        "tracegen_ros",
        "replay_node",
        (),
        then=[EmitEvent(event=Shutdown(reason="the bag was replayed"))],
        parameters={
            **{name: chosen[name] for name in ("bag", "map", "mode", "instruction", "report")},
            "rate": rate,
            "loop": chosen["loop"] == "true",
            "commands": commands,
        },
        parameter_files=files,
    )
    lifecycle_nodes = ("trace_node", *(("trace_follower",) if commands else ()))
    bring_up = one_shot("tracegen_ros", "bring_up", (*lifecycle_nodes, "--timeout", "600"), then=[replay])
    viewer = (
        [
            IncludeLaunchDescription(
                PythonLaunchDescriptionSource(str(Path(__file__).with_name("rviz.launch.py"))),
                launch_arguments={"use_sim_time": "True", "trajectory_topic": TRAJECTORY_TOPIC}.items(),
            )
        ]
        if chosen["viz"] == "rviz"
        else []
    )
    if chosen["viz"] == "web":
        # Not required: what only watches may end without ending the rest.
        viewer = [
            Node(package="tracegen_ros", executable="web_viewer_node", parameters=[*files], output="screen")
        ]
    started = [trace_node, markers_node, *([follower_node] if commands else []), bring_up, *viewer]
    # The nodes have the names and the topics of a running robot's: not one may start beside it.
    return [one_shot("tracegen_ros", "replay_check", (), then=started)]


def generate_launch_description() -> LaunchDescription:
    """Entry point of ``ros2 launch``."""
    return LaunchDescription([*ARGUMENTS, *room_for_images(), OpaqueFunction(function=nodes)])
