"""Which poses there are, and which one to add: the one after which the camera's pose would be known best.

What a pose adds is known before it is taken: the Jacobian of the corners' pixels depends only on where the board is in
the camera's frame. Candidates are tried in all parts of the image, near and far, tilted and turned; each is rated by
how well points in the camera's view would be placed after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from tracegen_model.camera import CameraIntrinsics
from tracegen_ros.calibration.board import MILLIMETRES_PER_METRE, CalibrationBoard
from tracegen_ros.calibration.board_view import BoardView
from tracegen_ros.calibration.refinement import view_jacobian, whitening
from tracegen_ros.calibration.rigid_motion import (
    cross_matrices,
    inverse,
    motion,
    nearest_rotation,
    rotation_from_vector,
    vector_from_rotation,
)

FloatArray = NDArray[np.float64]

ENOUGH_POSES = 12
ENOUGH_TILT = np.radians(12.0)
"""Root mean square rotation about the second axis, between poses [rad]."""
ENOUGH_CELLS = 6
"""Of the nine cells of the image."""
ENOUGH_ACCURACY = 1e-3
"""Standard deviation of points in view that is aimed at [m]."""

CELLS = 3
"""Cells along each side of the image."""

_IMAGE_PLACES = (0.2, 0.5, 0.8)
_DISTANCES = (0.75, 1.0, 1.3)
_TILTS = np.radians([-30.0, 0.0, 30.0])
_TURNS = np.radians([-45.0, 0.0, 45.0])
_MARGIN = 5.0
"""The board's rim stays this far inside the image [px]."""

_COLUMN_WORDS = ("left", "", "right")
_ROW_WORDS = ("upper", "", "lower")


@dataclass(frozen=True)
class Diversity:
    """How different the poses are.

    Attributes:
        count: Number of poses.
        tilt: Root mean square rotation between poses about the axis that they turn about second most [rad].
        cells: How many of the image's 3x3 cells have shown corners.
        nearest: Smallest distance of the board's corners [m].
        farthest: Largest [m].
        accuracy: Expected standard deviation of points in view, by what these poses can tell [m].
    """

    count: int
    tilt: float
    cells: int
    nearest: float
    farthest: float
    accuracy: float

    @property
    def lacks(self) -> tuple[str, ...]:
        """What is missing, in words; empty when these poses do."""
        wants = (
            (self.count < ENOUGH_POSES, f"more poses ({self.count} of {ENOUGH_POSES})"),
            (
                self.tilt < ENOUGH_TILT,
                f"more tilt in two directions ({np.degrees(self.tilt):.0f} of {np.degrees(ENOUGH_TILT):.0f} deg)",
            ),
            (
                self.cells < ENOUGH_CELLS,
                f"more parts of the image ({self.cells} of {ENOUGH_CELLS} cells)",
            ),
            (
                self.accuracy > ENOUGH_ACCURACY,
                f"accuracy (aim {MILLIMETRES_PER_METRE * ENOUGH_ACCURACY:.0f} mm)",
            ),
        )
        return tuple(words for wanted, words in wants if wanted)


@dataclass(frozen=True)
class SuggestedPose:
    """A pose worth adding.

    Attributes:
        board_in_camera: (4, 4).
        words: Where to hold the board, seen from the camera.
        accuracy: Expected standard deviation of points in view after it [m].
    """

    board_in_camera: FloatArray
    words: str
    accuracy: float


def diversity(
    views: Sequence[BoardView], intrinsics: CameraIntrinsics, board_in_hand: FloatArray | None = None
) -> Diversity:
    """How different ``views`` are; ``board_in_hand`` (4, 4) sharpens the expected accuracy where it is known."""
    if not views:
        return Diversity(0, 0.0, 0, 0.0, 0.0, float("inf"))
    poses = np.array([view.board_in_camera for view in views])
    first, second = np.triu_indices(len(poses), 1)
    between = poses[second, :3, :3] @ np.swapaxes(poses[first, :3, :3], -1, -2)
    turns = np.array([vector_from_rotation(rotation) for rotation in between]).reshape(-1, 3)
    spread = np.linalg.svd(turns, compute_uv=False) if len(turns) > 1 else np.zeros(3)
    size = np.array([intrinsics.width, intrinsics.height])
    cells = {
        tuple(cell)
        for view in views
        for cell in np.clip(view.raw_pixels / size * CELLS, 0, CELLS - 1).astype(int).tolist()
    }
    distances = np.concatenate(
        [view.points_in_board @ pose[2, :3] + pose[2, 3] for view, pose in zip(views, poses, strict=True)]
    )
    return Diversity(
        count=len(views),
        tilt=float(spread[1] / np.sqrt(max(len(turns), 1))) if len(spread) > 1 else 0.0,
        cells=len(cells),
        nearest=float(distances.min()),
        farthest=float(distances.max()),
        accuracy=_accuracy(
            _information(views, intrinsics, board_in_hand), intrinsics, float(np.median(distances))
        ),
    )


