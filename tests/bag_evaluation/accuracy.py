"""How true the evaluation's truth is, on simulated recordings: python -m tests.bag_evaluation.accuracy --runs 4"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tests.bag_evaluation.simulated_run import SimulatedRun, model_pixels, simulated_run

from ik_controller.evaluation.calibration_flag import CalibrationFlag
from ik_controller.evaluation.recording import Camera, WindowConfig, windows
from ik_controller.evaluation.truth import PointKind, TruthFinder
from ik_controller.robot_model import RobotModel

FIRST_SEED = 100_000
EVERY_S = 1.0
MOVED_M = 0.02
FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Accuracy:
    """Errors of displacements against the simulator's own bodies, over all windows, frames and points.

    Attributes:
        hand_m: Of points on the hand [m].
        hand_purity: Share of points called hand that lie on it.
        still_m: Of points of the table and what stands there [m], where known.
        still_known: Share of their places that are known; the others are hidden or lost.
        moving_m: Of points on blocks once they have moved by 2 cm [m], where known.
        moving_known: Share of their places that are known.
    """

    hand_m: FloatArray
    hand_purity: float
    still_m: FloatArray
    still_known: float
    moving_m: FloatArray
    moving_known: float


def measure_accuracy(runs: Sequence[SimulatedRun]) -> Accuracy:
    """The truth of recordings whose bodies are known at every frame that a window starts with."""
    hand, still, moving = [], [], []
    hand_count = hand_right = 0
    robot, pixels = RobotModel.fr3(), model_pixels()
    for run in runs:
        scene, finder = run.simulation.scene, TruthFinder(robot, run.camera)
        stamps = [frame.stamp_ns for frame in run.frames]
        for window in windows("run", run.frames, run.joints, WindowConfig(every_s=EVERY_S)):
            start = stamps.index(window.start.stamp_ns)
            if start not in run.bodies_of_pixels:
                continue
            bodies = run.bodies_of_pixels[start]
            truth = finder.find(window, pixels, window.end_s)
            shown = [stamps.index(frame.stamp_ns) - start for frame in window.frames]
            exact = run.exact_paths(start, pixels, bodies)[shown[: len(truth.scene_times_s)]]
            found = truth.at(truth.scene_times_s)
            moved = exact - exact[0]
            error = np.linalg.norm((found - found[0]) - moved, axis=-1)
            called_hand = truth.kinds == PointKind.HAND
            on_hand = np.isin(bodies, scene.hand_bodies)
            hand_count += int(called_hand.sum())
            hand_right += int((called_hand & on_hand).sum())
            hand.append(error[:, called_hand & on_hand].ravel())
            called_scene = truth.kinds == PointKind.SCENE
            still.append(error[:, called_scene & (bodies == 0)].ravel())
            on_block = called_scene & np.isin(bodies, scene.block_bodies)
            far = np.linalg.norm(moved[:, on_block], axis=-1) > MOVED_M
            moving.append(error[:, on_block][far])
    hand_m, still_m, moving_m = (np.concatenate(parts) for parts in (hand, still, moving))
    return Accuracy(
        hand_m[np.isfinite(hand_m)],
        hand_right / max(hand_count, 1),
        still_m[np.isfinite(still_m)],
        float(np.isfinite(still_m).mean()),
        moving_m[np.isfinite(moving_m)],
        float(np.isfinite(moving_m).mean()) if moving_m.size else float("nan"),
    )


def calibration_offsets(run: SimulatedRun, shift_m: FloatArray) -> float:
    """Offset [m] that the report gives for a camera that is said to stand ``shift_m`` (3,) from where it stands."""
    pose = run.camera.in_base.copy()
    pose[:3, 3] += shift_m
    flag = CalibrationFlag(RobotModel.fr3(), Camera(pose, run.camera.intrinsics))
    for window in windows("run", run.frames, run.joints, WindowConfig(every_s=EVERY_S)):
        flag.look(window)
    return flag.finding().distance_m


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=4)
    parser.add_argument("--first-seed", type=int, default=FIRST_SEED)
    parser.add_argument("--length", type=float, default=9.0, help="of a run [s]")
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    for noise in (0.0, 1.0):
        runs = [
            simulated_run(seed, noise, arguments.length, model_pixels())
            for seed in range(arguments.first_seed, arguments.first_seed + arguments.runs)
        ]
        found = measure_accuracy(runs)
        print(f"depth noise {noise:g} (1 = a D435), {arguments.runs} runs of at most {arguments.length:g} s")
        for name, errors, known in (
            ("hand", found.hand_m, 1.0),
            ("still scene", found.still_m, found.still_known),
            ("moving scene", found.moving_m, found.moving_known),
        ):
            if not errors.size:
                print(f"  {name:13s} none known")
                continue
            middle, late = 1000 * np.percentile(errors, [50, 95])
            print(
                f"  {name:13s} median {middle:.2f} mm, 95 % {late:.2f} mm, most {1000 * errors.max():.2f} mm; "
                f"{errors.size} places, {100 * known:.0f} % known"
            )
        print(f"  {100 * found.hand_purity:.1f} % of the points called hand lie on it")
        for size in (0.0, 0.01, 0.02, 0.03):
            offsets = []
            for run in runs:
                direction = rng.normal(size=3)
                offsets.append(calibration_offsets(run, size * direction / np.linalg.norm(direction)))
            shown = ", ".join(f"{1000 * offset:.0f}" for offset in offsets)
            print(f"  camera said to stand {1000 * size:.0f} mm off: offsets found {shown} mm", flush=True)


if __name__ == "__main__":
    main()
