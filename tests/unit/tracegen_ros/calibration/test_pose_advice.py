"""Which pose to add next."""

from __future__ import annotations

import numpy as np
from tests.camera_calibration.simulated_board import LENS, random_board_pose

from tracegen_ros.calibration.board import CalibrationBoard
from tracegen_ros.calibration.board_view import BoardView, view_of
from tracegen_ros.calibration.pose_advice import diversity, suggest_poses
from tracegen_ros.calibration.report import advice
from tracegen_ros.calibration.rigid_motion import motion, rotation_from_vector

BOARD = CalibrationBoard()


def view(board_in_camera: np.ndarray) -> BoardView:
    points = BOARD.corners @ board_in_camera[:3, :3].T + board_in_camera[:3, 3]
    found = view_of(BOARD.corners, LENS.intrinsics.project(points), LENS)
    assert found is not None
    return found


def facing(x: float, y: float, z: float, turn: float = 0.0) -> BoardView:
    """A board that faces the camera, its middle at (x, y, z) [m, camera frame]."""
    rotation = rotation_from_vector([0.0, 0.0, turn])
    return view(motion(rotation, np.array([x, y, z]) - rotation @ BOARD.centre))


def test_poses_without_tilt_are_told_so_and_the_next_one_is_tilted() -> None:
    views = [facing(x, y, 0.9) for x, y in ((0.0, 0.0), (0.2, 0.1), (-0.2, 0.1), (0.2, -0.1))]
    found = diversity(views, LENS.intrinsics)
    assert found.tilt < np.radians(1.0)
    assert any("more tilt" in words for words in found.lacks)
    next_pose = suggest_poses(views, BOARD, LENS.intrinsics)[0]
    assert "nearer to the camera" in next_pose.words
    assert next_pose.accuracy < 0.7 * found.accuracy


def test_a_first_pose_is_enough_for_advice_and_the_suggested_board_is_in_the_image() -> None:
    suggestions = suggest_poses([facing(0.0, 0.0, 0.9)], BOARD, LENS.intrinsics)
    assert len(suggestions) == 3
    for suggestion in suggestions:
        pose = suggestion.board_in_camera
        pixels = LENS.intrinsics.project(BOARD.corners @ pose[:3, :3].T + pose[:3, 3])
        assert (pixels > 0.0).all()
        assert (pixels < [640.0, 480.0]).all()


def test_following_the_advice_takes_fewer_poses_than_going_at_random() -> None:
    rng = np.random.default_rng(4)
    random_accuracies = []
    for _ in range(5):
        views = [view(random_board_pose(BOARD, LENS, rng)) for _ in range(8)]
        random_accuracies.append(diversity(views, LENS.intrinsics).accuracy)
    advised = [facing(0.0, 0.0, 0.9)]
    while len(advised) < 8:
        advised.append(view(suggest_poses(advised, BOARD, LENS.intrinsics)[0].board_in_camera))
    assert diversity(advised, LENS.intrinsics).accuracy < 0.75 * float(np.median(random_accuracies))


def test_what_is_asked_for_is_what_the_board_then_does() -> None:
    """'Left side nearer' and 'clockwise' are seen in the pixels of a board held as suggested."""
    views = [facing(0.0, 0.0, 0.9)]
    checked = 0
    for suggestion in suggest_poses(views, BOARD, LENS.intrinsics, count=9):
        pose = suggestion.board_in_camera
        normal = pose[:3, 2]
        if "left side" in suggestion.words:
            assert normal[0] < -0.3
            checked += 1
        if "right side" in suggestion.words:
            assert normal[0] > 0.3
            checked += 1
        if "upper edge" in suggestion.words:
            assert normal[1] < -0.3
            checked += 1
        if "lower edge" in suggestion.words:
            assert normal[1] > 0.3
            checked += 1
        along = pose[:2, 0]
        if " clockwise" in suggestion.words:
            assert along[1] > 0.3
            checked += 1
        if "anticlockwise" in suggestion.words:
            assert along[1] < -0.3
            checked += 1
    assert checked >= 6


def test_a_rich_set_of_poses_lacks_nothing() -> None:
    rng = np.random.default_rng(5)
    views = [view(random_board_pose(BOARD, LENS, rng)) for _ in range(20)]
    found = diversity(views, LENS.intrinsics)
    assert found.lacks == ()
    assert "these poses do" in advice(found, ())
