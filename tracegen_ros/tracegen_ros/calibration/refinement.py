"""Camera and board placed so that the board lands where the images show it: joint refinement on reprojection error.

Unknown are X = camera_in_base and Y = board_in_hand. A corner p of the board lies at X⁻¹ · hand_in_base_i · Y · p in
the camera's frame in image i, and its pixel is compared with the one found.

Two things are not exact: pixels, and the poses that the robot reports. An error of the hand's pose moves all corners of
a view together, by J_i. So the residuals r_i of a view have the covariance s² 1 + J_i S J_iᵀ, and are made white by its
square root: what an image cannot show, and what a robot does not know, counts little. Levenberg-Marquardt on twists at
the right of X and Y; whole views are weighed down by Cauchy's function, so that a wrong pose does not drag the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tracegen_model.camera import CameraIntrinsics
from tracegen_ros.calibration.board_view import BoardView
from tracegen_ros.calibration.rigid_motion import cross_matrices, inverse, small_motion

FloatArray = NDArray[np.float64]

PIXEL_NOISE = 0.1
"""Standard deviation of a corner found in an image, along each axis [px]."""

HAND_POSITION_NOISE = 3e-4
"""Standard deviation of the hand's reported position, along each axis [m]: a robot repeats better than it measures."""

HAND_ROTATION_NOISE = np.radians(0.05)
"""Standard deviation of its reported rotation, about each axis [rad]."""

_MAD_TO_SIGMA = 1.4826
"""Standard deviation of a normal distribution over its median absolute deviation."""

_ITERATIONS = 40
_CONVERGED = 1e-8
_FIRST_DAMPING, _LEAST_DAMPING, _MOST_DAMPING = 1e-4, 1e-12, 1e8


@dataclass(frozen=True)
class Placement:
    """Where camera and board are.

    Attributes:
        camera_in_base: (4, 4) X.
        board_in_hand: (4, 4) Y.
    """

    camera_in_base: FloatArray
    board_in_hand: FloatArray

    def board_in_camera(self, hand_in_base: FloatArray) -> FloatArray:
        """(..., 4, 4) where the camera should see the board for poses (..., 4, 4) of the hand."""
        return inverse(self.camera_in_base) @ hand_in_base @ self.board_in_hand

    def moved(self, twist: FloatArray) -> Placement:
        """With X moved by ``twist[:6]`` and Y by ``twist[6:]``."""
        return Placement(
            self.camera_in_base @ small_motion(twist[:6]), self.board_in_hand @ small_motion(twist[6:])
        )


@dataclass(frozen=True)
class RefinedPlacement:
    """Result of the refinement.

    Attributes:
        placement: Camera and board.
        covariance: (12, 12) of the twists at the right of X and of Y, from the scatter between poses.
    """

    placement: Placement
    covariance: FloatArray


def reprojection_errors(
    placement: Placement,
    hand_in_base: FloatArray,
    views: Sequence[BoardView],
    intrinsics: CameraIntrinsics,
) -> FloatArray:
    """(N,) root mean square distance of each view's corners from where ``placement`` puts them [px].

    A point behind the camera counts as an image's width off.
    """
    poses = placement.board_in_camera(hand_in_base)
    residuals = [view_residual(pose, view, intrinsics) for pose, view in zip(poses, views, strict=True)]
    return np.array([np.sqrt(2.0 * (residual**2).mean()) for residual in residuals])


def view_jacobian(
    board_in_camera: FloatArray, points_in_board: FloatArray, intrinsics: CameraIntrinsics
) -> FloatArray:
    """(2K, 12) change of the pixels of ``points_in_board`` (K, 3) with twists at the right of X and Y.

    It depends on the board's pose in the camera alone, so that it is known for poses that nobody has taken yet.
    """
    rotation = board_in_camera[:3, :3]
    points = points_in_board @ rotation.T + board_in_camera[:3, 3]
    moved = np.zeros((len(points), 3, 12))
    moved[:, :, :3], moved[:, :, 3:6] = -np.eye(3), cross_matrices(points)
    moved[:, :, 6:9], moved[:, :, 9:] = rotation, -rotation @ cross_matrices(points_in_board)
    return (_projection_jacobian(points, intrinsics) @ moved).reshape(-1, 12)


def whitening(
    board_in_camera: FloatArray,
    board_in_hand: FloatArray,
    points_in_board: FloatArray,
    intrinsics: CameraIntrinsics,
) -> FloatArray:
    """(2K, 2K) matrix that turns a view's residuals [px] into ones of unit covariance."""
    points_in_hand = points_in_board @ board_in_hand[:3, :3].T + board_in_hand[:3, 3]
    points = points_in_board @ board_in_camera[:3, :3].T + board_in_camera[:3, 3]
    hand_rotation = board_in_camera[:3, :3] @ board_in_hand[:3, :3].T
    moved = np.concatenate(
        [
            np.broadcast_to(hand_rotation * HAND_POSITION_NOISE, (len(points), 3, 3)),
            -hand_rotation @ cross_matrices(points_in_hand) * HAND_ROTATION_NOISE,
        ],
        axis=2,
    )
    spread = (_projection_jacobian(points, intrinsics) @ moved).reshape(-1, 6)
    covariance = PIXEL_NOISE**2 * np.eye(len(spread)) + spread @ spread.T
    return np.linalg.inv(np.linalg.cholesky(covariance))


