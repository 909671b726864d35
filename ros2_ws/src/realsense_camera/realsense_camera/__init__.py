"""A RealSense camera: opening, filtering, aligning, time-stamping and watching it, without ROS; ``nodes`` adds ROS."""
