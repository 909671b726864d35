"""How every body of the scene moves while the hand follows a path: hand, carried blocks, the arm's links."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fr3_sim.hand_ik import HandIk, downward_rotation
from fr3_sim.layout import BLOCK_COUNT
from fr3_sim.scene import TabletopScene
from fr3_sim.scripted_expert import HandPath

TRACE_STEPS = 32
"""Steps of a trace."""

STEP_LENGTH = 0.0125
"""Hand motion in one step [m]; all points share this warp, so 32 steps look 0.40 m ahead."""

ARM_KINEMATICS_STRIDE = 4
"""The arm's own links are solved every so many steps and interpolated in joint space between."""

IK_ITERATIONS = 5
"""Enough from one solved step to the next, which lie close together."""


@dataclass(frozen=True)
class BodyMotion:
    """Poses at steps 0..S of a path, step 0 being the scene's present state, in ``fr3_link0``.

    The fingers ride with the hand; their own opening and closing takes no path length and is no motion here.

    Attributes:
        hand_positions: (S + 1, 3) tool centre point [m].
        hand_rotations: (S + 1, 3, 3).
        block_positions: (blocks, S + 1, 3) [m].
        block_rotations: (blocks, S + 1, 3, 3).
        arm_joints: (S + 1, 7) [rad].
    """

    hand_positions: NDArray[np.float64]
    hand_rotations: NDArray[np.float64]
    block_positions: NDArray[np.float64]
    block_rotations: NDArray[np.float64]
    arm_joints: NDArray[np.float64]


def body_motion(
    scene: TabletopScene,
    hand_ik: HandIk,
    path: HandPath,
    steps: int = TRACE_STEPS,
    step_length: float = STEP_LENGTH,
) -> BodyMotion:
    """Motion of all bodies from the present state while the hand follows ``path``, ``step_length`` [m] a step."""
    sampled = path.resampled(step_length, steps)
    hand_rotations = np.stack([downward_rotation(yaw) for yaw in sampled.yaws])
    hand_rotations[0] = scene.tcp_rotation
    hand_positions = sampled.positions.copy()
    hand_positions[0] = scene.tcp_position
    poses = [
        _block_motion(scene, block, path, sampled, hand_positions, hand_rotations)
        for block in range(BLOCK_COUNT)
    ]
    return BodyMotion(
        hand_positions=hand_positions,
        hand_rotations=hand_rotations,
        block_positions=np.stack([positions for positions, _ in poses]),
        block_rotations=np.stack([rotations for _, rotations in poses]),
        arm_joints=_arm_joints(scene, hand_ik, hand_positions, hand_rotations),
    )


def _block_motion(
    scene: TabletopScene,
    block: int,
    path: HandPath,
    sampled: HandPath,
    hand_positions: NDArray[np.float64],
    hand_rotations: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Positions (S + 1, 3) and rotations (S + 1, 3, 3) of a block: at rest, in the hand, at rest again."""
    body = scene.block_bodies[block]
    position = scene.block_position(block)
    rotation = scene.data.xmat[body].reshape(3, 3).copy()
    positions = np.broadcast_to(position, (len(sampled.lengths), 3)).copy()
    rotations = np.broadcast_to(rotation, (len(sampled.lengths), 3, 3)).copy()
    carried = np.flatnonzero(path.carried == block)
    if not carried.size:
        return positions, rotations
    if carried[0] == 0:
        grasp_position, grasp_rotation = hand_positions[0], hand_rotations[0]
    else:
        # The grasp happens between two steps of the trace: its pose comes from the dense path.
        grasp_position = path.positions[carried[0] - 1]
        grasp_rotation = downward_rotation(path.yaws[carried[0] - 1])
    position_in_hand = grasp_rotation.T @ (position - grasp_position)
    rotation_in_hand = grasp_rotation.T @ rotation
    release_rotation = downward_rotation(path.yaws[carried[-1]])
    held = sampled.carried == block
    positions[held] = hand_rotations[held] @ position_in_hand + hand_positions[held]
    rotations[held] = hand_rotations[held] @ rotation_in_hand
    let_go = ~held & (sampled.lengths >= path.lengths[carried[0]])
    positions[let_go] = release_rotation @ position_in_hand + path.positions[carried[-1]]
    rotations[let_go] = release_rotation @ rotation_in_hand
    return positions, rotations


def _arm_joints(
    scene: TabletopScene,
    hand_ik: HandIk,
    hand_positions: NDArray[np.float64],
    hand_rotations: NDArray[np.float64],
) -> NDArray[np.float64]:
    """(S + 1, 7) arm joints [rad] along the hand's path."""
    steps = len(hand_positions)
    solved = list(range(0, steps, ARM_KINEMATICS_STRIDE))
    hand_ik.data.qpos[:] = scene.data.qpos
    joints = [scene.arm_joints]
    for step in solved[1:]:
        joints.append(hand_ik.solve(hand_positions[step], hand_rotations[step], joints[-1], IK_ITERATIONS)[0])
    table = np.array(joints)
    return np.column_stack(
        [np.interp(np.arange(steps), solved, table[:, joint]) for joint in range(table.shape[1])]
    )
