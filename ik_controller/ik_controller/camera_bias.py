"""The camera's calibration error near the hand, seen on the hand itself.

Where the hand is, forward kinematics knows to a millimetre. What the camera sees of it, placed by a calibration that is
off, lies beside it by a translation b that is nearly the same for everything near the hand. Two steps in turn find it:

- *Depth* tells b across the faces seen: Gauss-Newton on the signed distance d of the seen points p_i to the hand's
  shape, min_b sum_i w_i d(p_i - b)^2 + stiffness |b - b_0|^2, outliers weighted down.
- *The outline* tells b across the line of sight: samples of the hand's surface, shifted by b, must not lie where the
  camera sees through to something behind.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ik_controller.lifting import transform_points
from ik_controller.surface_height import inside_box, points_near
from tracegen_model.camera import CameraIntrinsics

FloatArray = NDArray[np.float64]

SHAPES_KEPT = 16
"""Shapes of the hand whose samples are remembered."""


@dataclass(frozen=True)
class BiasConfig:
    """Settings of the estimate.

    Attributes:
        reach: Points that far from the hand's shape may belong to it [m].
        max_points: Seen points used.
        min_points: Fewer give no estimate.
        outlier_distance: Points beyond this residual are weighted down [m].
        stiffness: Pull to the start of the fit, in points.
        sample_spacing: Distance between samples of the hand's surface [m].
        match_distance: A sample is seen where the depth there differs by less than this [m].
        search_radius: Largest shift across the line of sight tried at once [m].
        max_samples: Samples of the hand's surface used.
        memory: Share of the old estimate that is kept at each image.
        least_bias: A smaller error is left alone: the hand is not known better than that [m].
        max_bias: A larger error means another problem: it is not corrected [m].
        settled_images: After so many images only every so many-th is looked at.
        settled_stride: See ``settled_images``.
    """

    reach: float = 0.03
    max_points: int = 250
    min_points: int = 80
    outlier_distance: float = 0.004
    stiffness: float = 20.0
    sample_spacing: float = 0.009
    match_distance: float = 0.012
    search_radius: float = 0.016
    max_samples: int = 220
    memory: float = 0.6
    least_bias: float = 0.006
    max_bias: float = 0.045
    settled_images: int = 5
    settled_stride: int = 3


class CameraBias:
    """Running estimate of the bias over images.

    Attributes:
        estimate_in_base: (3,) what the camera sees near the hand lies beside the truth by this [m, base frame].
    """

    def __init__(self, config: BiasConfig) -> None:
        self._config = config
        self.estimate_in_base: FloatArray = np.zeros(3)
        self._images = 0

    def corrected(self, camera_in_base: FloatArray) -> FloatArray:
        """The calibrated camera pose (4, 4), moved so that what it sees near the hand lies where it is."""
        pose = np.array(camera_in_base, dtype=float)
        if np.linalg.norm(self.estimate_in_base) >= self._config.least_bias:
            pose[:3, 3] -= self.estimate_in_base
        return pose

    def observe(
        self,
        depth: NDArray[np.floating],
        intrinsics: CameraIntrinsics,
        camera_in_base: FloatArray,
        hand_in_base: FloatArray,
        boxes: FloatArray,
    ) -> None:
        """Learn from one depth image (H, W) [m] of a hand whose shape is ``boxes`` (B, 2, 3) [m, hand frame]."""
        config = self._config
        self._images += 1
        if self._images > config.settled_images and self._images % config.settled_stride:
            return
        estimate = self.estimate_in_base
        measured = measure_bias(depth, intrinsics, camera_in_base, hand_in_base, boxes, estimate, config)
        if measured is not None:
            kept = min(config.memory, 1.0 - 1.0 / self._images)
            self.estimate_in_base = kept * estimate + (1.0 - kept) * measured


def measure_bias(
    depth: NDArray[np.floating],
    intrinsics: CameraIntrinsics,
    camera_in_base: FloatArray,
    hand_in_base: FloatArray,
    boxes: FloatArray,
    prior: FloatArray,
    config: BiasConfig,
) -> FloatArray | None:
    """Bias (3,) [m, base frame] in one image, searched around ``prior`` (3,); None where the hand is hardly seen."""
    rotation = hand_in_base[:3, :3]
    middle = hand_in_base[:3, 3] + rotation @ boxes.reshape(-1, 3).mean(axis=0)
    seen = points_near(depth, intrinsics, camera_in_base, middle + prior, 0.15)
    seen_in_hand = (seen - hand_in_base[:3, 3]) @ rotation
    bias = fit_depth(seen_in_hand, boxes, prior @ rotation, config)
    if bias is None:
        return None
    samples = surface_samples(boxes, config.sample_spacing)
    samples = transform_points(hand_in_base, samples[:: max(1, len(samples) // config.max_samples)])
    shifted = fit_outline(samples, rotation @ bias, depth, intrinsics, camera_in_base, config)
    bias = fit_depth(seen_in_hand, boxes, shifted @ rotation, config)
    if bias is None or np.linalg.norm(bias) > config.max_bias:
        return None
    return rotation @ bias


def fit_depth(
    points_in_hand: FloatArray, boxes: FloatArray, start: FloatArray, config: BiasConfig
) -> FloatArray | None:
    """Translation (3,) [m, hand frame] that brings seen points (M, 3) onto the hand; None without support."""
    around = points_in_hand - start
    lower, upper = boxes[:, 0].min(axis=0), boxes[:, 1].max(axis=0)
    # The wrist sits on the hand's back: what lies there is not compared with the hand.
    lower = np.array([lower[0] - config.reach, lower[1] - config.reach, 0.004])
    inside = inside_box(around, lower, upper + np.array([config.reach, config.reach, 0.006]))
    points = points_in_hand[inside]
    points = points[:: max(1, len(points) // config.max_points)]
    bias = np.array(start, dtype=float)
    for iteration in range(6):
        distance, normal = _distance_and_normal(points - bias, boxes)
        near = np.abs(distance) < config.reach
        if near.sum() < config.min_points:
            return None
        d, n = distance[near], normal[near]
        # Geman-McClure weights; the scale tightens step by step.
        scale = max(config.outlier_distance, 0.012 * 0.6**iteration)
        weight = (scale**2 / (scale**2 + d**2)) ** 2
        system = (n * weight[:, None]).T @ n + config.stiffness * np.eye(3)
        step = np.linalg.solve(system, n.T @ (weight * d) + config.stiffness * (start - bias))
        bias = bias + step
        if np.abs(step).max() < 1e-4:
            break
    return bias


def fit_outline(
    samples_in_base: FloatArray,
    bias: FloatArray,
    depth: NDArray[np.floating],
    intrinsics: CameraIntrinsics,
    camera_in_base: FloatArray,
    config: BiasConfig,
) -> FloatArray:
    """``bias`` (3,) [m, base frame] shifted across the line of sight to where the outline fits best.

    Each shift scores +1 for a sample (M, 3) that is seen, -1 for one that is seen through, 0 for one that is hidden.
    """
    in_camera = transform_points(np.linalg.inv(camera_in_base), samples_in_base + bias)
    x, y, z = in_camera.T
    readings = depth.ravel()
    best = np.zeros(2)
    for spacing in (config.search_radius / 4, config.search_radius / 16):
        offsets = np.arange(-4, 5) * spacing
        grid = best + np.stack(np.meshgrid(offsets, offsets), axis=-1).reshape(-1, 2)
        # A shift along one axis of the image moves the other one's pixels nowhere.
        u = _pixels(x + (best[0] + offsets)[:, None], z, intrinsics.fx, intrinsics.cx, depth.shape[1])[None]
        v = _pixels(y + (best[1] + offsets)[:, None], z, intrinsics.fy, intrinsics.cy, depth.shape[0])[
            :, None
        ]
        measured = readings.take(v * depth.shape[1] + u, mode="clip")
        behind = measured - z
        usable = (u >= 0) & (v >= 0) & (measured > 0.0)
        seen = usable & (np.abs(behind) < config.match_distance)
        seen_through = usable & (behind >= config.match_distance)
        score = np.count_nonzero(seen, axis=-1) - np.count_nonzero(seen_through, axis=-1)
        total = (score / len(z)).ravel()
        # The middle of all shifts that are about as good as the best.
        good = total >= total.max() - 0.01
        best = grid[good].mean(axis=0)
    return bias + camera_in_base[:3, :3] @ np.array([best[0], best[1], 0.0])


def _pixels(
    sideways: FloatArray, depth: FloatArray, focal_length: float, centre: float, size: int
) -> NDArray[np.int64]:
    """Pixels along one axis of an image at which points ``sideways`` (..., M) [m] at ``depth`` (M,) [m] are seen.

    -1 where they are outside of the image's ``size`` or not in front of the camera.
    """
    at = np.rint(sideways / np.where(depth > 0.0, depth, np.nan) * focal_length + centre)
    return np.where((at >= 0) & (at < size), at, -1).astype(np.int64)


def surface_samples(boxes: FloatArray, spacing: float) -> FloatArray:
    """(M, 3) points on the faces of ``boxes`` (B, 2, 3), about ``spacing`` [m] apart, that no other box covers."""
    return _surface_samples(np.ascontiguousarray(boxes, dtype=float).tobytes(), spacing)


@lru_cache(maxsize=SHAPES_KEPT)
def _surface_samples(shape: bytes, spacing: float) -> FloatArray:
    """``surface_samples`` of boxes as bytes, read-only: the hand's shape changes only with its fingers."""
    boxes = np.frombuffer(shape).reshape(-1, 2, 3)
    points = []
    for lower, upper in boxes:
        counts = np.maximum(2, np.rint((upper - lower) / spacing).astype(int) + 1)
        axes = [np.linspace(low, high, count) for low, high, count in zip(lower, upper, counts, strict=True)]
        lattice = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
        points.append(lattice[((lattice == lower) | (lattice == upper)).any(axis=1)])
    surface = np.concatenate(points)
    covered = np.ones((len(boxes), len(surface)), dtype=bool)
    for axis in range(3):
        lower, upper = boxes[:, :, axis].T[..., None]
        covered &= (surface[:, axis] > lower + 1e-6) & (surface[:, axis] < upper - 1e-6)
    samples = surface[~covered.any(axis=0)]
    samples.setflags(write=False)
    return samples


def _distance_and_normal(points: FloatArray, boxes: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Signed distance (M,) [m] to the union of boxes and its gradient (M, 3)."""
    centre, half = boxes.mean(axis=1), np.diff(boxes, axis=1)[:, 0] / 2
    # Axis by axis and box by box: sums and maxima over few numbers each are slow, over a few arrays they are not.
    offset = np.ascontiguousarray(points.T)[:, None] - centre.T[:, :, None]
    beyond = np.abs(offset) - half.T[:, :, None]
    x, y, z = np.maximum(beyond, 0.0)
    outside = np.sqrt(x * x + y * y + z * z)
    signed = np.where(outside > 0.0, outside, np.maximum(np.maximum(beyond[0], beyond[1]), beyond[2]))
    nearest = np.argmin(signed, axis=0)
    row = np.arange(len(points))
    beyond, offset, outside = beyond[:, nearest, row].T, offset[:, nearest, row].T, outside[nearest, row]
    out = np.maximum(beyond, 0.0) / np.maximum(outside, 1e-12)[:, None]
    inside = np.eye(3)[np.argmax(beyond, axis=1)]
    gradient = np.where((outside > 0.0)[:, None], out, inside) * np.sign(offset)
    return signed[nearest, row], gradient
