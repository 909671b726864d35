"""A scene for the follower's tests: a hand placed by the arm's kinematics, a block, a table; no simulator."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ik_controller.follower_interface import FollowerInput
from ik_controller.inverse_kinematics import IkConfig, solve_pose
from ik_controller.robot_model import RobotModel
from tracegen_model.camera import CameraIntrinsics
from tracegen_model.trace_grid import TraceGrid

INTRINSICS = CameraIntrinsics(fx=307.5, fy=307.5, cx=159.5, cy=119.5, width=320, height=240)
STEP = 0.0125
BLOCK_SIDE = 0.04


def camera_in_base() -> NDArray[np.float64]:
    """A camera in front of the table that looks back at the robot."""
    position, target = np.array([1.05, 0.22, 0.62]), np.array([0.47, 0.0, 0.10])
    forward = (target - position) / np.linalg.norm(target - position)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([right, np.cross(forward, right), forward], axis=1)
    pose[:3, 3] = position
    return pose


@dataclass
class BlockOnTable:
    """A robot above a block: makes depth images by ray casting on boxes, and exact traces of a given hand path."""

    robot: RobotModel
    tcp: NDArray[np.float64]
    block: NDArray[np.float64] = field(default_factory=lambda: np.array([0.50, 0.0, BLOCK_SIDE / 2]))
    width: float = 0.08
    side: int = 20

    def __post_init__(self) -> None:
        down = np.diag([1.0, -1.0, -1.0])
        start = self.robot.posture
        self.joints, error, _ = solve_pose(self.robot, start, self.tcp, down, IkConfig(max_iterations=200))
        assert error < 1e-3

    def depth(self) -> NDArray[np.float32]:
        """(240, 320) depth image of table, block and hand [m]."""
        rows, columns = np.mgrid[0 : INTRINSICS.height, 0 : INTRINSICS.width]
        rays = INTRINSICS.back_project(np.stack([columns, rows], axis=-1), np.ones(rows.shape))
        pose = camera_in_base()
        depth = _hit_boxes(rays, pose, np.eye(4), np.array([[[0.0, -0.8, -0.05], [1.2, 0.8, 0.0]]]))
        half = np.full(3, BLOCK_SIDE / 2)
        block = np.eye(4)
        block[:3, 3] = self.block
        depth = np.minimum(depth, _hit_boxes(rays, pose, block, np.array([[-half, half]])))
        hand = self.robot.hand_in_base(self.joints)
        depth = np.minimum(depth, _hit_boxes(rays, pose, hand, self.robot.hand.boxes(self.width)))
        return np.where(np.isfinite(depth), depth, 0.0).astype(np.float32)

    def traces(self, path: NDArray[np.float64], grasp_step: int | None = None) -> TraceGrid:
        """Traces of a grid while the hand follows ``path`` (S + 1, 3) and takes the block at ``grasp_step``."""
        u, v = np.meshgrid(
            np.linspace(0, INTRINSICS.width - 1, self.side), np.linspace(0, INTRINSICS.height - 1, self.side)
        )
        pixels = np.stack([u.ravel(), v.ravel()], axis=-1)
        depth = self.depth()
        z = depth[np.rint(pixels[:, 1]).astype(int), np.rint(pixels[:, 0]).astype(int)]
        z = np.where(z > 0.0, z, np.nan)
        pose = camera_in_base()
        start = INTRINSICS.back_project(pixels, z) @ pose[:3, :3].T + pose[:3, 3]
        moved = np.repeat(start[None], len(path), axis=0)
        on_block = (np.abs(start - self.block) < BLOCK_SIDE / 2 + 1e-4).all(axis=-1)
        on_robot = (start[:, 2] > 1e-3) & ~on_block  # NaN compares false: a point without depth stays invalid
        moved[:, on_robot] += (path - path[0])[:, None]
        if grasp_step is not None:
            moved[grasp_step:, on_block] += (path[grasp_step:] - path[grasp_step])[:, None]
        in_camera = (moved - pose[:3, 3]) @ pose[:3, :3]
        return TraceGrid(in_camera.astype(np.float32), INTRINSICS.project(in_camera).astype(np.float32))

    def inputs(self, now_s: float, traces: TraceGrid | None, **changes: object) -> FollowerInput:
        """Inputs of one update, everything present and fresh unless ``changes`` say otherwise."""
        values: dict[str, object] = {
            "now_s": now_s,
            "trace_stamp_s": None if traces is None else now_s,
            "traces": traces,
            "camera_in_base": camera_in_base(),
            "intrinsics": INTRINSICS,
            "depth_m": self.depth(),
            "joints_at_trace": self.joints,
            "joint_state_now": (self.joints, np.zeros(len(self.joints))),
            "finger_width_m": self.width,
            "gripper_busy": False,
        }
        return FollowerInput(**(values | changes))  # type: ignore[arg-type]


def pick_path(
    tcp: NDArray[np.float64], block: NDArray[np.float64], steps: int = 32, lowest: float = 0.019
) -> tuple[NDArray[np.float64], int]:
    """A path of equal steps from ``tcp`` down to ``block`` and up again, and the step of the grasp."""
    grasp = np.array([block[0], block[1], lowest])
    down = max(2, int(np.ceil(np.linalg.norm(grasp - tcp) / STEP)))
    way_down = np.linspace(tcp, grasp, down + 1)
    up = np.arange(1, max(steps - down, 1) + 1)[:, None] * np.array([0.0, 0.0, STEP])
    return np.concatenate([way_down, grasp + up])[: steps + 1], down


def _hit_boxes(
    rays: NDArray[np.float64],
    camera: NDArray[np.float64],
    frame: NDArray[np.float64],
    boxes: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Depth (H, W) at which ``rays`` (H, W, 3), of unit depth, first meet a box; inf where none."""
    to_frame = np.linalg.inv(frame) @ camera
    depth = np.full(rays.shape[:2], np.inf)
    for lower, upper in boxes:
        window = _window(lower, upper, np.linalg.inv(to_frame))
        direction = rays[window] @ to_frame[:3, :3].T
        with np.errstate(divide="ignore", invalid="ignore"):
            entry, leave = (lower - to_frame[:3, 3]) / direction, (upper - to_frame[:3, 3]) / direction
        near = np.minimum(entry, leave).max(axis=-1)
        far = np.maximum(entry, leave).min(axis=-1)
        depth[window] = np.where((near < far) & (near > 0), np.minimum(depth[window], near), depth[window])
    return depth


def _window(
    lower: NDArray[np.float64], upper: NDArray[np.float64], to_camera: NDArray[np.float64]
) -> tuple[slice, slice]:
    """Rows and columns that a box can cover in the image."""
    corners = np.stack(np.meshgrid(*np.stack([lower, upper], axis=-1)), axis=-1).reshape(-1, 3)
    corners = corners @ to_camera[:3, :3].T + to_camera[:3, 3]
    if corners[:, 2].min() < 0.05:
        return slice(None), slice(None)
    pixels = INTRINSICS.project(corners)
    first = np.maximum(np.floor(pixels.min(axis=0)).astype(int), 0)
    last = np.maximum(np.ceil(pixels.max(axis=0)).astype(int) + 1, 0)
    return slice(first[1], last[1]), slice(first[0], last[0])
