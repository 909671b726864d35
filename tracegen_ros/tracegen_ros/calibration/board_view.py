"""The board as a camera sees it: numbered corners, and from them its pose."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from tracegen_model.camera import CameraIntrinsics
from tracegen_ros.calibration.board import CalibrationBoard
from tracegen_ros.calibration.errors import CalibrationDataError
from tracegen_ros.calibration.rigid_motion import motion

FloatArray = NDArray[np.float64]

MIN_CORNERS = 6
"""Fewer corners than this give no pose that can be trusted."""


@dataclass(frozen=True)
class Lens:
    """A camera with lens distortion.

    Attributes:
        intrinsics: The pinhole behind the lens.
        distortion: OpenCV's coefficients k1, k2, p1, p2, k3, ... (``plumb_bob`` or ``rational_polynomial``); may be
            empty.
    """

    intrinsics: CameraIntrinsics
    distortion: tuple[float, ...] = ()

    def ideal(self, pixels: FloatArray) -> FloatArray:
        """Where the pinhole alone would see what is seen at ``pixels`` (K, 2) [px]."""
        if not any(self.distortion):
            return np.asarray(pixels, dtype=float)
        k = self.intrinsics.matrix
        points = np.asarray(pixels, dtype=float).reshape(-1, 1, 2)
        return np.asarray(
            cv2.undistortPoints(points, k, np.array(self.distortion), P=k), dtype=float
        ).reshape(-1, 2)


@dataclass(frozen=True)
class BoardView:
    """The board in one image.

    Attributes:
        points_in_board: (K, 3) the corners found [m, board frame].
        pixels: (K, 2) where a pinhole without distortion sees them [px].
        raw_pixels: (K, 2) where the image shows them [px].
        board_in_camera: (4, 4) pose of the board from this image alone.
        error: Root mean square of the distance between ``pixels`` and the board projected by that pose [px].
    """

    points_in_board: FloatArray
    pixels: FloatArray
    raw_pixels: FloatArray
    board_in_camera: FloatArray
    error: float

    @property
    def count(self) -> int:
        """How many corners were found."""
        return len(self.pixels)


def find_board(image: NDArray[np.uint8], board: CalibrationBoard, lens: Lens) -> BoardView | None:
    """The board in ``image`` (H, W, 3) RGB or (H, W) grey; None where too little of it is seen.

    Raises:
        CalibrationDataError: The image has another size than ``lens`` says.
    """
    height, width = image.shape[:2]
    if (width, height) != (lens.intrinsics.width, lens.intrinsics.height):
        raise CalibrationDataError(
            f"the image is {width}x{height} px, its camera info says "
            f"{lens.intrinsics.width}x{lens.intrinsics.height} px"
        )
    grey = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    corners, numbers, _, _ = cv2.aruco.CharucoDetector(board.opencv()).detectBoard(grey)
    if numbers is None or len(numbers) < MIN_CORNERS:
        return None
    raw = np.asarray(corners, dtype=float).reshape(-1, 2)
    points = board.corners[np.ravel(numbers)]
    if min(np.ptp(points[:, 0]), np.ptp(points[:, 1])) < board.square / 2:
        return None  # Corners in a line have no pose.
    return view_of(points, raw, lens)


def view_of(points_in_board: FloatArray, raw_pixels: FloatArray, lens: Lens) -> BoardView | None:
    """The view in which corners ``points_in_board`` (K, 3) [m] lie at ``raw_pixels`` (K, 2) [px].

    None where no pose in front of the camera explains them.
    """
    pixels = lens.ideal(raw_pixels)
    k = lens.intrinsics.matrix
    count, turns, shifts, _ = cv2.solvePnPGeneric(points_in_board, pixels, k, None, flags=cv2.SOLVEPNP_IPPE)
    best: BoardView | None = None
    for turn, shift in zip(turns[:count], shifts[:count], strict=True):
        turn, shift = cv2.solvePnPRefineLM(points_in_board, pixels, k, None, turn.copy(), shift.copy())
        pose = motion(cv2.Rodrigues(turn)[0], np.ravel(shift))
        projected = lens.intrinsics.project(points_in_board @ pose[:3, :3].T + pose[:3, 3])
        error = float(np.sqrt(((projected - pixels) ** 2).sum(axis=1).mean()))
        if np.isfinite(error) and (best is None or error < best.error):
            best = BoardView(points_in_board, pixels, np.asarray(raw_pixels, dtype=float), pose, error)
    return best
