"""Ways of sampling at the same number of evaluations of the network."""

from __future__ import annotations

import pytest
from tests.steps_versus_quality.equal_cost import BUDGETS, samplers_within

from tracegen_model.network.integrators import METHODS, evaluations


@pytest.mark.parametrize("budget", BUDGETS)
def test_every_method_spends_the_budget_but_for_what_a_step_does_not_divide(budget: int) -> None:
    for sampler in samplers_within(budget):
        next_step = evaluations(sampler.method, sampler.steps + 1)
        assert evaluations(sampler.method, sampler.steps) <= budget < next_step


def test_methods_that_would_be_eulers_are_left_out() -> None:
    assert [sampler.method for sampler in samplers_within(1)] == ["euler"]
    assert [sampler.method for sampler in samplers_within(2)] == ["euler", "midpoint", "adams_bashforth"]


def test_from_4_evaluations_on_every_method_takes_part() -> None:
    for budget in BUDGETS[BUDGETS.index(4) :]:
        assert [sampler.method for sampler in samplers_within(budget)] == list(METHODS)
