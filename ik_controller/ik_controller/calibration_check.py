"""Is the camera where its calibration says? The robot's own hand answers: forward kinematics knows where it is.

The hand's shape is projected into the depth image by the calibration. Where it should be, the image must show its
depth, and beside its outline it must not. That *agreement* is looked for under shifts and rotations of the projected
hand: a right calibration has its best agreement near no shift at all; a gross error (another camera's file, a camera
that was moved, axes mixed up) has it elsewhere or nowhere. Errors of a centimetre and a degree are none of this check's
business: ``camera_bias`` corrects them. Errors that cancel out at the hand are not seen from one place of the hand.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from ik_controller.hand_visibility import depth_along
from tracegen_model.camera import CameraIntrinsics

FloatArray = NDArray[np.float64]

MILLIMETRES_PER_METRE = 1000.0


@dataclass(frozen=True)
class CheckConfig:
    """Settings of the check.

    Attributes:
        spacing: Distance on the hand between the pixels that are looked at [m].
        match_distance: Depth agrees with the hand's where they differ by less than this [m].
        rim: Beside the outline, pixels up to this far away must show something else [m].
        search_radius: Shifts of the hand tried across the line of sight, up to this [m] ...
        search_depth: ... and along it [m] ...
        search_angle: ... and rotations about the line of sight, up to this [rad].
        max_offset: The hand may be seen this far from where it should be [m] ...
        max_angle: ... and turned by this much [rad].
        min_agreement: Less agreement than this anywhere means that the hand is not seen.
        plateau: Shifts and rotations whose agreement is this near to the best are as good; their middle is taken.
        min_pixels: With fewer of these pixels on the hand nothing can be said ...
        min_measured: ... and a place where a smaller share of them is measured does not count.
    """

    spacing: float = 0.006
    match_distance: float = 0.012
    rim: float = 0.025
    search_radius: float = 0.20
    search_depth: float = 0.16
    search_angle: float = np.radians(16.0)
    max_offset: float = 0.04
    max_angle: float = np.radians(5.0)
    min_agreement: float = 0.5
    plateau: float = 0.04
    min_pixels: int = 60
    min_measured: float = 0.5


class Verdict(Enum):
    """What the check says."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNDECIDED = "undecided"
    """The hand is not in view, or its depth is not measured."""


@dataclass(frozen=True)
class CalibrationVerdict:
    """Result of the check on one image.

    Attributes:
        verdict: What it says.
        reason: Why, in words.
        agreement: Where the hand is seen best: 1 = its depth is there and nothing like it beside it, 0 or less = it is
            seen nowhere.
        offset: (3,) that place relative to where the hand should be [m, camera frame]; NaN if undecided.
        angle: By how much it is turned there about the line of sight [rad]; NaN if undecided.
    """

    verdict: Verdict
    reason: str
    agreement: float
    offset: FloatArray
    angle: float


_COARSE_SHIFT = 0.012
"""Spacing of the shifts tried first [m] ..."""
_COARSE_ANGLE = np.radians(4.0)
"""... and of the rotations [rad]."""
_COARSE_THINNING = 5
"""... on every so many-th pixel of the silhouette; no divisor of its rows, so that all of it is met."""
_FINE_SHIFTS = np.arange(-4.0, 5.0) * 0.004
_FINE_ANGLES = np.radians(np.arange(-8.0, 9.0, 2.0))
"""Around the best of those: shifts [m] and rotations [rad] from it."""


@dataclass(frozen=True)
class _Silhouette:
    """The hand as the calibration projects it, on a grid of pixels.

    Attributes:
        pixels: (M, 2) on the hand and beside it [px].
        depths: (M,) of the hand; beside it that of the pixel on it that is nearest [m].
        on_hand: (M,) which are on it.
        centre: (2,) middle of the hand [px].
        distance: Median depth of the hand [m].
    """

    pixels: FloatArray
    depths: FloatArray
    on_hand: NDArray[np.bool_]
    centre: FloatArray
    distance: float

    def thinned(self, factor: int) -> _Silhouette:
        """Every ``factor``-th pixel of it."""
        return replace(
            self,
            pixels=self.pixels[::factor],
            depths=self.depths[::factor],
            on_hand=self.on_hand[::factor],
        )


