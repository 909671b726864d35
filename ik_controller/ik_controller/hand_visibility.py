"""Where the camera should see the hand, and whether it does.

Forward kinematics places the hand's boxes; the ray of each start pixel is intersected with them. A ray ``r`` from the
camera's centre ``o`` is between the two faces of a box across axis ``a`` for depths between ``(l_a - o_a) / r_a`` and
``(u_a - o_a) / r_a``, all in the hand's frame; it enters the box at the largest of the three first depths, if that is
before the smallest of the last ones. The first box that is entered gives the depth at which the hand should be seen.

The depth image answers in one of four ways: the hand is *seen* (the point that is measured lies on its boxes), *hidden*
by something nearer, *seen through* to something behind, or there is *no reading*. A pixel that sees through the rim of
the boxes says little, since the real hand is a little smaller there; one that sees through their core contradicts.

How sure that makes us: if n pixels could tell and k of them show the hand, the lower end of Wilson's interval for the
share of pixels that show it where it should be, one standard deviation wide. It is 0 where nothing could tell, 0.5 for
one of one, 0.75 for three of three, 0.98 for sixty of sixty, 0.44 for thirty of sixty.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from tracegen_model.camera import CameraIntrinsics

FloatArray = NDArray[np.float64]

HAND_MARGIN = 0.008
"""A point this near to the boxes may be the hand's [m]: what they, depth noise and calibration are off by."""


class Sight(IntEnum):
    """What a pixel shows of the hand."""

    ELSEWHERE = 0
    """Its ray misses the hand, and what is measured there is not the hand."""
    SEEN = 1
    """The hand is measured there."""
    HIDDEN = 2
    """Something is in front of the hand."""
    THROUGH_RIM = 3
    """The ray grazes the hand's boxes; something behind them is measured."""
    SEEN_THROUGH = 4
    """The hand should be there, and something behind it is measured."""
    UNREAD = 5
    """The hand should be there; nothing is measured."""


@dataclass(frozen=True)
class HandView:
    """The hand in one depth image, at N pixels.

    Attributes:
        sight: (N,) ``Sight`` values.
        expected_in_base: (N, 3) where each ray meets the hand [m, base frame]; NaN where it misses.
    """

    sight: NDArray[np.uint8]
    expected_in_base: FloatArray

    @property
    def expected(self) -> int:
        """Pixels whose rays meet the hand, and do not see something nearer."""
        meets = np.isfinite(self.expected_in_base).all(axis=-1)
        return int((meets & (self.sight != Sight.HIDDEN)).sum())

    @property
    def confidence(self) -> float:
        """How sure it is, 0..1, that the hand is where it should be: see the module."""
        shown, contradicted = self.count(Sight.SEEN), self.count(Sight.SEEN_THROUGH)
        return share_at_least(shown, shown + contradicted)

    def count(self, sight: Sight) -> int:
        """How many pixels show that."""
        return int((self.sight == sight).sum())


def look_at_hand(
    pixels: NDArray[np.floating],
    measured_depth: FloatArray,
    intrinsics: CameraIntrinsics,
    camera_in_base: FloatArray,
    hand_in_base: FloatArray,
    boxes: FloatArray,
    margin: float = HAND_MARGIN,
) -> HandView:
    """What pixels show of the hand.

    Args:
        pixels: (N, 2) [px]; NaN where unknown.
        measured_depth: (N,) depth read there [m]; NaN = no reading.
        intrinsics: Of the depth image.
        camera_in_base: (4, 4) pose of the camera's optical frame.
        hand_in_base: (4, 4) pose of the hand's frame when the image was taken.
        boxes: (B, 2, 3) the hand's shape [m, hand frame].
        margin: How far boxes and measured points may be off [m].
    """
    camera_in_hand = np.linalg.inv(hand_in_base) @ camera_in_base
    sight = np.full(len(pixels), Sight.ELSEWHERE, np.uint8)
    expected_in_base = np.full((len(pixels), 3), np.nan)
    near = np.flatnonzero(_may_show(pixels, intrinsics, np.linalg.inv(camera_in_hand), boxes, margin))
    rays = intrinsics.back_project(pixels[near], np.ones(len(near)))
    rays_in_hand, origin = rays @ camera_in_hand[:3, :3].T, camera_in_hand[:3, 3]
    depth = depth_along(rays_in_hand, origin, boxes)
    core = depth_along(rays_in_hand, origin, boxes + np.array([[[margin], [-margin]]]))
    meets = np.isfinite(depth)
    surface = rays[meets] * depth[meets, None]
    expected_in_base[near[meets]] = surface @ camera_in_base[:3, :3].T + camera_in_base[:3, 3]
    read = measured_depth[near]
    with np.errstate(invalid="ignore"):
        seen = distance_to_boxes(origin + rays_in_hand * read[:, None], boxes) <= margin
        behind = read > depth
    shown = np.where(behind, np.where(np.isfinite(core), Sight.SEEN_THROUGH, Sight.THROUGH_RIM), Sight.HIDDEN)
    shown[np.isnan(read)] = Sight.UNREAD
    shown[~meets] = Sight.ELSEWHERE
    shown[seen] = Sight.SEEN
    sight[near] = shown
    return HandView(sight, expected_in_base)