def suggest_poses(
    views: Sequence[BoardView],
    board: CalibrationBoard,
    intrinsics: CameraIntrinsics,
    board_in_hand: FloatArray | None = None,
    count: int = 3,
) -> tuple[SuggestedPose, ...]:
    """The ``count`` best poses to add to ``views`` (one at least), best first, each in another part of the image."""
    distances = [float(view.board_in_camera[2] @ [*board.centre, 1.0]) for view in views]
    middle = float(np.median(distances))
    known = _information(views, intrinsics, board_in_hand)
    facing = _facing(views)
    corners = board.corners
    in_hand = board_in_hand if board_in_hand is not None else _guessed_board_in_hand(board)
    rated: list[tuple[float, tuple[int, int], FloatArray, str]] = []
    for column, row, distance, about_x, about_y, turn in product(
        range(CELLS), range(CELLS), _DISTANCES, _TILTS, _TILTS, _TURNS
    ):
        pixel = np.array([_IMAGE_PLACES[column] * intrinsics.width, _IMAGE_PLACES[row] * intrinsics.height])
        rotation = (
            rotation_from_vector([about_x, about_y, 0.0]) @ rotation_from_vector([0.0, 0.0, turn]) @ facing
        )
        place = intrinsics.back_project(pixel, middle * distance)
        pose = motion(rotation, place - rotation @ board.centre)
        if not _fits(pose, board, intrinsics):
            continue
        added = _view_information(pose, in_hand, corners, intrinsics)
        words = _words(column, row, middle * distance, about_x, about_y, turn)
        rated.append((_accuracy(known + added, intrinsics, middle), (column, row), pose, words))
    suggestions: list[SuggestedPose] = []
    places: set[tuple[int, int]] = set()
    for accuracy, place_in_image, pose, words in sorted(rated, key=lambda entry: entry[0]):
        if place_in_image not in places:
            places.add(place_in_image)
            suggestions.append(SuggestedPose(pose, words, accuracy))
        if len(suggestions) == count:
            break
    return tuple(suggestions)


def _information(
    views: Sequence[BoardView], intrinsics: CameraIntrinsics, board_in_hand: FloatArray | None
) -> FloatArray:
    """(12, 12) inverse covariance of the twists of X and Y; a weak prior of 1 m and 1 rad keeps it invertible."""
    total = np.eye(12)
    for view in views:
        in_hand = (
            board_in_hand
            if board_in_hand is not None
            else motion(np.eye(3), -view.points_in_board.mean(axis=0))
        )
        total += _view_information(view.board_in_camera, in_hand, view.points_in_board, intrinsics)
    return total


def _view_information(
    board_in_camera: FloatArray, board_in_hand: FloatArray, points: FloatArray, intrinsics: CameraIntrinsics
) -> FloatArray:
    white = whitening(board_in_camera, board_in_hand, points, intrinsics)
    jacobian = white @ view_jacobian(board_in_camera, points, intrinsics)
    return jacobian.T @ jacobian


def _accuracy(information: FloatArray, intrinsics: CameraIntrinsics, distance: float) -> float:
    """Root mean square standard deviation of points [m] seen all over the image at ``distance`` [m]."""
    covariance = np.linalg.inv(information)[:6, :6]
    pixels = np.array(
        [[x * intrinsics.width, y * intrinsics.height] for x in _IMAGE_PLACES for y in _IMAGE_PLACES]
    )
    points = intrinsics.back_project(pixels, np.full(len(pixels), distance))
    moves = np.concatenate([np.broadcast_to(np.eye(3), (len(points), 3, 3)), -cross_matrices(points)], axis=2)
    variances = np.einsum("pij,jk,pik->pi", moves, covariance, moves)
    return float(np.sqrt(variances.mean()))


def _guessed_board_in_hand(board: CalibrationBoard) -> FloatArray:
    """Before the board's place in the hand is known: its middle at the hand's origin."""
    return motion(np.eye(3), -board.centre)


def _facing(views: Sequence[BoardView]) -> FloatArray:
    """(3, 3) rotation of a board that faces the camera, upright as the ``views`` have it in the mean."""
    mean = nearest_rotation(sum(view.board_in_camera[:3, :3] for view in views))
    # The shortest turn that takes the board's normal to the line of sight.
    normal = mean[:, 2]
    axis = np.cross(normal, [0.0, 0.0, 1.0])
    sine = float(np.linalg.norm(axis))
    if sine < 1e-9:
        return mean
    return rotation_from_vector(axis / sine * np.arctan2(sine, normal[2])) @ mean


def _fits(board_in_camera: FloatArray, board: CalibrationBoard, intrinsics: CameraIntrinsics) -> bool:
    width, height = board.size
    outline = np.array([[0.0, 0.0, 0.0], [width, 0.0, 0.0], [0.0, height, 0.0], [width, height, 0.0]])
    seen = intrinsics.project(outline @ board_in_camera[:3, :3].T + board_in_camera[:3, 3])
    upper = np.array([intrinsics.width, intrinsics.height]) - 1.0 - _MARGIN
    return bool((seen >= _MARGIN).all() and (seen <= upper).all())


def _words(column: int, row: int, distance: float, about_x: float, about_y: float, turn: float) -> str:
    place = " ".join(word for word in (_ROW_WORDS[row], _COLUMN_WORDS[column]) if word) or "middle"
    nearer = []
    if about_x:
        nearer.append("upper edge" if about_x > 0 else "lower edge")
    if about_y:
        nearer.append("right side" if about_y > 0 else "left side")
    parts = [f"board in the {place} part of the image, {distance:.2f} m away"]
    if nearer:
        parts.append(f"{' and '.join(nearer)} {np.degrees(abs(_TILTS[0])):.0f} deg nearer to the camera")
    if turn:
        direction = "clockwise" if turn > 0 else "anticlockwise"
        parts.append(f"turned {np.degrees(abs(turn)):.0f} deg {direction}")
    return ", ".join(parts)


def hand_for(suggestion: SuggestedPose, camera_in_base: FloatArray, board_in_hand: FloatArray) -> FloatArray:
    """(4, 4) pose of the hand in the base frame that shows the board as suggested."""
    return camera_in_base @ suggestion.board_in_camera @ inverse(board_in_hand)
