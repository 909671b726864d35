"""The sampler integrates what it is given; the loss counts what is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tracegen_model.network import flow
from tracegen_model.network.flow_times import shifted_times


@pytest.mark.parametrize("steps", [1, 3, 10])
def test_any_number_of_steps_reaches_the_end_of_a_straight_path(steps: int) -> None:
    generator = torch.Generator().manual_seed(0)
    noise, data = torch.randn(2, 4, 8, 3, generator=generator), torch.randn(2, 4, 8, 3, generator=generator)
    found = flow.sample(lambda state, time: data, noise, steps, shift=10.0)
    torch.testing.assert_close(found, data)


def test_the_path_to_the_data_is_straight() -> None:
    noise, data = torch.randn(2, 5), torch.randn(2, 5)
    seen = []
    flow.sample(lambda state, time: seen.append((state, time)) or data, noise, 4, shift=3.0)
    for state, time in seen:
        torch.testing.assert_close(state, flow.mix(data, noise, time))


def test_steps_go_from_noise_to_data_and_are_small_where_noise_is_strong() -> None:
    times = shifted_times(10, 10.0)
    assert times[0] == 0.0
    assert times[-1] == 1.0
    assert (np.diff(times, 2) > 0.0).all()
    np.testing.assert_allclose(shifted_times(10, 1.0), np.linspace(0.0, 1.0, 11))
    with pytest.raises(ValueError, match="at least 1 step"):
        shifted_times(0, 1.0)


def test_training_times_hold_the_asked_share_of_pure_noise() -> None:
    generator = torch.Generator().manual_seed(0)
    times = flow.draw_times(4000, 10.0, 0.2, generator)
    assert 0.18 < (times == 0.0).float().mean() < 0.22
    assert 0.06 < times[times > 0.0].median() < 0.13
    assert (flow.draw_times(100, 10.0, 1.0, generator) == 0.0).all()


def test_the_loss_ignores_what_is_unknown() -> None:
    clean, time, weight = torch.zeros(1, 2, 4, 3), torch.zeros(1), torch.ones(1, 2)
    wrong = torch.zeros(1, 2, 4, 3)
    wrong[:, 1] = 100.0
    known = torch.tensor([1.0, 0.0]).view(1, 2, 1, 1).expand(1, 2, 4, 1)
    assert flow.trace_loss(wrong, clean, known, weight, time, 0.05) == 0.0
    assert flow.trace_loss(wrong, clean, torch.ones(1, 2, 4, 1), weight, time, 0.05) > 0.0