def depth_along(rays: FloatArray, origin: FloatArray, boxes: FloatArray) -> FloatArray:
    """(M,) multiple of ``rays`` (M, 3) at which they enter one of ``boxes`` (B, 2, 3) from ``origin`` (3,).

    All in the boxes' frame; inf where they miss. A box whose lower corner is not below its upper one is none.
    """
    # Axis by axis and box by box: maxima over few numbers each are slow, over a few arrays they are not.
    along = np.ascontiguousarray(rays.T)[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        first, second = ((boxes[:, side] - origin).T[..., None] / along for side in (0, 1))
    (x, y, z), (x_end, y_end, z_end) = np.minimum(first, second), np.maximum(first, second)
    entry, leaving = np.maximum(np.maximum(x, y), z), np.minimum(np.minimum(x_end, y_end), z_end)
    solid = (boxes[:, 0] < boxes[:, 1]).all(axis=-1)[:, None]
    with np.errstate(invalid="ignore"):
        enters = solid & (entry <= leaving) & (entry > 0.0)
    return np.where(enters, entry, np.inf).min(axis=0)


def distance_to_boxes(points: FloatArray, boxes: FloatArray) -> FloatArray:
    """(M,) signed distance [m] of ``points`` (M, 3) to the union of ``boxes`` (B, 2, 3), negative inside, in one frame.

    NaN where a point is.
    """
    centre, half = boxes.mean(axis=1), np.diff(boxes, axis=1)[:, 0] / 2
    beyond = np.abs(np.ascontiguousarray(points.T)[:, None] - centre.T[..., None]) - half.T[..., None]
    x, y, z = np.maximum(beyond, 0.0)
    outside = np.sqrt(x * x + y * y + z * z)
    deepest = np.maximum(np.maximum(beyond[0], beyond[1]), beyond[2])
    return (outside + np.minimum(deepest, 0.0)).min(axis=0)


def share_at_least(successes: int, trials: int) -> float:
    """Lower end of Wilson's interval, one standard deviation wide, for a share; 0 without trials."""
    if trials == 0:
        return 0.0
    share = successes / trials
    half = np.sqrt(share * (1.0 - share) / trials + 0.25 / trials**2)
    return float(max(0.0, (share + 0.5 / trials - half) / (1.0 + 1.0 / trials)))


def _may_show(
    pixels: NDArray[np.floating],
    intrinsics: CameraIntrinsics,
    hand_in_camera: FloatArray,
    boxes: FloatArray,
    margin: float,
) -> NDArray[np.bool_]:
    """(N,) the pixel lies in the rectangle around the projected hand; all that are known where the hand is too near."""
    column, row = np.isfinite(pixels).T
    known = column & row
    lower, upper = boxes[:, 0].min(axis=0) - margin, boxes[:, 1].max(axis=0) + margin
    corners = np.stack(np.meshgrid(*zip(lower, upper, strict=True)), axis=-1).reshape(-1, 3)
    in_camera = corners @ hand_in_camera[:3, :3].T + hand_in_camera[:3, 3]
    if in_camera[:, 2].min() <= margin:
        return known
    outline = intrinsics.project(in_camera)
    with np.errstate(invalid="ignore"):
        inside = (pixels >= outline.min(axis=0)) & (pixels <= outline.max(axis=0))
    return known & inside[:, 0] & inside[:, 1]
