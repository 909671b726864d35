"""The closed forms, on poses without noise and on poses that say too little."""

from __future__ import annotations

import numpy as np
import pytest

from tracegen_ros.calibration.errors import CalibrationDataError
from tracegen_ros.calibration.hand_eye import METHODS, motion_pairs
from tracegen_ros.calibration.rigid_motion import inverse, motion, rotation_from_vector, small_motion


@pytest.mark.parametrize("method", METHODS)
def test_every_method_is_exact_without_noise(method: str) -> None:
    rng = np.random.default_rng(3)
    for _ in range(20):
        camera_in_base, board_in_hand = small_motion(rng.normal(size=6)), small_motion(rng.normal(size=6))
        hands = np.array([small_motion(0.5 * rng.normal(size=6)) for _ in range(6)])
        boards = inverse(camera_in_base) @ hands @ board_in_hand
        found = METHODS[method](*motion_pairs(hands, boards))
        np.testing.assert_allclose(found, camera_in_base, atol=1e-9)


def test_too_few_poses_are_refused_with_both_numbers() -> None:
    poses = np.array([np.eye(4)] * 3)
    with pytest.raises(CalibrationDataError, match="4 poses at least, got 3"):
        motion_pairs(poses, poses)


def test_poses_that_turn_about_one_axis_are_refused_with_advice() -> None:
    hands = np.array(
        [motion(rotation_from_vector([0.0, 0.0, angle]), [angle, 0.0, 0.0]) for angle in range(5)]
    )
    with pytest.raises(CalibrationDataError, match=r"about one axis only.*tilt the board"):
        motion_pairs(0.2 * hands + 0.8 * np.eye(4), hands)
