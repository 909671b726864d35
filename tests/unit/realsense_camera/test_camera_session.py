"""The real library on a software device: profiles, options, filters, pairs and recordings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyrealsense2 as rs
import pytest
from tests.unit.realsense_camera.controlled_source import (
    DEADLINE_S,
    SETTINGS,
    SMALL,
    ControlledSource,
    next_frame,
    next_pair,
)

from realsense_camera.camera_session import CameraSession
from realsense_camera.camera_settings import (
    CameraSettings,
    CameraSettingsError,
    FilterSettings,
    HoleFilling,
    StreamProfile,
)
from realsense_camera.camera_source import LiveSource, RecordingSource
from realsense_camera.camera_state import NoCameraError, ProfileError, RecordingError, SettingError
from realsense_camera.rgbd_frame import ClockDomain
from realsense_camera.software_camera import SoftwareOptics

FRAMES = 12
SILENCE_S = 1.0
"""A recording that gives no pair for so long [s] is over."""

IN_ONE_PLACE = SoftwareOptics(colour_focal=0.9, depth_focal=0.9, translation_m=(0.0, 0.0, 0.0))
"""Both cameras see the same, so that alignment changes nothing."""


def images(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    colour = rng.integers(0, 256, (SMALL.height, SMALL.width, 3)).astype(np.uint8)
    depth = rng.integers(300, 3000, (SMALL.height, SMALL.width)).astype(np.uint16)
    return colour, depth


def test_a_pair_comes_out_as_it_went_in_with_its_time_and_numbers() -> None:
    source = ControlledSource(optics=IN_ONE_PLACE)
    session = CameraSession(source, SETTINGS)
    colour, depth = images(0)
    source.push(colour, depth, camera_time_s=12.345, clock=ClockDomain.HARDWARE)
    pair = next_pair(session)
    frame = session.process(pair)
    session.close()
    assert (frame.colour == colour).all()
    assert (np.asanyarray(pair.depth.get_data()) == depth).all()
    assert frame.camera_time_s == pytest.approx(12.345)
    assert frame.clock is ClockDomain.HARDWARE
    assert (frame.colour_number, frame.depth_number) == (1, 1)
    assert session.camera.intrinsics == source.camera.colour_intrinsics


def test_depth_units_of_the_camera_are_heeded() -> None:
    source = ControlledSource(optics=IN_ONE_PLACE, depth_units_m=0.0001)
    session = CameraSession(source, SETTINGS)
    source.push(depth_counts=np.full((SMALL.height, SMALL.width), 6543, np.uint16))
    assert next_frame(session).depth_m[60, 80] == pytest.approx(0.6543)
    session.close()


@pytest.mark.parametrize("stream", ["colour", "depth"])
def test_a_profile_that_is_not_offered_is_refused_with_those_that_are(stream: str) -> None:
    wanted = replace(SETTINGS, **{stream: StreamProfile(1280, 720, 30)})
    with pytest.raises(ProfileError, match=f"no {stream} stream 1280x720x30; it offers 160x120x30"):
        CameraSession(ControlledSource(), wanted)


def test_exposure_is_set_by_hand_or_left_to_the_camera() -> None:
    source = ControlledSource(exposure=True)
    CameraSession(source, replace(SETTINGS, colour_exposure=156.0)).close()
    depth_sensor, colour_sensor = source.camera.device.query_sensors()
    assert colour_sensor.get_option(rs.option.exposure) == 156.0
    assert colour_sensor.get_option(rs.option.enable_auto_exposure) == 0.0
    assert depth_sensor.get_option(rs.option.enable_auto_exposure) == 1.0


def test_an_exposure_outside_the_range_is_refused_with_the_range() -> None:
    with pytest.raises(
        SettingError, match=r"exposure of the RGB Camera .* must lie in \[1, 10000\], got 20000"
    ):
        CameraSession(ControlledSource(exposure=True), replace(SETTINGS, colour_exposure=20000.0))


def test_an_option_that_the_camera_lacks_is_refused() -> None:
    with pytest.raises(SettingError, match=r"the Stereo Module of .* has no exposure"):
        CameraSession(ControlledSource(), replace(SETTINGS, depth_exposure=8500.0))
    with pytest.raises(SettingError, match="has no depth_units that can be set"):
        CameraSession(ControlledSource(), replace(SETTINGS, depth_units_m=0.0001))


def filtered_depth_m(
    filters: FilterSettings, depth: np.ndarray, optics: SoftwareOptics = IN_ONE_PLACE
) -> np.ndarray:
    source = ControlledSource(optics=optics)
    session = CameraSession(source, replace(SETTINGS, filters=filters))
    for _ in range(6):
        source.push(depth_counts=depth)
        frame = next_frame(session)
    session.close()
    return frame.depth_m


@pytest.mark.parametrize("baseline_mm", [50.0, 0.0], ids=["stereo", "not stereo"])
def test_the_spatial_filter_smooths_noise(baseline_mm: float) -> None:
    noisy = (1000 + 8 * np.random.default_rng(0).standard_normal((SMALL.height, SMALL.width))).astype(
        np.uint16
    )
    optics = replace(IN_ONE_PLACE, baseline_mm=baseline_mm)
    raw_m = filtered_depth_m(FilterSettings(), noisy, optics)[10:-10, 10:-10]
    smooth_m = filtered_depth_m(FilterSettings(spatial=True), noisy, optics)[10:-10, 10:-10]
    assert smooth_m.std() < 0.7 * raw_m.std()
    assert smooth_m.mean() == pytest.approx(1.0, abs=0.006)


def test_the_temporal_filter_remembers_pixels_that_drop_out() -> None:
    full, holed = (np.full((SMALL.height, SMALL.width), 1000, np.uint16) for _ in range(2))
    holed[50:60, 70:80] = 0
    source = ControlledSource(optics=IN_ONE_PLACE)
    session = CameraSession(source, replace(SETTINGS, filters=FilterSettings(temporal=True)))
    for depth in [full] * 8 + [holed]:
        source.push(depth_counts=depth)
        frame = next_frame(session)
    session.close()
    assert frame.depth_m[55, 75] == pytest.approx(1.0, abs=0.002)


@pytest.mark.parametrize(
    ("mode", "filled_m"), [(HoleFilling.NONE, 0.0), (HoleFilling.NEAREST, 0.8), (HoleFilling.FARTHEST, 1.2)]
)
def test_holes_are_filled_as_asked(mode: HoleFilling, filled_m: float) -> None:
    depth = np.full((SMALL.height, SMALL.width), 800, np.uint16)
    depth[:, 80:] = 1200
    depth[60, 80] = 0
    assert filtered_depth_m(FilterSettings(hole_filling=mode), depth)[60, 80] == pytest.approx(
        filled_m, abs=1e-4
    )


def test_decimated_depth_is_still_aligned_to_the_full_colour_image() -> None:
    depth = np.full((SMALL.height, SMALL.width), 800, np.uint16)
    depth[:, 80:] = 1200
    decimated_m = filtered_depth_m(FilterSettings(decimation=2), depth)
    assert decimated_m.shape == (SMALL.height, SMALL.width)
    assert decimated_m[60, 40] == pytest.approx(0.8)
    assert decimated_m[60, 120] == pytest.approx(1.2)


def test_without_a_camera_the_live_source_says_so() -> None:
    if len(rs.context().query_devices()):
        pytest.skip("a RealSense camera is connected to this machine")
    with pytest.raises(NoCameraError, match="no RealSense camera is connected; plug it into a USB 3 port"):
        CameraSession(LiveSource(), SETTINGS)


# Recordings


@contextmanager
def recorded(path: Path) -> Iterator[tuple[ControlledSource, rs.pipeline]]:
    """A software camera whose frames the library itself writes to ``path``."""
    source = ControlledSource(optics=IN_ONE_PLACE)
    pipeline, config = rs.pipeline(), rs.config()
    source.attach(pipeline, config)
    config.enable_record_to_file(str(path))
    source.on_started(pipeline.start(config))
    yield source, pipeline
    pipeline.stop()


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Pairs of images, one after the other."""
    path = tmp_path / "frames.db3"
    with recorded(path) as (source, pipeline):
        for index in range(FRAMES):
            taken_s = 5.0 + index * SMALL.period_s
            source.push(*images(index), camera_time_s=taken_s, clock=ClockDomain.HARDWARE)
            assert pipeline.try_wait_for_frames(10_000)[0]
    return path


