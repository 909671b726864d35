"""Rows of the curve, kept one file each, so that a measurement that was interrupted goes on where it stopped."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tests.closed_loop.statistics import wilson_interval

from tracegen_model.evaluation.evaluation import SamplerSettings
from tracegen_model.evaluation.intervals import bootstrap_interval
from tracegen_model.network.integrators import evaluations


class OtherSettings(ValueError):
    """A row was measured on other tasks, draws or weights than those asked for."""


@dataclass(frozen=True)
class RowKey:
    """Which checkpoint was sampled how.

    Attributes:
        checkpoint: Its name.
        weights: Beginning of its weights' digest, so that rows of other weights are never taken for these.
        method: A key of ``integrators.METHODS``.
        steps: Steps of the sampler.
    """

    checkpoint: str
    weights: str
    method: str
    steps: int

    @property
    def evaluations(self) -> int:
        """Evaluations of the network for a sample."""
        return evaluations(self.method, self.steps)

    @property
    def sampler(self) -> SamplerSettings:
        """The same for the evaluator."""
        return SamplerSettings(self.method, self.steps)

    @property
    def stem(self) -> str:
        """Name of the row's files."""
        return f"{self.checkpoint}_{self.weights}_{self.method}_{self.steps}"


@dataclass(frozen=True)
class Estimate:
    """A mean with its 95 % interval; None where that cannot be told."""

    mean: float
    interval: tuple[float, float] | None

    @classmethod
    def of(cls, values: NDArray[np.float64], scenes: Sequence[str]) -> Estimate:
        """Mean over tasks, resampled by scene; tasks that are NaN do not count."""
        counting = np.isfinite(values)
        totals = np.where(counting, values, 0.0)
        mean = float(totals.sum() / counting.sum()) if counting.any() else float("nan")
        return cls(mean, bootstrap_interval(totals, counting.astype(float), scenes))


@dataclass(frozen=True)
class Success:
    """Closed-loop successes of a row.

    Attributes:
        by_seed: Of the episodes that came to a verdict.
        lost: Episodes that came to none, because the stack stalled or died; they do not count.
    """

    by_seed: Mapping[int, bool]
    lost: int = 0

    @property
    def count(self) -> int:
        """How many succeeded."""
        return sum(self.by_seed.values())

    @property
    def share(self) -> float:
        """The share that did."""
        return self.count / len(self.by_seed)

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson 95 %."""
        return wilson_interval(self.count, len(self.by_seed))

    def differing(self, other: Success) -> tuple[int, int]:
        """Seeds on which this one alone succeeded, and on which ``other`` alone did."""
        both = self.by_seed.keys() & other.by_seed.keys()
        pairs = [(self.by_seed[seed], other.by_seed[seed]) for seed in both]
        return sum(own and not theirs for own, theirs in pairs), sum(
            theirs and not own for own, theirs in pairs
        )


@dataclass(frozen=True)
class OfflineRow:
    """Values of every task, by measure."""

    values: Mapping[str, NDArray[np.float64]]
    scenes: Sequence[str]

    def estimate(self, measure: str) -> Estimate:
        """Mean over the tasks."""
        return Estimate.of(self.values[measure], self.scenes)

    def difference(self, measure: str, other: OfflineRow) -> Estimate:
        """Mean over the tasks of this row's value less ``other``'s: paired, so much surer than either mean."""
        return Estimate.of(self.values[measure] - other.values[measure], self.scenes)


class Results:
    """Rows in a folder.

    Args:
        folder: Made when missing.
        settings: What rows have in common; a row that says otherwise is refused.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        self.folder, self._settings = folder, dict(settings)
        (folder / "offline").mkdir(parents=True, exist_ok=True)

    @property
    def name(self) -> str:
        """What the settings are called in the file name of the settled flow's traces."""
        return "_".join(str(value) for value in self._settings.values())

    def settled_file(self, checkpoint: str, weights: str) -> Path:
        """Traces along the settled flow of a checkpoint."""
        return self.folder / f"settled_{checkpoint}_{weights}_{self.name}.npy"

    def offline(self, key: RowKey) -> OfflineRow | None:
        """The row of ``key``; None where it was not measured. Raises OtherSettings."""
        path = self._offline_file(key)
        if not path.is_file():
            return None
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["settings"] != self._settings:
            raise OtherSettings(
                f"{path} was measured with {content['settings']}, now asked for {self._settings}; "
                "take another --output, or delete that folder"
            )
        values = {name: np.array(row, dtype=np.float64) for name, row in content["values"].items()}
        return OfflineRow(values, content["scenes"])

    def keep_offline(self, key: RowKey, row: OfflineRow) -> None:
        """Write a row."""
        values = {
            name: [None if np.isnan(value) else round(float(value), 6) for value in values]
            for name, values in row.values.items()
        }
        content = {"settings": self._settings, "scenes": list(row.scenes), "values": values}
        path = self._offline_file(key)
        part = path.with_suffix(".part")
        part.write_text(json.dumps(content), encoding="utf-8")
        part.replace(path)

    def success_folder(self, key: RowKey) -> Path:
        """Where the closed loop's benchmark writes the row of ``key``."""
        return self.folder / "closed_loop" / key.stem

    def success(self, key: RowKey) -> Success | None:
        """Closed-loop successes of ``key``; None where they were not measured to the end."""
        path = self.success_folder(key) / "results.json"
        if not path.is_file():
            return None
        episodes = json.loads(path.read_text(encoding="utf-8"))["episodes"]
        judged = [episode for episode in episodes if not episode["failure"]]
        if not judged:
            return None
        by_seed = {episode["seed"]: bool(episode["success"]) for episode in judged}
        return Success(by_seed, lost=len(episodes) - len(judged))

    def _offline_file(self, key: RowKey) -> Path:
        return self.folder / "offline" / f"{key.stem}.json"
