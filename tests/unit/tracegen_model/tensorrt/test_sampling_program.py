"""A sampling plan becomes a list of evaluations and sums that computes what the integrator computes."""

from __future__ import annotations

import numpy as np
import pytest

from tracegen_model.network.integrators import METHODS, SamplingPlan
from tracegen_model.runtime.engines.tensorrt.checkpoint_engines import MOST_TERMS
from tracegen_model.runtime.engines.tensorrt.sampling_program import (
    INITIAL_STATE,
    Combine,
    Evaluate,
    SamplingProgram,
)

MIX = np.random.default_rng(3).standard_normal((5, 5)) * 0.5
TIME_SHIFT = 1.7


def velocity(state: np.ndarray, time: float) -> np.ndarray:
    return np.tanh(state @ MIX) + time


def run(program: SamplingProgram, state: np.ndarray) -> np.ndarray:
    """The program on arrays; registers that nobody has written hold NaN."""
    registers = [np.full_like(state, np.nan) for _ in range(program.registers)]
    registers[INITIAL_STATE] = state.copy()
    for entry in program.instructions:
        assert entry.target not in entry.sources
        if isinstance(entry, Evaluate):
            registers[entry.target] = velocity(registers[entry.state], entry.time)
        else:
            registers[entry.target] = sum(registers[place] * factor for place, factor in entry.terms)
    return registers[program.result]


@pytest.mark.parametrize("steps", [1, 2, 3, 8])
@pytest.mark.parametrize("method", METHODS)
def test_a_program_computes_what_its_plan_does(method: str, steps: int) -> None:
    plan = SamplingPlan.of(method, steps, TIME_SHIFT)
    state = np.random.default_rng(0).standard_normal((2, 5))
    for most_terms in (2, MOST_TERMS):
        program = SamplingProgram.of(plan, most_terms)
        np.testing.assert_allclose(run(program, state), plan.integrate(velocity, state), atol=1e-12)
        assert sum(isinstance(entry, Evaluate) for entry in program.instructions) == plan.evaluations
        assert max(len(entry.sources) for entry in program.instructions) <= most_terms


def test_a_plan_that_starts_from_traces_with_noise_mixed_in_keeps_its_times() -> None:
    plan = SamplingPlan("euler", (0.25, 0.5, 1.0))
    program = SamplingProgram.of(plan, MOST_TERMS)
    assert [entry.time for entry in program.instructions if isinstance(entry, Evaluate)] == [0.25, 0.5]


@pytest.mark.parametrize("method", METHODS)
def test_registers_are_used_again(method: str) -> None:
    programs = [SamplingProgram.of(SamplingPlan.of(method, steps, 1.0), MOST_TERMS) for steps in (4, 100)]
    assert programs[0].registers == programs[1].registers <= 4


@pytest.mark.parametrize("method", METHODS)
def test_no_method_needs_sums_of_more_terms_than_the_engine_adds(method: str) -> None:
    program = SamplingProgram.of(SamplingPlan.of(method, 5, TIME_SHIFT), 100)
    sums = [entry for entry in program.instructions if isinstance(entry, Combine)]
    assert max(len(entry.terms) for entry in sums) <= MOST_TERMS
