"""A Franka Research 3 behind the project's topics: the driver on franky, and an emulator of the robot's interface."""
