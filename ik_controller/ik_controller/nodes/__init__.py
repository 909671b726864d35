"""The ROS node around the motion core."""
