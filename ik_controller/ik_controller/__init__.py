"""From predicted traces to robot motion: continuous, inside the robot's limits, and without ROS (nodes are in ``nodes/``)."""
