"""An engine that breaks is closed and replaced; attempts that fail are spaced out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from tracegen_model.network.checkpoint_config import CheckpointConfig
from tracegen_model.network.integrators import SamplingPlan
from tracegen_model.runtime.engine_supervisor import LONGEST_PAUSE_S, EngineSupervisor
from tracegen_model.runtime.engines import (
    EngineDescription,
    EngineError,
    EngineRequest,
    EngineUnavailable,
    LoadedEngine,
)

from .conftest import TINY

REQUEST = EngineRequest(
    Path("checkpoint"),
    CheckpointConfig("tiny", "tiny", TINY, (1.0, 1.0, 1.0), sampler_steps=1),
    SamplingPlan.of("euler", 1, 1.0),
)
LOST = EngineError("the GPU is lost")


class StandIn:
    """An engine that can only be closed."""

    def __init__(self, name: str, closes: bool = True) -> None:
        self.description = EngineDescription(name, "a device", "float32", "a stand-in")
        self.closes = closes
        self.closed = False

    def close(self) -> None:
        self.closed = True
        if not self.closes:
            raise RuntimeError("the context is gone")


class Machine:
    """Engines "fast" and "safe", and a clock."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.missing: dict[str, str] = {}
        self.loaded: list[StandIn] = []
        self.attempts = 0

    def load(self, name: str, request: EngineRequest, excluded: Mapping[str, str]) -> LoadedEngine:
        self.attempts += 1
        refused = {}
        for candidate in ("fast", "safe") if name == "auto" else (name,):
            reason = self.missing.get(candidate) or (excluded.get(candidate) if name == "auto" else None)
            if reason is None:
                self.loaded.append(StandIn(candidate))
                return LoadedEngine(self.loaded[-1], refused)
            refused[candidate] = reason
        raise EngineUnavailable(f"no engine runs: {refused}")

    def supervise(self, name: str) -> EngineSupervisor:
        return EngineSupervisor(name, REQUEST, self.load, lambda: self.now_s)


@pytest.fixture
def machine() -> Machine:
    return Machine()


def running(supervisor: EngineSupervisor) -> str | None:
    description = supervisor.state.running
    return None if description is None else description.name


def test_auto_goes_on_with_the_next_engine_and_says_why(machine: Machine) -> None:
    supervisor = machine.supervise("auto")
    assert running(supervisor) == "fast"
    supervisor.drop(LOST)
    assert machine.loaded[0].closed
    assert running(supervisor) is None
    assert supervisor.engine() is machine.loaded[1]
    assert running(supervisor) == "safe"
    assert supervisor.state.refused == {"fast": "broke while running: the GPU is lost"}


def test_when_all_have_broken_auto_waits_and_starts_from_the_best(machine: Machine) -> None:
    supervisor = machine.supervise("auto")
    supervisor.drop(LOST)
    supervisor.engine()
    supervisor.drop(EngineError("out of memory"))
    with pytest.raises(EngineError, match=r"no engine runs.*GPU is lost.*out of memory"):
        supervisor.engine()
    with pytest.raises(EngineError, match="trying again in 1 s"):
        supervisor.engine()
    machine.now_s += 1.0
    supervisor.engine()
    assert running(supervisor) == "fast"


def test_an_engine_asked_for_by_name_is_loaded_again_after_pauses_that_double(machine: Machine) -> None:
    supervisor = machine.supervise("fast")
    pauses = []
    for _ in range(7):
        supervisor.drop(LOST)
        attempts, began_s = machine.attempts, machine.now_s
        while machine.attempts == attempts:
            machine.now_s += 0.5
            try:
                supervisor.engine()
            except EngineError as error:
                assert "engine fast broke while running: the GPU is lost; trying again in" in str(error)
        pauses.append(machine.now_s - began_s)
    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0, LONGEST_PAUSE_S, LONGEST_PAUSE_S]
    supervisor.succeeded()
    supervisor.drop(LOST)
    machine.now_s += 1.0
    assert supervisor.engine() is machine.loaded[-1], "after a success the first pause is short again"


def test_loading_that_fails_is_tried_again_later(machine: Machine) -> None:
    supervisor = machine.supervise("fast")
    supervisor.drop(LOST)
    machine.missing["fast"] = "the driver is gone"
    machine.now_s += 1.0
    with pytest.raises(EngineError, match="the driver is gone"):
        supervisor.engine()
    attempts = machine.attempts
    with pytest.raises(EngineError, match="trying again in 2 s"):
        supervisor.engine()
    assert machine.attempts == attempts
    machine.missing.clear()
    machine.now_s += 2.0
    assert supervisor.engine() is machine.loaded[-1]


def test_an_engine_that_cannot_be_closed_is_replaced_all_the_same(machine: Machine) -> None:
    supervisor = machine.supervise("auto")
    machine.loaded[0].closes = False
    supervisor.drop(LOST)
    assert supervisor.engine() is machine.loaded[1]


def test_where_no_engine_runs_making_one_fails_with_the_reasons(machine: Machine) -> None:
    machine.missing = {"fast": "needs a GPU", "safe": "needs a library"}
    with pytest.raises(EngineUnavailable, match=r"needs a GPU.*needs a library"):
        machine.supervise("auto")


def test_it_says_that_an_engine_is_being_loaded(machine: Machine) -> None:
    seen = []

    def load(name: str, request: EngineRequest, excluded: Mapping[str, str]) -> LoadedEngine:
        if machine.loaded:
            seen.append(supervisor.state)
        return machine.load(name, request, excluded)

    supervisor = EngineSupervisor("auto", REQUEST, load, lambda: machine.now_s)
    supervisor.drop(LOST)
    supervisor.engine()
    assert seen[0].loading
    assert seen[0].running is None
    assert "fast" in seen[0].refused
    assert not supervisor.state.loading
