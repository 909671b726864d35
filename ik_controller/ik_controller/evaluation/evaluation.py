"""Evaluates models on windows of recordings: one row for each window and model, and what they come to."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ik_controller.evaluation.alignment import hand_clock, step_times
from ik_controller.evaluation.executability import MotionProbe
from ik_controller.evaluation.measures import definition, measure_names
from ik_controller.evaluation.recording import FloatArray, RecordedFrame, Window, WindowConfig
from ik_controller.evaluation.stretches import Moment, stretches
from ik_controller.evaluation.sure_means import FEWEST_STRETCHES, SureMean, holm, sure_mean
from ik_controller.evaluation.trace_errors import TraceErrors, WeightedValue, moving_points, trace_errors
from ik_controller.evaluation.truth import PointKind, PointTruth, TruthFinder
from ik_controller.robot_model import RobotModel
from tracegen_model.evaluation.intervals import Interval
from tracegen_model.trace_grid import TraceGrid


@dataclass(frozen=True)
class Predicted:
    """Traces of one frame from one seed.

    Attributes:
        traces: The traces.
        latency_s: Seconds of each stage.
    """

    traces: TraceGrid
    latency_s: Mapping[str, float] = field(default_factory=dict)


class Model(Protocol):
    """What predicts traces: a network, or a recording of one."""

    name: str
    step_length_m: float | None
    """Path of the hand in one step [m]; None = the whole path is spread over the steps."""
    step_known: bool
    """Without it no step of a trace can be compared with what happened, and errors are left out."""
    seeds: int
    """Predictions to draw for each window."""

    def predict(self, frame: RecordedFrame, seed: int) -> Predicted | None:
        """Traces that start at ``frame``; None where there are none."""
        ...


@dataclass(frozen=True)
class Row:
    """One window and one model.

    Attributes:
        model: The model's name.
        bag: The recording's name.
        instruction: What was asked for.
        time_s: The window's start [s].
        measures: By name.
        curve_cm: (S + 1,) error of the hand's points by step [cm].
        latency_s: Seconds of each stage.
        hand_points: Points of known truth on the hand, and ...
        scene_points: ... in the scene.
    """

    model: str
    bag: str
    instruction: str
    time_s: float
    measures: Mapping[str, WeightedValue]
    curve_cm: FloatArray
    latency_s: Mapping[str, float]
    hand_points: int
    scene_points: int


@dataclass(frozen=True)
class Drawable:
    """What a picture of a row needs.

    Attributes:
        true_pixels: (S + 1, N, 2) true places of the points that move [px]; NaN for others and where unknown.
        true_in_camera: (S + 1, N, 3) the same [m, camera frame].
        predicted: The prediction; invalid for points without truth.
    """

    true_pixels: FloatArray
    true_in_camera: FloatArray
    predicted: TraceGrid


class WindowJudge:
    """Judges models on windows of one recording.

    Args:
        robot: Kinematics and limits.
        truth: Finds what happened.
        probe: Plans what the follower would.
    """

    def __init__(self, robot: RobotModel, truth: TruthFinder, probe: MotionProbe) -> None:
        self._robot = robot
        self._truth = truth
        self._probe = probe

    def judge(self, window: Window, models: Sequence[Model]) -> list[tuple[Row, Drawable]]:
        """Rows of all models that predicted something that the recording can tell something about."""
        clock = hand_clock(self._robot, window.joints, window.start.time_s, window.end_s)
        judged: list[tuple[Row, Drawable]] = []
        truths: dict[bytes, PointTruth] = {}
        for model in models:
            drawn = [model.predict(window.start, seed) for seed in range(model.seeds)]
            following = model.predict(window.frames[1], 0)
            found = [prediction for prediction in drawn if prediction is not None]
            if not found:
                continue
            traces = found[0].traces
            times = step_times(clock, traces.steps, model.step_length_m)
            if times is None:
                continue
            pixels = np.asarray(traces.pixels[0], dtype=float)
            until_s = float(np.nanmax(times.arc_s))
            key = pixels.tobytes() + np.float64(until_s).tobytes()
            if key not in truths:
                truths[key] = self._truth.find(window, pixels, until_s)
            truth = truths[key]
            errors: TraceErrors = trace_errors(
                traces, truth, times, [prediction.traces for prediction in found[1:]]
            )
            curve = errors.curve_cm if model.step_known else np.full_like(errors.curve_cm, np.nan)
            measures = dict(errors.measures) if model.step_known else {}
            if following is not None:
                measures |= self._probe.measures(window, traces, following.traces)
            row = Row(
                model.name,
                window.bag,
                window.start.instruction,
                window.start.time_s,
                measures,
                curve,
                found[0].latency_s,
                int((truth.kinds == PointKind.HAND).sum()),
                int((truth.kinds == PointKind.SCENE).sum()),
            )
            places = truth.at(times.arc_s)
            places[:, ~moving_points(truth, times)] = np.nan
            true_pixels = truth.camera.intrinsics.project(places)
            judged.append(
                (row, Drawable(true_pixels, places, _only(traces, truth.kinds != PointKind.LEFT_OUT)))
            )
        return judged


def _only(traces: TraceGrid, chosen: NDArray[np.bool_]) -> TraceGrid:
    return TraceGrid(
        np.where(chosen[:, None], traces.points_in_camera, np.float32(np.nan)),
        np.where(chosen[:, None], traces.pixels, np.float32(np.nan)),
    )


@dataclass(frozen=True)
class Mean:
    """A mean over rows with its 95 % interval; None where fewer than ``FEWEST_STRETCHES`` count."""

    value: float
    interval: Interval | None
    rows: int


@dataclass(frozen=True)
class Comparison:
    """Two models on the windows that both were judged on.

    Attributes:
        measure: What is compared.
        better: Name of the better model; empty where none can be told.
        difference: Second model's mean less the first's.
        interval: Of the difference, 95 %, of this measure alone.
        rows: Windows.
        stretches: Independent stretches that the windows come from.
    """

    measure: str
    first: str
    second: str
    better: str
    difference: float
    interval: Interval | None
    rows: int
    stretches: int

    @property
    def too_few(self) -> bool:
        """There are too few independent stretches to tell."""
        return self.stretches < FEWEST_STRETCHES


class Evaluation:
    """Rows, and what they come to.

    Args:
        rows: Of all models and recordings.
        horizon_s: How far the windows look ahead at most [s]; windows that may share truth are no independent ones.
    """

    def __init__(self, rows: Sequence[Row], horizon_s: float = WindowConfig.horizon_s) -> None:
        self.rows = tuple(rows)
        self._stretches = stretches((Moment(row.bag, row.time_s, row.instruction) for row in rows), horizon_s)
        self.models: tuple[str, ...] = tuple(dict.fromkeys(row.model for row in rows))
        self.instructions: tuple[str, ...] = tuple(dict.fromkeys(row.instruction for row in rows))
        self.bags: tuple[str, ...] = tuple(dict.fromkeys(row.bag for row in rows))

    def of(self, model: str, *, instruction: str | None = None, bag: str | None = None) -> list[Row]:
        """Rows of one model, all or those of one instruction or recording."""
        return [
            row
            for row in self.rows
            if row.model == model
            and (instruction is None or row.instruction == instruction)
            and (bag is None or row.bag == bag)
        ]

    def mean(self, rows: Sequence[Row], measure: str) -> Mean:
        """The mean of ``measure`` over ``rows``."""
        values = [row.measures.get(measure, WeightedValue(0.0, 0.0)) for row in rows]
        totals = np.array([value.total for value in values])
        weights = np.array([value.weight for value in values])
        count = int((weights > 0.0).sum())
        if not count:
            return Mean(float("nan"), None, 0)
        found = sure_mean(totals, weights, self._stretches_of(rows))
        return Mean(found.value, _possible(found.interval, measure), count)

    def compare(self, first: str, second: str, measures: Sequence[str]) -> list[Comparison]:
        """``second`` against ``first``, window by window: what both find hard is no difference between them.

        Each measure that is looked at is another chance to be wrong: with 95 % no model of an equal pair is called
        better in any of ``measures`` (Holm).
        """
        other = {(row.bag, row.time_s): row for row in self.of(second)}
        pairs = [
            (row, other[row.bag, row.time_s]) for row in self.of(first) if (row.bag, row.time_s) in other
        ]
        found = [self._difference(pairs, measure) for measure in measures]
        told = holm([one.p_value for one, _ in found])
        comparisons = []
        for measure, (one, count), is_told in zip(measures, found, told, strict=True):
            larger = definition(measure).larger_is_better
            better = ""
            if is_told and larger is not None:
                better = second if (one.value > 0.0) == larger else first
            comparisons.append(
                Comparison(measure, first, second, better, one.value, one.interval, count, one.stretches)
            )
        return comparisons

    def _difference(self, pairs: Sequence[tuple[Row, Row]], measure: str) -> tuple[SureMean, int]:
        """Mean difference of ``measure``, second less first, and the windows that it is known of."""
        nothing = WeightedValue(0.0, 0.0)
        differences = np.array(
            [
                second.measures.get(measure, nothing).value - first.measures.get(measure, nothing).value
                for first, second in pairs
            ]
        )
        known = np.isfinite(differences)
        if not known.any():
            return SureMean(float("nan"), float("nan"), 0), 0
        totals = np.where(known, differences, 0.0)
        found = sure_mean(totals, known.astype(float), self._stretches_of([row for row, _ in pairs]))
        return found, int(known.sum())

    def _stretches_of(self, rows: Sequence[Row]) -> NDArray[np.int64]:
        return np.array([self._stretches[row.bag, row.time_s] for row in rows], np.int64)

    def ranked(self, measure: str) -> list[str]:
        """Models, best mean first; those without a mean last."""
        larger = bool(definition(measure).larger_is_better)
        means = {model: self.mean(self.of(model), measure).value for model in self.models}
        return sorted(self.models, key=lambda m: (means[m] != means[m], -means[m] if larger else means[m]))

    def curve(self, model: str) -> FloatArray:
        """(S + 1,) mean error of the hand's points by step [cm]; rows without a step leave it out."""
        curves = [row.curve_cm for row in self.of(model)]
        if not curves:
            return np.full(1, np.nan)
        length = max(len(curve) for curve in curves)
        table = np.full((len(curves), length), np.nan)
        for number, curve in enumerate(curves):
            table[number, : len(curve)] = curve
        known = np.isfinite(table)
        total = np.where(known, table, 0.0).sum(axis=0)
        return np.where(known.any(axis=0), total / np.maximum(known.sum(axis=0), 1), np.nan)

    def latencies_ms(self, model: str) -> dict[str, tuple[float, float]]:
        """Median and 99th percentile of each stage [ms]."""
        rows = self.of(model)
        stages = dict.fromkeys(stage for row in rows for stage in row.latency_s)
        found = {}
        for stage in stages:
            values = [1000.0 * row.latency_s[stage] for row in rows if stage in row.latency_s]
            median, late = np.percentile(values, [50, 99])
            found[stage] = float(median), float(late)
        return found

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values for JSON; what is not known is null."""

        def group(rows: Sequence[Row]) -> dict[str, Any]:
            table = {}
            for name in measure_names():
                mean = self.mean(rows, name)
                if mean.rows:
                    table[name] = {
                        "mean": mean.value,
                        "interval": mean.interval and list(mean.interval),
                        "windows": mean.rows,
                    }
            return table

        return {
            "models": {
                model: {
                    "windows": len(self.of(model)),
                    "measures": group(self.of(model)),
                    "instructions": {
                        text: group(self.of(model, instruction=text)) for text in self.instructions
                    },
                    "bags": {bag: group(self.of(model, bag=bag)) for bag in self.bags},
                    "latency_ms": {
                        stage: {"p50": middle, "p99": late}
                        for stage, (middle, late) in self.latencies_ms(model).items()
                    },
                }
                for model in self.models
            },
            "rows": [
                {
                    "model": row.model,
                    "bag": row.bag,
                    "time_s": row.time_s,
                    "instruction": row.instruction,
                    "measures": {name: value.value for name, value in row.measures.items() if value.weight},
                }
                for row in self.rows
            ],
        }


def _possible(interval: Interval | None, measure: str) -> Interval | None:
    """The part of ``interval`` that ``measure`` can be in: few values make it reach beyond."""
    if interval is None:
        return None
    what = definition(measure)
    lowest = 0.0 if what.unit == "%" or not what.larger_is_better else -np.inf
    highest = 1.0 if what.unit == "%" else np.inf
    return max(interval[0], lowest), min(interval[1], highest)


class ThresholdError(ValueError):
    """A threshold that cannot be understood."""


@dataclass(frozen=True)
class Threshold:
    """A bound that a measure must keep: ``hand_ade_cm_arc<2.5`` or ``feasible>0.95``.

    Attributes:
        measure: Its name.
        below: The mean must be below the bound, else above.
        bound: In the measure's unit; shares from 0 to 1.
    """

    measure: str
    below: bool
    bound: float

    @classmethod
    def parse(cls, text: str) -> Threshold:
        """A threshold from ``MEASURE<NUMBER`` or ``MEASURE>NUMBER``.

        Raises:
            ThresholdError: It is neither, or there is no such measure.
        """
        match = re.fullmatch(r"\s*(\w+)\s*([<>])\s*([-+.\deE]+)\s*", text)
        try:
            if match is None:
                raise ValueError
            bound = float(match.group(3))
        except ValueError:
            raise ThresholdError(
                f"expected a threshold such as hand_ade_cm_arc<2.5 or feasible>0.95, got {text!r}"
            ) from None
        name = match.group(1)
        if name not in measure_names():
            raise ThresholdError(
                f"there is no measure {name!r} to set a threshold for; known are {', '.join(measure_names())}"
            )
        return cls(name, match.group(2) == "<", bound)

    def failure(self, evaluation: Evaluation, model: str) -> str:
        """Why ``model`` fails, in words; empty where it keeps the bound. What was not measured fails."""
        mean = evaluation.mean(evaluation.of(model), self.measure)
        if np.isfinite(mean.value) and (
            (mean.value < self.bound) if self.below else (mean.value > self.bound)
        ):
            return ""
        sign = "<" if self.below else ">"
        found = f"{mean.value:.4g}" if np.isfinite(mean.value) else "not measured"
        return f"{model}: {self.measure} is {found}, expected {sign} {self.bound:g}"
