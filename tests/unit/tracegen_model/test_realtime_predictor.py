"""Several samples of one condition, warm starts, and engines that are replaced when they break."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tracegen_model.camera import CameraIntrinsics
from tracegen_model.network.integrators import SamplingPlan
from tracegen_model.runtime import CheckpointError, TracePredictor
from tracegen_model.runtime.consensus import Consensus
from tracegen_model.runtime.engines import (
    ENGINES,
    EngineCondition,
    EngineDescription,
    EngineError,
    EngineKind,
    EngineRequest,
)

from .conftest import TINY
from .tiny_checkpoints import save_tiny_checkpoint

CAMERA = CameraIntrinsics(60.0, 60.0, 31.5, 23.5, 64, 48)
COLOUR = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
DEPTH = np.full((48, 64), 0.8, np.float32)
SCALE = (0.01, 0.02, 0.005)
SENTENCE = "move the red block"


def save(folder: Path, step_length_m: float | None = 0.0125) -> Path:
    return save_tiny_checkpoint(folder, TINY, step_length_m=step_length_m, sampler_steps=4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tmp_path_factory.mktemp("checkpoint"))


def predictor(folder: Path, **settings: Any) -> TracePredictor:
    return TracePredictor(folder, engine="torch", **settings)


def points_of(predictor: TracePredictor, **settings: Any) -> NDArray[np.float32]:
    return predictor.predict(COLOUR, DEPTH, CAMERA, SENTENCE, **settings).traces.points_in_camera


@pytest.fixture(scope="module")
def single_samples(folder: Path) -> NDArray[np.float32]:
    one = predictor(folder)
    return np.stack([points_of(one, seed=seed) for seed in (5, 6, 7)])


def test_samples_are_those_of_successive_seeds_and_the_medoid_is_one_of_them(
    folder: Path, single_samples: NDArray[np.float32]
) -> None:
    found = points_of(predictor(folder, samples=3, seed=5))
    distances = np.abs(single_samples - found).max(axis=(1, 2, 3))
    assert sorted(distances)[0] < 1e-6 < sorted(distances)[1]


def test_the_mean_lies_amid_the_samples(folder: Path, single_samples: NDArray[np.float32]) -> None:
    prediction = predictor(folder, samples=3, seed=5, consensus=Consensus.MEAN).predict(
        COLOUR, DEPTH, CAMERA, SENTENCE
    )
    depth = prediction.traces.points_in_camera[..., 2]
    np.testing.assert_allclose(depth, single_samples[..., 2].mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(
        CAMERA.project(prediction.traces.points_in_camera), prediction.traces.pixels, atol=1e-3
    )


def test_spread_is_that_of_the_samples_and_is_there_only_with_several(
    folder: Path, single_samples: NDArray[np.float32]
) -> None:
    alone = predictor(folder).predict(COLOUR, DEPTH, CAMERA, SENTENCE)
    assert alone.traces.spread is None
    assert alone.endpoint_spread_m is None
    several = predictor(folder, samples=3, seed=5).predict(COLOUR, DEPTH, CAMERA, SENTENCE)
    expected = np.sqrt(single_samples.var(axis=0, ddof=1).sum(axis=-1))
    assert several.traces.spread is not None
    np.testing.assert_allclose(several.traces.spread, expected, atol=1e-6)
    assert several.traces.spread[0].max() == 0.0
    assert several.endpoint_spread_m is not None
    assert expected[-1].min() < several.endpoint_spread_m < expected[-1].max()


def test_a_warm_start_goes_on_from_the_traces_before_until_the_task_changes(folder: Path) -> None:
    warm = predictor(folder, warm_start=0.5)

    def start(instruction: str, stamp_s: float) -> str:
        return warm.predict(COLOUR, DEPTH, CAMERA, instruction, stamp_s=stamp_s).warm_start

    assert start(SENTENCE, 1.0) == "no previous traces"
    assert start(SENTENCE, 1.2) == "moved on by 0 steps"
    assert start("now the green one", 1.4) == "new instruction"
    assert start("now the green one", 1.6) == "moved on by 0 steps"
    assert start("now the green one", 9.0) == "7.40 s since the last image"
    assert predictor(folder).predict(COLOUR, DEPTH, CAMERA, SENTENCE).warm_start == ""


def test_the_first_prediction_of_a_warm_started_predictor_is_that_of_a_cold_one(folder: Path) -> None:
    warm = predictor(folder, warm_start=0.5)
    warm.warm_up()
    np.testing.assert_array_equal(points_of(warm), points_of(predictor(folder)))


def test_a_warm_start_needs_steps_that_have_a_length(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="set warm_start to 0"):
        predictor(save(tmp_path, step_length_m=None), warm_start=0.5)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"samples": 0}, "at least 1 sample"),
        ({"warm_start": 1.0}, r"flow time in \[0, 1\)"),
        ({"method": "rk9"}, "rk9"),
    ],
)
def test_settings_that_make_no_sense_are_refused(folder: Path, settings: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        predictor(folder, **settings)


class Recorder:
    """An engine that counts what is asked of it, and breaks when told to."""

    def __init__(self, name: str) -> None:
        self.description = EngineDescription(name, "a device", "float32", "no network")
        self.conditions = 0
        self.states: list[tuple[int, ...]] = []
        self.plans: list[SamplingPlan] = []
        self.breaks_at = ""
        self.closed = False

    def condition(
        self, colour: NDArray[np.uint8], depth: NDArray[np.float32], instruction: str
    ) -> EngineCondition:
        self.conditions += 1
        if self.breaks_at == "condition":
            raise EngineError("the GPU is lost")
        return EngineCondition(None)

    def sample(
        self, state: NDArray[np.float32], condition: EngineCondition, plan: SamplingPlan
    ) -> NDArray[np.float32]:
        self.states.append(state.shape)
        self.plans.append(plan)
        if self.breaks_at == "sample":
            raise EngineError("out of memory")
        return np.full_like(state, np.nan if self.breaks_at == "overflow" else 0.0)

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def recorders(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Recorder]]:
    made: list[Recorder] = []

    def load(name: str) -> EngineKind:
        def make(request: EngineRequest) -> Recorder:
            made.append(Recorder(name))
            return made[-1]

        return EngineKind(name, ("float32",), lambda: None, make)

    kinds = {name: load(name) for name in ("first", "second")}
    for name in list(ENGINES):
        monkeypatch.delitem(ENGINES, name)
    for name, kind in kinds.items():
        monkeypatch.setitem(ENGINES, name, kind)
    yield made


def test_all_samples_share_one_encoding_of_the_frame(folder: Path, recorders: list[Recorder]) -> None:
    several = TracePredictor(folder, samples=4)
    several.predict(COLOUR, DEPTH, CAMERA, SENTENCE)
    assert recorders[0].conditions == 1
    assert recorders[0].states == [(4, TINY.points, TINY.horizon, 3)]


def test_a_warm_start_skips_the_steps_before_it(folder: Path, recorders: list[Recorder]) -> None:
    warm = TracePredictor(folder, warm_start=0.2308, steps=4)
    for stamp_s in (0.0, 0.1):
        warm.predict(COLOUR, DEPTH, CAMERA, SENTENCE, stamp_s=stamp_s)
    cold, after = recorders[0].plans
    assert cold.times[0] == 0.0
    assert after.times == (0.2308, *(time for time in cold.times if time > 0.2308))
    assert after.evaluations < cold.evaluations


@pytest.mark.parametrize("stage", ["condition", "sample", "overflow"])
def test_when_the_engine_breaks_there_are_no_traces_and_the_next_engine_makes_the_next(
    folder: Path, recorders: list[Recorder], stage: str
) -> None:
    tested = TracePredictor(folder)
    tested.predict(COLOUR, DEPTH, CAMERA, SENTENCE)
    recorders[0].breaks_at = stage
    with pytest.raises(EngineError):
        tested.predict(COLOUR, DEPTH, CAMERA, SENTENCE)
    assert recorders[0].closed
    assert tested.status.engine.running is None
    tested.predict(COLOUR, DEPTH, CAMERA, SENTENCE)
    assert tested.status.engine.running == recorders[1].description
    assert "broke while running" in tested.status.engine.refused["first"]


def test_warming_up_replaces_engines_that_break_and_gives_up_when_all_do(
    folder: Path, recorders: list[Recorder]
) -> None:
    tested = TracePredictor(folder)
    recorders[0].breaks_at = "sample"
    tested.warm_up()
    running = tested.status.engine.running
    assert running is not None
    assert running.name == "second"
    named = TracePredictor(folder, engine="first")
    recorders[-1].breaks_at = "sample"
    with pytest.raises(EngineError, match="out of memory"):
        named.warm_up()


def test_status_tells_models_and_settings_apart(folder: Path) -> None:
    status = predictor(folder, samples=3, warm_start=0.5, method="heun", steps=2).status
    assert status.model == "tiny"
    assert len(status.digest) == 12
    assert status.sampling == "2 heun steps, warm start at 0.5, medoid of 3 samples"


def test_memory_does_not_grow_over_many_predictions() -> None:
    tested = TracePredictor("fr3_blocks_nano", samples=2, steps=1, warm_start=0.1)
    rng = np.random.default_rng(1)
    camera = CameraIntrinsics(300.0, 300.0, 159.5, 119.5, 320, 240)

    def run(predictions: int) -> int:
        for number in range(predictions):
            colour = rng.integers(0, 256, (240, 320, 3), dtype=np.uint8)
            depth = rng.uniform(0.5, 1.5, (240, 320)).astype(np.float32)
            tested.predict(colour, depth, camera, f"put block {number} in the zone", stamp_s=0.1 * number)
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

    settled = run(40)
    assert run(80) - settled < 8 * 2**20
