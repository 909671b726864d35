"""The demo's film: camera view with the traces drawn on it, and a line of text."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

CODEC = "mp4v"
"""MPEG-4 part 2, which every build of OpenCV can write."""

BAR_HEIGHT = 48
TEXT_SCALE = 0.55


class VideoError(RuntimeError):
    """No video can be written here."""


def captioned(rgb: NDArray[np.uint8], title: str, caption: str) -> NDArray[np.uint8]:
    """``rgb`` (H, W, 3) with a bar under it that holds two lines of text."""
    bar = np.full((BAR_HEIGHT, rgb.shape[1], 3), 24, np.uint8)
    for row, (text, colour) in enumerate(((title, (255, 255, 255)), (caption, (170, 200, 255)))):
        cv2.putText(
            bar, text, (8, 19 + 20 * row), cv2.FONT_HERSHEY_SIMPLEX, TEXT_SCALE, colour, 1, cv2.LINE_AA
        )
    return np.vstack([rgb, bar])


class VideoWriter:
    """Writes RGB frames of one size to an MP4 file.

    Args:
        path: The file, ending in ``.mp4``.
        frame_rate: Frames per second.
    """

    def __init__(self, path: Path, frame_rate: float) -> None:
        self._path = path
        self._frame_rate = frame_rate
        self._writer: cv2.VideoWriter | None = None
        self.frames = 0

    def write(self, rgb: NDArray[np.uint8]) -> None:
        """Append one frame (H, W, 3) uint8."""
        if self._writer is None:
            self._writer = self._open(rgb.shape[1], rgb.shape[0])
        self._writer.write(np.ascontiguousarray(rgb[..., ::-1]))
        self.frames += 1

    def close(self) -> None:
        """Finish the file."""
        if self._writer is not None:
            self._writer.release()

    def _open(self, width: int, height: int) -> cv2.VideoWriter:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        writer = cv2.VideoWriter(
            str(self._path), cv2.VideoWriter.fourcc(*CODEC), self._frame_rate, (width, height)
        )
        if not writer.isOpened():
            raise VideoError(f"OpenCV cannot write {CODEC} video to {self._path}")
        return writer
