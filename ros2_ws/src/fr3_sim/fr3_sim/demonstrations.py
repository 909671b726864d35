"""Makes demonstrations: episodes in the TraceForge layout with exact traces, in parallel and from a seed.

    python -m fr3_sim.demonstrations OUTPUT --scenes 6000 --seed 1 --jobs 2

A scene is a random table under a random look and camera; several states of the task are drawn in it. Each
(block, zone) instruction that makes sense in one of them becomes an episode; episodes of a scene share their images
through hard links.
"""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import os
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from fr3_sim.appearance import AppearanceDomain, random_appearance
from fr3_sim.body_motion import body_motion
from fr3_sim.camera import INTRINSICS, RgbdCamera
from fr3_sim.camera_pose import random_camera_pose
from fr3_sim.depth_noise import noisy_depth
from fr3_sim.exact_traces import TracedPoints, point_kinds, points_at_pixels, trace_points, visible_points
from fr3_sim.hand_ik import HandIk
from fr3_sim.instructions import training_instruction
from fr3_sim.layout import DEMONSTRATION_X, random_layout
from fr3_sim.sampled_states import SampledState, StateSampler
from fr3_sim.scene import TabletopScene
from fr3_sim.scripted_expert import expert_path
from tracegen_model.camera import CameraIntrinsics
from tracegen_model.data.episode import EpisodeWriter, TraceSample
from tracegen_model.runtime.preprocessing import MODEL_IMAGE_SIDE, resize_colour, resize_depth
from tracegen_model.trace_grid import grid_pixels

logger = logging.getLogger(__name__)

STATES_PER_SCENE = 4
"""States drawn in each scene."""

WORDINGS_PER_EPISODE = 3
"""Instructions of an episode that say the same in other words."""

MAX_NOISE_LEVEL = 1.6
"""Depth noise of a scene is drawn between none and this many times that of a D435."""

SCENES_PER_TASK = 10
"""Scenes that a worker makes before it reports progress."""


class DemonstrationMaker:
    """Draws scenes and writes their episodes. Scene ``i`` of seed ``s`` is the same whoever makes it.

    Args:
        output: Folder of the episodes.
        seed: Of all that is drawn.
        visibility: Also write at which steps each point is seen: one more image a step, about a second a sample.
    """

    def __init__(self, output: Path, seed: int, visibility: bool = False) -> None:
        self._output = output
        self._seed = seed
        self._visibility = visibility
        self._scene = TabletopScene()
        self._camera = RgbdCamera(self._scene)
        self._hand_ik = HandIk(self._scene)
        self._sampler = StateSampler(self._scene, self._hand_ik)
        self._model_view = INTRINSICS.resized(MODEL_IMAGE_SIDE, MODEL_IMAGE_SIDE)
        self._keypoints = grid_pixels(MODEL_IMAGE_SIDE, MODEL_IMAGE_SIDE)
        self._source_pixels = _pixels_in(INTRINSICS, self._keypoints)

    def make_scene(self, index: int) -> int:
        """Write the episodes of scene ``index``; returns how many samples they hold."""
        rng = np.random.default_rng([self._seed, index])
        layout = random_layout(rng, DEMONSTRATION_X)
        self._scene.reset(layout, random_appearance(layout, rng, AppearanceDomain.TRAIN))
        self._scene.set_camera_pose(random_camera_pose(rng))
        noise_level = rng.uniform(0.0, MAX_NOISE_LEVEL)
        samples: dict[tuple[int, int], list[TraceSample]] = defaultdict(list)
        for number in range(STATES_PER_SCENE):
            state = self._sampler.draw(rng)
            colour, exact = self._camera.render()
            bodies = self._camera.render_bodies(self._source_pixels)
            measured = noisy_depth(exact, INTRINSICS.fx, noise_level, rng)
            points = points_at_pixels(self._scene, self._source_pixels, exact, bodies)
            image, depth = resize_colour(colour), resize_depth(measured)
            for task in state.tasks:
                sample = self._sample(f"scene{index:06d}_{number}", image, depth, points, state, task)
                samples[task].append(sample)
        writer = EpisodeWriter(self._output)
        for (block, zone), of_task in samples.items():
            wordings = [
                training_instruction(layout.block_colours[block], layout.zone_colours[zone], rng)
                for _ in range(WORDINGS_PER_EPISODE)
            ]
            writer.write(f"scene{index:06d}_block{block}_zone{zone}", of_task, wordings)
        return sum(len(of_task) for of_task in samples.values())

    def _sample(
        self,
        stem: str,
        image: NDArray[np.uint8],
        depth: NDArray[np.float32],
        points: TracedPoints,
        state: SampledState,
        task: tuple[int, int],
    ) -> TraceSample:
        block, zone = task
        motion = body_motion(self._scene, self._hand_ik, expert_path(state.task, block, zone))
        traced = trace_points(self._scene, self._hand_ik, points, motion)
        visible = visible_points(self._scene, self._camera, traced, motion) if self._visibility else None
        landmarks = np.stack(
            [
                state.task.block_positions[block],
                np.append(state.task.zone_positions[zone], 0.0),
                state.task.tcp_position,
            ]
        )
        return TraceSample(
            stem=stem,
            image=image,
            depth=depth,
            keypoints=self._keypoints,
            traces=self._in_model_view(traced).transpose(1, 0, 2),
            point_kinds=point_kinds(self._scene, points.bodies, block),
            target_uvz=self._in_model_view(landmarks),
            visibility=None if visible is None else visible.T,
        )

    def _in_model_view(self, points_in_base: NDArray[np.float64]) -> NDArray[np.float64]:
        """(…, 3) points [m, base frame] as (u px, v px, z m) of the model's image."""
        pose = self._scene.camera_in_base
        in_camera = (points_in_base - pose[:3, 3]) @ pose[:3, :3]
        return np.concatenate([self._model_view.project(in_camera), in_camera[..., 2:]], axis=-1)


