"""A simulated FR3 at a table: physics, camera, scripted expert and demonstrations."""

import os

# MuJoCo chooses its GL backend when it is first imported; the simulator renders without a display.
os.environ.setdefault("MUJOCO_GL", "egl")
