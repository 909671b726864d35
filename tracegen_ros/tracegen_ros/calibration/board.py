"""The ChArUco board: a chessboard whose white squares carry ArUco markers, so that each corner has a number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from tracegen_ros.calibration.errors import CalibrationDataError

FloatArray = NDArray[np.float64]

MILLIMETRES_PER_METRE = 1000.0

_DICTIONARY_PREFIX = "DICT_"


@dataclass(frozen=True)
class CalibrationBoard:
    """A ChArUco board as it was printed.

    Attributes:
        columns: Squares along the board's x axis.
        rows: Squares along its y axis.
        square: Side of a square [m].
        marker: Side of a marker [m].
        dictionary: OpenCV's name of the marker set, such as ``DICT_4X4_50``.
        legacy_pattern: The board was made by OpenCV before 4.6 and has an even number of rows: its first square is
            white.
    """

    columns: int = 5
    rows: int = 4
    square: float = 0.048
    marker: float = 0.036
    dictionary: str = "DICT_4X4_50"
    legacy_pattern: bool = False

    def __post_init__(self) -> None:
        if self.columns < 3 or self.rows < 3:
            raise CalibrationDataError(
                f"a board needs 3x3 squares at least, got {self.columns}x{self.rows}; "
                "with fewer there are too few corners"
            )
        if not 0.0 < self.marker < self.square:
            raise CalibrationDataError(
                f"a marker must be smaller than its square and larger than nothing, got squares of "
                f"{MILLIMETRES_PER_METRE * self.square:g} mm and markers of "
                f"{MILLIMETRES_PER_METRE * self.marker:g} mm"
            )
        if self.dictionary not in marker_dictionaries():
            raise CalibrationDataError(
                f"there is no marker dictionary {self.dictionary!r}; there are {', '.join(marker_dictionaries())}"
            )
        needed, there = self.columns * self.rows // 2, len(self._markers().bytesList)
        if needed > there:
            raise CalibrationDataError(
                f"a board of {self.columns}x{self.rows} squares needs {needed} markers, "
                f"{self.dictionary} has {there}; choose a larger dictionary"
            )

    @property
    def size(self) -> tuple[float, float]:
        """Width and height [m]."""
        return self.columns * self.square, self.rows * self.square

    @property
    def corners(self) -> FloatArray:
        """(K, 3) inner chessboard corners in the order of their numbers [m, board frame]; z = 0."""
        return np.asarray(self.opencv().getChessboardCorners(), dtype=float).reshape(-1, 3)

    @property
    def centre(self) -> FloatArray:
        """(3,) middle of the board [m, board frame]."""
        width, height = self.size
        return np.array([width / 2, height / 2, 0.0])

    def opencv(self) -> Any:
        """The same board as OpenCV's ``CharucoBoard``."""
        board = cv2.aruco.CharucoBoard(
            (self.columns, self.rows), float(self.square), float(self.marker), self._markers()
        )
        board.setLegacyPattern(self.legacy_pattern)
        return board

    def black_rectangles(self) -> FloatArray:
        """(R, 2, 2) black areas of the print: upper left and lower right corner [m, board frame]."""
        placed = self.opencv()
        outlines = np.asarray(placed.getObjPoints(), dtype=float).reshape(-1, 4, 3)[..., :2]
        white = {tuple(np.floor(outline.mean(axis=0) / self.square).astype(int)) for outline in outlines}
        black = [
            np.array([[column, row], [column + 1, row + 1]]) * self.square
            for row in range(self.rows)
            for column in range(self.columns)
            if (column, row) not in white
        ]
        modules = int(self._markers().markerSize) + 2
        module = self.marker / modules
        for number, outline in zip(np.ravel(placed.getIds()), outlines, strict=True):
            bits = cv2.aruco.generateImageMarker(self._markers(), int(number), modules)
            black += [
                outline[0] + np.array([[first, row], [last, row + 1]]) * module
                for row in range(modules)
                for first, last in _runs(bits[row] == 0)
            ]
        return np.array(black)

    def _markers(self) -> Any:
        return cv2.aruco.getPredefinedDictionary(getattr(cv2.aruco, self.dictionary))


def marker_dictionaries() -> tuple[str, ...]:
    """Names of the marker sets that there are."""
    names = {name.upper() for name in dir(cv2.aruco) if name.startswith(_DICTIONARY_PREFIX)}
    return tuple(sorted(name for name in names if hasattr(cv2.aruco, name)))


def _runs(dark: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First index and one past the last of each run of true values in ``dark`` (M,)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], dark, [False]])))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))
