"""Ground-truth traces: every grid pixel carried by the body it lies on while the expert's path is followed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fr3_sim.camera import INTRINSICS
from fr3_sim.hand_ik import HandIk, downward_rotation
from fr3_sim.scene import TabletopScene
from fr3_sim.scripted_expert import HandPath
from tracegen_model.camera import CameraIntrinsics
from tracegen_model.data.episode import PointKind

TRACE_STEPS = 32
"""Steps of a trace."""

STEP_LENGTH = 0.0125
"""Hand motion in one step [m]; all points share this warp, so 32 steps look 0.40 m ahead."""

ARM_KINEMATICS_STRIDE = 4
"""The arm's own links are solved every so many steps and interpolated in joint space between."""


@dataclass(frozen=True)
class TracedPoints:
    """The points whose motion is asked for, in the scene's present state.

    Attributes:
        points_in_base: (N, 3) [m].
        bodies: (N,) MuJoCo body id that carries each point.
    """

    points_in_base: NDArray[np.float64]
    bodies: NDArray[np.int64]


def points_at_pixels(
    scene: TabletopScene,
    pixels: NDArray[np.float64],
    depth: NDArray[np.float32],
    bodies: NDArray[np.int64],
    intrinsics: CameraIntrinsics = INTRINSICS,
) -> TracedPoints:
    """What lies at ``pixels`` (N, 2) of an exact ``depth`` image (H, W) [m]; ``bodies`` (N,) are the bodies seen there."""
    column, row = np.rint(pixels).astype(int).T
    in_camera = intrinsics.back_project(pixels, depth[row, column])
    in_base = in_camera @ scene.camera_in_base[:3, :3].T + scene.camera_in_base[:3, 3]
    return TracedPoints(in_base, bodies)


def trace_points(
    scene: TabletopScene,
    hand_ik: HandIk,
    points: TracedPoints,
    path: HandPath,
    steps: int = TRACE_STEPS,
    step_length: float = STEP_LENGTH,
) -> NDArray[np.float64]:
    """Positions (steps + 1, N, 3) [m, base frame] of ``points`` while the hand follows ``path``.

    The fingers ride with the hand; their own opening and closing takes no path length and is not a trace.
    """
    data = scene.data
    sampled = path.resampled(step_length, steps)
    traced = np.broadcast_to(points.points_in_base, (steps + 1, *points.points_in_base.shape)).copy()
    hand_rotations = np.stack([downward_rotation(yaw) for yaw in sampled.yaws])
    hand_rotations[0] = scene.tcp_rotation
    hand_positions = sampled.positions.copy()
    hand_positions[0] = scene.tcp_position

    rides_hand = np.isin(points.bodies, scene.hand_bodies)
    in_hand = (points.points_in_base[rides_hand] - hand_positions[0]) @ hand_rotations[0]
    traced[:, rides_hand] = np.einsum("kij,nj->kni", hand_rotations, in_hand) + hand_positions[:, None]

    for block, body in enumerate(scene.block_bodies):
        on_block = points.bodies == body
        carried = np.flatnonzero(path.carried == block)
        if not on_block.any() or not carried.size:
            continue
        start = points.points_in_base[on_block]
        if carried[0] == 0:
            grasp_position, grasp_rotation = hand_positions[0], hand_rotations[0]
        else:
            grasp = carried[0] - 1
            grasp_position, grasp_rotation = path.positions[grasp], downward_rotation(path.yaws[grasp])
        on_block_in_hand = (start - grasp_position) @ grasp_rotation
        release = carried[-1]
        resting = on_block_in_hand @ downward_rotation(path.yaws[release]).T + path.positions[release]
        moved = np.einsum("kij,nj->kni", hand_rotations, on_block_in_hand) + hand_positions[:, None]
        was_carried = np.cumsum(sampled.carried == block) > 0
        before = sampled.lengths < path.lengths[carried[0]]
        traced[:, on_block] = np.where(
            (sampled.carried == block)[:, None, None],
            moved,
            np.where((was_carried | ~before)[:, None, None], resting, start),
        )

    on_arm = np.isin(points.bodies, scene.arm_bodies)
    if on_arm.any():
        bodies = points.bodies[on_arm]
        rotations = data.xmat[bodies].reshape(-1, 3, 3)
        local = np.einsum("nji,nj->ni", rotations, points.points_in_base[on_arm] - data.xpos[bodies])
        for step, joints in enumerate(_arm_joints(scene, hand_ik, hand_positions, hand_rotations)):
            hand_ik.forward(joints)
            turned = hand_ik.data.xmat[bodies].reshape(-1, 3, 3)
            traced[step, on_arm] = np.einsum("nij,nj->ni", turned, local) + hand_ik.data.xpos[bodies]
    return traced


def point_kinds(scene: TabletopScene, bodies: NDArray[np.int64], target_block: int) -> NDArray[np.uint8]:
    """(N,) what each point lies on, as ``PointKind`` values."""
    kinds = np.full(bodies.shape, PointKind.BACKGROUND, np.uint8)
    kinds[np.isin(bodies, scene.arm_bodies)] = PointKind.ARM
    kinds[np.isin(bodies, scene.hand_bodies)] = PointKind.HAND
    for block, body in enumerate(scene.block_bodies):
        kinds[bodies == body] = PointKind.TARGET_OBJECT if block == target_block else PointKind.OTHER_OBJECT
    return kinds


def _arm_joints(
    scene: TabletopScene,
    hand_ik: HandIk,
    hand_positions: NDArray[np.float64],
    hand_rotations: NDArray[np.float64],
) -> NDArray[np.float64]:
    """(steps, 7) arm joints [rad] along the hand's path."""
    steps = len(hand_positions)
    solved = list(range(0, steps, ARM_KINEMATICS_STRIDE))
    hand_ik.data.qpos[:] = scene.data.qpos
    joints = [scene.arm_joints]
    for step in solved[1:]:
        joints.append(hand_ik.solve(hand_positions[step], hand_rotations[step], joints[-1], iterations=5)[0])
    table = np.array(joints)
    return np.column_stack([np.interp(np.arange(steps), solved, table[:, joint]) for joint in range(table.shape[1])])