def _pixels_in(source: CameraIntrinsics, keypoints: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pixels of the source image that lie under ``keypoints`` (N, 2) of the model's image."""
    scale = np.array([source.width, source.height]) / MODEL_IMAGE_SIDE
    return (keypoints + 0.5) * scale - 0.5


_maker: DemonstrationMaker | None = None


def _start_worker(output: Path, seed: int, visibility: bool) -> None:
    global _maker
    os.nice(5)
    _maker = DemonstrationMaker(output, seed, visibility)


def _make_scenes(indices: range) -> int:
    assert _maker is not None
    return sum(_maker.make_scene(index) for index in indices)


def make_demonstrations(output: Path, scenes: int, seed: int, jobs: int, visibility: bool = False) -> int:
    """Write the episodes of ``scenes`` scenes under ``output``; returns the number of samples."""
    output.mkdir(parents=True, exist_ok=True)
    parts = [
        range(first, min(first + SCENES_PER_TASK, scenes)) for first in range(0, scenes, SCENES_PER_TASK)
    ]
    total = 0
    pool = ProcessPoolExecutor(
        max_workers=jobs,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_start_worker,
        initargs=(output, seed, visibility),
    )
    with pool, tqdm(total=scenes, unit="scene", desc="demonstrations") as progress:
        futures = {pool.submit(_make_scenes, part): len(part) for part in parts}
        for future in as_completed(futures):
            total += future.result()
            progress.update(futures[future])
            progress.set_postfix(samples=total)
    return total


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Make demonstrations with exact traces (TraceForge layout).")
    parser.add_argument("output", type=Path, help="folder that the episodes are written to")
    parser.add_argument("--scenes", type=int, default=6000, help="number of scenes (default: %(default)s)")
    parser.add_argument(
        "--seed", type=int, default=1, help="seed of all that is drawn (default: %(default)s)"
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes (default: all cores)")
    parser.add_argument("--visibility", action="store_true", help="also write when each point is seen (slow)")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    total = make_demonstrations(
        arguments.output, arguments.scenes, arguments.seed, arguments.jobs, arguments.visibility
    )
    logger.info("%d samples of %d scenes in %s", total, arguments.scenes, arguments.output)


if __name__ == "__main__":
    main()
