"""How accurate a calibration is, by quality of images and of the robot's poses and by number of poses.

    python -m tests.camera_calibration.accuracy --trials 10

Images are rendered and searched for corners once for each quality; every trial draws some of them and errors of the
robot's poses. Prints the tables of docs/hardware/calibration.md.
"""

from __future__ import annotations

import argparse
import sys
from itertools import product

import numpy as np
from numpy.typing import NDArray
from tests.camera_calibration.simulated_board import (
    CAMERA_IN_BASE,
    CLEAN,
    LENS,
    POOR,
    USUAL,
    captured,
    seen_boards,
)

from tracegen_ros.calibration.board import CalibrationBoard
from tracegen_ros.calibration.rigid_motion import rotation_angle
from tracegen_ros.calibration.solution import REFINED, Solution, solve

QUALITIES = {"clean": CLEAN, "usual": USUAL, "poor": POOR}
ROBOTS = {"0": (0.0, 0.0), "0.1 mm, 0.02°": (1e-4, np.radians(0.02)), "0.5 mm, 0.1°": (5e-4, np.radians(0.1))}
COUNTS = (8, 15, 25)
POOL = 60


def errors(camera_in_base: NDArray[np.float64]) -> tuple[float, float]:
    """Distance [mm] and angle [deg] of the camera from the truth."""
    distance = float(np.linalg.norm(camera_in_base[:3, 3] - CAMERA_IN_BASE[:3, 3]))
    angle = rotation_angle(camera_in_base[:3, :3].T @ CAMERA_IN_BASE[:3, :3])
    return 1000.0 * distance, float(np.degrees(angle))


def point_error(camera_in_base: NDArray[np.float64]) -> float:
    """Root mean square error [mm] of points 0.9 m in front of the camera, all over the image."""
    pixels = np.array([[u, v] for u in (64, 320, 576) for v in (48, 240, 432)], dtype=float)
    points = np.hstack([LENS.intrinsics.back_project(pixels, np.full(9, 0.9)), np.ones((9, 1))])
    moved = points @ (camera_in_base - CAMERA_IN_BASE).T
    return 1000.0 * float(np.sqrt((moved[:, :3] ** 2).sum(axis=1).mean()))


def root_mean_square(values: list[float]) -> float:
    """Of ``values``."""
    return float(np.sqrt(np.mean(np.square(values))))


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=10, help="trials a row (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    options = parser.parse_args()
    board = CalibrationBoard()
    by_case: dict[tuple[str, str, int], list[Solution]] = {}
    for index, (quality, settings) in enumerate(QUALITIES.items()):
        rng = np.random.default_rng([options.seed, index])
        pool = seen_boards(POOL, board, LENS, settings, rng)
        scatter = root_mean_square([view.error for _, view in pool])
        sys.stderr.write(f"{quality}: corners lie {scatter:.3f} px (rms) from the board's best pose\n")
        for (robot, noise), count in product(ROBOTS.items(), COUNTS):
            for _ in range(options.trials):
                chosen = [pool[number] for number in rng.choice(POOL, count, replace=False)]
                poses = captured(chosen, *noise, rng)
                by_case.setdefault((quality, robot, count), []).append(solve(poses, LENS.intrinsics))

    print("| images | robot | poses | camera [mm] | [deg] | points in view [mm] | worst [mm] | stated [mm] |")
    print("|---|---|---|---|---|---|---|---|")
    for (quality, robot, count), solutions in by_case.items():
        distances, angles = zip(*(errors(solution.camera_in_base) for solution in solutions), strict=True)
        points = [point_error(solution.camera_in_base) for solution in solutions]
        stated = root_mean_square([1000.0 * solution.position_error for solution in solutions])
        figures = (
            f"{root_mean_square(list(distances)):.2f}",
            f"{root_mean_square(list(angles)):.3f}",
            f"{root_mean_square(points):.2f}",
            f"{max(points):.2f}",
            f"{stated:.2f}",
        )
        print(f"| {quality} | {robot} | {count} | {' | '.join(figures)} |")

    print("\n| method | " + " | ".join(f"robot {robot}" for robot in ROBOTS) + " |")
    print("|---|" + "---|" * len(ROBOTS))
    names = [method.name for method in by_case["usual", "0", 15][0].methods]
    for name in names:
        cells = []
        for robot in ROBOTS:
            placements = [
                next(method.placement for method in solution.methods if method.name == name)
                for solution in by_case["usual", robot, 15]
            ]
            distances = [errors(placement.camera_in_base)[0] for placement in placements]
            angles = [errors(placement.camera_in_base)[1] for placement in placements]
            cells.append(f"{root_mean_square(distances):.2f} mm, {root_mean_square(angles):.3f}°")
        title = f"**{name}**" if name == REFINED else name
        print(f"| {title} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
