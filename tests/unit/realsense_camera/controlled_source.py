"""A software camera that a test plugs in, unplugs and feeds."""

from __future__ import annotations

import time

import numpy as np
import pyrealsense2 as rs
from numpy.typing import NDArray

from realsense_camera.camera_session import CameraSession, RawPair
from realsense_camera.camera_settings import CameraSettings, StreamProfile
from realsense_camera.camera_source import CameraSource
from realsense_camera.camera_state import NoCameraError
from realsense_camera.rgbd_frame import ClockDomain, RgbdFrame
from realsense_camera.software_camera import SoftwareCamera, SoftwareOptics

SMALL = StreamProfile(160, 120, 30)
SETTINGS = CameraSettings(colour=SMALL, depth=SMALL)

DEADLINE_S = 60.0


class ControlledSource(CameraSource):
    """Makes a new software device each time the camera is opened, as plugging in a real one does."""

    def __init__(
        self, offered: CameraSettings = SETTINGS, optics: SoftwareOptics | None = None, **camera: object
    ) -> None:
        self.offered = offered
        self.optics = optics
        self.plugged_in = True
        self.streaming = False
        self.number = 0
        self._camera_options = camera

    def attach(self, pipeline: rs.pipeline, config: rs.config) -> rs.device:
        if not self.plugged_in:
            raise NoCameraError("no camera is plugged in")
        self.camera = SoftwareCamera(self.offered, self.optics, **self._camera_options)
        pipeline.set_device(self.camera.device)
        return self.camera.device

    def is_present(self) -> bool:
        return self.plugged_in

    def on_started(self, profile: rs.pipeline_profile) -> None:
        self.streaming = True

    def on_stopped(self) -> None:
        self.streaming = False

    def push(
        self,
        colour: NDArray[np.uint8] | None = None,
        depth_counts: NDArray[np.uint16] | None = None,
        camera_time_s: float | None = None,
        clock: ClockDomain = ClockDomain.SYSTEM,
    ) -> None:
        """Send a pair of images, by default uniform ones taken now."""
        if not self.streaming:
            return
        self.number += 1
        wide, deep = self.offered.colour, self.offered.depth
        self.camera.push(
            self.number,
            time.time() if camera_time_s is None else camera_time_s,
            np.full((wide.height, wide.width, 3), self.number % 256, np.uint8) if colour is None else colour,
            np.full((deep.height, deep.width), 800, np.uint16) if depth_counts is None else depth_counts,
            clock,
        )


def next_pair(session: CameraSession) -> RawPair:
    """The session's next pair, as the library hands it out."""
    ends_s = time.monotonic() + DEADLINE_S
    while time.monotonic() < ends_s:
        pair = session.wait(0.1)
        if pair is not None:
            return pair
    raise AssertionError("no pair of images came")


def next_frame(session: CameraSession) -> RgbdFrame:
    """The session's next pair, filtered and aligned."""
    return session.process(next_pair(session))
