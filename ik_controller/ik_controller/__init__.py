"""From predicted traces to robot motion: continuous, inside the limits, and without ROS (which is in ``nodes/``)."""
