"""Times every engine that the machine has on one checkpoint, in turns with the plain construction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from tests.inference_speed.flops import executed_step
from tests.inference_speed.subjects import EngineSubject, PlainSubject
from tests.inference_speed.timings import Duration, Summary, ratio_of_turns
from tests.inference_speed.worker import Observation, PredictionTimes, Worker, WorkerError, closing

from tracegen_model.network.checkpoint_config import CheckpointConfig
from tracegen_model.network.integrators import SamplingPlan
from tracegen_model.runtime.engines import BEST_PRECISION, ENGINES

PLAIN = "plain construction"
WARM_UPS = 3
PREDICTIONS_PER_TURN = 5
"""Of an engine; the plain construction takes so much longer that one is enough."""

COLOUR_SIZE = (480, 640)
"""Height and width of a camera image [px]."""

INSTRUCTION = "put the red block in the blue zone"


@dataclass(frozen=True)
class Candidate:
    """An engine to time; ``refused`` says why it cannot be, if so."""

    engine: str
    precision: str
    refused: str = ""

    @property
    def name(self) -> str:
        """Short, for tables."""
        return self.engine if self.precision == BEST_PRECISION else f"{self.engine} {self.precision}"


@dataclass(frozen=True)
class SpeedRow:
    """What was measured of one subject; see ``worker.PredictionTimes`` for the parts.

    Attributes:
        name: For tables.
        description: What runs where.
        precision: Of the heavy arithmetic.
        evaluations: Of the network for a sample.
        load_s: How long loading took [s].
        prepare: Images to the network's size.
        encode: The condition.
        sample: Noise to traces, one sample.
        total: Camera images to traces, one sample.
        together: Camera images to traces, ``samples_together`` samples on one condition.
        samples_together: Samples drawn together.
        peak_rss_mib: Largest resident memory of its process [MiB].
        gpu_mib: GPU memory of its process [MiB]; None where there is none.
        ratio_wall: How many times longer the plain construction's total takes, by wall time; None for itself.
        ratio_processor: The same by processor time, which other programs change least.
        achieved: Floating-point operations a second of the sampler, ``samples_together`` samples together.
    """

    name: str
    description: str
    precision: str
    evaluations: int
    load_s: float
    prepare: Summary
    encode: Summary
    sample: Summary
    total: Summary
    together: Summary
    samples_together: int
    peak_rss_mib: float
    gpu_mib: float | None
    ratio_wall: float | None
    ratio_processor: float | None
    achieved: float

    @property
    def per_step_s(self) -> float:
        """Median time of one evaluation of the network [s]."""
        return self.sample.p50_s / self.evaluations

    @property
    def samples_per_second(self) -> float:
        """With ``samples_together`` drawn together, encoding included."""
        return self.samples_together / self.together.p50_s


@dataclass(frozen=True)
class CheckpointSpeed:
    """Rows of one checkpoint.

    Attributes:
        checkpoint: Its name.
        preset: Its preset.
        plan: Its default sampling, in words.
        rows: The plain construction's first.
        refused: Engines that were not timed, and why.
        peak: Operations a second of a large float32 matrix product, the best of the turns.
    """

    checkpoint: str
    preset: str
    plan: str
    rows: Sequence[SpeedRow]
    refused: Mapping[str, str]
    peak: float


@dataclass
class _Times:
    """Of one subject, turn by turn."""

    single: list[list[PredictionTimes]] = field(default_factory=list)
    together: list[PredictionTimes] = field(default_factory=list)

    def every(self) -> list[PredictionTimes]:
        return [times for turn in self.single for times in turn]


def candidates(names: Sequence[str], *, all_precisions: bool) -> list[Candidate]:
    """The engines called ``names``, in the precision that they choose or in each that they offer."""
    found = []
    for name in names:
        kind = ENGINES[name]
        reason = kind.why_unavailable()
        for precision in kind.precisions if all_precisions else (BEST_PRECISION,):
            why_not = reason or (kind.why_no_precision(precision) if all_precisions else None)
            found.append(Candidate(name, precision, why_not or ""))
    return found


def observation() -> Observation:
    """Images of a camera's size, with nothing to see: what a network computes does not depend on it."""
    rng = np.random.default_rng(0)
    colour = rng.integers(0, 256, (*COLOUR_SIZE, 3), dtype=np.uint8)
    return Observation(colour, rng.uniform(0.4, 1.2, COLOUR_SIZE).astype(np.float32), INSTRUCTION)


