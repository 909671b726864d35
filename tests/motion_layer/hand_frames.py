"""Depth images of the simulated cell from several cameras, and which of their pixels truly show the hand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import mujoco
import numpy as np
from numpy.typing import NDArray

from fr3_sim.camera import INTRINSICS, RgbdCamera
from fr3_sim.camera_pose import look_at
from fr3_sim.hand_ik import HandIk
from fr3_sim.layout import random_layout
from fr3_sim.sampled_states import StateSampler
from fr3_sim.scene import TabletopScene
from tracegen_model.trace_grid import grid_pixels

FloatArray = NDArray[np.float64]

CAMERAS = {
    "front": ((1.22, 0.30, 0.72), (0.45, 0.0, 0.15)),
    "front, near": ((1.05, 0.22, 0.62), (0.47, 0.0, 0.10)),
    "side": ((0.72, 0.92, 0.68), (0.47, 0.0, 0.10)),
    "side, near": ((0.66, 0.74, 0.56), (0.47, 0.0, 0.10)),
}
"""Where each camera stands, and what it looks at [m, base frame]."""

RIGID_LINK = "fr3_link7"
"""The link that the hand is bolted to: its points ride the hand too."""


@dataclass(frozen=True)
class HandFrame:
    """One exact depth image and its truth.

    Attributes:
        camera: Name in ``CAMERAS``.
        camera_in_base: (4, 4) true pose of the camera.
        depth: (H, W) exact depth [m].
        joints: (7,) of the arm [rad].
        finger_width: [m].
        pixels: For each side of a grid, (side², 2) its pixels.
        on_hand: ... (side²,) those that show hand or fingers.
        rides: ... (side²,) those that move rigidly with the hand.
    """

    camera: str
    camera_in_base: FloatArray
    depth: NDArray[np.float32]
    joints: FloatArray
    finger_width: float
    pixels: dict[int, FloatArray]
    on_hand: dict[int, NDArray[np.bool_]]
    rides: dict[int, NDArray[np.bool_]]


def hand_frames(scenes: int, sides: tuple[int, ...], seed: int) -> Iterator[HandFrame]:
    """Frames of ``scenes`` random states of the task from every camera, with grids of ``sides`` points along a side.

    The hand is free, reaching, holding or letting go: the states that demonstrations are drawn from.
    """
    scene = TabletopScene()
    camera = RgbdCamera(scene)
    sampler = StateSampler(scene, HandIk(scene))
    rng = np.random.default_rng(seed)
    pixels = {side: grid_pixels(INTRINSICS.width, INTRINSICS.height, side) for side in sides}
    rigid = [*scene.hand_bodies, scene.model.body(RIGID_LINK).id]
    try:
        for _ in range(scenes):
            scene.reset(random_layout(rng))
            sampler.draw(rng)
            for name, (position, target) in CAMERAS.items():
                scene.set_camera_pose(look_at(position, target))
                mujoco.mj_forward(scene.model, scene.data)
                _, depth = camera.render()
                bodies = {side: camera.render_bodies(at) for side, at in pixels.items()}
                yield HandFrame(
                    name,
                    scene.camera_in_base.copy(),
                    depth,
                    scene.arm_joints,
                    scene.finger_width,
                    pixels,
                    {side: np.isin(body, scene.hand_bodies) for side, body in bodies.items()},
                    {side: np.isin(body, rigid) for side, body in bodies.items()},
                )
    finally:
        camera.close()
