"""What an evaluation found: errors of every sample, summed up when asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracegen_model.camera import CameraIntrinsics
from tracegen_model.evaluation.intervals import Interval, bootstrap_interval, wilson_interval


@dataclass(frozen=True)
class SamplerSettings:
    """How traces are drawn from a network.

    Attributes:
        method: A key of ``integrators.METHODS``.
        steps: Steps of the sampler.
        guidance: Strength of guidance; 1 = none.
    """

    method: str = "euler"
    steps: int = 10
    guidance: float = 1.0

    def __str__(self) -> str:
        guidance = "" if self.guidance == 1.0 else f", guidance {self.guidance:g}"
        return f"{self.method}, {self.steps} step{'s' * (self.steps != 1)}{guidance}"


@dataclass(frozen=True)
class EvaluationCamera:
    """The camera that turns traces into metres.

    Attributes:
        intrinsics: At any size of the images.
        source: Where it was taken from, for people.
        assumed: It is a guess.
    """

    intrinsics: CameraIntrinsics
    source: str
    assumed: bool = False


ASSUMED_CAMERA = EvaluationCamera(
    CameraIntrinsics(615.0, 615.0, 319.5, 239.5, 640, 480),
    source="colour stream of a RealSense D435 at 640x480, the camera of the simulated demonstrations",
    assumed=True,
)
"""Stands in where nobody says which camera took the images."""


@dataclass(frozen=True)
class Task:
    """One image and one instruction.

    Attributes:
        index: Sample of the dataset.
        key: Name of the sample: dataset, episode, stem.
        dataset: Name of the dataset's folder.
        scene: What it shares with samples that are not independent of it.
        wording: Kind of the instruction (``instruction_1``, ...); empty when the episode has none.
        sentence: The instruction.
    """

    index: int
    key: str
    dataset: str
    scene: str
    wording: str
    sentence: str


@dataclass(frozen=True)
class Measure:
    """A mean over samples.

    Attributes:
        mean: The mean.
        interval: 95 % confidence interval; None where it cannot be told.
        samples: Samples that count.
    """

    mean: float
    interval: Interval | None
    samples: int


SHARES = ("object_choice", "zone_choice", "hit_object", "hit_zone", "hit_hand")
"""Measures that are shares of successes, whose intervals are Wilson's."""


@dataclass(frozen=True)
class ErrorTable:
    """Errors of one predictor.

    Attributes:
        totals: (tasks,) what each task adds to the sum above, by measure; see ``metrics.SampleMeans``.
        weights: (tasks,) how much each task counts, by measure.
        by_step: (S,) mean error after each step, by measure.
    """

    totals: Mapping[str, NDArray[np.float64]]
    weights: Mapping[str, NDArray[np.float64]]
    by_step: Mapping[str, NDArray[np.float64]]

    def mean(self, name: str, rows: NDArray[np.bool_] | None = None) -> float:
        """Mean of a measure over all tasks, or over those chosen by ``rows``; NaN where none counts."""
        chosen = slice(None) if rows is None else rows
        weight = float(self.weights[name][chosen].sum())
        return float(self.totals[name][chosen].sum()) / weight if weight > 0.0 else float("nan")

    def values(self, name: str) -> NDArray[np.float64]:
        """(tasks,) each task's own mean; NaN where it has nothing to measure."""
        weight = self.weights[name]
        return np.divide(self.totals[name], weight, out=np.full(len(weight), np.nan), where=weight > 0.0)