def refine(
    start: Placement,
    hand_in_base: FloatArray,
    views: Sequence[BoardView],
    intrinsics: CameraIntrinsics,
) -> RefinedPlacement:
    """The placement near ``start`` that explains the ``views`` best, for poses ``hand_in_base`` (N, 4, 4)."""
    placement = start
    for _ in range(2):
        # The noise's shape hardly changes with the placement: it is held fixed while that is searched.
        white = [
            whitening(pose, placement.board_in_hand, view.points_in_board, intrinsics)
            for pose, view in zip(placement.board_in_camera(hand_in_base), views, strict=True)
        ]
        problem = _WhiteProblem(hand_in_base, views, intrinsics, white)
        placement = problem.minimise(placement)
    return RefinedPlacement(placement, problem.covariance(placement))


@dataclass(frozen=True)
class _WhiteProblem:
    """Robust least squares on residuals made white by ``white``, one matrix a view."""

    hand_in_base: FloatArray
    views: Sequence[BoardView]
    intrinsics: CameraIntrinsics
    white: Sequence[FloatArray]

    def minimise(self, placement: Placement) -> Placement:
        residuals = self._residuals(placement)
        scale = _scale(residuals)
        damping = _FIRST_DAMPING
        for _ in range(_ITERATIONS):
            # The scale follows the fit down, never up: what is far off at the start does not matter in the end.
            scale = min(scale, _scale(residuals))
            cost = _cost(residuals, scale)
            gradients, hessian = self._normal_equations(placement, residuals, scale)
            step = np.zeros(12)
            while damping < _MOST_DAMPING:
                damped = hessian + damping * np.diag(np.diag(hessian) + 1e-9)
                step = -np.linalg.solve(damped, gradients.sum(axis=0))
                tried = placement.moved(step)
                tried_residuals = self._residuals(tried)
                if _cost(tried_residuals, scale) < cost:
                    placement, residuals = tried, tried_residuals
                    damping = max(damping / 10.0, _LEAST_DAMPING)
                    break
                damping *= 10.0
            else:
                break
            if np.abs(step).max() < _CONVERGED:
                break
        return placement

    def covariance(self, placement: Placement) -> FloatArray:
        """(12, 12) sandwich estimate from the scatter between views (Liang and Zeger, 1986).

        Of the six numbers that a view gives, X and Y together take those of two views, hence N / (N - 2).
        """
        residuals = self._residuals(placement)
        gradients, hessian = self._normal_equations(placement, residuals, _scale(residuals))
        count = len(gradients)
        bread = np.linalg.pinv(hessian)
        return bread @ (gradients.T @ gradients) @ bread * count / max(count - 2, 1)

    def _residuals(self, placement: Placement) -> list[FloatArray]:
        poses = placement.board_in_camera(self.hand_in_base)
        return [
            matrix @ view_residual(pose, view, self.intrinsics)
            for pose, view, matrix in zip(poses, self.views, self.white, strict=True)
        ]

    def _normal_equations(
        self, placement: Placement, residuals: Sequence[FloatArray], scale: float
    ) -> tuple[FloatArray, FloatArray]:
        """Gradient of each view (N, 12) and the Gauss-Newton matrix (12, 12)."""
        gradients, hessian = np.zeros((len(self.views), 12)), np.zeros((12, 12))
        for index, pose in enumerate(placement.board_in_camera(self.hand_in_base)):
            points = self.views[index].points_in_board
            jacobian = self.white[index] @ view_jacobian(pose, points, self.intrinsics)
            weight = 1.0 / (1.0 + _mean_square(residuals[index]) / scale**2)
            gradients[index] = weight * jacobian.T @ residuals[index]
            hessian += weight * jacobian.T @ jacobian
        return gradients, hessian


def view_residual(board_in_camera: FloatArray, view: BoardView, intrinsics: CameraIntrinsics) -> FloatArray:
    """(2K,) corners of ``view`` projected from ``board_in_camera`` (4, 4), minus those found [px]."""
    points = view.points_in_board @ board_in_camera[:3, :3].T + board_in_camera[:3, 3]
    return np.nan_to_num(intrinsics.project(points) - view.pixels, nan=float(intrinsics.width)).ravel()


def _projection_jacobian(points_in_camera: FloatArray, intrinsics: CameraIntrinsics) -> FloatArray:
    """(K, 2, 3) change of pixels with points (K, 3)."""
    x, y, z = points_in_camera.T
    jacobian = np.zeros((len(points_in_camera), 2, 3))
    jacobian[:, 0, 0], jacobian[:, 1, 1] = intrinsics.fx / z, intrinsics.fy / z
    jacobian[:, 0, 2], jacobian[:, 1, 2] = -intrinsics.fx * x / z**2, -intrinsics.fy * y / z**2
    return jacobian


def _mean_square(residual: FloatArray) -> float:
    return float((residual**2).mean())


def _scale(residuals: Sequence[FloatArray]) -> float:
    """Root mean square beyond which a view is weighed down; white noise alone never is."""
    sizes = [np.sqrt(_mean_square(residual)) for residual in residuals]
    return max(2.0, 2.0 * _MAD_TO_SIGMA * float(np.median(sizes)))


def _cost(residuals: Sequence[FloatArray], scale: float) -> float:
    return sum(
        len(residual) * scale**2 * float(np.log1p(_mean_square(residual) / scale**2))
        for residual in residuals
    )
