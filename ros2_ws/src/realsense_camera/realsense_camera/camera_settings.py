"""What is asked of the camera: streams, exposure, depth units and filters."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum


class CameraSettingsError(ValueError):
    """A setting that no camera could follow."""


@dataclass(frozen=True)
class StreamProfile:
    """Size and rate of a stream.

    Attributes:
        width: Width of the images [px].
        height: Height of the images [px].
        rate_hz: Images per second [Hz].
    """

    width: int
    height: int
    rate_hz: int

    @classmethod
    def parse(cls, text: str) -> StreamProfile:
        """The profile written as ``640x480x30``, which is realsense2_camera's way.

        Raises:
            CameraSettingsError: The text is something else, or a number is zero.
        """
        match = re.fullmatch(r"\s*(\d+)\s*[xX,]\s*(\d+)\s*[xX,]\s*(\d+)\s*", text)
        if match is None or 0 in (numbers := [int(group) for group in match.groups()]):
            raise CameraSettingsError(
                f"a stream profile is written WIDTHxHEIGHTxRATE, such as 640x480x30, got {text!r}"
            )
        return cls(*numbers)

    @property
    def period_s(self) -> float:
        """Time between two images [s]."""
        return 1.0 / self.rate_hz

    def __str__(self) -> str:
        return f"{self.width}x{self.height}x{self.rate_hz}"


class HoleFilling(Enum):
    """From which neighbour a pixel without depth takes its own."""

    NONE = "none"
    LEFT = "left"
    FARTHEST = "farthest"
    NEAREST = "nearest"


@dataclass(frozen=True)
class FilterSettings:
    """Which of librealsense's depth filters run, in the order given here.

    Attributes:
        decimation: Side of the blocks of pixels that become one [px], 1 to 8; 1 = off.
        spatial: Smooth over neighbours, preserving edges.
        temporal: Smooth over time.
        hole_filling: How pixels without depth get one.
    """

    decimation: int = 1
    spatial: bool = False
    temporal: bool = False
    hole_filling: HoleFilling = HoleFilling.NONE

    def __post_init__(self) -> None:
        if not 1 <= self.decimation <= 8:
            raise CameraSettingsError(f"decimation must lie in [1, 8], got {self.decimation}")


@dataclass(frozen=True)
class CameraSettings:
    """How the camera is to be run.

    Attributes:
        colour: Size and rate of the colour stream.
        depth: Size and rate of the depth stream, before alignment.
        colour_exposure: Exposure of the colour sensor in its own unit (100 µs for the colour sensors of the D400
            family); 0 = automatic.
        depth_exposure: Exposure of the depth sensor in its own unit (1 µs for the D400 family); 0 = automatic.
        depth_units_m: Length of one count of the depth sensor [m]; 0 = leave it as it is.
        filters: Depth filters.
    """

    colour: StreamProfile = field(default_factory=lambda: StreamProfile(640, 480, 30))
    depth: StreamProfile = field(default_factory=lambda: StreamProfile(640, 480, 30))
    colour_exposure: float = 0.0
    depth_exposure: float = 0.0
    depth_units_m: float = 0.0
    filters: FilterSettings = field(default_factory=FilterSettings)

    def __post_init__(self) -> None:
        for name in ("colour_exposure", "depth_exposure", "depth_units_m"):
            if getattr(self, name) < 0.0:
                raise CameraSettingsError(f"{name} must not be negative, got {getattr(self, name)}")
        if self.colour.rate_hz != self.depth.rate_hz:
            raise CameraSettingsError(
                "colour and depth are published in pairs and must have one rate, "
                f"got {self.colour} and {self.depth}"
            )
