"""Where the mean of samples leads when a sentence leaves open which block and which zone is meant.

    python -m tests.successive_predictions.ambiguity --scenes 10

The end of the hand's and the block's path by the mean of K samples, against the nearest of the samples themselves: a
mean that is far from every sample leads where the network would never go. The medoid is a sample, so its distance is 0.
"""

from __future__ import annotations

import argparse

import numpy as np

from fr3_sim.simulation import RgbdFrame, SceneOptions, Simulation
from tracegen_model.runtime import TracePredictor

CM_PER_M = 100.0
MOVING_M = 0.05
"""A point whose mean path ends further than this from its start [m] moves."""

OPEN_SENTENCE = "put the block in the zone"


def ends_of(predictor: TracePredictor, frame: RgbdFrame, sentence: str, samples: int) -> np.ndarray:
    """(K, N, 3) [m] displacement of every point at the last step, for each of ``samples`` seeds."""
    found = []
    for seed in range(samples):
        traces = predictor.predict(frame.colour, frame.depth_m, frame.intrinsics, sentence, seed=seed).traces
        found.append(traces.points_in_camera[-1] - traces.points_in_camera[0])
    return np.stack(found).astype(float)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--model", default="fr3_blocks_nano", help="checkpoint (default: %(default)s)")
    parser.add_argument("--scenes", type=int, default=10, help="default: %(default)s")
    parser.add_argument("--samples", type=int, default=4, help="default: %(default)s")
    parser.add_argument("--first-seed", type=int, default=810_000, help="default: %(default)s")
    arguments = parser.parse_args()
    simulation, predictor = Simulation(SceneOptions()), TracePredictor(arguments.model)
    rows: dict[str, list[tuple[float, float]]] = {"the sentence names them": [], "it leaves them open": []}
    for seed in range(arguments.first_seed, arguments.first_seed + arguments.scenes):
        simulation.reset(seed)
        frame = simulation.render()
        layout, task = simulation.scene.layout, simulation.task
        assert layout is not None
        clear = (
            f"put the {layout.block_colours[task.block]} block in the {layout.zone_colours[task.zone]} zone"
        )
        for name, sentence in zip(rows, (clear, OPEN_SENTENCE), strict=True):
            ends = ends_of(predictor, frame, sentence, arguments.samples)
            mean = ends.mean(axis=0)
            moving = np.linalg.norm(mean, axis=-1) > MOVING_M
            off = np.linalg.norm(ends[:, moving] - mean[moving], axis=-1).mean(axis=1)
            apart = np.sqrt(ends[:, moving].var(axis=0, ddof=1).sum(axis=-1)).mean()
            rows[name].append((float(off.min()), float(apart)))
    print("| block and zone | scenes | spread at the end cm | mean's distance to the nearest sample cm |")
    print("|---|---|---|---|")
    for name, values in rows.items():
        off, apart = CM_PER_M * np.mean(values, axis=0)
        print(f"| {name} | {len(values)} | {apart:.1f} | {off:.1f} |")


if __name__ == "__main__":
    main()
