"""The ``ros2 launch`` verb, for a ROS 2 installation that came without it."""
