"""Truth for points of the scene: tracked on the image, placed in space by depth, checked against what cannot be.

The camera does not move, so most points stay: a point whose pixel keeps its depth and colour is where it was, to the
bit. A point that leaves is followed by a tracker and lifted by the depth image; where the tracker loses it, it is
looked for where the hand would have carried it, and where it was seen last, and found there if depth and colour agree.
A place is believed where

- the surface there is nearer than in the first image: where a thing arrives, the camera sees less far;
- it is no farther from the last place than the hand can have carried it, and within the robot's reach;
- it does not lie on the robot.

How much depth varies by itself is measured in the window: most points stand still. What is not known is NaN, never
guessed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ik_controller.camera_bias import surface_samples
from ik_controller.evaluation.arm_points import ArmShape
from ik_controller.evaluation.hand_truth import SURE_MARGIN
from ik_controller.evaluation.point_tracking import PointTracker
from ik_controller.evaluation.recording import Camera, FloatArray, RecordedFrame
from ik_controller.hand_points import signed_distance
from ik_controller.lifting import measured_starts
from ik_controller.robot_model import HandGeometry

NORMAL_MEDIAN_DEVIATIONS = 1.4826
"""Standard deviation of a normal distribution over its median absolute deviation."""


@dataclass(frozen=True)
class SceneTruthConfig:
    """What counts as the same, as moved and as hidden.

    Attributes:
        still_depth_m: A pixel whose depth changes by less shows the same surface [m] ...
        still_deviations: ... or by less than so many standard deviations of the depth's noise, which grows with the
            square of the depth for cameras that triangulate.
        still_colour: ... and whose patch changes by less than this [grey levels of 255].
        patch_px: Half side of that patch [px].
        still_px: The tracker may disagree with standing still by this much [px].
        hand_px: Nearer to the hand's outline than this [px] the tracker may follow the hand instead.
        carried_slack_m: A point moves at most as far as the tool centre point, and this [m].
        carried_m: The hand carries what is this near to it [m].
        lost_s: A moving point that is not seen for this long is not looked for any more [s].
        reach_m: Farther from the robot's base nothing is moved by it [m].
        smoothing_frames: Depth of a moving point is the median over so many frames.
        sample_spacing_m: Distance between the samples of the hand's outline [m].
    """

    still_depth_m: float = 0.006
    still_deviations: float = 3.0
    still_colour: float = 18.0
    patch_px: int = 2
    still_px: float = 1.5
    hand_px: float = 14.0
    carried_slack_m: float = 0.012
    carried_m: float = 0.06
    lost_s: float = 2.0
    reach_m: float = 1.2
    smoothing_frames: int = 5
    sample_spacing_m: float = 0.012


@dataclass(frozen=True)
class RobotPose:
    """The robot at one frame.

    Attributes:
        joints: (7,) [rad].
        hand_in_base: (4, 4) pose of the hand's frame.
        tcp_in_base: (3,) tool centre point [m].
        width: Opening between the fingers [m], NaN where unknown.
    """

    joints: FloatArray
    hand_in_base: FloatArray
    tcp_in_base: FloatArray
    width: float

    def in_hand(self, points_in_base: FloatArray) -> FloatArray:
        """(N, 3) points [m] in the hand's frame."""
        return (points_in_base - self.hand_in_base[:3, 3]) @ self.hand_in_base[:3, :3]

    def from_hand(self, points_in_hand: FloatArray) -> FloatArray:
        """(N, 3) points [m] in the base frame."""
        return points_in_hand @ self.hand_in_base[:3, :3].T + self.hand_in_base[:3, 3]

    def hand_boxes(self, hand: HandGeometry) -> FloatArray:
        """(B, 2, 3) the hand's shape [m, hand frame]; wide open where nothing is known of the fingers."""
        return hand.boxes(hand.max_width if np.isnan(self.width) else self.width)


