"""What warm starts and samples do to the robot's success: the closed loop without ROS, one row for each setting.

    python -m tests.successive_predictions.closed_loop --episodes 10 --settings steps=4 steps=2 warm_start=0.0909

Simulator, predictor and follower take turns, so the figures do not depend on the machine.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tests.closed_loop.lockstep import run_episode
from tests.closed_loop.statistics import wilson_interval

from fr3_sim.simulation import RgbdFrame, SceneOptions, Simulation
from ik_controller.follower import TraceFollower
from ik_controller.robot_model import RobotModel
from tracegen_model.runtime import TracePredictor
from tracegen_model.runtime.consensus import Consensus
from tracegen_model.trace_grid import TraceGrid

KINDS = {"steps": int, "samples": int, "warm_start": float, "consensus": Consensus, "method": str}
"""Settings of the predictor, by what their text becomes."""


class PredictedTraces:
    """Traces of a predictor, and how many of them it started warm.

    Args:
        predictor: Predicts them.
    """

    def __init__(self, predictor: TracePredictor) -> None:
        self._predictor = predictor
        self.predictions = 0
        self.warm = 0

    def __call__(self, frame: RgbdFrame, instruction: str) -> TraceGrid:
        """The traces that start at ``frame``."""
        prediction = self._predictor.predict(
            frame.colour, frame.depth_m, frame.intrinsics, instruction, stamp_s=frame.stamp_ns * 1e-9
        )
        self.predictions += 1
        self.warm += prediction.warm_start.startswith("moved on")
        return prediction.traces


def settings_of(text: str) -> dict[str, Any]:
    """Arguments of the predictor from ``steps=4,samples=2``."""
    found = {}
    for pair in text.split(","):
        name, separator, value = pair.partition("=")
        if not separator or name not in KINDS:
            raise argparse.ArgumentTypeError(f"expected {', '.join(KINDS)}=VALUE,…, got {text!r}")
        found[name] = KINDS[name](value)
    return found


def sentence(simulation: Simulation) -> str:
    """The simulation's own task in words."""
    layout, task = simulation.scene.layout, simulation.task
    assert layout is not None
    return f"put the {layout.block_colours[task.block]} block in the {layout.zone_colours[task.zone]} zone"


def run_row(
    settings: dict[str, Any], simulation: Simulation, robot: RobotModel, seeds: Sequence[int], model: str
) -> dict[str, Any]:
    """All episodes under one setting."""
    source = PredictedTraces(TracePredictor(model, **settings))
    results = []
    for seed in seeds:
        simulation.reset(seed)
        results.append(run_episode(simulation, source, TraceFollower(robot), sentence(simulation)))
    successes = sum(result.success for result in results)
    return {
        "episodes": len(results),
        "successes": successes,
        "interval_95": wilson_interval(successes, len(results)),
        "failed_seeds": [result.seed for result in results if not result.success],
        "mean_duration_s": float(np.mean([result.duration_s for result in results])),
        "violations": sum(len(result.violations) for result in results),
        "warm_share": source.warm / max(source.predictions, 1),
    }


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--model", default="fr3_blocks_nano", help="checkpoint (default: %(default)s)")
    parser.add_argument("--episodes", type=int, default=10, help="default: %(default)s")
    parser.add_argument("--first-seed", type=int, default=700_000, help="default: %(default)s")
    parser.add_argument("--settings", nargs="+", type=settings_of, required=True, metavar="NAME=VALUE,…")
    parser.add_argument("--output", type=Path, default=Path("outputs/successive_predictions"))
    arguments = parser.parse_args()
    simulation, robot = Simulation(SceneOptions()), RobotModel.fr3()
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.episodes)
    rows = []
    for settings in arguments.settings:
        began_s = time.monotonic()
        shown = {name: getattr(value, "value", value) for name, value in settings.items()}
        rows.append({"settings": shown, **run_row(settings, simulation, robot, seeds, arguments.model)})
        print(f"{json.dumps(rows[-1])}  ({time.monotonic() - began_s:.0f} s)", flush=True)
    arguments.output.mkdir(parents=True, exist_ok=True)
    (arguments.output / "closed_loop.json").write_text(json.dumps(rows, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
