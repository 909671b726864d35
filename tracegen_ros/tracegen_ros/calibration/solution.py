"""From captured poses to a camera pose that one can trust: all methods, outliers, uncertainty, hold-out check."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from tracegen_model.camera import CameraIntrinsics
from tracegen_ros.calibration.board_scale import BoardScale, measure_board_scale
from tracegen_ros.calibration.board_view import BoardView
from tracegen_ros.calibration.errors import CalibrationDataError
from tracegen_ros.calibration.hand_eye import METHODS, MIN_POSES, motion_pairs, park
from tracegen_ros.calibration.refinement import (
    Placement,
    RefinedPlacement,
    refine,
    reprojection_errors,
)
from tracegen_ros.calibration.rigid_motion import cross_matrices, inverse, mean_motion, rotation_angle

FloatArray = NDArray[np.float64]

REFINED = "joint refinement"
"""Name of the method whose result is used."""

OUTLIER_FACTOR = 4.0
"""A pose whose error is this many times the median one ..."""

OUTLIER_ERROR = 1.5
"""... and larger than this [px] is left out."""

MAX_OUTLIER_SHARE = 1 / 3
"""More outliers than this mean that something else is wrong."""

GROUPS = 5
"""The hold-out check leaves out each of so many groups of poses in turn."""

MAX_HOLD_OUT_ERROR = 0.010
"""A median hold-out error above this makes no calibration [m]."""

MAX_HOLD_OUT_ANGLE = np.radians(1.5)
"""Likewise [rad]."""

MAX_SCALE_ERROR = 0.005
"""A board whose size is wrong by more than this share is refused: half a per cent moves the camera by 5 mm."""

_SUBSETS = 40
_SUBSET_SIZE = 5
_SUBSET_SEED = 20


@dataclass(frozen=True)
class CapturedPose:
    """One pose of the hand with the board in view.

    Attributes:
        name: What reports call it.
        hand_in_base: (4, 4).
        view: The board in the image taken there.
    """

    name: str
    hand_in_base: FloatArray
    view: BoardView


@dataclass(frozen=True)
class Residual:
    """How far one pose is from what a placement says.

    Attributes:
        name: Which pose.
        pixels: Root mean square error of its corners [px].
        across: Distance of the board's centre from where it should be, across the line of sight [m].
        angle: Angle between the board as seen and as it should be [rad].
    """

    name: str
    pixels: float
    across: float
    angle: float


@dataclass(frozen=True)
class MethodResult:
    """What one method says.

    Attributes:
        name: The method.
        placement: Camera and board.
        pixels: Root mean square reprojection error over the poses used [px].
        hold_out: Median over held-out poses of the board's error across the line of sight [m].
        hold_out_angle: Median over held-out poses [rad].
    """

    name: str
    placement: Placement
    pixels: float
    hold_out: float
    hold_out_angle: float


@dataclass(frozen=True)
class Solution:
    """The calibration.

    Attributes:
        camera_in_base: (4, 4) the result.
        board_in_hand: (4, 4) found on the way.
        position_error: Standard deviation of the camera's position, worst direction [m].
        rotation_error: Standard deviation of its rotation, worst direction [rad].
        workspace_error: Standard deviation of a point seen where the board was, worst direction [m].
        board_scale: The board's true size over the one given, by the robot's motion.
        residuals: Of the poses used.
        outliers: Poses that were left out.
        hold_out: Residuals of poses that were held out in turn.
        methods: All methods on the poses used; the last is the one whose result this is.
    """

    camera_in_base: FloatArray
    board_in_hand: FloatArray
    position_error: float
    rotation_error: float
    workspace_error: float
    board_scale: BoardScale
    residuals: tuple[Residual, ...]
    outliers: tuple[Residual, ...]
    hold_out: tuple[Residual, ...]
    methods: tuple[MethodResult, ...]

    @property
    def problem(self) -> str | None:
        """Why this must not be used, or None."""
        if self.board_scale.deviates(MAX_SCALE_ERROR):
            share, deviation = 100.0 * self.board_scale.ratio, 100.0 * self.board_scale.error
            return (
                f"by the robot's motion, the board is {share:.2f} % of the size given (standard deviation "
                f"{deviation:.2f} %): measure the print, and give what one square measures with --square-mm"
            )
        across = float(np.median([residual.across for residual in self.hold_out]))
        angle = float(np.median([residual.angle for residual in self.hold_out]))
        if across <= MAX_HOLD_OUT_ERROR and angle <= MAX_HOLD_OUT_ANGLE:
            return None
        return (
            f"poses that were held out are missed by {1000 * across:.1f} mm and {np.degrees(angle):.2f} deg (at most "
            f"{1000 * MAX_HOLD_OUT_ERROR:.0f} mm and {np.degrees(MAX_HOLD_OUT_ANGLE):.1f} deg allowed): is the board "
            "rigid in the hand, is its size as given, are hand poses and images of one instant?"
        )


def solve(poses: Sequence[CapturedPose], intrinsics: CameraIntrinsics) -> Solution:
    """Find camera and board from ``poses``; ``intrinsics`` are those of the views' ideal pixels.

    Raises:
        CalibrationDataError: Too few poses, poses that do not determine the camera's pose, or poses that contradict
            one another.
    """
    used, refined, left_out = _without_outliers(poses, intrinsics)
    placement = refined.placement
    hold_outs = _hold_outs(used, intrinsics)
    candidates = {**_closed_forms(used), REFINED: placement}
    methods = tuple(
        MethodResult(
            name=name,
            placement=candidate,
            pixels=_root_mean_square(_errors(candidate, used, intrinsics)),
            hold_out=_median([residual.across for residual in hold_outs[name]]),
            hold_out_angle=_median([residual.angle for residual in hold_outs[name]]),
        )
        for name, candidate in candidates.items()
    )
    covariance = refined.covariance[:6, :6]
    board_middles = np.array([pose.view.points_in_board.mean(axis=0) for pose in used])
    in_camera = [
        placed[:3, :3] @ middle + placed[:3, 3]
        for placed, middle in zip(placement.board_in_camera(_hands(used)), board_middles, strict=True)
    ]
    moves = [np.hstack([np.eye(3), -cross_matrices(point)]) for point in in_camera]
    return Solution(
        camera_in_base=placement.camera_in_base,
        board_in_hand=placement.board_in_hand,
        position_error=_worst_deviation(covariance[:3, :3]),
        rotation_error=_worst_deviation(covariance[3:, 3:]),
        workspace_error=_median([_worst_deviation(move @ covariance @ move.T) for move in moves]),
        board_scale=measure_board_scale(placement, _hands(used), [pose.view for pose in used], intrinsics),
        residuals=_residuals(placement, used, intrinsics),
        outliers=_residuals(placement, left_out, intrinsics),
        hold_out=hold_outs[REFINED],
        methods=methods,
    )


def _without_outliers(
    poses: Sequence[CapturedPose], intrinsics: CameraIntrinsics
) -> tuple[list[CapturedPose], RefinedPlacement, list[CapturedPose]]:
    used = list(poses)
    refined = _refined(used, intrinsics)
    for _ in range(len(poses)):
        errors = _errors(refined.placement, poses, intrinsics)
        limit = max(OUTLIER_ERROR, OUTLIER_FACTOR * float(np.median(errors)))
        good = [pose for pose, error in zip(poses, errors, strict=True) if error <= limit]
        if len(good) < (1.0 - MAX_OUTLIER_SHARE) * len(poses) or len(good) < MIN_POSES:
            bad = [pose.name for pose, error in zip(poses, errors, strict=True) if error > limit]
            raise CalibrationDataError(
                f"{len(bad)} of {len(poses)} poses contradict the others ({', '.join(bad)}): is the board rigid in the "
                "hand, are hand poses and images of one instant? Take all poses again"
            )
        if len(good) == len(used):
            break
        used = good
        refined = _refined(used, intrinsics)
    kept = {pose.name for pose in used}
    return used, refined, [pose for pose in poses if pose.name not in kept]


def _refined(poses: Sequence[CapturedPose], intrinsics: CameraIntrinsics) -> RefinedPlacement:
    """The refinement from the start that most poses agree with: the closed forms, and those of random subsets."""
    hands, boards = _hands(poses), _boards(poses)
    starts = list(_closed_forms(poses).values())
    rng = np.random.default_rng(_SUBSET_SEED)
    if len(poses) > _SUBSET_SIZE:
        for _ in range(_SUBSETS):
            chosen = rng.choice(len(poses), _SUBSET_SIZE, replace=False)
            try:
                camera = park(*motion_pairs(hands[chosen], boards[chosen]))
            except CalibrationDataError:
                continue
            starts.append(_placement(camera, poses))
    start = min(starts, key=partial(_median_error, poses=poses, intrinsics=intrinsics))
    return refine(start, hands, [pose.view for pose in poses], intrinsics)


def _closed_forms(poses: Sequence[CapturedPose]) -> dict[str, Placement]:
    pairs = motion_pairs(_hands(poses), _boards(poses))
    return {name: _placement(method(*pairs), poses) for name, method in METHODS.items()}


def _placement(camera_in_base: FloatArray, poses: Sequence[CapturedPose]) -> Placement:
    """With the board where the poses see it in the mean."""
    return Placement(camera_in_base, mean_motion(inverse(_hands(poses)) @ camera_in_base @ _boards(poses)))


def _hold_outs(
    poses: Sequence[CapturedPose], intrinsics: CameraIntrinsics
) -> dict[str, tuple[Residual, ...]]:
    """By method: residuals of each pose under a placement found without its group."""
    residuals: dict[str, list[Residual]] = {name: [] for name in (*METHODS, REFINED)}
    groups = min(GROUPS, len(poses))
    for group in range(groups):
        held = list(poses[group::groups])
        rest = [pose for index, pose in enumerate(poses) if index % groups != group]
        try:
            found = _closed_forms(rest)
        except CalibrationDataError:
            continue  # The rest alone does not determine the camera's pose.
        start = min(found.values(), key=partial(_median_error, poses=rest, intrinsics=intrinsics))
        found[REFINED] = refine(start, _hands(rest), [pose.view for pose in rest], intrinsics).placement
        for name, placement in found.items():
            residuals[name] += _residuals(placement, held, intrinsics)
    if not residuals[REFINED]:
        raise CalibrationDataError(
            "too few poses to check the result on some that were held out; take more, tilted in other directions"
        )
    return {name: tuple(values) for name, values in residuals.items()}


def _residuals(
    placement: Placement, poses: Sequence[CapturedPose], intrinsics: CameraIntrinsics
) -> tuple[Residual, ...]:
    if not poses:
        return ()
    errors = _errors(placement, poses, intrinsics)
    expected = placement.board_in_camera(_hands(poses))
    result = []
    for pose, should_be, error in zip(poses, expected, errors, strict=True):
        seen = pose.view.board_in_camera
        middle = pose.view.points_in_board.mean(axis=0)
        offset = (seen[:3, :3] - should_be[:3, :3]) @ middle + seen[:3, 3] - should_be[:3, 3]
        sight = seen[:3, 3] / np.linalg.norm(seen[:3, 3])
        across = float(np.linalg.norm(offset - sight * (sight @ offset)))
        angle = rotation_angle(seen[:3, :3].T @ should_be[:3, :3])
        result.append(Residual(pose.name, float(error), across, angle))
    return tuple(result)


def _errors(placement: Placement, poses: Sequence[CapturedPose], intrinsics: CameraIntrinsics) -> FloatArray:
    return reprojection_errors(placement, _hands(poses), [pose.view for pose in poses], intrinsics)


def _median_error(placement: Placement, poses: Sequence[CapturedPose], intrinsics: CameraIntrinsics) -> float:
    return _median(_errors(placement, poses, intrinsics).tolist())


def _hands(poses: Sequence[CapturedPose]) -> FloatArray:
    return np.array([pose.hand_in_base for pose in poses]).reshape(-1, 4, 4)


def _boards(poses: Sequence[CapturedPose]) -> FloatArray:
    return np.array([pose.view.board_in_camera for pose in poses]).reshape(-1, 4, 4)


def _worst_deviation(covariance: FloatArray) -> float:
    return float(np.sqrt(max(np.linalg.eigvalsh(covariance)[-1], 0.0)))


def _root_mean_square(values: FloatArray) -> float:
    return float(np.sqrt((values**2).mean()))


def _median(values: Sequence[float]) -> float:
    return float(np.median(np.asarray(values)))
