"""What samples, consensus and warm start do to successive predictions, on drives along the expert's path.

    python -m tests.successive_predictions.benchmark --drives 20

Every row sees the same images. Errors are of the points that move: mean distance to the true path over all steps, and
at the last step. Continuity is how far two successive predictions disagree about the same stretch of path: each trace
of the last one, moved on by the path that lies between the images, against the nearest trace of the new one.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tests.successive_predictions.drives import Drive, DriveMaker

from fr3_sim.camera import INTRINSICS
from tracegen_model.runtime import TracePredictor
from tracegen_model.runtime.consensus import Consensus

MOVING_M = 0.05
"""A point whose true path is longer than this [m] moves."""

CM_PER_M = 100.0
STEP_M = 0.0125
"""Hand path that a step of the demo checkpoint's traces stands for [m]."""


@dataclass(frozen=True)
class Setting:
    """A row: what the predictor is told."""

    name: str
    steps: int
    samples: int = 1
    consensus: Consensus = Consensus.MEDOID
    warm_start: float = 0.0
    method: str = "euler"


@dataclass
class Findings:
    """Of one row, a number for each frame."""

    path_cm: list[float] = field(default_factory=list)
    end_cm: list[float] = field(default_factory=list)
    continuity_cm: list[float] = field(default_factory=list)
    spread_cm: list[float] = field(default_factory=list)
    sample_ms: list[float] = field(default_factory=list)
    travelled_error: list[float] = field(default_factory=list)
    warm: list[bool] = field(default_factory=list)


def settings(warm_starts: list[float]) -> list[Setting]:
    """All rows."""
    rows = [Setting(f"{steps} steps", steps) for steps in (4, 2, 1)]
    for consensus in Consensus:
        rows.append(Setting(f"4 steps, {consensus.value} of 4", 4, 4, consensus))
    rows += [Setting(f"4 steps from t={start:g}", 4, warm_start=start) for start in warm_starts]
    return rows


def measure(setting: Setting, model: str, drives: list[Drive], advance_m: float) -> Findings:
    """Drive through all images with a predictor of its own."""
    predictor = TracePredictor(
        model,
        steps=setting.steps,
        method=setting.method,
        samples=setting.samples,
        consensus=setting.consensus,
        warm_start=setting.warm_start,
    )
    predictor.warm_up()
    found = Findings()
    advanced = round(advance_m / STEP_M)
    for drive in drives:
        last: NDArray[np.float32] | None = None
        for frame in drive.frames:
            prediction = predictor.predict(
                frame.colour, frame.depth, INTRINSICS, drive.instruction, stamp_s=frame.stamp_s
            )
            paths = prediction.traces.points_in_camera
            lengths = np.linalg.norm(np.diff(frame.true_paths, axis=0), axis=-1).sum(axis=0)
            moving = (lengths > MOVING_M) & np.isfinite(paths).all(axis=(0, 2))
            if moving.any():
                # Traces start where depth was measured: its noise is no error of theirs.
                off = (
                    paths[:, moving]
                    - paths[0, moving]
                    - frame.true_paths[:, moving]
                    + frame.true_paths[0, moving]
                )
                distance = np.linalg.norm(off, axis=-1)
                found.path_cm.append(float(distance.mean()) * CM_PER_M)
                found.end_cm.append(float(distance[-1].mean()) * CM_PER_M)
                if last is not None:
                    found.continuity_cm.append(_disagreement(last, paths[:, moving], advanced) * CM_PER_M)
            if prediction.endpoint_spread_m is not None:
                found.spread_cm.append(prediction.endpoint_spread_m * CM_PER_M)
            found.sample_ms.append(prediction.latency_s["sample"] * 1e3)
            if setting.warm_start and last is not None:
                words = prediction.warm_start.split()
                warm = words[:2] == ["moved", "on"]
                found.warm.append(warm)
                if warm:
                    found.travelled_error.append(int(words[3]) - advanced)
            last = paths
    return found


def _disagreement(before: NDArray[np.float32], now: NDArray[np.float32], advanced: int) -> float:
    """Mean distance [m] of the paths ``now`` (S + 1, M, 3) to those ``before`` that go on nearest to their starts."""
    rest = before[advanced:]
    apart = np.linalg.norm(now[0][:, None] - rest[0][None], axis=-1)
    nearest = np.nan_to_num(apart, nan=np.inf).argmin(axis=1)
    shared = now[: len(rest)]
    off = (shared - shared[0]) - (rest[:, nearest] - rest[0, nearest])
    return float(np.nanmean(np.linalg.norm(off, axis=-1)))


def table(rows: list[tuple[Setting, Findings]]) -> str:
    """Markdown."""
    lines = [
        "| setting | error along the path cm | at its end cm | disagreement with the last cm | spread cm "
        "| sampling ms | started warm | steps misjudged |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for setting, found in rows:
        cells = [
            *(f"{np.mean(values):.2f}" for values in (found.path_cm, found.end_cm, found.continuity_cm)),
            f"{np.mean(found.spread_cm):.2f}" if found.spread_cm else "",
            f"{np.median(found.sample_ms):.1f}",
            f"{100 * np.mean(found.warm):.0f} %" if found.warm else "",
            f"{np.mean(np.abs(found.travelled_error)):.2f}" if found.travelled_error else "",
        ]
        lines.append(f"| {setting.name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--model", default="fr3_blocks_nano", help="checkpoint (default: %(default)s)")
    parser.add_argument("--drives", type=int, default=20, help="default: %(default)s")
    parser.add_argument("--first-seed", type=int, default=800_000, help="default: %(default)s")
    parser.add_argument(
        "--advance", type=float, default=2 * STEP_M, help="path between two images [m] (default: %(default)s)"
    )
    parser.add_argument("--warm-starts", type=float, nargs="*", default=[0.0909, 0.2308], help="flow times")
    parser.add_argument("--output", type=Path, default=Path("outputs/successive_predictions"))
    arguments = parser.parse_args()
    began_s = time.monotonic()
    maker = DriveMaker(arguments.advance)
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.drives)
    drives = [maker.drive(seed) for seed in seeds]
    frames = sum(len(drive.frames) for drive in drives)
    print(f"{len(drives)} drives, {frames} images, {time.monotonic() - began_s:.0f} s", flush=True)
    rows = [
        (setting, measure(setting, arguments.model, drives, arguments.advance))
        for setting in settings(arguments.warm_starts)
    ]
    print(table(rows))
    arguments.output.mkdir(parents=True, exist_ok=True)
    content = {setting.name: vars(found) for setting, found in rows}
    (arguments.output / "results.json").write_text(json.dumps(content), encoding="utf-8")


if __name__ == "__main__":
    main()
