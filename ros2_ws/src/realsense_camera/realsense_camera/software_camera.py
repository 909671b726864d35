"""A camera made of software: the library's own software device, fed with images.

It goes through the same library code as a real one. ``SoftwareSource`` feeds it with a synthetic scene; tests feed it
with images of their own, and plug and unplug it.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

import numpy as np
import pyrealsense2 as rs
from numpy.typing import NDArray

from realsense_camera.camera_settings import CameraSettings, StreamProfile
from realsense_camera.camera_source import CameraSource
from realsense_camera.rgbd_frame import ClockDomain
from tracegen_model.camera import CameraIntrinsics

SERIAL = "software"

_DOMAINS = {
    ClockDomain.HARDWARE: rs.timestamp_domain.hardware_clock,
    ClockDomain.SYSTEM: rs.timestamp_domain.system_time,
    ClockDomain.GLOBAL: rs.timestamp_domain.global_time,
}


@dataclass(frozen=True)
class SoftwareOptics:
    """Optics of a software camera, by default those of a D435 as its data sheet has them.

    Attributes:
        colour_focal: Focal length of the colour camera as a fraction of the image's width [-].
        depth_focal: The same of the depth camera.
        rotation: Row-major (3, 3): turns directions of the depth camera into the colour camera's.
        translation_m: The depth camera's place in the colour camera's frame (3,) [m].
        baseline_mm: Distance of the two imagers [mm]; 0 = not a stereo camera.
    """

    colour_focal: float = 0.95
    depth_focal: float = 0.60
    rotation: NDArray[np.float64] = field(default_factory=lambda: np.eye(3))
    translation_m: tuple[float, float, float] = (0.015, 0.0, 0.0)
    baseline_mm: float = 50.0


class SoftwareCamera:
    """A software device with a colour and a depth sensor of one profile each.

    Args:
        settings: Its streams.
        optics: Its optics.
        serial: Its serial number.
        depth_units_m: Length of one count of depth [m].
        exposure: Give both sensors an exposure that can be set, 1 to 10000, automatic at first.

    Attributes:
        device: The library's device.
    """

    def __init__(
        self,
        settings: CameraSettings | None = None,
        optics: SoftwareOptics | None = None,
        serial: str = SERIAL,
        depth_units_m: float = 0.001,
        exposure: bool = False,
    ) -> None:
        settings, optics = settings or CameraSettings(), optics or SoftwareOptics()
        self.depth_units_m = depth_units_m
        self.colour_intrinsics = _intrinsics(settings.colour, optics.colour_focal)
        self.depth_intrinsics = _intrinsics(settings.depth, optics.depth_focal)
        self.device = rs.software_device()
        self.device.register_info(rs.camera_info.name, "Software camera")
        self.device.register_info(rs.camera_info.serial_number, serial)
        self._depth_sensor = self.device.add_sensor("Stereo Module")
        self._colour_sensor = self.device.add_sensor("RGB Camera")
        self._depth_stream = self._depth_sensor.add_video_stream(
            _stream(rs.stream.depth, rs.format.z16, 2, settings.depth, self.depth_intrinsics), True
        )
        self._colour_stream = self._colour_sensor.add_video_stream(
            _stream(rs.stream.color, rs.format.rgb8, 3, settings.colour, self.colour_intrinsics), True
        )
        self._depth_sensor.add_read_only_option(rs.option.depth_units, depth_units_m)
        if optics.baseline_mm > 0.0:
            self._depth_sensor.add_read_only_option(rs.option.stereo_baseline, optics.baseline_mm)
        if exposure:
            for sensor in (self._depth_sensor, self._colour_sensor):
                sensor.add_option(rs.option.enable_auto_exposure, _range(0.0, 1.0, 1.0), True)
                sensor.add_option(rs.option.exposure, _range(1.0, 10000.0, 100.0), True)
        extrinsics = rs.extrinsics()
        # librealsense stores rotations column by column.
        extrinsics.rotation = optics.rotation.T.ravel().tolist()
        extrinsics.translation = list(optics.translation_m)
        self._depth_stream.register_extrinsics_to(self._colour_stream, extrinsics)
        self.device.create_matcher(rs.matchers.dlr_c)

    def push(
        self,
        number: int,
        camera_time_s: float,
        colour: NDArray[np.uint8],
        depth_counts: NDArray[np.uint16],
        clock: ClockDomain = ClockDomain.HARDWARE,
    ) -> None:
        """Send a pair: colour (H, W, 3) uint8 and depth (H, W) uint16, taken at ``camera_time_s`` [s, in ``clock``]."""
        self.push_depth(number, camera_time_s, depth_counts, clock)
        self.push_colour(number, camera_time_s, colour, clock)

    def push_depth(
        self,
        number: int,
        camera_time_s: float,
        depth_counts: NDArray[np.uint16],
        clock: ClockDomain = ClockDomain.HARDWARE,
    ) -> None:
        """Send a depth image (H, W) uint16 alone."""
        frame = self._frame(number, camera_time_s, depth_counts, clock, self._depth_stream)
        frame.depth_units = self.depth_units_m
        self._depth_sensor.on_video_frame(frame)

    def push_colour(
        self,
        number: int,
        camera_time_s: float,
        colour: NDArray[np.uint8],
        clock: ClockDomain = ClockDomain.HARDWARE,
    ) -> None:
        """Send a colour image (H, W, 3) uint8 alone."""
        self._colour_sensor.on_video_frame(
            self._frame(number, camera_time_s, colour, clock, self._colour_stream)
        )

    @staticmethod
    def _frame(
        number: int, camera_time_s: float, pixels: NDArray, clock: ClockDomain, stream: rs.stream_profile
    ) -> rs.software_video_frame:
        frame = rs.software_video_frame()
        frame.pixels = pixels
        frame.bpp = pixels[0, 0].nbytes
        frame.stride = pixels[0].nbytes
        frame.timestamp = camera_time_s * 1e3
        frame.domain = _DOMAINS[clock]
        frame.frame_number = number
        frame.profile = stream.as_video_stream_profile()
        return frame


class SoftwareSource(CameraSource):
    """A software camera that shows a box in front of a wall, moving to and fro, at its stream's rate.

    Args:
        settings: Its streams.
    """

    def __init__(self, settings: CameraSettings) -> None:
        self._settings = settings
        self._camera: SoftwareCamera | None = None
        self._ended = threading.Event()
        self._feeder: threading.Thread | None = None

    def attach(self, pipeline: rs.pipeline, config: rs.config) -> rs.device:
        """Make a new software device."""
        self._camera = SoftwareCamera(self._settings)
        pipeline.set_device(self._camera.device)
        return self._camera.device

    def is_present(self) -> bool:
        """It always is."""
        return True

    def on_started(self, profile: rs.pipeline_profile) -> None:
        """Begin to send images."""
        self._ended.clear()
        self._feeder = threading.Thread(target=self._feed, name="software camera", daemon=True)
        self._feeder.start()

    def on_stopped(self) -> None:
        """Send no more."""
        self._ended.set()
        if self._feeder is not None:
            self._feeder.join()
            self._feeder = None

    def _feed(self) -> None:
        assert self._camera is not None
        period_s = self._settings.colour.period_s
        scene = _BoxScene(self._settings)
        due_s = time.monotonic()
        number = 0
        while not self._ended.wait(max(0.0, due_s - time.monotonic())):
            due_s += period_s
            number += 1
            colour, depth = scene.images(number)
            self._camera.push(number, time.time(), colour, depth, ClockDomain.SYSTEM)


class _BoxScene:
    """Images of a box that moves to and fro in front of a wall; made once, then only shown."""

    _POSITIONS = 30
    _WALL_MM = 900
    _BOX_MM = 600

    def __init__(self, settings: CameraSettings) -> None:
        self._images = [self._draw(settings, step / self._POSITIONS) for step in range(self._POSITIONS)]

    def images(self, number: int) -> tuple[NDArray[np.uint8], NDArray[np.uint16]]:
        """Colour and depth [mm] number ``number``."""
        to_and_fro = number % (2 * self._POSITIONS)
        return self._images[min(to_and_fro, 2 * self._POSITIONS - 1 - to_and_fro)]

    def _draw(self, settings: CameraSettings, where: float) -> tuple[NDArray[np.uint8], NDArray[np.uint16]]:
        """The box at ``where`` in [0, 1) of its way."""
        colour_size, depth_size = settings.colour, settings.depth
        colour = np.empty((colour_size.height, colour_size.width, 3), np.uint8)
        colour[...] = np.linspace(60, 200, colour_size.width, dtype=np.uint8)[:, None]
        depth = np.full((depth_size.height, depth_size.width), self._WALL_MM, np.uint16)
        for image, value in ((colour, (200, 40, 40)), (depth, self._BOX_MM)):
            height, width = image.shape[:2]
            left = round((0.3 + 0.2 * where) * width)
            image[height * 2 // 5 : height * 3 // 5, left : left + width // 5] = value
        return colour, depth


def _intrinsics(profile: StreamProfile, focal: float) -> CameraIntrinsics:
    length = focal * profile.width
    return CameraIntrinsics(
        length, length, (profile.width - 1) / 2, (profile.height - 1) / 2, profile.width, profile.height
    )


def _stream(
    kind: rs.stream,
    image_format: rs.format,
    bytes_per_pixel: int,
    profile: StreamProfile,
    camera: CameraIntrinsics,
) -> rs.video_stream:
    optics = rs.intrinsics()
    optics.width, optics.height = camera.width, camera.height
    optics.fx, optics.fy, optics.ppx, optics.ppy = camera.fx, camera.fy, camera.cx, camera.cy
    optics.model = rs.distortion.brown_conrady
    optics.coeffs = [0.0] * 5
    stream = rs.video_stream()
    stream.type, stream.fmt, stream.bpp = kind, image_format, bytes_per_pixel
    stream.index, stream.uid = 0, int(kind)
    stream.width, stream.height, stream.fps = profile.width, profile.height, profile.rate_hz
    stream.intrinsics = optics
    return stream


def _range(minimum: float, maximum: float, default: float) -> rs.option_range:
    span = rs.option_range()
    span.min, span.max, span.step, span.default = minimum, maximum, 1.0, default
    return span
