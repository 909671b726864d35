"""What every engine that this machine has must do, in every precision, for both networks."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tracegen_model.evaluation.engine_agreement import LEAST_COSINE
from tracegen_model.network.checkpoint_config import VELOCITY_FILE, WEIGHTS_FILE, CheckpointError
from tracegen_model.network.integrators import METHODS, SamplingPlan
from tracegen_model.runtime.engines import Engine, EngineError
from tracegen_model.runtime.engines.checked_engine import EngineInputError

from .conftest import (
    OTHER_SENTENCE,
    SENTENCE,
    STEPS,
    Subject,
    images,
    noise,
    of_every_engine,
    resident_bytes,
)

TOLERANCE = 2e-4
"""Of float32, relative to the traces' largest number."""

CALLS = 200
LARGEST_GROWTH = 8 * 2**20
"""Memory that so many calls may add, far less than one array for each [bytes]."""

every_engine = pytest.mark.parametrize("subject", of_every_engine(), indirect=True)


def predict(engine: Engine, subject: Subject, plan: SamplingPlan, state: np.ndarray) -> np.ndarray:
    return engine.sample(state, engine.condition(*images(subject), SENTENCE), plan)


def assert_agree(subject: Subject, found: np.ndarray, expected: np.ndarray) -> None:
    assert found.shape == expected.shape
    assert found.dtype == np.float32
    for one, other in zip(found, expected, strict=True):
        cosine = float(np.sum(one * other) / np.linalg.norm(one) / np.linalg.norm(other))
        assert cosine >= LEAST_COSINE
    if subject.exact:
        np.testing.assert_allclose(found, expected, atol=TOLERANCE * np.abs(expected).max())


@every_engine
def test_traces_are_those_of_the_network_by_every_method_and_from_a_warm_start(
    subject: Subject, engine: Engine, reference: Engine
) -> None:
    shift = subject.config.network.time_shift
    plans = [SamplingPlan.of(method, STEPS, shift) for method in METHODS]
    plans += [subject.config.default_plan, SamplingPlan("euler", (0.6, 0.8, 1.0))]
    state = noise(subject)
    for plan in plans:
        found, expected = (predict(one, subject, plan, state) for one in (engine, reference))
        assert_agree(subject, found, expected)


@every_engine
def test_query_points_are_those_of_the_network(subject: Subject, engine: Engine, reference: Engine) -> None:
    found, expected = (one.condition(*images(subject), SENTENCE).query_points for one in (engine, reference))
    if subject.architecture != "nano":
        assert found is None
        return
    np.testing.assert_allclose(found, expected, atol=1e-4 if subject.exact else 1e-2)


@every_engine
def test_samples_drawn_together_are_those_drawn_alone(subject: Subject, engine: Engine) -> None:
    state = noise(subject)
    plan = subject.config.default_plan
    together = predict(engine, subject, plan, state)
    alone = np.concatenate([predict(engine, subject, plan, sample[None]) for sample in state])
    assert_agree(subject, together, alone)


@every_engine
def test_a_sentence_means_the_same_when_it_comes_again(subject: Subject, engine: Engine) -> None:
    plan, state = subject.config.default_plan, noise(subject)
    first, other, again = (
        engine.sample(state, engine.condition(*images(subject), sentence), plan)
        for sentence in (SENTENCE, OTHER_SENTENCE, SENTENCE)
    )
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > TOLERANCE * np.abs(first).max()


@every_engine
def test_equal_inputs_give_equal_bits_and_inputs_stay_as_they_are(subject: Subject, engine: Engine) -> None:
    state, (colour, depth) = noise(subject), images(subject)
    kept = state.copy(), colour.copy(), depth.copy()
    for plan in (subject.config.default_plan, SamplingPlan("heun", (0.0, 0.5, 1.0))):
        first, again = (predict(engine, subject, plan, state) for _ in range(2))
        np.testing.assert_array_equal(first, again)
        first[:] = 0.0
        assert np.abs(again).max() > 0.0
    for after, before in zip((state, colour, depth), kept, strict=True):
        np.testing.assert_array_equal(after, before)


@every_engine
def test_its_description_says_what_it_is(subject: Subject, engine: Engine) -> None:
    description = engine.description
    assert (description.name, description.precision) == (subject.engine, subject.precision)
    assert description.device
    assert description.library[-1].isdigit() or "+" in description.library
    assert subject.engine in str(description)


