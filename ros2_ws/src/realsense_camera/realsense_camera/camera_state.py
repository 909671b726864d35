"""What a camera can be doing, and the errors that lead there."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import ClassVar


class CameraState(Enum):
    """State of the camera; the value stands first in the diagnostic message."""

    CONFIGURED = "CONFIGURED"
    """Ready; nobody has asked for images yet."""
    STARTING = "STARTING"
    """The camera is being opened."""
    STREAMING = "STREAMING"
    """Images come."""
    STALLED = "STALLED"
    """The camera is connected but sends nothing, or the library does not return."""
    UNPLUGGED = "UNPLUGGED"
    """There is no such camera."""
    WRONG_PROFILE = "WRONG_PROFILE"
    """The camera does not offer the image size or rate that was asked for."""
    WRONG_SETTING = "WRONG_SETTING"
    """The camera refuses an exposure or depth unit that was asked for."""
    NO_RECORDING = "NO_RECORDING"
    """The recording is missing or cannot be read."""
    NO_LIBRARY = "NO_LIBRARY"
    """pyrealsense2, or a system library that it needs, is not installed."""
    FAILED = "FAILED"
    """The library reported something else."""


@dataclass(frozen=True)
class CameraHealth:
    """A state and why.

    Attributes:
        state: What the camera is doing.
        reason: A sentence that says why and, where something is wrong, what to do; empty while streaming.
    """

    state: CameraState
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.state.value}: {self.reason}" if self.reason else self.state.value


class CameraError(RuntimeError):
    """The camera gives no images; ``state`` says in which way."""

    state: ClassVar[CameraState] = CameraState.FAILED


class LibraryMissingError(CameraError):
    """pyrealsense2 cannot be imported."""

    state = CameraState.NO_LIBRARY


class NoCameraError(CameraError):
    """No camera, or not the one that was asked for, is connected."""

    state = CameraState.UNPLUGGED


class ProfileError(CameraError):
    """The camera has no stream of the size, rate and format that was asked for."""

    state = CameraState.WRONG_PROFILE


class SettingError(CameraError):
    """The camera does not take the value of an option."""

    state = CameraState.WRONG_SETTING


class RecordingError(CameraError):
    """A recording that cannot be played."""

    state = CameraState.NO_RECORDING


class DeviceError(CameraError):
    """The library could not do what it should; its own words are in the message."""