@dataclass(frozen=True)
class _Fits:
    """Shifts and rotations that were tried.

    Attributes:
        shifts: (C, 2) [px].
        angles: (C,) [rad].
        depths: (C,) shift along the line of sight that fits best there [m].
        agreement: (C,).
    """

    shifts: FloatArray
    angles: FloatArray
    depths: FloatArray
    agreement: FloatArray


def check_calibration(
    depth: NDArray[np.floating],
    intrinsics: CameraIntrinsics,
    camera_in_base: FloatArray,
    hand_in_base: FloatArray,
    boxes: FloatArray,
    wrist: FloatArray,
    config: CheckConfig | None = None,
) -> CalibrationVerdict:
    """Compare one depth image with where the calibration puts the hand.

    Args:
        depth: (H, W) measured depth [m], 0 = no reading.
        intrinsics: Of the depth image.
        camera_in_base: (4, 4) the calibration.
        hand_in_base: (4, 4) the hand when the image was taken, at rest.
        boxes: (B, 2, 3) the hand's shape [m, hand frame].
        wrist: (W, 2, 3) what lies behind it [m, hand frame]; nothing is judged there.
        config: Settings.
    """
    settings = config or CheckConfig()
    hand_in_camera = np.linalg.inv(camera_in_base) @ hand_in_base
    silhouette = _project(boxes, wrist, hand_in_camera, intrinsics, settings)
    if silhouette is None:
        return _undecided(
            "the hand is not in the camera's view, by this calibration: is it the right one? Move the hand"
        )
    metres = silhouette.distance / intrinsics.fx
    fits = _search(silhouette, depth, metres, settings)
    best = float(fits.agreement.max())
    as_good = fits.agreement >= best - settings.plateau
    offset = np.array([*(fits.shifts[as_good].mean(axis=0) * metres), fits.depths[as_good].mean()])
    angle = float(fits.angles[as_good].mean())
    if best < settings.min_agreement:
        reason = (
            f"the hand is not seen where the calibration puts it, nor within {settings.search_radius:.2f} m of there "
            f"(agreement {best:.2f}, at least {settings.min_agreement} needed)"
        )
        return CalibrationVerdict(Verdict.REFUSED, reason, best, offset, angle)
    x, y, z = MILLIMETRES_PER_METRE * offset
    distance = MILLIMETRES_PER_METRE * float(np.linalg.norm(offset))
    where = (
        f"the hand is seen {distance:.0f} mm from where the calibration puts it ({x:+.0f} right, {y:+.0f} down, "
        f"{z:+.0f} away), turned by {np.degrees(angle):+.0f} deg (agreement {best:.2f})"
    )
    is_near = np.linalg.norm(offset) <= settings.max_offset and abs(angle) <= settings.max_angle
    return CalibrationVerdict(Verdict.ACCEPTED if is_near else Verdict.REFUSED, where, best, offset, angle)


def _undecided(reason: str) -> CalibrationVerdict:
    return CalibrationVerdict(Verdict.UNDECIDED, reason, 0.0, np.full(3, np.nan), float("nan"))


def _project(
    boxes: FloatArray,
    wrist: FloatArray,
    hand_in_camera: FloatArray,
    intrinsics: CameraIntrinsics,
    config: CheckConfig,
) -> _Silhouette | None:
    """The hand's silhouette; None where too little of it is in the image."""
    corners = np.stack(
        np.meshgrid(*zip(boxes[:, 0].min(axis=0), boxes[:, 1].max(axis=0), strict=True)), axis=-1
    )
    in_camera = corners.reshape(-1, 3) @ hand_in_camera[:3, :3].T + hand_in_camera[:3, 3]
    if in_camera[:, 2].min() <= config.rim:
        return None
    rim = config.rim / in_camera[:, 2].min() * intrinsics.fx
    outline = intrinsics.project(in_camera)
    low = np.maximum(np.floor(outline.min(axis=0) - rim), 0.0)
    high = np.minimum(np.ceil(outline.max(axis=0) + rim), [intrinsics.width - 1, intrinsics.height - 1])
    stride = max(1.0, np.rint(config.spacing * intrinsics.fx / in_camera[:, 2].mean()))
    if (high - low < stride).any():
        return None
    columns, rows = (np.arange(start, end + 1.0, stride) for start, end in zip(low, high, strict=True))
    pixels = np.stack(np.meshgrid(columns, rows), axis=-1).reshape(-1, 2)
    rays_in_hand = intrinsics.back_project(pixels, np.ones(len(pixels))) @ hand_in_camera[:3, :3]
    origin = -hand_in_camera[:3, :3].T @ hand_in_camera[:3, 3]
    hand = depth_along(rays_in_hand, origin, boxes)
    behind = depth_along(rays_in_hand, origin, wrist)
    on_hand = hand < behind
    if on_hand.sum() < config.min_pixels:
        return None
    distance = float(np.median(hand[on_hand]))
    apart = np.linalg.norm(pixels[:, None] - pixels[on_hand][None], axis=-1)
    nearest = apart.argmin(axis=1)
    beside = ~on_hand & ~np.isfinite(behind) & (apart.min(axis=1) <= config.rim / distance * intrinsics.fx)
    used = on_hand | beside
    depths = np.where(on_hand, hand, hand[on_hand][nearest])
    return _Silhouette(pixels[used], depths[used], on_hand[used], pixels[on_hand].mean(axis=0), distance)