def scene_paths(
    frames: list[RecordedFrame],
    camera: Camera,
    starts_in_camera: FloatArray,
    pixels: FloatArray,
    hand: HandGeometry,
    arm: ArmShape,
    poses: list[RobotPose],
    tracker: PointTracker,
    config: SceneTruthConfig,
) -> FloatArray:
    """Where points of the scene were at each frame.

    Args:
        frames: F images.
        camera: Of all of them.
        starts_in_camera: (N, 3) measured places in the first [m], NaN where depth has none.
        pixels: (N, 2) where they are in the first image [px].
        hand: The hand's shape.
        arm: The shape of the links above it.
        poses: Of the robot at each frame.
        tracker: Follows pixels.
        config: Thresholds.

    Returns:
        (F, N, 3) [m, camera frame]; NaN = hidden, lost or never measured.
    """
    tracks = tracker.track([frame.colour for frame in frames], pixels)
    depths_here = np.stack(
        [measured_starts(pixels, frame.depth_m, camera.intrinsics)[:, 2] for frame in frames]
    )
    tolerance = np.maximum(
        config.still_depth_m,
        config.still_deviations * _noise_per_square_metre(depths_here) * np.nan_to_num(depths_here[0]) ** 2,
    )
    same_depth = np.abs(depths_here - depths_here[0]) <= tolerance
    starts = _steadied(starts_in_camera, depths_here, same_depth, config.smoothing_frames)
    measured = np.isfinite(starts).all(axis=1)
    in_reach = np.linalg.norm(camera.to_base(starts), axis=1) <= config.reach_m
    first_patch = _patches(frames[0].colour, pixels, config.patch_px)

    still = np.zeros(depths_here.shape, bool)
    followed = np.zeros(depths_here.shape, bool)
    places = np.repeat(starts[None], len(frames), axis=0)
    still[0] = measured
    last = np.nan_to_num(starts)
    last_s, travelled = np.full(len(pixels), frames[0].time_s), np.zeros(len(pixels))
    last_in_hand = poses[0].in_hand(camera.to_base(last))
    moving = np.zeros(len(pixels), bool)
    for number in range(1, len(frames)):
        frame, pose, tracked = frames[number], poses[number], tracks.pixels[number]
        change = _change(frame.colour, pixels, first_patch, config.patch_px)
        shift = np.linalg.norm(tracked - pixels, axis=1)
        beside_hand = _beside_hand(pixels, camera, hand, pose, config)
        unmoved = ~tracks.found[number] | (shift <= config.still_px) | beside_hand | ~in_reach
        still[number] = measured & ~moving & same_depth[number] & (change <= config.still_colour) & unmoved
        travelled += np.linalg.norm(pose.tcp_in_base - poses[number - 1].tcp_in_base)
        carried = camera.to_camera(pose.from_hand(last_in_hand))
        boxes = pose.hand_boxes(hand)
        near_hand = (
            signed_distance(pose.from_hand(last_in_hand), pose.hand_in_base, boxes) <= config.carried_m
        )
        seen_there = measured_starts(tracked, frame.depth_m, camera.intrinsics)
        guesses = [(seen_there, tracks.found[number]), (carried, near_hand), (last, moving)]
        for guess, possible in guesses:
            at = camera.intrinsics.project(guess)
            surface = measured_starts(at, frame.depth_m, camera.intrinsics)
            before = measured_starts(at, frames[0].depth_m, camera.intrinsics)[:, 2]
            in_base = camera.to_base(guess)
            believed = possible & measured & in_reach & ~still[number] & ~followed[number]
            believed &= frame.time_s - last_s <= config.lost_s
            believed &= np.linalg.norm(guess - last, axis=1) <= travelled + config.carried_slack_m + tolerance
            alike = _change(frame.colour, at, first_patch, config.patch_px) <= config.still_colour
            believed &= np.isnan(before) | (before - guess[:, 2] > tolerance)
            believed &= signed_distance(in_base, pose.hand_in_base, boxes) > SURE_MARGIN
            believed &= ~arm.holds(in_base, pose.joints)
            if guess is not seen_there:
                believed &= alike & (np.abs(surface[:, 2] - guess[:, 2]) <= tolerance)
            places[number, believed] = guess[believed]
            followed[number] |= believed
        new = followed[number]
        last = np.where(new[:, None], places[number], last)
        seen = still[number] | new
        last_in_hand[seen] = pose.in_hand(camera.to_base(last))[seen]
        last_s[seen], travelled[seen] = frame.time_s, 0.0
        moving |= new & (np.linalg.norm(places[number] - starts, axis=1) > 2.0 * tolerance)

    paths = np.where(still[..., None], starts, np.nan)
    smooth = _smoothed_depths(places[..., 2], followed, config.smoothing_frames)
    lifted = places * (smooth / places[..., 2])[..., None]
    paths[followed] = lifted[followed]
    return paths


