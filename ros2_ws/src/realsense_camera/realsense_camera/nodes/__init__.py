"""ROS node of the camera, and the benchmark that runs it."""