def time_checkpoint(
    folder: Path,
    plan: SamplingPlan,
    wanted: Sequence[Candidate],
    *,
    turns: int,
    samples_together: int,
    threads: int,
    cores: frozenset[int] | None,
) -> CheckpointSpeed:
    """Load the engines and the plain construction, each in a process of its own, and let them take turns.

    Args:
        folder: The checkpoint.
        plan: The engines' sampling.
        wanted: The engines.
        turns: How often each has its turn.
        samples_together: Samples on one condition, for the throughput.
        threads: Of each engine.
        cores: What every process is kept to; None = all.
    """
    config = CheckpointConfig.load(folder)
    refused = {candidate.name: candidate.refused for candidate in wanted if candidate.refused}
    workers = {PLAIN: Worker(PlainSubject, (folder, threads), cores)}
    with closing(workers):
        for candidate in wanted:
            if candidate.refused:
                continue
            arguments = (folder, candidate.engine, candidate.precision, plan, threads)
            try:
                workers[candidate.name] = Worker(EngineSubject, arguments, cores)
            except WorkerError as error:
                refused[candidate.name] = str(error)
        times, peaks = _take_turns(workers, refused, turns, samples_together)
        memory = {name: worker.memory_mib for name, worker in workers.items() if name not in refused}
        introductions = {name: worker.introduction for name, worker in workers.items()}
    operations = executed_step(config.network).total
    rows = []
    for name, found in times.items():
        introduction, evaluations = introductions[name], plan.evaluations
        if name == PLAIN:
            from tests.inference_speed.plain_construction import STEPS

            evaluations = STEPS
        together = [one.sample for one in found.together] or [one.sample for one in found.every()]
        count = samples_together if found.together else 1
        rows.append(
            SpeedRow(
                name=name,
                description=introduction.description,
                precision=introduction.precision,
                evaluations=evaluations,
                load_s=introduction.load_s,
                prepare=Summary.of([one.prepare for one in found.every()]),
                encode=Summary.of([one.encode for one in found.every()]),
                sample=Summary.of([one.sample for one in found.every()]),
                total=Summary.of([one.total for one in found.every()]),
                together=Summary.of([one.total for one in found.together or found.every()]),
                samples_together=count,
                peak_rss_mib=memory[name]["peak_rss"] or float("nan"),
                gpu_mib=memory[name]["gpu"],
                ratio_wall=None if name == PLAIN else _ratio(times[PLAIN], found, "wall_s"),
                ratio_processor=None if name == PLAIN else _ratio(times[PLAIN], found, "processor_s"),
                achieved=count
                * evaluations
                * operations
                / float(np.median([_busy_s(one, threads, memory[name]["gpu"]) for one in together])),
            )
        )
    peak = max(work / _busy_s(took, threads, memory[PLAIN]["gpu"]) for work, took in peaks)
    described = f"{plan.steps} {plan.method} step{'s' * (plan.steps != 1)}"
    return CheckpointSpeed(config.name, config.preset, described, rows, refused, peak)


def _take_turns(
    workers: Mapping[str, Worker], refused: dict[str, str], turns: int, samples_together: int
) -> tuple[dict[str, _Times], list[tuple[float, Duration]]]:
    """Times by subject, and of large matrix products; what breaks is added to ``refused``."""
    given = observation()
    times: dict[str, _Times] = defaultdict(_Times)
    peaks = []

    def attempt(name: str, warm_up: bool) -> None:
        worker, found = workers[name], times[name]
        count = 1 if name == PLAIN else WARM_UPS if warm_up else PREDICTIONS_PER_TURN
        turn = [worker.predict(given) for _ in range(count)]
        together = None if name == PLAIN else worker.predict(given, samples_together)
        if not warm_up:
            found.single.append(turn)
            found.together += [together] if together is not None else []

    for turn in range(turns + 1):
        order = [name for name in workers if name not in refused]
        for name in reversed(order) if turn % 2 else order:
            try:
                attempt(name, warm_up=turn == 0)
            except WorkerError as error:
                if name == PLAIN:
                    raise
                refused[name] = str(error)
                times.pop(name, None)
        peak = workers[PLAIN].measure_peak()
        peaks += [peak] if peak is not None else []
    return times, peaks


def _ratio(plain: _Times, engine: _Times, what: str) -> float:
    def by_turn(times: _Times) -> list[list[float]]:
        return [[getattr(one.total, what) for one in turn] for turn in times.single]

    return ratio_of_turns(by_turn(plain), by_turn(engine))


def _busy_s(duration: Duration, threads: int, gpu_mib: float | None) -> float:
    """How long the device was at work [s]: on a CPU its processor time, which leaves out waiting for a core."""
    return duration.wall_s if gpu_mib is not None else duration.processor_s / threads
