"""How often the start-up check accepts right calibrations and refuses wrong ones, on the simulator's depth images.

    python -m tests.camera_calibration.startup_check --scenes 100

Every scene has another layout and another start posture; depth noise 1 is that of a D435. Errors of the calibration
have random directions. Prints the table of docs/hardware/calibration.md.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from dataclasses import dataclass

import numpy as np

from fr3_sim.camera import INTRINSICS
from fr3_sim.camera_pose import nominal_camera_in_base, perturbed_camera_pose
from fr3_sim.depth_noise import noisy_depth
from fr3_sim.simulation import Simulation
from ik_controller.calibration_check import CalibrationVerdict, CheckConfig, Verdict, check_calibration
from ik_controller.robot_model import RobotModel

FIRST_SEED = 700_000
SEEN = CheckConfig().min_agreement


@dataclass(frozen=True)
class Case:
    """An error of the calibration: translation [m], rotation [deg]; and the level of depth noise."""

    words: str
    translation: float
    rotation_deg: float
    depth_noise: float


CASES = (
    Case("right, exact depth", 0.0, 0.0, 0.0),
    Case("right", 0.0, 0.0, 1.0),
    Case("right, twice the depth noise", 0.0, 0.0, 2.0),
    Case("off by 1 cm and 1°", 0.01, 1.0, 1.0),
    Case("off by 5 cm", 0.05, 0.0, 1.0),
    Case("off by 10 cm", 0.10, 0.0, 1.0),
    Case("off by 5°", 0.0, 5.0, 1.0),
    Case("off by 10°", 0.0, 10.0, 1.0),
    Case("off by 10 cm and 10°", 0.10, 10.0, 1.0),
)


def verdicts(
    scenes: int, cases: tuple[Case, ...] = CASES
) -> tuple[dict[Case, list[CalibrationVerdict]], float]:
    """What the check says in each case, scene by scene, and its median processor time [s]."""
    simulation, robot = Simulation(), RobotModel.fr3()
    found: dict[Case, list[CalibrationVerdict]] = {case: [] for case in cases}
    took: list[float] = []
    try:
        for seed in range(FIRST_SEED, FIRST_SEED + scenes):
            simulation.reset(seed)
            _, exact = simulation.camera.render()
            hand_in_base = robot.hand_in_base(simulation.scene.arm_joints)
            boxes = robot.hand.boxes(simulation.scene.finger_width)
            rng = np.random.default_rng(seed)
            for case in cases:
                depth = noisy_depth(exact, INTRINSICS.fx, case.depth_noise, rng)
                camera_in_base = perturbed_camera_pose(
                    nominal_camera_in_base(), case.translation, np.radians(case.rotation_deg), rng
                )
                started = time.process_time()
                found[case].append(
                    check_calibration(
                        depth, INTRINSICS, camera_in_base, hand_in_base, boxes, robot.hand.wrist
                    )
                )
                took.append(time.process_time() - started)
    finally:
        simulation.close()
    return found, float(np.median(took))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenes", type=int, default=100, help="default: %(default)s")
    options = parser.parse_args()
    found, seconds = verdicts(options.scenes)
    print(
        "| calibration | accepted | refused | hand not in view | hand seen off by, median and largest [mm] |"
    )
    print("|---|---|---|---|---|")
    for case, said in found.items():
        counts = Counter(verdict.verdict for verdict in said)
        seen = [
            1000.0 * float(np.linalg.norm(verdict.offset)) for verdict in said if verdict.agreement >= SEEN
        ]
        spread = f"{np.median(seen):.0f}, {max(seen):.0f}" if seen else ""
        cells = " | ".join(str(counts[verdict]) for verdict in Verdict)
        print(f"| {case.words} | {cells} | {spread} |")
    print(f"\n{1000.0 * seconds:.0f} ms of processor time an image (median)")


if __name__ == "__main__":
    main()