@every_engine
@pytest.mark.parametrize("broken", ["colour", "depth", "state", "no samples", "float64", "condition"])
def test_what_does_not_fit_is_refused_and_changes_nothing(
    subject: Subject, engine: Engine, broken: str
) -> None:
    (colour, depth), state, plan = images(subject), noise(subject), subject.config.default_plan
    expected = predict(engine, subject, plan, state)
    condition = engine.condition(colour, depth, SENTENCE)
    with pytest.raises(EngineInputError, match=r"must be \(|expected the latest condition"):
        if broken == "colour":
            engine.condition(colour[1:], depth, SENTENCE)
        elif broken == "depth":
            engine.condition(colour, depth.T[..., None], SENTENCE)
        elif broken == "state":
            engine.sample(state[:, 1:], condition, plan)
        elif broken == "no samples":
            engine.sample(state[:0], condition, plan)
        elif broken == "float64":
            engine.sample(state.astype(float), condition, plan)
        else:
            engine.condition(colour, depth, OTHER_SENTENCE)
            engine.sample(state, condition, plan)
    np.testing.assert_array_equal(predict(engine, subject, plan, state), expected)


@every_engine
def test_memory_does_not_grow(subject: Subject, engine: Engine) -> None:
    state, plan = noise(subject), subject.config.default_plan
    for _ in range(CALLS // 4):
        predict(engine, subject, plan, state)
    before = resident_bytes()
    for _ in range(CALLS):
        predict(engine, subject, plan, state)
    assert resident_bytes() - before < LARGEST_GROWTH


@pytest.mark.parametrize(
    "subject", of_every_engine(lambda engine, *_: engine != "torch-compiled"), indirect=True
)
def test_files_that_change_under_a_running_engine_change_nothing(
    subject: Subject, tmp_path: Path, loaded: Callable[[Subject], Engine]
) -> None:
    folder = Path(shutil.copytree(subject.folder, tmp_path / "copy"))
    engine, beside = subject.load(folder), loaded(subject)
    state = noise(subject)
    plans = [subject.config.default_plan, SamplingPlan("midpoint", (0.0, 0.3, 1.0))]
    expected = [predict(engine, subject, plan, state) for plan in plans]
    # Two engines side by side know nothing of each other.
    for plan, traces in zip(plans, expected, strict=True):
        np.testing.assert_array_equal(predict(beside, subject, plan, state), traces)
    rng = np.random.default_rng(0)
    for path in folder.iterdir():
        with path.open("r+b") as file:
            file.write(rng.bytes(path.stat().st_size))
    for plan, traces in zip(plans, expected, strict=True):
        np.testing.assert_array_equal(predict(engine, subject, plan, state), traces)
    for path in folder.iterdir():
        with path.open("r+b") as file:
            file.truncate(16)
    shutil.rmtree(folder)
    for plan, traces in zip(plans, expected, strict=True):
        np.testing.assert_array_equal(predict(engine, subject, plan, state), traces)
    engine.close()
    engine.close()
    with pytest.raises(EngineError, match="is closed; load it again"):
        engine.condition(*images(subject), SENTENCE)
    with pytest.raises(EngineError, match="is closed; load it again"):
        engine.sample(state, beside.condition(*images(subject), SENTENCE), plans[0])
    assert engine.description.name == subject.engine


@pytest.mark.parametrize("change", ["damaged", "missing"])
@pytest.mark.parametrize(
    "subject", of_every_engine(lambda engine, *_: engine != "torch-compiled"), indirect=True
)
def test_files_that_are_not_the_checkpoints_are_refused(
    subject: Subject, tmp_path: Path, change: str
) -> None:
    read = [WEIGHTS_FILE] if subject.engine.startswith("torch") else [WEIGHTS_FILE, VELOCITY_FILE]
    for name in read:
        folder = Path(shutil.copytree(subject.folder, tmp_path / name.replace(".", "_")))
        if change == "missing":
            (folder / name).unlink()
        else:
            content = bytearray((folder / name).read_bytes())
            content[len(content) // 2] ^= 1
            (folder / name).write_bytes(content)
        with pytest.raises(CheckpointError, match=f"{name}.* is {change}"):
            subject.load(folder)
