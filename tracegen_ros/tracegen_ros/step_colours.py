"""One colour per step of a trace, the same in RViz and on images: blue at the start, over green, to red at the end."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray


def step_colours(steps: int) -> NDArray[np.uint8]:
    """(steps, 3) RGB along OpenCV's turbo map, without its near-black ends."""
    ramp = np.linspace(25.0, 230.0, steps).round().astype(np.uint8)
    return cv2.applyColorMap(ramp[:, None], cv2.COLORMAP_TURBO)[:, 0, ::-1].copy()
