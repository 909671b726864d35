"""Times lie where the noise is strong; the loss counts what is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tracegen_model.network import flow
from tracegen_model.network.flow_times import shifted_times


def test_steps_go_from_noise_to_data_and_are_small_where_noise_is_strong() -> None:
    times = shifted_times(10, 10.0)
    assert times[0] == 0.0
    assert times[-1] == 1.0
    assert (np.diff(times, 2) > 0.0).all()
    np.testing.assert_allclose(shifted_times(10, 1.0), np.linspace(0.0, 1.0, 11))
    with pytest.raises(ValueError, match="at least 1 step"):
        shifted_times(0, 1.0)


def test_logit_normal_times_lie_around_the_shift() -> None:
    times = flow.logit_normal_times(torch.randn(4000, generator=torch.Generator().manual_seed(0)), 10.0)
    assert 0.06 < times.median() < 0.13
    assert ((times > 0.0) & (times < 1.0)).all()


def test_the_published_training_times_are_a_hundred_labels_and_never_pure_noise() -> None:
    uniform = torch.rand(20000, generator=torch.Generator().manual_seed(0))
    labels = 100.0 * (1.0 - flow.original_times(uniform, 100))
    torch.testing.assert_close(labels.unique(), torch.arange(100.0), atol=1e-3, rtol=0.0)
    counts = torch.bincount(labels.round().long())
    assert counts.min() > 130
    assert counts.max() < 280
    assert flow.original_times(torch.tensor([0.0, 1.0 - 2.0**-24]), 100).tolist() == pytest.approx(
        [1.0, 0.01]
    )


def test_a_shift_moves_uniform_times_as_it_moves_the_samplers() -> None:
    shifted = flow.shift_times(torch.linspace(0.0, 1.0, 11), 10.0)
    np.testing.assert_allclose(shifted, shifted_times(10, 10.0), atol=1e-6)


def test_losses_ignore_what_is_unknown() -> None:
    clean, time = torch.zeros(1, 2, 4, 3), torch.zeros(1)
    wrong = torch.zeros(1, 2, 4, 3)
    wrong[:, 1] = 100.0
    known = torch.tensor([1.0, 0.0]).view(1, 2, 1, 1).expand(1, 2, 4, 3)
    assert flow.trace_errors(wrong, clean, known, time, 0.05).sum() == 0.0
    assert flow.trace_errors(wrong, clean, torch.ones_like(known), time, 0.05)[0].tolist()[0] == 0.0
    assert flow.trace_errors(wrong, clean, torch.ones_like(known), time, 0.05)[0, 1] > 0.0
    assert flow.velocity_errors(wrong, clean, clean, known) == 0.0
    assert flow.velocity_errors(wrong, clean, clean, torch.ones_like(known)) == 12 * 100.0**2
