"""How large the board really is: the robot's motion measures it.

A print that was fitted to the page is some per cent too small. Distances seen by the camera are then off by as much,
and the camera is found centimetres away from where it stands, with residuals of a few pixels only. But the motion of
the hand between poses is known in metres: refining the board's scale together with camera and board shows it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tracegen_model.camera import CameraIntrinsics
from tracegen_ros.calibration.board_view import BoardView
from tracegen_ros.calibration.refinement import Placement, view_jacobian, view_residual, whitening

FloatArray = NDArray[np.float64]

_ITERATIONS = 12
_CONVERGED = 1e-7
_LONGEST_STEP = 0.1
_ROBUST_SCALE = 3.0
"""Views whose white residuals have a root mean square beyond this times the median one are weighed down."""


@dataclass(frozen=True)
class BoardScale:
    """Result of the measurement.

    Attributes:
        ratio: The board's true size over the one given.
        error: Standard deviation of ``ratio``.
    """

    ratio: float
    error: float

    def deviates(self, tolerance: float) -> bool:
        """The size given is wrong by more than ``tolerance``, and by more than three standard deviations."""
        return abs(self.ratio - 1.0) > max(tolerance, 3.0 * self.error)


def measure_board_scale(
    placement: Placement,
    hand_in_base: FloatArray,
    views: Sequence[BoardView],
    intrinsics: CameraIntrinsics,
) -> BoardScale:
    """The scale at which ``views`` and poses ``hand_in_base`` (N, 4, 4) agree best, starting from ``placement``."""
    scale = 1.0
    gradients, hessian = _normal_equations(placement, hand_in_base, views, intrinsics)
    for _ in range(_ITERATIONS):
        step = -np.linalg.solve(hessian, gradients.sum(axis=0))
        step *= min(1.0, _LONGEST_STEP / np.abs(step).max())
        placement = placement.moved(step[:12])
        scale *= float(np.exp(step[12]))
        scaled = [replace(view, points_in_board=scale * view.points_in_board) for view in views]
        gradients, hessian = _normal_equations(placement, hand_in_base, scaled, intrinsics)
        if np.abs(step).max() < _CONVERGED:
            break
    count = len(views)
    bread = np.linalg.pinv(hessian)
    covariance = bread @ (gradients.T @ gradients) @ bread * count / max(count - 2, 1)
    return BoardScale(scale, scale * float(np.sqrt(covariance[12, 12])))


def _normal_equations(
    placement: Placement,
    hand_in_base: FloatArray,
    views: Sequence[BoardView],
    intrinsics: CameraIntrinsics,
) -> tuple[FloatArray, FloatArray]:
    """Gradient of each view (N, 13) and the Gauss-Newton matrix (13, 13): twists of X and Y, logarithm of the scale."""
    residuals, jacobians = [], []
    for pose, view in zip(placement.board_in_camera(hand_in_base), views, strict=True):
        points = view.points_in_board
        white = whitening(pose, placement.board_in_hand, points, intrinsics)
        placed = view_jacobian(pose, points, intrinsics)
        # A larger board moves its corners as a shift of the board along each corner's own place in it would.
        grown = np.einsum("kri,ki->kr", placed.reshape(-1, 2, 12)[:, :, 6:9], points).reshape(-1, 1)
        jacobians.append(white @ np.hstack([placed, grown]))
        residuals.append(white @ view_residual(pose, view, intrinsics))
    sizes = np.array([np.sqrt((residual**2).mean()) for residual in residuals])
    limit = _ROBUST_SCALE * max(1.0, float(np.median(sizes)))
    weights = 1.0 / (1.0 + (sizes / limit) ** 2)
    gradients = np.array([w * j.T @ r for w, j, r in zip(weights, jacobians, residuals, strict=True)])
    hessian = sum(w * j.T @ j for w, j in zip(weights, jacobians, strict=True))
    return gradients, np.asarray(hessian)
