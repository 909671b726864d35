"""An FR3 does what a sentence says: camera, TraceGen, trace follower and robot.

ros2 launch tracegen_ros fr3_demo.launch.py instruction:="put the red block in the green zone"
ros2 launch tracegen_ros fr3_demo.launch.py -s        # every argument with its description
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

from ament_index_python.packages import PackageNotFoundError, get_package_share_directory
from launch import LaunchContext, LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    IncludeLaunchDescription,
    LogInfo,
    OpaqueFunction,
)
from launch.events.process import ProcessExited
from launch.launch_description_entity import LaunchDescriptionEntity
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch_ros.actions import Node

from tracegen_model.network.integrators import METHODS
from tracegen_model.runtime.consensus import Consensus
from tracegen_model.runtime.engines import BEST_ENGINE, BEST_PRECISION, ENGINES
from tracegen_ros.launching import LaunchError, one_shot, required_node, room_for_images
from tracegen_ros.nodes.trace_parameters import OWN_METHOD, PRECISIONS

ARGUMENTS = [
    DeclareLaunchArgument(
        "robot", default_value="sim", choices=["sim", "franky"], description="The arm and its gripper"
    ),
    DeclareLaunchArgument(
        "fci_ip",
        default_value="172.16.0.2",
        description="With robot:=franky: address of the control box; 127.0.0.1 for fr3_driver's fci_emulator",
    ),
    DeclareLaunchArgument(
        "emulator",
        default_value="auto",
        choices=["auto", "false"],
        description="With robot:=franky camera:=sim: start an emulated robot on fci_ip; false: one runs there already",
    ),
    DeclareLaunchArgument(
        "camera",
        default_value="sim",
        choices=["sim", "realsense", "topics"],
        description="Where images come from; 'topics' takes whoever publishes them already",
    ),
    DeclareLaunchArgument(
        "camera_source",
        default_value="live",
        description="With camera:=realsense: live, software (a synthetic scene), or the path of a .db3 recording",
    ),
    DeclareLaunchArgument(
        "camera_serial",
        default_value="",
        description="With camera:=realsense: serial number of the camera; empty takes the first found",
    ),
    DeclareLaunchArgument(
        "viz", default_value="none", choices=["none", "rviz", "web"], description="What shows the traces"
    ),
    DeclareLaunchArgument(
        "model",
        default_value="fr3_blocks_nano",
        description="TraceGen checkpoint: the name of a shipped one, or a folder",
    ),
    DeclareLaunchArgument(
        "engine",
        default_value=BEST_ENGINE,
        choices=[BEST_ENGINE, *ENGINES],
        description="What runs the network; auto takes the best that works here, and the next one when it breaks",
    ),
    DeclareLaunchArgument(
        "precision",
        default_value=BEST_PRECISION,
        choices=[BEST_PRECISION, *PRECISIONS],
        description="Arithmetic of the network; auto takes the fastest that the engine passes the accuracy gates with",
    ),
    DeclareLaunchArgument(
        "instruction", default_value="", description="What to do first; empty waits for /task_instruction"
    ),
    DeclareLaunchArgument(
        "limits",
        default_value="rectangular",
        choices=["rectangular", "full"],
        description="Joint limits of the FR3: without or with the position-dependent velocities",
    ),
    DeclareLaunchArgument(
        "enabled",
        default_value="auto",
        description="The follower may move from the start; auto: in simulation only, a robot waits for the service",
    ),
    DeclareLaunchArgument(
        "dry_run",
        default_value="false",
        description="Show what the robot would do as a ghost (/ghost, TF ghost/...); the robot gets no command",
    ),
    DeclareLaunchArgument(
        "lockstep",
        default_value="false",
        description="The simulator waits for the command computed from each image",
    ),
    DeclareLaunchArgument(
        "seed", default_value="0", description="Seed of the simulated scene and of the sampler's noise"
    ),
    DeclareLaunchArgument(
        "steps", default_value="0", description="Sampler steps; 0 takes the checkpoint's own number"
    ),
    DeclareLaunchArgument(
        "method",
        default_value=OWN_METHOD,
        choices=[OWN_METHOD, *METHODS],
        description="Sampling method; auto takes the checkpoint's own",
    ),
    DeclareLaunchArgument(
        "samples",
        default_value="1",
        description="Samples drawn for each image; with more than one, traces carry their spread",
    ),
    DeclareLaunchArgument(
        "consensus",
        default_value=Consensus.MEDOID.value,
        choices=[consensus.value for consensus in Consensus],
        description="How several samples become one",
    ),
    DeclareLaunchArgument(
        "warm_start",
        default_value="0.0",
        description="Flow time that sampling starts from with the previous traces moved on; 0 = always from noise",
    ),
    DeclareLaunchArgument("threads", default_value="1", description="CPU threads of the network"),
    DeclareLaunchArgument(
        "camera_rate", default_value="15.0", description="Simulated images per second [Hz, simulated time]"
    ),
    DeclareLaunchArgument(
        "overlay",
        default_value="true",
        description="Offer /tracegen/overlay, the image with the traces; made only while somebody listens",
    ),
    DeclareLaunchArgument(
        "record", default_value="false", description="Record the run into a bag (rosbag2, MCAP)"
    ),
    DeclareLaunchArgument(
        "bag",
        default_value="",
        description="With record:=true: the bag's folder; empty takes outputs/bags/TIME",
    ),
    DeclareLaunchArgument(
        "calibration",
        default_value="",
        description="Camera calibration file; empty takes the simulated camera's urdf/calibration/sim_camera.yaml",
    ),
    DeclareLaunchArgument(
        "trajectory_topic",
        default_value="/joint_trajectory_controller/joint_trajectory",
        description="Where joint trajectories are sent",
    ),
    DeclareLaunchArgument(
        "parameters", default_value="", description="YAML file with further parameters for any of the nodes"
    ),
]

LOOPBACK = "127."
"""Addresses of this machine."""

LOCKSTEP_LEAD_S = 0.03
"""Time between a decision and the start of its trajectory [s] where the simulator waits for the command."""

LIVE_LEAD_S = 0.1
"""The same where it does not: commands have to be at the arm before they start, on a busy machine too."""

LONGEST_CONFIGURE_S = 600.0
"""How long a node may take to configure [s]: TensorRT builds its engines when they are first used on a machine."""


def refuse_what_is_not_built(chosen: dict[str, str]) -> None:
    """End the launch with a clear message if a part that was asked for does not exist.

    Raises:
        LaunchError: The part is not built, not installed, or does not go with another one.
    """
    if in_simulated_scene(chosen) and not chosen["fci_ip"].startswith(LOOPBACK):
        raise LaunchError(
            "robot:=franky with camera:=sim needs an emulated robot on this machine, "
            f"fci_ip:=127.0.0.1, got fci_ip:={chosen['fci_ip']}; a real robot needs camera:=realsense or camera:=topics"
        )
    if chosen["robot"] == "franky" and switch(chosen, "lockstep"):
        raise LaunchError("lockstep:=true needs robot:=sim: a robot does not wait")
    if switch(chosen, "dry_run") and switch(chosen, "lockstep"):
        raise LaunchError("lockstep:=true waits for the robot to be told something: not with dry_run:=true")
    bag = Path(chosen["bag"]).expanduser()
    if switch(chosen, "record") and chosen["bag"] and (bag.exists() or bag.is_symlink()):
        raise LaunchError(
            f"bag:={chosen['bag']} exists already, and nothing is written over: "
            "name a folder that does not exist, or leave bag out for one named by the time"
        )
    if chosen["viz"] == "web" and importlib.util.find_spec("viser") is None:
        raise LaunchError("viz:=web needs the Python package viser; pip install viser, or use viz:=none")
    if chosen["viz"] == "rviz":
        try:
            get_package_share_directory("rviz2")
        except PackageNotFoundError as error:
            raise LaunchError(
                "viz:=rviz needs RViz, and no package rviz2 is found; install ros-jazzy-rviz2, "
                "or use viz:=none overlay:=true"
            ) from error


def refuse_another_cameras_calibration(chosen: dict[str, str]) -> None:
    """End the launch if a real arm were to act on a real camera's images with the simulated camera's pose.

    Raises:
        LaunchError: No calibration was given.
    """
    if chosen["camera"] == "realsense" and chosen["robot"] != "sim" and not chosen["calibration"]:
        raise LaunchError(
            "camera:=realsense with a real robot needs calibration:=FILE, which says where the camera stands; "
            "urdf/calibration/sim_camera.yaml shows the form"
        )


_RECORDER_GOODBYE_S = "60"
"""At the end the recorder may take so long [s] to bring to a slow disk what is still in its queue; others have 5 s."""


def tell_end_of_recording(event: ProcessExited, context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """The robot goes on without its recorder; that nothing is recorded any more must not go unseen."""
    if context.is_shutdown:
        return []
    return [
        LogInfo(
            msg=f"record ended with exit code {event.returncode}; its own message above says why; "
            "the run goes on and is not recorded any more"
        )
    ]


def number(chosen: dict[str, str], name: str, kind: type[int] | type[float]) -> int | float:
    """The argument ``name`` as a number.

    Raises:
        LaunchError: It is not one.
    """
    try:
        return kind(chosen[name])
    except ValueError as error:
        raise LaunchError(f"{name}:={chosen[name]} must be a number such as {name}:={kind(1)}") from error


def switch(chosen: dict[str, str], name: str) -> bool:
    """The argument ``name`` as true or false.

    Raises:
        LaunchError: It is neither.
    """
    words = {"true": True, "1": True, "false": False, "0": False}
    try:
        return words[chosen[name].lower()]
    except KeyError as error:
        raise LaunchError(f"{name}:={chosen[name]} must be true or false") from error


def in_simulated_scene(chosen: dict[str, str]) -> bool:
    """An emulated robot, behind its driver, in the simulated scene."""
    return chosen["robot"] == "franky" and chosen["camera"] == "sim"


def nodes(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """Everything that the arguments ask for."""
    chosen = {argument.name: context.launch_configurations[argument.name] for argument in ARGUMENTS}
    refuse_what_is_not_built(chosen)
    refuse_another_cameras_calibration(chosen)
    seed = number(chosen, "seed", int)
    camera_rate_hz = number(chosen, "camera_rate", float)
    lockstep = switch(chosen, "lockstep")
    in_simulation = {"use_sim_time": chosen["robot"] == "sim"}
    files = (chosen["parameters"],) if chosen["parameters"] else ()
    dry_run = switch(chosen, "dry_run")
    calibration = chosen["calibration"] or str(
        Path(get_package_share_directory("ik_controller")) / "urdf" / "calibration" / "sim_camera.yaml"
    )
    if chosen["robot"] == "sim":
        robot = required_node(
            "fr3_sim",
            "sim_node",
            {
                "use_sim_time": False,
                "seed": seed,
                "lockstep": lockstep,
                "camera_rate_hz": camera_rate_hz,
                "publish_camera": chosen["camera"] == "sim",
            },
            parameter_files=files,
        )
    else:
        robot = required_node(
            "fr3_driver",
            "fr3_driver_node",
            {"fci_ip": chosen["fci_ip"], "trajectory_topic": chosen["trajectory_topic"]},
            parameter_files=files,
        )
    emulator = (
        [required_node("fr3_driver", "fci_emulator", {}, arguments=("--host", chosen["fci_ip"]))]
        if in_simulated_scene(chosen) and chosen["emulator"] == "auto"
        else []
    )
    scene = (
        [
            required_node(
                "fr3_sim",
                "scene_node",
                {"seed": seed, "emulator_ip": chosen["fci_ip"], "camera_rate_hz": camera_rate_hz},
                parameter_files=files,
            )
        ]
        if in_simulated_scene(chosen)
        else []
    )
    trace_node = required_node(
        "tracegen_ros",
        "trace_node",
        {
            **in_simulation,
            "model": chosen["model"],
            "engine": chosen["engine"],
            "seed": seed,
            "precision": chosen["precision"],
            "method": chosen["method"],
            "steps": number(chosen, "steps", int),
            "samples": number(chosen, "samples", int),
            "consensus": chosen["consensus"],
            "warm_start": number(chosen, "warm_start", float),
            "threads": number(chosen, "threads", int),
        },
        parameter_files=files,
    )
    markers_node = required_node(
        "tracegen_ros",
        "trace_markers_node",
        {"overlay": switch(chosen, "overlay")},
        parameter_files=files,
    )
    follower_node = required_node(
        "ik_controller",
        "trace_follower_node",
        {
            **in_simulation,
            "limits": f"fr3_{chosen['limits']}",
            "enabled": (chosen["robot"] == "sim" or bool(scene) or dry_run)
            if chosen["enabled"] == "auto"
            else switch(chosen, "enabled"),
            "trajectory_topic": chosen["trajectory_topic"],
            "lockstep": lockstep,
            "command_lead_s": LOCKSTEP_LEAD_S if lockstep else LIVE_LEAD_S,
            # A real arm waits until its hand is seen where the calibration puts it.
            "calibration_check": chosen["robot"] == "franky" and not scene,
        },
        parameter_files=(*files, str(Path(__file__).with_name("dry_run.yaml"))) if dry_run else files,
    )
    ghost = (
        [required_node("ik_controller", "ghost_node", in_simulation, parameter_files=files)]
        if dry_run
        else []
    )
    realsense = (
        [
            required_node(
                "realsense_camera",
                "camera_node",
                {
                    **in_simulation,
                    "source": chosen["camera_source"],
                    # The underscore keeps a serial number from being read as a number.
                    "serial": f"_{chosen['camera_serial']}",
                },
                parameter_files=files,
            )
        ]
        if chosen["camera"] == "realsense"
        else []
    )
    camera_pose_node = required_node("tracegen_ros", "camera_pose_node", {"calibration": calibration})
    recorder = (
        [
            # Not required: what only watches may end without ending the rest.
            Node(
                package="tracegen_ros",
                executable="record",
                parameters=[{"bag": chosen["bag"], "also": chosen["trajectory_topic"]}, *files],
                output="screen",
                on_exit=tell_end_of_recording,
                sigterm_timeout=_RECORDER_GOODBYE_S,
                sigkill_timeout=_RECORDER_GOODBYE_S,
            )
        ]
        if switch(chosen, "record")
        else []
    )
    first_instruction = (
        [
            one_shot(
                "tracegen_ros",
                "instruct",
                (chosen["instruction"], "--listeners", "2", "--timeout", "30"),
                then=[],
            )
        ]
        if chosen["instruction"]
        else []
    )
    lifecycle_nodes = (
        # The scene first: it waits for the emulator, which the driver expects to be there.
        *(["fr3_sim"] if scene else []),
        *(["fr3_driver"] if chosen["robot"] == "franky" else []),
        "trace_node",
        "trace_follower",
        *(["camera/camera"] if realsense else []),
    )
    # In a dry run the driver only reads the robot: what is inactive lets no trajectory through.
    inactive = ("--inactive", "fr3_driver") if dry_run else ()
    bring_up = one_shot(
        "tracegen_ros",
        "bring_up",
        (*lifecycle_nodes, *inactive, "--timeout", str(LONGEST_CONFIGURE_S)),
        then=first_instruction,
    )
    viewer = (
        [
            IncludeLaunchDescription(
                PythonLaunchDescriptionSource(str(Path(__file__).with_name("rviz.launch.py"))),
                launch_arguments={
                    "use_sim_time": str(in_simulation["use_sim_time"]),
                    "ghost": str(not dry_run),
                    "trajectory_topic": chosen["trajectory_topic"],
                }.items(),
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
    return [
        *recorder,
        *emulator,
        *scene,
        robot,
        *realsense,
        camera_pose_node,
        trace_node,
        markers_node,
        follower_node,
        *ghost,
        bring_up,
        *viewer,
    ]


def generate_launch_description() -> LaunchDescription:
    """Entry point of ``ros2 launch``."""
    return LaunchDescription([*ARGUMENTS, *room_for_images(), OpaqueFunction(function=nodes)])
