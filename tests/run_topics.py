"""The topics that a run is recorded with in tests, and their types."""

from __future__ import annotations

INPUT_TOPICS = {
    "/camera/camera/color/image_raw": "sensor_msgs/msg/Image",
    "/camera/camera/color/camera_info": "sensor_msgs/msg/CameraInfo",
    "/camera/camera/aligned_depth_to_color/image_raw": "sensor_msgs/msg/Image",
    "/joint_states": "sensor_msgs/msg/JointState",
    "/tf_static": "tf2_msgs/msg/TFMessage",
    "/task_instruction": "std_msgs/msg/String",
}
"""What the nodes hear."""

TRACE_TOPICS = {"/tracegen/traces": "sensor_msgs/msg/PointCloud2"}
"""What the trace node says."""

MOTION_TOPICS = {
    "/joint_trajectory_controller/joint_trajectory": "trajectory_msgs/msg/JointTrajectory",
    "/trace_follower/state": "std_msgs/msg/String",
    "/trace_follower/core_calls": "std_msgs/msg/String",
}
"""What the follower says."""
