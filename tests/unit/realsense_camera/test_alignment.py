"""Depth aligned to colour, against a projection that shares no code with it."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.unit.realsense_camera.controlled_source import ControlledSource, next_frame

from realsense_camera.camera_session import CameraSession
from realsense_camera.camera_settings import CameraSettings, StreamProfile
from realsense_camera.software_camera import SoftwareOptics

WALL_MM, BOX_MM = 900, 600
SETTINGS = CameraSettings(colour=StreamProfile(320, 240, 30), depth=StreamProfile(320, 240, 30))


def turned(axis: int, degrees: float) -> NDArray[np.float64]:
    """Rotation about a coordinate axis."""
    angle = np.radians(degrees)
    first, second = (axis + 1) % 3, (axis + 2) % 3
    rotation = np.eye(3)
    rotation[[first, second], [first, second]] = np.cos(angle)
    rotation[second, first], rotation[first, second] = np.sin(angle), -np.sin(angle)
    return rotation


def box_before_wall() -> NDArray[np.uint16]:
    depth = np.full((240, 320), WALL_MM, np.uint16)
    depth[90:150, 130:200] = BOX_MM
    return depth


def expected_depth_m(source: ControlledSource, depth_mm: NDArray[np.uint16]) -> NDArray[np.float64]:
    """Depth of the scene on the colour image: each depth pixel's point, moved and projected; the nearest one wins."""
    assert source.optics is not None
    depth_camera, colour_camera = source.camera.depth_intrinsics, source.camera.colour_intrinsics
    rows, columns = np.mgrid[0 : depth_mm.shape[0] : 0.5, 0 : depth_mm.shape[1] : 0.5]
    nearest = depth_mm[
        np.minimum(np.rint(rows).astype(int), depth_mm.shape[0] - 1),
        np.minimum(np.rint(columns).astype(int), depth_mm.shape[1] - 1),
    ]
    points = depth_camera.back_project(np.stack([columns, rows], axis=-1), nearest * 1e-3)
    points = points @ source.optics.rotation.T + source.optics.translation_m
    pixels = np.rint(colour_camera.project(points)).astype(int).reshape(-1, 2)
    seen = np.full((colour_camera.height, colour_camera.width), np.inf)
    inside = ((pixels >= 0) & (pixels < [colour_camera.width, colour_camera.height])).all(axis=1)
    np.minimum.at(seen, (pixels[inside, 1], pixels[inside, 0]), points.reshape(-1, 3)[inside, 2])
    return np.where(np.isfinite(seen), seen, 0.0)


@pytest.mark.parametrize(
    "optics",
    [
        SoftwareOptics(translation_m=(0.0, 0.0, 0.0)),
        SoftwareOptics(translation_m=(0.015, 0.0, 0.0)),
        SoftwareOptics(translation_m=(0.059, -0.004, 0.002)),
        SoftwareOptics(rotation=turned(1, 1.0) @ turned(0, -0.7), translation_m=(0.015, 0.001, -0.003)),
    ],
    ids=["same place", "D435", "D455", "not parallel"],
)  # fmt: skip
def test_aligned_depth_is_what_an_independent_projection_gives(optics: SoftwareOptics) -> None:
    source = ControlledSource(SETTINGS, optics)
    session = CameraSession(source, SETTINGS)
    depth_mm = box_before_wall()
    source.push(depth_counts=depth_mm)
    aligned_m = next_frame(session).depth_m
    session.close()
    expected_m = expected_depth_m(source, depth_mm)
    both = (aligned_m > 0.0) & (expected_m > 0.0)
    assert both[20:-20, 40:-40].mean() > 0.9
    close = np.abs(aligned_m - expected_m)[both] < 1e-3
    # The rest are pixels at the box's edge, where half a pixel decides between box and wall.
    assert close.mean() > 0.985


def test_the_box_appears_where_the_known_shift_puts_it() -> None:
    source = ControlledSource(SETTINGS, SoftwareOptics(translation_m=(0.03, 0.0, 0.0)))
    session = CameraSession(source, SETTINGS)
    source.push(depth_counts=box_before_wall())
    aligned_m = next_frame(session).depth_m
    session.close()
    columns = np.flatnonzero(np.isclose(aligned_m[120], BOX_MM * 1e-3))
    depth_camera, colour_camera = source.camera.depth_intrinsics, source.camera.colour_intrinsics
    edges_m = (np.array([129.5, 199.5]) - depth_camera.cx) / depth_camera.fx * BOX_MM * 1e-3 + 0.03
    edges_px = edges_m / (BOX_MM * 1e-3) * colour_camera.fx + colour_camera.cx
    assert [columns.min(), columns.max()] == pytest.approx(edges_px, abs=1.0)


def test_pixels_without_depth_stay_without() -> None:
    source = ControlledSource(
        SETTINGS, SoftwareOptics(rotation=turned(1, 2.0), translation_m=(0.015, 0.0, 0.01))
    )
    session = CameraSession(source, SETTINGS)
    source.push(depth_counts=np.zeros((240, 320), np.uint16))
    assert not next_frame(session).depth_m.any()
    session.close()


def test_depth_of_another_size_is_brought_to_the_colour_image() -> None:
    settings = CameraSettings(colour=StreamProfile(320, 240, 30), depth=StreamProfile(160, 120, 30))
    source = ControlledSource(settings)
    session = CameraSession(source, settings)
    source.push(depth_counts=np.full((120, 160), WALL_MM, np.uint16))
    aligned_m = next_frame(session).depth_m
    session.close()
    assert aligned_m.shape == (240, 320)
    assert aligned_m[60:-60, 80:-80] == pytest.approx(WALL_MM * 1e-3)
