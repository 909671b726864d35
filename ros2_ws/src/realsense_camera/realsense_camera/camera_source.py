"""Where frames come from: a camera on USB, a recording, or any device of the library that a test or a demo makes.

All go through the same pipeline of the real library; a source only says which device that pipeline takes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path

import pyrealsense2 as rs

from realsense_camera.camera_state import NoCameraError, RecordingError

RECORDING_SUFFIX = ".db3"


class CameraSource(ABC):
    """A camera that may be there or not."""

    @property
    def has_own_profile(self) -> bool:
        """Whether the source has the streams it has, whatever is asked for."""
        return False

    @abstractmethod
    def attach(self, pipeline: rs.pipeline, config: rs.config) -> rs.device:
        """Make ``pipeline`` take this camera when it starts with ``config``.

        Returns:
            The camera, not yet streaming.

        Raises:
            CameraError: It is not there.
        """

    @abstractmethod
    def is_present(self) -> bool:
        """Whether the camera that was attached is still connected."""

    def on_started(self, profile: rs.pipeline_profile) -> None:  # noqa: B027  (optional)
        """The pipeline runs."""

    def on_stopped(self) -> None:  # noqa: B027  (optional)
        """The pipeline no longer runs."""


class LiveSource(CameraSource):
    """A camera on USB.

    Args:
        serial: Its serial number; empty takes the first camera found.
    """

    def __init__(self, serial: str = "") -> None:
        self._wanted_serial = serial
        self._attached_serial = ""
        self._context = rs.context()

    def attach(self, pipeline: rs.pipeline, config: rs.config) -> rs.device:
        """Choose the camera by its serial number."""
        found = {device.get_info(rs.camera_info.serial_number): device for device in self._devices()}
        if not found:
            raise NoCameraError(
                "no RealSense camera is connected; plug it into a USB 3 port (and see that udev lets this user open it)"
            )
        if self._wanted_serial and self._wanted_serial not in found:
            raise NoCameraError(
                f"no RealSense camera with the serial number {self._wanted_serial!r}; connected: {', '.join(found)}"
            )
        self._attached_serial = self._wanted_serial or next(iter(found))
        config.enable_device(self._attached_serial)
        return found[self._attached_serial]

    def is_present(self) -> bool:
        """Whether the library still lists it."""
        return any(
            device.get_info(rs.camera_info.serial_number) == self._attached_serial
            for device in self._devices()
        )

    def _devices(self) -> list[rs.device]:
        return [
            device
            for device in self._context.query_devices()
            if device.supports(rs.camera_info.serial_number)
        ]


class RecordingSource(CameraSource):
    """A recording of librealsense, played at the pace it was recorded in.

    Args:
        path: The ``.db3`` file.
        repeat: Start again at its end.
        real_time: Keep the recording's pace; otherwise each frame waits until it is fetched.
    """

    def __init__(self, path: Path, repeat: bool = True, real_time: bool = True) -> None:
        self._path = path
        self._repeat = repeat
        self._real_time = real_time

    @property
    def has_own_profile(self) -> bool:
        """A recording has the streams that were recorded."""
        return True

    def attach(self, pipeline: rs.pipeline, config: rs.config) -> rs.device:
        """Open the file."""
        if not self._path.is_file():
            raise RecordingError(f"there is no recording {self._path}")
        try:
            config.enable_device_from_file(str(self._path), self._repeat)
            device = config.resolve(rs.pipeline_wrapper(pipeline)).get_device()
        except RuntimeError as error:
            raise RecordingError(f"cannot play the recording {self._path}: {error}") from error
        # Before it starts, lest the first frames are gone by then.
        device.as_playback().set_real_time(self._real_time)
        return device

    def is_present(self) -> bool:
        """Whether the file is still there."""
        return self._path.is_file()
