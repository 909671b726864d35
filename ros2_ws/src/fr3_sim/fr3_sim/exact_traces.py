"""Ground-truth traces: every grid pixel carried by the body it lies on while the expert's path is followed."""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np
from numpy.typing import NDArray

from fr3_sim.body_motion import BodyMotion
from fr3_sim.camera import INTRINSICS, RgbdCamera
from fr3_sim.hand_ik import HandIk
from fr3_sim.scene import TabletopScene
from tracegen_model.camera import CameraIntrinsics
from tracegen_model.data.episode import PointKind

OCCLUSION_TOLERANCE = 0.008
"""A point this much [m] behind the surface seen at its pixel is hidden by it."""


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
    """What lies at ``pixels`` (N, 2) of an exact ``depth`` image (H, W) [m]; ``bodies`` (N,) are those seen there."""
    column, row = np.rint(pixels).astype(int).T
    in_camera = intrinsics.back_project(pixels, depth[row, column])
    in_base = in_camera @ scene.camera_in_base[:3, :3].T + scene.camera_in_base[:3, 3]
    return TracedPoints(in_base, bodies)


def trace_points(
    scene: TabletopScene, hand_ik: HandIk, points: TracedPoints, motion: BodyMotion
) -> NDArray[np.float64]:
    """Positions (steps + 1, N, 3) [m, base frame] of ``points``, each carried by its body through ``motion``."""
    data = scene.data
    steps = len(motion.hand_positions)
    traced = np.broadcast_to(points.points_in_base, (steps, *points.points_in_base.shape)).copy()
    carriers = [(np.isin(points.bodies, scene.hand_bodies), motion.hand_positions, motion.hand_rotations)]
    for block, body in enumerate(scene.block_bodies):
        carriers.append((points.bodies == body, motion.block_positions[block], motion.block_rotations[block]))
    for rides, positions, rotations in carriers:
        local = (points.points_in_base[rides] - positions[0]) @ rotations[0]
        traced[:, rides] = np.einsum("kij,nj->kni", rotations, local) + positions[:, None]
    on_arm = np.isin(points.bodies, scene.arm_bodies)
    if on_arm.any():
        bodies = points.bodies[on_arm]
        rotations = data.xmat[bodies].reshape(-1, 3, 3)
        local = np.einsum("nji,nj->ni", rotations, points.points_in_base[on_arm] - data.xpos[bodies])
        for step, joints in enumerate(motion.arm_joints):
            hand_ik.forward(joints)
            turned = hand_ik.data.xmat[bodies].reshape(-1, 3, 3)
            traced[step, on_arm] = np.einsum("nij,nj->ni", turned, local) + hand_ik.data.xpos[bodies]
    return traced


def visible_points(
    scene: TabletopScene, camera: RgbdCamera, traced: NDArray[np.float64], motion: BodyMotion
) -> NDArray[np.bool_]:
    """(steps + 1, N) whether the camera would see each of ``traced`` (steps + 1, N, 3) [m, base frame] at each step.

    Draws the scene once a step, with everything where ``motion`` has it, and leaves the scene as it was.
    """
    before = scene.data.qpos.copy()
    pose = scene.camera_in_base
    visible = np.zeros(traced.shape[:2], bool)
    for step, points in enumerate(traced):
        scene.data.qpos[scene.arm_qpos] = motion.arm_joints[step]
        for block in range(len(scene.block_bodies)):
            scene.pose_block(block, motion.block_positions[block, step], motion.block_rotations[block, step])
        mujoco.mj_forward(scene.model, scene.data)
        _, depth = camera.render()
        in_camera = (points - pose[:3, 3]) @ pose[:3, :3]
        pixels = np.rint(INTRINSICS.project(in_camera))
        inside = (pixels >= 0).all(axis=1) & (pixels < [INTRINSICS.width, INTRINSICS.height]).all(axis=1)
        column, row = pixels[inside].astype(int).T
        visible[step, inside] = in_camera[inside, 2] <= depth[row, column] + OCCLUSION_TOLERANCE
    scene.data.qpos[:] = before
    mujoco.mj_forward(scene.model, scene.data)
    return visible


def point_kinds(scene: TabletopScene, bodies: NDArray[np.int64], target_block: int) -> NDArray[np.uint8]:
    """(N,) what each point lies on, as ``PointKind`` values."""
    kinds = np.full(bodies.shape, PointKind.BACKGROUND, np.uint8)
    kinds[np.isin(bodies, scene.arm_bodies)] = PointKind.ARM
    kinds[np.isin(bodies, scene.hand_bodies)] = PointKind.HAND
    for block, body in enumerate(scene.block_bodies):
        kinds[bodies == body] = PointKind.TARGET_OBJECT if block == target_block else PointKind.OTHER_OBJECT
    return kinds