@dataclass(frozen=True)
class Evaluation:
    """Errors of a network and of the baselines on the same tasks.

    Attributes:
        tasks: What was measured, in the order of the tables' rows.
        samplers: Ways of sampling that were measured, by the name of their table; the first one is the network's own.
        baselines: Names of the baselines' tables.
        tables: Errors by predictor.
        draws: Traces drawn for each task; errors are means over them.
        seed: Of the noise.
        camera: Turned traces into metres.
        notes: What could not be measured, and why.
        seconds: How long sampling took, by the name of the sampler's table.
    """

    tasks: Sequence[Task]
    samplers: Mapping[str, SamplerSettings]
    baselines: Sequence[str]
    tables: Mapping[str, ErrorTable]
    draws: int
    seed: int
    camera: EvaluationCamera
    notes: Sequence[str] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)

    @property
    def network(self) -> str:
        """Name of the first sampler's table."""
        return next(iter(self.samplers))

    def measures(self, predictor: str | None = None) -> list[str]:
        """Names of what was measured of ``predictor`` (the network's first sampler), where any task counts."""
        table = self.tables[predictor or self.network]
        return [name for name, weight in table.weights.items() if weight.sum() > 0.0]

    def measure(
        self, name: str, predictor: str | None = None, rows: NDArray[np.bool_] | None = None
    ) -> Measure:
        """One measure with its interval.

        Args:
            name: One of :meth:`measures`.
            predictor: A key of ``tables``; None = the network's first sampler.
            rows: (tasks,) bool, tasks to take; None = all.
        """
        table = self.tables[predictor or self.network]
        chosen = np.ones(len(self.tasks), bool) if rows is None else rows
        totals, weights = table.totals[name][chosen], table.weights[name][chosen]
        interval: Interval | None
        if name in SHARES:
            interval = wilson_interval(round(totals.sum()), round(weights.sum()))
        else:
            scenes = [task.scene for task, taken in zip(self.tasks, chosen, strict=True) if taken]
            interval = bootstrap_interval(totals, weights, scenes)
        return Measure(table.mean(name, chosen), interval, int((weights > 0.0).sum()))

    def gain(self, name: str, baseline: str) -> float:
        """How many times smaller the network's error is than a baseline's; NaN where that cannot be told."""
        own = self.tables[self.network].mean(name)
        return self.tables[baseline].mean(name) / own if own > 0.0 else float("nan")

    def scalars(self) -> dict[str, float]:
        """Means of the network's first sampler by name, and the baselines' as ``<baseline>/<name>``."""
        scalars = {name: self.tables[self.network].mean(name) for name in self.measures()}
        for baseline in self.baselines:
            for name in self.measures(baseline):
                scalars[f"{baseline.replace(' ', '_')}/{name}"] = self.tables[baseline].mean(name)
        return scalars

    def groups(self, by: str) -> dict[str, NDArray[np.bool_]]:
        """Rows of the tasks that agree in ``by`` (wording, sentence, dataset, scene), by its value, largest first."""
        values = np.array([getattr(task, by) for task in self.tasks], dtype=object)
        found = {str(value): values == value for value in dict.fromkeys(values.tolist())}
        return dict(sorted(found.items(), key=lambda pair: -int(pair[1].sum())))

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain JSON values, NaN as None."""
        return {
            "samplers": {name: asdict(sampler) for name, sampler in self.samplers.items()},
            "draws": self.draws,
            "seed": self.seed,
            "camera": asdict(self.camera),
            "notes": list(self.notes),
            "seconds": dict(self.seconds),
            "measures": {
                predictor: {name: asdict(self.measure(name, predictor)) for name in self.measures(predictor)}
                for predictor in self.tables
            },
            "by_step": {
                predictor: {name: _plain(curve) for name, curve in table.by_step.items()}
                for predictor, table in self.tables.items()
            },
            "samples": [
                {
                    **asdict(task),
                    "errors": {
                        name: _plain(self.tables[self.network].values(name)[row]) for name in self.measures()
                    },
                }
                for row, task in enumerate(self.tasks)
            ],
        }


def _plain(value: Any) -> Any:
    """Numbers and arrays as JSON values; not finite = None."""
    if isinstance(value, np.ndarray):
        return [_plain(part) for part in value]
    return float(value) if np.isfinite(value) else None
