"""Where a fixed camera stands in the robot's base frame: calibration by a board that the robot's hand holds.

Knows no ROS. Frames: ``base`` is the robot's (``fr3_link0``), ``hand`` moves (``fr3_hand_tcp``), ``camera`` is the
colour camera's optical frame (REP-103), ``board`` has its origin in a corner, x along its columns and y along its rows.
For every pose i of the hand: hand_in_base_i · board_in_hand = camera_in_base · board_in_camera_i.
"""
