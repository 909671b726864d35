"""The demo's film: camera view with the traces drawn on it, and a line of text."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import cv2
import imageio_ffmpeg
import numpy as np
from numpy.typing import NDArray

CODEC = "libx264"
"""H.264, which browsers and README viewers play."""

ENCODER_OPTIONS = ["-preset", "veryfast", "-threads", "1"]
"""The robot stack needs the cores more than the film does."""

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
        self._encoder: Generator[None, bytes | None, None] | None = None
        self.frames = 0

    def write(self, rgb: NDArray[np.uint8]) -> None:
        """Append one frame (H, W, 3) uint8."""
        if self._encoder is None:
            self._encoder = self._open(rgb.shape[1], rgb.shape[0])
        try:
            self._encoder.send(np.ascontiguousarray(rgb).tobytes())
        except OSError as error:
            raise VideoError(f"{self._path}: ffmpeg stopped: {error}") from error
        self.frames += 1

    def close(self) -> None:
        """Finish the file."""
        if self._encoder is not None:
            self._encoder.close()

    def _open(self, width: int, height: int) -> Generator[None, bytes | None, None]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        try:
            encoder: Generator[None, bytes | None, None] = imageio_ffmpeg.write_frames(
                str(self._path),
                (width, height),
                fps=self._frame_rate,
                codec=CODEC,
                output_params=ENCODER_OPTIONS,
                macro_block_size=2,
            )
            encoder.send(None)
        except (OSError, RuntimeError) as error:
            raise VideoError(f"cannot write {CODEC} video to {self._path}: {error}") from error
        return encoder
