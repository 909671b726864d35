"""RViz with robot model, camera image, point cloud and traces.

ros2 launch tracegen_ros rviz.launch.py
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
                "publish_robot",
                default_value="true",
                description="Start robot_state_publisher for the arm's links",
            ),
            Node(
                package="robot_state_publisher",
                executable="robot_state_publisher",
                parameters=[in_simulation, {"robot_description": urdf.read_text(encoding="utf-8")}],
                condition=IfCondition(LaunchConfiguration("publish_robot")),
            ),
            Node(
                package="rviz2",
                executable="rviz2",
                arguments=["-d", str(Path(__file__).parent / "rviz" / "fr3_demo.rviz")],
                parameters=[in_simulation],
            ),
        ]
    )
