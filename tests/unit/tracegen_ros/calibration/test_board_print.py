"""The printed board is the board that is looked for, at its true size."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from tracegen_ros.calibration.board import CalibrationBoard
from tracegen_ros.calibration.board_print import POINTS_PER_METRE, print_board
from tracegen_ros.calibration.errors import CalibrationDataError

DOTS_PER_MM = 5.0

BOARDS = [
    CalibrationBoard(),
    CalibrationBoard(7, 5, 0.030, 0.022, "DICT_5X5_100"),
    CalibrationBoard(6, 4, 0.035, 0.026, "DICT_APRILTAG_36H11"),
    CalibrationBoard(6, 4, 0.035, 0.026, "DICT_4X4_50", legacy_pattern=True),
]


def drawn_pdf(path: Path) -> NDArray[np.uint8]:
    """The page as a printer would draw its filled rectangles, ``DOTS_PER_MM`` dots a millimetre."""
    text = path.read_bytes().decode("latin-1")
    width, height = (float(word) for word in re.search(r"MediaBox \[0 0 (\S+) (\S+)\]", text).groups())
    dots = DOTS_PER_MM * 1000.0 / POINTS_PER_METRE
    page = np.full((round(height * dots), round(width * dots)), 255, np.uint8)
    for words in re.findall(r"^(\S+) (\S+) (\S+) (\S+) re$", text, re.MULTILINE):
        x, y, w, h = (float(word) for word in words)
        top, bottom = round((height - y - h) * dots), round((height - y) * dots)
        page[top:bottom, round(x * dots) : round((x + w) * dots)] = 0
    return page


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.dictionary + "_old" * board.legacy_pattern)
def test_all_corners_of_the_pdf_are_found_where_the_board_has_them(
    board: CalibrationBoard, tmp_path: Path
) -> None:
    print_board(board, tmp_path / "board.pdf")
    page = drawn_pdf(tmp_path / "board.pdf")
    corners, numbers, _, _ = cv2.aruco.CharucoDetector(board.opencv()).detectBoard(page)
    assert sorted(np.ravel(numbers)) == list(range(len(board.corners)))
    found_mm = corners.reshape(-1, 2)[np.argsort(np.ravel(numbers))] / DOTS_PER_MM
    true_mm = 1000.0 * board.corners[:, :2]
    np.testing.assert_allclose(found_mm - found_mm[0], true_mm - true_mm[0], atol=0.25)


def test_the_png_says_its_resolution_and_shows_the_board_at_it(tmp_path: Path) -> None:
    board = CalibrationBoard(5, 4, 0.030, 0.022)
    print_board(board, tmp_path / "board.png")
    content = (tmp_path / "board.png").read_bytes()
    across, down, unit = struct.unpack(">IIB", content[content.index(b"pHYs") + 4 :][:9])
    assert (across, down, unit) == (23622, 23622, 1), "600 dots an inch"
    page = cv2.imread(str(tmp_path / "board.png"), cv2.IMREAD_GRAYSCALE)
    assert page.shape[1] / across == pytest.approx(0.297, abs=1e-4)
    small = cv2.resize(page, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    corners, numbers, _, _ = cv2.aruco.CharucoDetector(board.opencv()).detectBoard(small)
    order = np.ravel(numbers).tolist()
    columns = corners.reshape(-1, 2)[:, 0]
    span = columns[order.index(3)] - columns[order.index(0)]
    assert span / (across / 4) == pytest.approx(3 * 0.030, abs=2e-4)


def test_a_board_that_fits_on_no_paper_is_refused_with_its_size(tmp_path: Path) -> None:
    with pytest.raises(CalibrationDataError, match="600 x 400 mm fits on none of A4"):
        print_board(CalibrationBoard(6, 4, 0.1, 0.075), tmp_path / "board.pdf")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((2, 4), "3x3 squares at least"),
        ((5, 4, 0.03, 0.04), "marker must be smaller than its square"),
        ((5, 4, 0.03, 0.02, "DICT_9X9"), "no marker dictionary 'DICT_9X9'"),
        ((12, 10, 0.02, 0.015), "needs 60 markers, DICT_4X4_50 has 50"),
    ],
)
def test_a_board_that_cannot_be_is_refused(arguments: tuple, words: str) -> None:
    with pytest.raises(CalibrationDataError, match=words):
        CalibrationBoard(*arguments)