def _noise_per_square_metre(depths: FloatArray) -> float:
    """Standard deviation of the change of a depth over its square [1/m], from points (F, N) most of which stand."""
    with np.errstate(invalid="ignore"):
        change = np.abs(np.diff(depths, axis=0)) / depths[:-1] ** 2
    change = change[np.isfinite(change)]
    # Of the difference of two readings, which is what tolerances are compared with.
    return NORMAL_MEDIAN_DEVIATIONS * float(np.median(change)) if len(change) else 0.0


def _steadied(
    starts: FloatArray, depths: FloatArray, same_depth: NDArray[np.bool_], frames: int
) -> FloatArray:
    """``starts`` (N, 3) at the median depth of the first frames (F, N) that still show them."""
    head = np.where(np.minimum.accumulate(same_depth[:frames], axis=0), depths[:frames], np.nan)
    known = np.isfinite(head).any(axis=0)
    steady = np.full(len(starts), np.nan)
    steady[known] = np.nanmedian(head[:, known], axis=0)
    return starts * (steady / starts[:, 2])[:, None]


def _smoothed_depths(depths: FloatArray, known: NDArray[np.bool_], frames: int) -> FloatArray:
    """(F, N) medians of the known ``depths`` around each, over at most ``frames``, as many before it as after it."""
    out = np.full(depths.shape, np.nan)
    out[known] = depths[known]
    for half in range(1, min(frames, len(depths) - 1) // 2 + 1):
        inside = np.zeros(depths.shape, bool)
        windows = np.lib.stride_tricks.sliding_window_view(known, 2 * half + 1, axis=0)
        inside[half : len(depths) - half] = windows.all(axis=-1)
        around = np.lib.stride_tricks.sliding_window_view(depths, 2 * half + 1, axis=0)
        medians = np.full(depths.shape, np.nan)
        medians[half : len(depths) - half] = np.median(around, axis=-1)
        out[inside] = medians[inside]
    return out


def _patches(image: NDArray[np.uint8], pixels: FloatArray, half: int) -> NDArray[np.float32]:
    """(N, (2 half + 1)^2, 3) colours around ``pixels`` (N, 2), clamped to the image."""
    offsets = np.stack(np.meshgrid(*[np.arange(-half, half + 1)] * 2), axis=-1).reshape(-1, 2)
    places = np.rint(np.nan_to_num(pixels))[:, None].astype(int) + offsets
    u = np.clip(places[..., 0], 0, image.shape[1] - 1)
    v = np.clip(places[..., 1], 0, image.shape[0] - 1)
    return image[v, u].astype(np.float32)


def _change(
    image: NDArray[np.uint8], pixels: FloatArray, patches: NDArray[np.float32], half: int
) -> FloatArray:
    """(N,) mean difference of the patches around ``pixels`` (N, 2) from ``patches`` [grey levels]."""
    return np.abs(_patches(image, pixels, half) - patches).mean(axis=(1, 2), dtype=np.float64)


def _beside_hand(
    pixels: FloatArray, camera: Camera, hand: HandGeometry, pose: RobotPose, config: SceneTruthConfig
) -> NDArray[np.bool_]:
    """(N,) the hand is seen within ``hand_px`` of the pixel."""
    samples = surface_samples(pose.hand_boxes(hand), config.sample_spacing_m)
    in_base = samples @ pose.hand_in_base[:3, :3].T + pose.hand_in_base[:3, 3]
    outline = camera.intrinsics.project(camera.to_camera(in_base))
    outline = outline[np.isfinite(outline).all(axis=1)]
    if not len(outline):
        return np.zeros(len(pixels), bool)
    near = np.zeros(len(pixels), bool)
    low, high = outline.min(axis=0) - config.hand_px, outline.max(axis=0) + config.hand_px
    candidates = ((pixels >= low) & (pixels <= high)).all(axis=1)
    apart = np.linalg.norm(pixels[candidates][:, None] - outline[None], axis=-1)
    near[candidates] = apart.min(axis=1, initial=np.inf) <= config.hand_px
    return near
