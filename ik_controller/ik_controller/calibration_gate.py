"""Keeps the robot where it is until its camera has been seen to stand where the calibration says."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ik_controller.calibration_check import Verdict, check_calibration
from ik_controller.robot_model import RobotModel
from tracegen_model.camera import CameraIntrinsics

FloatArray = NDArray[np.float64]

IMAGES_NEEDED = 3
"""So many images in a row must agree with the calibration."""


class CalibrationGate:
    """Open once the check has passed; what it last said is its reason.

    Args:
        robot: Whose hand is looked for.
        needed: False opens the gate at once, for cells that need no check.

    Attributes:
        reason: Why it is closed, or that it is open, in words.
        refused: The last image contradicted the calibration.
    """

    def __init__(self, robot: RobotModel, needed: bool) -> None:
        self._robot = robot
        self._passed = IMAGES_NEEDED if not needed else 0
        self.refused = False
        self.reason = "calibration check: waiting for a depth image" if needed else "calibration not checked"

    @property
    def is_open(self) -> bool:
        """Whether the robot may move."""
        return self._passed >= IMAGES_NEEDED

    def look(
        self,
        depth: NDArray[np.floating],
        intrinsics: CameraIntrinsics,
        camera_in_base: FloatArray,
        joints: FloatArray,
        finger_width: float,
    ) -> None:
        """Check one depth image (H, W) [m], taken with the arm at ``joints`` (J,) [rad]; no effect once open."""
        if self.is_open:
            return
        found = check_calibration(
            depth,
            intrinsics,
            camera_in_base,
            self._robot.hand_in_base(joints),
            self._robot.hand.boxes(finger_width),
            self._robot.hand.wrist,
        )
        self._passed = self._passed + 1 if found.verdict is Verdict.ACCEPTED else 0
        self.refused = found.verdict is Verdict.REFUSED
        self.reason = f"calibration check: {found.reason}"
