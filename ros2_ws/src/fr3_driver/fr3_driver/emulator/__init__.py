"""An emulator of the Franka Control Interface (FCI): what franky and libfranka talk to, without a robot.

It knows no ROS and imports neither franky nor libfranka. Protocol: robot server version 10 (FR3 system image 5.9 and
later, libfranka 0.18 and later), gripper server version 3. ``docs/hardware/fr3_driver.md`` says what it does not model.
"""
