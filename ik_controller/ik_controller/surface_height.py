"""How high things are, from the depth image: the table, the object near a place, and where the fingers go for both.

Everything is measured around the place where the traces say something happens, so no height is a constant of the scene.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.ma  # numpy.percentile imports it when first called, which would make the first command late
from numpy.typing import NDArray

from ik_controller.hand_visibility import distance_to_boxes
from ik_controller.lifting import transform_points
from tracegen_model.camera import CameraIntrinsics

FloatArray = NDArray[np.float64]


WINDOW_SAMPLES = 70
"""Readings taken along each side of a search window, about."""

HELD_OBJECT_HALF_WIDTH = 0.06
"""Half width of what a held object may cover beside the fingers [m]."""


@dataclass(frozen=True)
class SurfaceConfig:
    """What counts as table and as object.

    Attributes:
        search_radius: Points this near to the place are looked at [m].
        object_radius: An object's points lie this near to the place [m].
        min_object_height: An object stands at least this high over the table [m]; less is noise.
        max_object_height: What is higher is the robot [m].
        top_slab: Points this far below the object's top belong to its top face [m].
        min_points: Fewer points than this are no surface.
        hand_clearance: Points this near to the hand's boxes are the hand's [m].
        grip_depth: The tool centre point goes this far below an object's top [m] ...
        min_table_clearance: ... and stays this far above the table [m].
        release_gap: An object is let go this far above the surface [m].
        held_depth: A held object may reach this far beyond the fingertips [m].
    """

    search_radius: float = 0.09
    object_radius: float = 0.042
    min_object_height: float = 0.012
    max_object_height: float = 0.12
    top_slab: float = 0.008
    min_points: int = 12
    hand_clearance: float = 0.012
    grip_depth: float = 0.021
    min_table_clearance: float = 0.014
    release_gap: float = 0.004
    held_depth: float = 0.04


@dataclass(frozen=True)
class ObjectSurface:
    """The top of an object.

    Attributes:
        centre: (2,) x, y of the middle of its top face [m, base frame].
        top: Height of the top face [m].
        heading: Rotation of the top face's edges about the vertical [rad], in [-pi/4, pi/4); None where too few
            points show it.
        point_count: Depth readings it rests on.
    """

    centre: FloatArray
    top: float
    heading: float | None
    point_count: int


def points_near(
    depth: NDArray[np.floating],
    intrinsics: CameraIntrinsics,
    camera_in_base: FloatArray,
    place: FloatArray,
    radius: float,
) -> FloatArray:
    """(M, 3) points of the depth image [m, base frame] less than ``radius`` [m] beside ``place`` (3,) [m]."""
    in_camera = camera_in_base[:3, :3].T @ (place - camera_in_base[:3, 3])
    if in_camera[2] <= radius:
        return np.empty((0, 3))
    u, v = intrinsics.project(in_camera)
    reach = 1.3 * radius / in_camera[2]
    columns = _span(u, reach * intrinsics.fx, depth.shape[1])
    rows = _span(v, reach * intrinsics.fy, depth.shape[0])
    if not rows or not columns:
        return np.empty((0, 3))
    patch = np.asarray(depth[rows.start : rows.stop : rows.step, columns.start : columns.stop : columns.step])
    pixels = np.stack(np.meshgrid(np.array(columns, dtype=float), np.array(rows, dtype=float)), axis=-1)
    points = transform_points(camera_in_base, intrinsics.back_project(pixels, patch).reshape(-1, 3))
    beside_x, beside_y = points[:, 0] - place[0], points[:, 1] - place[1]
    near = beside_x * beside_x + beside_y * beside_y < radius * radius
    return points[near & (patch > 0.0).ravel()]


def without_hand(
    points: FloatArray,
    hand_in_base: FloatArray,
    boxes: FloatArray,
    clearance: float,
    held_depth: float | None,
) -> FloatArray:
    """``points`` (M, 3) [m] that belong neither to the hand nor to what it holds, nor lie above its fingertips'
    carriage.

    Args:
        points: In the base frame.
        hand_in_base: (4, 4) pose of the hand.
        boxes: (B, 2, 3) the hand's shape.
        clearance: How near to a box still counts as the hand [m].
        held_depth: How far a held object may reach beyond the fingertips [m]; None when nothing is held.
    """
    local = (points - hand_in_base[:3, 3]) @ hand_in_base[:3, :3]
    x, y, z = local.T
    lower, upper = boxes[:, 0].min(axis=0), boxes[:, 1].max(axis=0)
    keep = z > lower[2]
    around = keep & inside_box(local, lower - clearance, upper + clearance)
    keep[around] = distance_to_boxes(local[around], boxes) > clearance
    if held_depth is not None:
        near = (np.abs(x) < HELD_OBJECT_HALF_WIDTH) & (np.abs(y) < HELD_OBJECT_HALF_WIDTH)
        keep &= ~(near & (z < upper[2] + held_depth))
    return points[keep]


def inside_box(points: FloatArray, lower: FloatArray, upper: FloatArray) -> NDArray[np.bool_]:
    """(M,) ``points`` (M, 3) lie inside the box between the corners ``lower`` and ``upper`` (3,) [m]."""
    inside = np.ones(len(points), dtype=bool)
    for values, low, high in zip(points.T, lower, upper, strict=True):
        inside &= (values > low) & (values < high)
    return inside


def table_height(points: FloatArray, config: SurfaceConfig) -> float | None:
    """Height of the lowest surface with support among ``points`` (M, 3) [m]; None where too few points show it."""
    z = points[:, 2]
    if len(z) < config.min_points:
        return None
    low = np.percentile(z, 15)
    band = z[np.abs(z - low) < config.min_object_height]
    return float(np.median(band)) if len(band) >= config.min_points else None


def find_object(
    points: FloatArray, place: FloatArray, table: float, config: SurfaceConfig
) -> ObjectSurface | None:
    """The object that stands nearest to ``place`` (2,) [m], or None.

    Args:
        points: (M, 3) points around the place without the hand [m, base frame].
        place: x, y where the traces expect it.
        table: Height of the table there [m].
        config: What counts as an object.
    """
    z = points[:, 2] - table
    standing = points[(z > config.min_object_height) & (z < config.max_object_height)]
    centre = np.asarray(place, dtype=float)[:2]
    for _ in range(3):
        near = standing[np.hypot(*(standing[:, :2] - centre).T) < config.object_radius]
        if len(near) < config.min_points:
            return None
        top = float(np.percentile(near[:, 2], 90))
        face = near[near[:, 2] > top - config.top_slab]
        low, high = np.percentile(np.ascontiguousarray(face[:, :2].T), (4, 96), axis=1)
        middle = (low + high) / 2
        if np.hypot(*(middle - centre)) < 1e-3:
            break
        centre = middle
    top = float(np.median(face[:, 2]))
    return ObjectSurface(centre, top, face_heading(face[:, :2] - centre), len(face))


def face_heading(points: FloatArray) -> float | None:
    """Rotation [rad] in [-pi/4, pi/4) of the smallest rectangle around ``points`` (M, 2) [m]; None for a few points."""
    if len(points) < 60:
        return None
    angles = np.radians(np.arange(-45.0, 45.0, 3.0))
    cosines, sines = np.cos(angles), np.sin(angles)
    along, across = (np.stack(axis, axis=-1) @ points.T for axis in ((cosines, sines), (-sines, cosines)))
    high, low = np.percentile(np.concatenate([along, across]), (97, 3), axis=1)
    area = np.prod(np.split(high - low, 2), axis=0)
    best = int(np.argmin(area))
    # A round or blurred face has no sides to speak of.
    if area[best] > 0.88 * area.max():
        return None
    return float(angles[best])


def grasp_height(surface: ObjectSurface | None, table: float, config: SurfaceConfig) -> float:
    """Height of the tool centre point for a grasp [m]: below the object's top, above the table.

    An object too low or too hidden to be seen is grasped close to the table.
    """
    lowest = table + config.min_table_clearance
    return lowest if surface is None else max(surface.top - config.grip_depth, lowest)


def release_height(
    surface: ObjectSurface | None, table: float, grip_height: float, config: SurfaceConfig
) -> float:
    """Height of the tool centre point for a release [m]; ``grip_height`` [m] is that over the object's underside."""
    below = table if surface is None else surface.top
    return below + grip_height + config.release_gap


def _span(centre: float, half: float, size: int) -> range:
    """Pixel indices within ``half`` [px] of ``centre``, inside an image of ``size``; large windows are thinned."""
    low, high = max(0, int(np.floor(centre - half))), min(size, int(np.ceil(centre + half)) + 1)
    return range(low, high, max(1, (high - low) // WINDOW_SAMPLES))