def _search(
    silhouette: _Silhouette, depth: NDArray[np.floating], metres: float, config: CheckConfig
) -> _Fits:
    """Fits around the best of all shifts and rotations; ``metres`` is the size of a pixel at the hand [m]."""
    count = np.floor(config.search_radius / _COARSE_SHIFT)
    steps = np.arange(-count, count + 1.0) * _COARSE_SHIFT / metres
    shifts = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
    count = np.floor(config.search_angle / _COARSE_ANGLE)
    thinned = silhouette.thinned(_COARSE_THINNING)
    coarse = _joined(
        [
            _fit(thinned, depth, shifts, float(turn * _COARSE_ANGLE), config)
            for turn in np.arange(-count, count + 1.0)
        ]
    )
    best = int(np.argmax(coarse.agreement))
    around = np.stack(np.meshgrid(_FINE_SHIFTS, _FINE_SHIFTS), axis=-1).reshape(-1, 2) / metres
    return _joined(
        [
            _fit(silhouette, depth, coarse.shifts[best] + around, float(coarse.angles[best] + turn), config)
            for turn in _FINE_ANGLES
        ]
    )


def _fit(
    silhouette: _Silhouette,
    depth: NDArray[np.floating],
    shifts: FloatArray,
    angle: float,
    config: CheckConfig,
) -> _Fits:
    """Agreement under ``shifts`` (C, 2) [px] after a rotation by ``angle`` [rad] about the silhouette's middle."""
    cosine, sine = np.cos(angle), np.sin(angle)
    turned = (silhouette.pixels - silhouette.centre) @ np.array([[cosine, sine], [-sine, cosine]])
    u, v = np.moveaxis(np.rint(turned + silhouette.centre + shifts[:, None]).astype(int), -1, 0)
    inside = (u >= 0) & (u < depth.shape[1]) & (v >= 0) & (v < depth.shape[0])
    seen = depth[np.where(inside, v, 0), np.where(inside, u, 0)]
    measured = inside & (seen > 0.0)
    beyond = np.where(measured, seen - silhouette.depths, np.inf).astype(np.float32)
    hand, rim = silhouette.on_hand, ~silhouette.on_hand
    count = measured[:, hand].sum(axis=1)
    # The median of what is measured: what is not lies behind all else.
    middle = np.sort(beyond[:, hand], axis=1)[np.arange(len(shifts)), np.maximum(count - 1, 0) // 2]
    agrees = np.abs(beyond - np.where(np.isfinite(middle), middle, 0.0)[:, None]) < config.match_distance
    on = agrees[:, hand].sum(axis=1) / np.maximum(count, 1)
    beside = agrees[:, rim].sum(axis=1) / np.maximum(measured[:, rim].sum(axis=1), 1)
    enough = (count >= config.min_measured * hand.sum()) & (np.abs(middle) <= config.search_depth)
    agreement = np.where(enough, on - beside, -1.0)
    return _Fits(shifts, np.full(len(shifts), angle), np.where(enough, middle, 0.0), agreement)


def _joined(fits: list[_Fits]) -> _Fits:
    return _Fits(
        *(
            np.concatenate([getattr(fit, name) for fit in fits])
            for name in ("shifts", "angles", "depths", "agreement")
        )
    )
