"""Drives: images that the camera takes while the hand follows the expert's path, and where every grid point goes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import mujoco
import numpy as np
from numpy.typing import NDArray

from fr3_sim.appearance import AppearanceDomain, random_appearance
from fr3_sim.body_motion import body_motion
from fr3_sim.camera import INTRINSICS, RgbdCamera
from fr3_sim.camera_pose import random_camera_pose
from fr3_sim.depth_noise import noisy_depth
from fr3_sim.exact_traces import points_at_pixels, trace_points
from fr3_sim.hand_ik import HandIk, downward_rotation, hand_yaw
from fr3_sim.instructions import training_instruction
from fr3_sim.layout import BLOCK_HALF_SIZE, DEMONSTRATION_X, random_layout
from fr3_sim.sampled_states import OPEN_WIDTH, StateSampler, observed_task_state
from fr3_sim.scene import TabletopScene
from fr3_sim.scripted_expert import NOTHING, expert_path
from tracegen_model.runtime.preprocessing import MODEL_IMAGE_SIDE
from tracegen_model.trace_grid import grid_pixels

NOISE_LEVEL = 1.0
"""Depth noise, in multiples of a D435's."""

FRAME_PERIOD_S = 0.2
"""Time between two images [s], as in the closed-loop benchmark."""


@dataclass(frozen=True)
class Frame:
    """An image of a drive.

    Attributes:
        stamp_s: [s].
        colour: (H, W, 3) uint8.
        depth: (H, W) [m] as measured.
        true_paths: (S + 1, N, 3) where the grid points go from here [m, camera frame].
    """

    stamp_s: float
    colour: NDArray[np.uint8]
    depth: NDArray[np.float32]
    true_paths: NDArray[np.float64]


@dataclass(frozen=True)
class Drive:
    """Successive images under one instruction."""

    instruction: str
    frames: list[Frame]


class DriveMaker:
    """Draws scenes and drives through them.

    Args:
        advance_m: Path between two images [m].
    """

    def __init__(self, advance_m: float) -> None:
        self._advance_m = advance_m
        self._scene = TabletopScene()
        self._camera = RgbdCamera(self._scene)
        self._hand_ik = HandIk(self._scene)
        self._sampler = StateSampler(self._scene, self._hand_ik)
        size = np.array([INTRINSICS.width, INTRINSICS.height])
        keypoints = grid_pixels(MODEL_IMAGE_SIDE, MODEL_IMAGE_SIDE)
        self._pixels = (keypoints + 0.5) * (size / MODEL_IMAGE_SIDE) - 0.5

    def drive(self, seed: int) -> Drive:
        """From a drawn state with an empty hand until the block lies in its zone."""
        rng = np.random.default_rng(seed)
        layout = random_layout(rng, DEMONSTRATION_X)
        self._scene.reset(layout, random_appearance(layout, rng, AppearanceDomain.TRAIN))
        self._scene.set_camera_pose(random_camera_pose(rng))
        state = self._sampler.draw(rng)
        while state.task.held != NOTHING:
            state = self._sampler.draw(rng)
        block, zone = state.tasks[int(rng.integers(len(state.tasks)))]
        words = training_instruction(layout.block_colours[block], layout.zone_colours[zone], rng)
        return Drive(words, list(self._frames(rng, block, zone)))

    def _frames(self, rng: np.random.Generator, block: int, zone: int) -> Iterator[Frame]:
        path = expert_path(observed_task_state(self._scene, NOTHING), block, zone)
        count = max(int(path.length / self._advance_m), 1)
        whole = body_motion(self._scene, self._hand_ik, path, count, self._advance_m)
        carried = path.resampled(self._advance_m, count).carried
        for number in range(count):
            held = int(carried[number])
            joints, _ = self._hand_ik.solve(
                whole.hand_positions[number], downward_rotation(hand_yaw(whole.hand_rotations[number]))
            )
            self._scene.set_arm(joints)
            self._scene.set_finger_width(OPEN_WIDTH if held == NOTHING else 2 * BLOCK_HALF_SIZE)
            centre = whole.block_positions[block, number]
            yaw = hand_yaw(whole.block_rotations[block, number]) if held == block else None
            self._place(block, centre, yaw)
            yield self._frame(rng, number, held, block, zone)

    def _place(self, block: int, centre: NDArray[np.float64], yaw: float | None) -> None:
        self._scene.place_block(
            block, centre, self._scene.block_yaw(block) if yaw is None else yaw, float(centre[2])
        )
        mujoco.mj_forward(self._scene.model, self._scene.data)

    def _frame(self, rng: np.random.Generator, number: int, held: int, block: int, zone: int) -> Frame:
        colour, exact = self._camera.render()
        bodies = self._camera.render_bodies(self._pixels)
        points = points_at_pixels(self._scene, self._pixels, exact, bodies)
        path = expert_path(observed_task_state(self._scene, held), block, zone)
        traced = trace_points(
            self._scene, self._hand_ik, points, body_motion(self._scene, self._hand_ik, path)
        )
        pose = self._scene.camera_in_base
        depth = noisy_depth(exact, INTRINSICS.fx, NOISE_LEVEL, rng)
        return Frame(number * FRAME_PERIOD_S, colour, depth, (traced - pose[:3, 3]) @ pose[:3, :3])
