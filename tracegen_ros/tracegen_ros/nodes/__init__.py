"""The ROS nodes and command-line tools of this package: parameters, messages, one call into the core."""
