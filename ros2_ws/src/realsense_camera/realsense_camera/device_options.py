"""Checking what a camera offers and setting its options, with errors that name the camera and what it has."""

from __future__ import annotations

from collections.abc import Iterable

import pyrealsense2 as rs

from realsense_camera.camera_settings import CameraSettings, StreamProfile
from realsense_camera.camera_state import ProfileError, SettingError
from realsense_camera.rgbd_frame import CameraIdentity

COLOUR_FORMAT = rs.format.rgb8
DEPTH_FORMAT = rs.format.z16

_MOST_PROFILES_NAMED = 30


def identify(device: rs.device) -> CameraIdentity:
    """Name, serial number, firmware and USB type of a device."""

    def info(key: rs.camera_info) -> str:
        return device.get_info(key) if device.supports(key) else ""

    return CameraIdentity(
        name=info(rs.camera_info.name) or "camera",
        serial=info(rs.camera_info.serial_number),
        firmware=info(rs.camera_info.firmware_version),
        usb=info(rs.camera_info.usb_type_descriptor),
    )


def check_profiles(device: rs.device, settings: CameraSettings) -> None:
    """Refuse streams that the device does not offer.

    Raises:
        ProfileError: Names what it does offer on this connection.
    """
    for name, kind, image_format, wanted in (
        ("colour", rs.stream.color, COLOUR_FORMAT, settings.colour),
        ("depth", rs.stream.depth, DEPTH_FORMAT, settings.depth),
    ):
        offered = _offered(device, kind, image_format)
        if not offered:
            raise ProfileError(f"{identify(device)} has no {name} stream of format {image_format.name}")
        if wanted not in offered:
            usb = identify(device).usb
            connection = f" on USB {usb} (slower USB offers fewer)" if usb else ""
            raise ProfileError(
                f"{identify(device)} offers no {name} stream {wanted}; it offers {_listed(offered)}{connection}"
            )


def apply_options(device: rs.device, settings: CameraSettings) -> None:
    """Set exposures and depth units.

    Raises:
        SettingError: The camera lacks the option, or the value is outside its range.
    """
    colour, depth = _sensor(device, rs.stream.color), _sensor(device, rs.stream.depth)
    if settings.depth_units_m > 0.0:
        _set(device, depth, rs.option.depth_units, settings.depth_units_m)
    _set_exposure(device, depth, settings.depth_exposure)
    _set_exposure(device, colour, settings.colour_exposure)


def has_stereo_baseline(device: rs.device) -> bool:
    """Whether depth comes from two imagers, so that its noise is even in disparity rather than in depth."""
    return _sensor(device, rs.stream.depth).supports(rs.option.stereo_baseline)


def _offered(device: rs.device, kind: rs.stream, image_format: rs.format) -> list[StreamProfile]:
    found = {
        (video.width(), video.height(), profile.fps())
        for sensor in device.query_sensors()
        for profile in sensor.get_stream_profiles()
        if profile.stream_type() == kind and profile.format() == image_format
        for video in [profile.as_video_stream_profile()]
    }
    return [StreamProfile(*numbers) for numbers in sorted(found)]


def _listed(profiles: Iterable[StreamProfile]) -> str:
    names = [str(profile) for profile in profiles]
    more = len(names) - _MOST_PROFILES_NAMED
    return ", ".join(names[:_MOST_PROFILES_NAMED]) + (f" and {more} more" if more > 0 else "")


def _sensor(device: rs.device, kind: rs.stream) -> rs.sensor:
    for sensor in device.query_sensors():
        if any(profile.stream_type() == kind for profile in sensor.get_stream_profiles()):
            return sensor
    raise ProfileError(f"{identify(device)} has no {kind.name} stream")


def _set_exposure(device: rs.device, sensor: rs.sensor, exposure: float) -> None:
    """Set ``exposure`` [the sensor's unit]; 0 switches automatic exposure on where there is such a thing."""
    automatic = rs.option.enable_auto_exposure
    switchable = sensor.supports(automatic) and not sensor.is_option_read_only(automatic)
    if switchable:
        _set(device, sensor, automatic, float(exposure == 0.0))
    if exposure > 0.0:
        _set(device, sensor, rs.option.exposure, exposure)


def _set(device: rs.device, sensor: rs.sensor, option: rs.option, value: float) -> None:
    whose = f"the {sensor.get_info(rs.camera_info.name)} of {identify(device)}"
    if not sensor.supports(option) or sensor.is_option_read_only(option):
        raise SettingError(f"{whose} has no {option.name} that can be set; leave it at 0")
    span = sensor.get_option_range(option)
    if not span.min <= value <= span.max:
        raise SettingError(
            f"{option.name} of {whose} must lie in [{span.min:g}, {span.max:g}], got {value:g}"
        )
    try:
        sensor.set_option(option, value)
    except RuntimeError as error:
        raise SettingError(f"{whose} does not take {option.name} = {value:g}: {error}") from error
