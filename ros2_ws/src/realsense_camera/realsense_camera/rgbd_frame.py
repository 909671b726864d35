"""One pair of images as it leaves the camera."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from tracegen_model.camera import CameraIntrinsics


class ClockDomain(Enum):
    """Whose clock a frame's time is read from."""

    HARDWARE = "hardware_clock"
    """The camera's own: any zero, and not quite the host's pace."""
    SYSTEM = "system_time"
    """The host's, when the frame arrived."""
    GLOBAL = "global_time"
    """The camera's, which the library has already mapped to the host's."""


@dataclass(frozen=True)
class RgbdFrame:
    """Colour and depth of one instant, pixel on pixel.

    Attributes:
        colour: RGB (H, W, 3) uint8.
        depth_m: Distance along the colour camera's optical axis (H, W) float32 [m]; 0 = no reading.
        camera_time_s: When the colour image was taken [s, in ``clock``].
        clock: Whose clock ``camera_time_s`` is read from.
        colour_number: Running number of the colour frame.
        depth_number: Running number of the depth frame.
    """

    colour: NDArray[np.uint8]
    depth_m: NDArray[np.float32]
    camera_time_s: float
    clock: ClockDomain
    colour_number: int
    depth_number: int


@dataclass(frozen=True)
class ColourCamera:
    """The colour camera's optics, which hold for the aligned depth too.

    Attributes:
        intrinsics: Pinhole part.
        distortion: Coefficients k1, k2, p1, p2, k3 (plumb_bob).
    """

    intrinsics: CameraIntrinsics
    distortion: tuple[float, float, float, float, float]


@dataclass(frozen=True)
class CameraIdentity:
    """Which camera it is.

    Attributes:
        name: Product name.
        serial: Serial number.
        firmware: Version of its firmware, empty if unknown.
        usb: USB type, such as 3.2; empty if unknown.
    """

    name: str
    serial: str
    firmware: str = ""
    usb: str = ""

    def __str__(self) -> str:
        return f"{self.name} {self.serial}"
