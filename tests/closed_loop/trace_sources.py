"""Where a closed loop's traces come from: the exact traces of the scripted expert, or anything that predicts them."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from fr3_sim.body_motion import body_motion
from fr3_sim.camera import INTRINSICS, RgbdCamera
from fr3_sim.exact_traces import points_at_pixels, trace_points
from fr3_sim.hand_ik import HandIk
from fr3_sim.layout import BLOCK_HALF_SIZE
from fr3_sim.sampled_states import observed_task_state
from fr3_sim.scripted_expert import NOTHING, expert_path
from fr3_sim.simulation import RgbdFrame, Simulation
from fr3_sim.task import HELD_DISTANCE, RELEASED_MARGIN
from tracegen_model.runtime.preprocessing import MODEL_IMAGE_SIDE
from tracegen_model.trace_grid import TraceGrid, grid_pixels


class TraceSource(Protocol):
    """Turns a frame and an instruction into traces."""

    def __call__(self, frame: RgbdFrame, instruction: str) -> TraceGrid:
        """The traces that start at ``frame``."""


class ExactTraces:
    """The oracle: what the expert would do next, from simulator truth; the instruction is the simulation's own task.

    Args:
        simulation: The cell whose truth is read.
        noise_m: Standard deviation of an error [m] that grows along the trace, alike for all points that move together.
        seed: Of that error.
    """

    def __init__(self, simulation: Simulation, noise_m: float = 0.0, seed: int = 0) -> None:
        self._simulation = simulation
        self._hand_ik = HandIk(simulation.scene)
        self._camera: RgbdCamera = simulation.camera
        self._noise_m = noise_m
        self._rng = np.random.default_rng(seed)
        scale = np.array([INTRINSICS.width, INTRINSICS.height]) / MODEL_IMAGE_SIDE
        self._pixels = (grid_pixels(MODEL_IMAGE_SIDE, MODEL_IMAGE_SIDE) + 0.5) * scale - 0.5

    def __call__(self, frame: RgbdFrame, instruction: str) -> TraceGrid:
        """The expert's traces, with the errors of the camera's true pose in them as a perfect network's would be."""
        simulation, scene = self._simulation, self._simulation.scene
        _, exact = self._camera.render()
        points = points_at_pixels(scene, self._pixels, exact, self._camera.render_bodies(self._pixels))
        task = simulation.task
        path = expert_path(observed_task_state(scene, self._held_block()), task.block, task.zone)
        traced = trace_points(scene, self._hand_ik, points, body_motion(scene, self._hand_ik, path))
        if self._noise_m > 0.0:
            moving = np.linalg.norm(traced[-1] - traced[0], axis=-1) > 0.005
            ramp = np.linspace(0.0, 1.0, len(traced))[:, None]
            drift = ramp * self._rng.normal(0.0, self._noise_m, 3)
            traced = traced + drift[:, None] * moving[:, None]
        pose = scene.camera_in_base
        in_camera = (traced - pose[:3, 3]) @ pose[:3, :3]
        return TraceGrid.from_pixels_and_depth(INTRINSICS.project(in_camera), in_camera[..., 2], INTRINSICS)

    def _held_block(self) -> int:
        scene = self._simulation.scene
        positions = [scene.block_position(index) for index in range(len(scene.block_bodies))]
        distances = [float(np.linalg.norm(position - scene.tcp_position)) for position in positions]
        nearest = int(np.argmin(distances))
        closed = scene.finger_width < 2 * BLOCK_HALF_SIZE + RELEASED_MARGIN
        return nearest if closed and distances[nearest] < HELD_DISTANCE else NOTHING
