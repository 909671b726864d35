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

SURE_AGREEMENT = 0.7
"""From this agreement on, see ``calibration_check``, the hand is seen where it seems to be."""

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

    Where the hand's silhouette is seen well, it is looked for in the whole neighbourhood. Where it is not, a fit of the
    hand's shape that starts at the calibration's place counts: it finds offsets up to about 2 cm.

    Args:
        robot: Kinematics and the hand's shape.
        camera: The calibration in doubt.
    """

    def __init__(self, robot: RobotModel, camera: Camera) -> None:
        self._robot = robot
        self._camera = camera
        self._sure: list[FloatArray] = []
        self._near: list[FloatArray] = []
        self._lost = 0

    def look(self, window: Window) -> None:
        """At the first frame of ``window``."""
        if len(self._sure) + len(self._near) + self._lost >= MOST_LOOKS:
            return
        frame, robot, camera = window.start, self._robot, self._camera
        hand = robot.hand_in_base(window.joints.at(np.array([frame.time_s]))[0])
        width = float(window.joints.widths_at(np.array([frame.time_s]))[0])
        boxes = robot.hand.boxes(robot.hand.max_width if np.isnan(width) else width)
        config = BiasConfig()

        def fit(start: FloatArray) -> FloatArray | None:
            return measure_bias(frame.depth_m, camera.intrinsics, camera.in_base, hand, boxes, start, config)

        seen = check_calibration(
            frame.depth_m, camera.intrinsics, camera.in_base, hand, boxes, robot.hand.wrist
        )
        if seen.agreement >= SURE_AGREEMENT:
            offset = camera.in_base[:3, :3] @ seen.offset
            refined = fit(offset)
            self._sure.append(offset if refined is None else refined)
            return
        near = fit(np.zeros(3))
        if near is not None:
            self._near.append(near)
        elif seen.verdict is Verdict.REFUSED:
            self._lost += 1

    def finding(self) -> CalibrationFinding:
        """What all images together say."""
        looks = len(self._sure) + len(self._near) + self._lost
        if looks < FEWEST_LOOKS:
            words = f"the hand is seen in {looks} images, at least {FEWEST_LOOKS} are needed to judge the calibration"
            return CalibrationFinding(np.full(3, np.nan), float("nan"), looks, False, words)
        if not self._sure and self._lost > len(self._near):
            words = f"in {self._lost} of {looks} images the hand is not seen anywhere near its place: calibration off"
            return CalibrationFinding(np.full(3, np.nan), float("nan"), looks, True, words)
        offsets = np.array(self._sure or self._near)
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