def test_a_recording_plays_back_bit_for_bit_and_each_pair_once(recording: Path) -> None:
    other_profile = replace(SETTINGS, colour=StreamProfile(640, 480, 30), depth=StreamProfile(640, 480, 30))
    session = CameraSession(RecordingSource(recording, repeat=False, real_time=False), other_profile)
    assert str(session.colour_profile) == "160x120x30"
    numbers = []
    while (pair := session.wait(DEADLINE_S if len(numbers) < FRAMES else SILENCE_S)) is not None:
        frame = session.process(pair)
        numbers.append(frame.colour_number)
        colour, depth = images(frame.colour_number - 1)
        assert (frame.colour == colour).all()
        assert (np.asanyarray(pair.depth.get_data()) == depth).all()
        assert frame.camera_time_s == pytest.approx(
            5.0 + (frame.colour_number - 1) * SMALL.period_s, abs=1e-5
        )
        assert frame.depth_number == frame.colour_number
    session.close()
    assert numbers == list(range(1, FRAMES + 1))


def test_images_whose_partners_were_lost_are_not_paired_with_others(tmp_path: Path) -> None:
    path = tmp_path / "gaps.db3"
    with recorded(path) as (source, _):
        for number in range(1, 21):
            colour, depth = images(number)
            if number % 4:
                source.camera.push_colour(number, number * SMALL.period_s, colour)
            if (number + 1) % 4:
                source.camera.push_depth(number, number * SMALL.period_s, depth)
    session = CameraSession(RecordingSource(path, repeat=False, real_time=False), SETTINGS)
    pairs = []
    while (pair := session.wait(SILENCE_S if pairs else DEADLINE_S)) is not None:
        pairs.append((pair.colour.get_frame_number(), pair.depth.get_frame_number()))
    session.close()
    assert pairs
    assert all(colour == depth for colour, depth in pairs)


def test_a_repeated_recording_starts_again(recording: Path) -> None:
    session = CameraSession(RecordingSource(recording), SETTINGS)
    numbers = [next_frame(session).colour_number for _ in range(FRAMES + 4)]
    session.close()
    assert min(np.diff(numbers)) < 0


def test_recordings_that_are_missing_or_no_recordings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="there is no recording"):
        CameraSession(RecordingSource(tmp_path / "none.db3"), SETTINGS)
    (tmp_path / "text.db3").write_text("no recording")
    with pytest.raises(RecordingError, match="cannot play the recording"):
        CameraSession(RecordingSource(tmp_path / "text.db3"), SETTINGS)


# What is asked


@pytest.mark.parametrize("text", ["640x480", "640x480x0", "fast", "", "-1x2x3"])
def test_a_profile_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(CameraSettingsError, match="written WIDTHxHEIGHTxRATE"):
        StreamProfile.parse(text)


def test_colour_and_depth_of_different_rates_are_refused() -> None:
    with pytest.raises(CameraSettingsError, match="must have one rate"):
        CameraSettings(depth=StreamProfile(640, 480, 15))
