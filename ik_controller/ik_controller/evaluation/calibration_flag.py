"""Is the camera where the calibration says? The hand is seen in every image, and kinematics knows where it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ik_controller.calibration_check import Verdict, check_calibration
from ik_controller.camera_bias import BiasConfig, measure_bias
from ik_controller.evaluation.recording import Camera, FloatArray, Window
from ik_controller.robot_model import RobotModel

SUSPICIOUS_M = 0.010
"""A calibration is called off where the hand is seen this far from where it should be [m]; see the accuracy in docs."""

FEWEST_LOOKS = 3
"""Fewer images that show the hand say nothing."""

MOST_LOOKS = 20
"""More images, spread over the recording, make the median no better."""


@dataclass(frozen=True)
class CalibrationFinding:
    """What a recording says about its camera.

    Attributes:
        offset_in_base: (3,) the hand is seen beside its place by this, the median over images [m]; NaN if not seen.
        scatter_m: Median deviation of single images from that [m].
        looks: Images that show the hand.
        suspicious: The calibration is off.
        words: For people.
    """

    offset_in_base: FloatArray
    scatter_m: float
    looks: int
    suspicious: bool
    words: str

    @property
    def distance_m(self) -> float:
        """Size of the offset [m]; NaN where nothing is known."""
        return float(np.linalg.norm(self.offset_in_base))


class CalibrationFlag:
    """Collects what single images say.

    Args:
        robot: Kinematics and the hand's shape.
        camera: The calibration in doubt.
    """

    def __init__(self, robot: RobotModel, camera: Camera) -> None:
        self._robot = robot
        self._camera = camera
        self._offsets: list[FloatArray] = []
        self._lost = 0

    def look(self, window: Window) -> None:
        """At the first frame of ``window``."""
        if len(self._offsets) + self._lost >= MOST_LOOKS:
            return
        frame, robot = window.start, self._robot
        hand = robot.hand_in_base(window.joints.at(np.array([frame.time_s]))[0])
        width = float(window.joints.widths_at(np.array([frame.time_s]))[0])
        boxes = robot.hand.boxes(robot.hand.max_width if np.isnan(width) else width)
        camera = self._camera
        config = BiasConfig()
        near = measure_bias(
            frame.depth_m, camera.intrinsics, camera.in_base, hand, boxes, np.zeros(3), config
        )
        if near is not None and np.linalg.norm(near) < SUSPICIOUS_M:
            self._offsets.append(near)
            return
        # Far from zero the fit may hang on something else: the whole neighbourhood is searched.
        seen = check_calibration(frame.depth_m, camera.intrinsics, camera.in_base, hand, boxes)
        if seen.verdict is Verdict.UNDECIDED:
            return
        if not np.isfinite(seen.offset).all() or seen.agreement <= 0.0:
            self._lost += 1
            return
        offset = camera.in_base[:3, :3] @ seen.offset
        refined = measure_bias(frame.depth_m, camera.intrinsics, camera.in_base, hand, boxes, offset, config)
        self._offsets.append(offset if refined is None else refined)

    def finding(self) -> CalibrationFinding:
        """What all images together say."""
        looks = len(self._offsets) + self._lost
        if looks < FEWEST_LOOKS:
            words = f"the hand is seen in {looks} images, at least {FEWEST_LOOKS} are needed to judge the calibration"
            return CalibrationFinding(np.full(3, np.nan), float("nan"), looks, False, words)
        if self._lost > len(self._offsets):
            words = f"in {self._lost} of {looks} images the hand is not seen anywhere near its place: calibration off"
            return CalibrationFinding(np.full(3, np.nan), float("nan"), looks, True, words)
        offsets = np.array(self._offsets)
        middle = np.median(offsets, axis=0)
        scatter = float(np.median(np.linalg.norm(offsets - middle, axis=1)))
        distance = float(np.linalg.norm(middle))
        suspicious = distance >= SUSPICIOUS_M
        x, y, z = 1000.0 * middle
        words = (
            f"the hand is seen {1000.0 * distance:.0f} mm from its place ({x:+.0f}, {y:+.0f}, {z:+.0f} in the base "
            f"frame; scatter {1000.0 * scatter:.0f} mm, {looks} images): "
            + ("calibration off" if suspicious else "calibration good")
        )
        return CalibrationFinding(middle, scatter, looks, suspicious, words)
