"""Which rows the curve has."""

from __future__ import annotations

import pytest
from tests.steps_versus_quality.curve import (
    STUDENT_BUDGETS,
    SUCCESS_ROWS,
    offline_samplers,
    row_key,
    success_samplers,
)
from tests.steps_versus_quality.equal_cost import BUDGETS

from tracegen_model.evaluation.evaluation import SamplerSettings
from tracegen_model.network.checkpoint_config import CheckpointError


def test_every_closed_loop_row_is_an_offline_row_too() -> None:
    found = success_samplers(student=False)
    assert len(found) == len(SUCCESS_ROWS) == len(set(found))
    assert set(found) <= set(offline_samplers(BUDGETS, student=False))


def test_a_student_is_measured_at_few_steps_only() -> None:
    for found in (offline_samplers(BUDGETS, student=True), success_samplers(student=True)):
        assert [(sampler.method, sampler.steps) for sampler in found] == [
            ("euler", budget) for budget in STUDENT_BUDGETS
        ]


def test_a_row_belongs_to_the_weights_that_it_was_measured_with() -> None:
    key = row_key("fr3_blocks_nano", SamplerSettings("heun", 3))
    assert key.evaluations == 5
    assert key.weights in key.stem
    assert int(key.weights, 16)


def test_there_is_no_row_of_a_checkpoint_that_is_not_there() -> None:
    with pytest.raises(CheckpointError, match="no checkpoint"):
        row_key("nobody", SamplerSettings())
