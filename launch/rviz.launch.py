"""RViz, ready: robot and ghost, camera image with traces, coloured cloud, markers of traces and follower.

ros2 launch tracegen_ros rviz.launch.py
ros2 launch tracegen_ros rviz.launch.py rviz:=false     # only what it shows, for Foxglove or an RViz elsewhere
"""

from __future__ import annotations

from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

GHOST_AHEAD_S = 1.0
"""How far the ghost is ahead of the arm [s]."""


def generate_launch_description() -> LaunchDescription:
    """Entry point of ``ros2 launch``."""
    urdf = Path(get_package_share_directory("ik_controller")) / "urdf" / "fr3.urdf"
    in_simulation = {"use_sim_time": ParameterValue(LaunchConfiguration("use_sim_time"), value_type=bool)}
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                "use_sim_time", default_value="true", description="Take the time from /clock"
            ),
            DeclareLaunchArgument(
                "rviz", default_value="true", description="Open RViz; false: only publish what it shows"
            ),
            DeclareLaunchArgument(
                "publish_robot",
                default_value="true",
                description="Start robot_state_publisher for the arm's links",
            ),
            DeclareLaunchArgument(
                "ghost",
                default_value="true",
                description="Show where the arm will be; false where a dry run has its own ghost",
            ),
            DeclareLaunchArgument(
                "trajectory_topic",
                default_value="/joint_trajectory_controller/joint_trajectory",
                description="Trajectories that the ghost looks ahead on",
            ),
            Node(
                package="robot_state_publisher",
                executable="robot_state_publisher",
                parameters=[in_simulation, {"robot_description": urdf.read_text(encoding="utf-8")}],
                condition=IfCondition(LaunchConfiguration("publish_robot")),
            ),
            Node(
                package="ik_controller",
                executable="ghost_node",
                parameters=[
                    in_simulation,
                    {
                        "ahead_s": GHOST_AHEAD_S,
                        "trajectory_topic": ParameterValue(
                            LaunchConfiguration("trajectory_topic"), value_type=str
                        ),
                    },
                ],
                condition=IfCondition(LaunchConfiguration("ghost")),
            ),
            Node(package="ik_controller", executable="follower_markers_node"),
            Node(package="tracegen_ros", executable="scene_cloud_node"),
            Node(
                package="rviz2",
                executable="rviz2",
                arguments=["-d", str(Path(__file__).parent / "rviz" / "fr3_demo.rviz")],
                parameters=[in_simulation],
                condition=IfCondition(LaunchConfiguration("rviz")),
            ),
        ]
    )
