"""The board on paper at its true size: as PDF, in lines that a printer draws as sharp as it can, or as PNG."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from tracegen_ros.calibration.board import MILLIMETRES_PER_METRE, CalibrationBoard
from tracegen_ros.calibration.errors import CalibrationDataError

PAPERS = {"A4": (0.297, 0.210), "A3": (0.420, 0.297), "letter": (0.2794, 0.2159)}
"""Width and height [m] of sheets in landscape."""

POINTS_PER_METRE = 72.0 / 0.0254
"""PDF's unit of length."""

DOTS_PER_METRE = round(600 / 0.0254)
"""Resolution of a PNG: 600 dots an inch."""

CAPTION_HEIGHT = 0.003
"""Height of the letters under the board [m]."""

RULER = 0.100
"""Length of the line that tells whether the printer scaled [m]."""


def paper_for(board: CalibrationBoard) -> str:
    """The smallest sheet that ``board`` fits on with a white rim of an eighth of a square.

    Raises:
        CalibrationDataError: It fits on none.
    """
    rim = board.square / 8
    for paper in ("A4", "letter", "A3"):
        if all(side + 2 * rim <= sheet for side, sheet in zip(board.size, PAPERS[paper], strict=True)):
            return paper
    width, height = (MILLIMETRES_PER_METRE * side for side in board.size)
    raise CalibrationDataError(
        f"a board of {width:.0f} x {height:.0f} mm fits on none of {', '.join(PAPERS)} in landscape; "
        "choose smaller or fewer squares"
    )


def print_board(board: CalibrationBoard, path: str | Path) -> str:
    """Write ``board`` to ``path`` (.pdf or .png) and return the name of the paper.

    Raises:
        CalibrationDataError: The file's ending is another one, or the board fits on no paper.
    """
    target = Path(path)
    paper = paper_for(board)
    if target.suffix.lower() == ".pdf":
        target.write_bytes(_pdf(board, PAPERS[paper]))
    elif target.suffix.lower() == ".png":
        target.write_bytes(_png(board, PAPERS[paper]))
    else:
        raise CalibrationDataError(f"the board is written as .pdf or .png, got {target.name!r}")
    return paper


def caption(board: CalibrationBoard) -> str:
    """The line under the board."""
    square, marker = (MILLIMETRES_PER_METRE * side for side in (board.square, board.marker))
    return (
        f"ChArUco {board.columns}x{board.rows}, {board.dictionary}, squares {square:.2f} mm, "
        f"markers {marker:.2f} mm. Print at 100 %; the line is {MILLIMETRES_PER_METRE * RULER:.0f} mm."
    )


def _origin(board: CalibrationBoard, sheet: tuple[float, float]) -> NDArray[np.float64]:
    """Upper left corner of the board on the sheet [m from the sheet's upper left corner]."""
    return np.array([(sheet[0] - board.size[0]) / 2, (sheet[1] - board.size[1]) / 2])


def _pdf(board: CalibrationBoard, sheet: tuple[float, float]) -> bytes:
    origin = _origin(board, sheet)
    commands = ["0 g"]
    for upper_left, lower_right in board.black_rectangles() + origin:
        width, height = (lower_right - upper_left) * POINTS_PER_METRE
        x, y = upper_left[0] * POINTS_PER_METRE, (sheet[1] - lower_right[1]) * POINTS_PER_METRE
        commands.append(f"{x:.4f} {y:.4f} {width:.4f} {height:.4f} re")
    commands.append("f")
    below = (sheet[1] - origin[1] - board.size[1] - 1.6 * CAPTION_HEIGHT) * POINTS_PER_METRE
    left, ruler = origin[0] * POINTS_PER_METRE, RULER * POINTS_PER_METRE
    commands += [
        f"0.5 w {left:.4f} {below:.4f} m {left + ruler:.4f} {below:.4f} l S",
        f"BT /F1 {CAPTION_HEIGHT * POINTS_PER_METRE:.2f} Tf {left:.4f} "
        f"{below - 1.1 * CAPTION_HEIGHT * POINTS_PER_METRE:.4f} Td ({caption(board)}) Tj ET",
    ]
    content = "\n".join(commands).encode("ascii")
    box = " ".join(f"{side * POINTS_PER_METRE:.4f}" for side in sheet)
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R /ViewerPreferences << /PrintScaling /None >> >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {box}] /Contents 4 0 R "
        "/Resources << /Font << /F1 5 0 R >> >> >>".encode(),
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    document, offsets = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(document))
        document += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    size, start = len(objects) + 1, len(document)
    document += b"xref\n0 %d\n0000000000 65535 f \n%s" % (size, table)
    return document + b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (size, start)


def _png(board: CalibrationBoard, sheet: tuple[float, float]) -> bytes:
    origin = _origin(board, sheet)
    page = np.full([round(side * DOTS_PER_METRE) for side in reversed(sheet)], 255, np.uint8)
    for (left, top), (right, bottom) in np.rint((board.black_rectangles() + origin) * DOTS_PER_METRE).astype(
        int
    ):
        page[top:bottom, left:right] = 0
    below = origin[1] + board.size[1] + 1.6 * CAPTION_HEIGHT
    left, right, row = (round(x * DOTS_PER_METRE) for x in (origin[0], origin[0] + RULER, below))
    page[row : row + 8, left:right] = 0
    letters = CAPTION_HEIGHT * DOTS_PER_METRE
    scale = cv2.getFontScaleFromHeight(cv2.FONT_HERSHEY_SIMPLEX, round(0.7 * letters), 4)
    text_row = round(row + 1.1 * letters)
    cv2.putText(page, caption(board), (left, text_row), cv2.FONT_HERSHEY_SIMPLEX, scale, 0, 4, cv2.LINE_AA)
    encoded = cv2.imencode(".png", page)[1].tobytes()
    density = struct.pack(">IIB", DOTS_PER_METRE, DOTS_PER_METRE, 1)
    chunk = b"pHYs" + density
    length, checksum = struct.pack(">I", len(density)), struct.pack(">I", zlib.crc32(chunk))
    # After the signature (8 bytes) and the header chunk (25 bytes).
    return encoded[:33] + length + chunk + checksum + encoded[33:]
