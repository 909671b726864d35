"""ROS nodes of the driver."""
