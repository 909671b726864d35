"""A camera that streams: opened, set up, and asked for one pair of images after the other."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import numpy as np
import pyrealsense2 as rs

from realsense_camera.alignment import DepthAlignment, colour_camera
from realsense_camera.camera_settings import CameraSettings, StreamProfile
from realsense_camera.camera_source import CameraSource
from realsense_camera.camera_state import DeviceError, ProfileError
from realsense_camera.depth_filters import DepthFilters
from realsense_camera.device_options import (
    COLOUR_FORMAT,
    DEPTH_FORMAT,
    apply_options,
    check_profiles,
    has_stereo_baseline,
    identify,
)
from realsense_camera.rgbd_frame import ClockDomain, RgbdFrame


@dataclass(frozen=True)
class RawPair:
    """Colour and depth as the library hands them out."""

    frames: rs.composite_frame
    colour: rs.video_frame
    depth: rs.depth_frame


class CameraSession:
    """Opens the source's camera; ``close`` it.

    Args:
        source: The camera.
        settings: How it is to be run.

    Attributes:
        identity: Which camera it is.
        camera: Optics of the images it gives.
        colour_profile: Size and rate of the colour stream, the recording's own if it is one.

    Raises:
        CameraError: It cannot be opened; the error's class says why.
    """

    def __init__(self, source: CameraSource, settings: CameraSettings) -> None:
        self._source = source
        self._pipeline = rs.pipeline()
        config = rs.config()
        device = source.attach(self._pipeline, config)
        self.identity = identify(device)
        if not source.has_own_profile:
            check_profiles(device, settings)
            apply_options(device, settings)
            _enable(config, rs.stream.color, COLOUR_FORMAT, settings.colour)
            _enable(config, rs.stream.depth, DEPTH_FORMAT, settings.depth)
        try:
            profile = self._pipeline.start(config)
        except RuntimeError as error:
            source.on_stopped()
            raise DeviceError(
                f"{self.identity} does not start: {error}; is another program using it?"
            ) from error
        try:
            source.on_started(profile)
            colour, depth = _stream(profile, rs.stream.color), _stream(profile, rs.stream.depth)
            video = colour.as_video_stream_profile()
            self.camera = colour_camera(colour)
            self.colour_profile = StreamProfile(video.width(), video.height(), colour.fps())
            self._filters = DepthFilters(settings.filters, has_stereo_baseline(device))
            self._alignment = DepthAlignment(depth, colour)
        except BaseException:
            self.close()
            raise
        self._last_numbers = (-1, -1)

    def wait(self, timeout_s: float) -> RawPair | None:
        """The next new pair, or None if none came within ``timeout_s`` [s].

        Raises:
            DeviceError: The library reports that the device is gone or broken.
        """
        ends_s = time.monotonic() + timeout_s
        while (left_s := ends_s - time.monotonic()) > 0.0:
            try:
                arrived, frames = self._pipeline.try_wait_for_frames(math.ceil(left_s * 1e3))
            except RuntimeError as error:
                raise DeviceError(f"{self.identity} stopped: {error}") from error
            if not arrived:
                return None
            frames = frames.as_frameset()
            colour, depth = frames.get_color_frame(), frames.get_depth_frame()
            if colour and depth and self._belong_together(colour, depth):
                return RawPair(frames, colour, depth)
        return None

    def process(self, pair: RawPair) -> RgbdFrame:
        """Filter and align a pair. The arrays are copies: the library may reuse its own."""
        filtered = self._filters.process(pair.frames)
        return RgbdFrame(
            colour=np.array(pair.colour.get_data()),
            depth_m=self._alignment.process(filtered),
            camera_time_s=pair.colour.get_timestamp() * 1e-3,
            clock=_clock(pair.colour),
            colour_number=pair.colour.get_frame_number(),
            depth_number=pair.depth.get_frame_number(),
        )

    def is_present(self) -> bool:
        """Whether the camera is still connected."""
        return self._source.is_present()

    def close(self) -> None:
        """Stop streaming."""
        try:
            self._pipeline.stop()
        except RuntimeError:
            # A camera that was unplugged has stopped already.
            pass
        finally:
            self._source.on_stopped()

    def _belong_together(self, colour: rs.video_frame, depth: rs.depth_frame) -> bool:
        """Whether both frames are new and of one instant: the library also hands out a new one with an old one."""
        numbers = (colour.get_frame_number(), depth.get_frame_number())
        if numbers[0] == self._last_numbers[0] or numbers[1] == self._last_numbers[1]:
            return False
        apart_s = abs(colour.get_timestamp() - depth.get_timestamp()) * 1e-3
        comparable = _clock(colour) is _clock(depth)
        if comparable and apart_s > 0.5 * self.colour_profile.period_s:
            return False
        self._last_numbers = numbers
        return True


def _enable(config: rs.config, kind: rs.stream, image_format: rs.format, profile: StreamProfile) -> None:
    config.enable_stream(kind, profile.width, profile.height, image_format, profile.rate_hz)


def _stream(profile: rs.pipeline_profile, kind: rs.stream) -> rs.stream_profile:
    for stream in profile.get_streams():
        if stream.stream_type() == kind:
            return stream
    raise ProfileError(f"{identify(profile.get_device())} has no {kind.name} stream")


def _clock(frame: rs.frame) -> ClockDomain:
    return ClockDomain(frame.get_frame_timestamp_domain().name)
