"""Samplers: exact on straight paths, of the order they claim on bent ones, and never at the end of time."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tracegen_model.network.flow import mix
from tracegen_model.network.flow_times import shifted_times
from tracegen_model.network.images import ImageBatch
from tracegen_model.network.integrators import METHODS, SamplerError, SamplingPlan, evaluations
from tracegen_model.network.networks import build_network
from tracegen_model.network.presets import NetworkConfig
from tracegen_model.network.samplers import (
    GuidanceError,
    draw_noise,
    repeat_condition,
    require_guidance,
    sample,
)
from tracegen_model.network.trace_network import TraceNetwork
from tracegen_model.network.tracegen.encoder_weights import EncoderSource

from .conftest import TINY, TINY_TRACEGEN

ORDERS = {"euler": 1, "midpoint": 2, "heun": 2, "adams_bashforth": 2}
UNSHIFTED = dataclasses.replace(TINY, time_shift=1.0)


class Field(TraceNetwork):
    """A velocity given as a formula; remembers the times and batches that it was asked for."""

    def __init__(
        self, formula: Callable[[Tensor, Tensor, Any], Tensor], config: NetworkConfig = TINY
    ) -> None:
        super().__init__()
        self.config = config
        self.formula = formula
        self.times: list[float] = []
        self.batches: list[int] = []

    def condition(
        self, images: ImageBatch, sentences: Sequence[str], image_index: Tensor | None = None
    ) -> Any:
        raise AssertionError("a sampler does not encode images")

    def velocity(self, state: Tensor, time: Tensor, condition: Any) -> Tensor:
        assert time.shape == (len(state),)
        self.times.append(float(time[0]))
        self.batches.append(len(state))
        return self.formula(state, time.view(-1, 1, 1, 1), condition)


RATES = torch.linspace(1.0, 4.0, TINY.horizon, dtype=torch.float64).view(-1, 1)


def bent(state: Tensor, time: Tensor, condition: Any) -> Tensor:
    """dx/dt = 2 cos(r t) x with another rate r at each step of the traces, solved by x_0 exp(2 sin(r t) / r)."""
    return 2.0 * torch.cos(RATES * time) * state


def bent_error(method: str, steps: int, config: NetworkConfig) -> float:
    noise = draw_noise(config, [3]).double()
    found = sample(Field(bent, config), None, noise, steps, method)
    return float((found - noise * torch.exp(2.0 * torch.sin(RATES) / RATES)).norm())


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("steps", [1, 2, 7])
def test_straight_paths_are_followed_exactly_in_any_number_of_steps(method: str, steps: int) -> None:
    noise = draw_noise(TINY, [1, 2])
    data = draw_noise(TINY, [8, 9])
    found = sample(Field(lambda state, time, condition: data - noise), None, noise, steps, method)
    torch.testing.assert_close(found, data)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("steps", [1, 2, 7])
def test_a_network_that_predicts_the_data_gets_there(method: str, steps: int) -> None:
    data = draw_noise(TINY, [8, 9])
    field = Field(lambda state, time, condition: (data - state) / (1.0 - time))
    found = sample(field, None, draw_noise(TINY, [1, 2]), steps, method)
    torch.testing.assert_close(found, data, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("config", [UNSHIFTED, TINY], ids=["equal steps", "shifted steps"])
def test_the_error_falls_as_the_order_says(method: str, config: NetworkConfig) -> None:
    # Steps of the shifted times differ fifty-fold, so the error settles on its order late.
    coarse, fine = (bent_error(method, steps, config) for steps in (128, 256))
    assert math.log2(coarse / fine) == pytest.approx(ORDERS[method], abs=0.15)


@pytest.mark.parametrize(
    ("method", "euler_steps"), [("midpoint", []), ("heun", [4]), ("adams_bashforth", [0])]
)
def test_a_velocity_linear_in_time_is_exact_in_unequal_steps_but_for_those_of_euler(
    method: str, euler_steps: list[int]
) -> None:
    times = shifted_times(5, TINY.time_shift)
    noise = draw_noise(TINY, [1]).double()
    found = sample(Field(lambda state, time, condition: 2.0 * time), None, noise, 5, method)
    lost = sum((times[step + 1] - times[step]) ** 2 for step in euler_steps)
    torch.testing.assert_close(found, noise + 1.0 - lost)


def test_second_order_pays_at_an_equal_number_of_evaluations() -> None:
    euler = bent_error("euler", 32, UNSHIFTED)
    for method, steps in (("midpoint", 16), ("heun", 16), ("adams_bashforth", 32)):
        assert evaluations(method, steps) <= 32
        assert bent_error(method, steps, UNSHIFTED) < 0.2 * euler


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("steps", [1, 2, 5])
def test_the_velocity_is_asked_as_often_as_said_and_never_at_the_end(method: str, steps: int) -> None:
    field = Field(bent)
    sample(field, None, draw_noise(TINY, [0]), steps, method)
    assert len(field.times) == evaluations(method, steps)
    assert field.times[0] == 0.0
    assert max(field.times) < 1.0


def test_euler_asks_at_the_shifted_times_on_the_straight_line() -> None:
    noise, data = draw_noise(TINY, [1]), draw_noise(TINY, [2])
    seen = []

    def formula(state: Tensor, time: Tensor, condition: Any) -> Tensor:
        seen.append((state, time.flatten()))
        return data - noise

    field = Field(formula)
    sample(field, None, noise, 4)
    assert field.times == pytest.approx(list(shifted_times(4, TINY.time_shift)[:-1]))
    for state, time in seen:
        torch.testing.assert_close(state, mix(data, noise, time))


def test_guidance_extrapolates_from_the_null_condition_in_one_pass() -> None:
    field = Field(lambda state, time, condition: condition.view(-1, 1, 1, 1) * torch.ones_like(state))
    noise = draw_noise(TINY, [1, 2])
    given, null = torch.tensor([1.0, 2.0]), torch.tensor([0.5, -1.0])
    found = sample(field, given, noise, 3, guidance=3.0, null_condition=null)
    expected = noise + torch.tensor([0.5 + 3.0 * 0.5, -1.0 + 3.0 * 3.0]).view(-1, 1, 1, 1)
    torch.testing.assert_close(found, expected)
    assert field.batches == [4, 4, 4]


def test_guidance_of_one_takes_no_second_half_and_of_zero_ignores_the_condition() -> None:
    field = Field(lambda state, time, condition: condition.view(-1, 1, 1, 1) * torch.ones_like(state))
    noise, given, null = draw_noise(TINY, [1]), torch.tensor([1.0]), torch.tensor([5.0])
    torch.testing.assert_close(sample(field, given, noise, 2, null_condition=null), noise + 1.0)
    assert field.batches == [1, 1]
    torch.testing.assert_close(sample(field, given, noise, 2, guidance=0.0, null_condition=null), noise + 5.0)


def test_guidance_that_cannot_work_is_refused_with_the_reason() -> None:
    with pytest.raises(GuidanceError, match="null_condition"):
        sample(Field(bent), None, draw_noise(TINY, [0]), 2, guidance=2.0)
    with pytest.raises(GuidanceError, match="condition_dropout"):
        require_guidance(2.0, condition_dropout=0.0)
    with pytest.raises(GuidanceError, match="0 or more"):
        require_guidance(-1.0, condition_dropout=0.1)
    with pytest.raises(GuidanceError, match="0 or more"):
        require_guidance(math.nan, condition_dropout=0.1)
    require_guidance(2.0, condition_dropout=0.1)
    require_guidance(1.0, condition_dropout=0.0)


@pytest.mark.parametrize("config", [TINY, TINY_TRACEGEN], ids=["nano", "tracegen"])
def test_real_networks_are_sampled_and_guided(config: NetworkConfig) -> None:
    torch.manual_seed(0)
    network = build_network(config, EncoderSource(random=True)).eval()
    side = config.image_side
    images = ImageBatch(torch.rand(2, 3, side, side), torch.rand(2, side, side), torch.tensor([True, False]))
    with torch.no_grad():
        given = network.condition(images, ["push the block", "open the drawer"])
        null = network.condition(images, ["", ""])
    noise = draw_noise(config, [1, 2])
    plain = sample(network, given, noise, 3, "heun")
    assert plain.shape == noise.shape
    assert plain.isfinite().all()
    guided = sample(network, given, noise, 1, guidance=2.0, null_condition=null)
    apart = [sample(network, condition, noise, 1) for condition in (null, given)]
    torch.testing.assert_close(guided, 2.0 * apart[1] - apart[0], rtol=1e-4, atol=1e-4)


def test_a_seed_gives_the_same_noise_whatever_stands_beside_it() -> None:
    noise = draw_noise(TINY, [4, 5, 6])
    assert noise.shape == (3, TINY.points, TINY.horizon, 3)
    assert torch.equal(draw_noise(TINY, [6]), noise[2:])
    assert torch.equal(draw_noise(TINY, [5, 4]), noise[[1, 0]])
    assert not torch.equal(noise[0], noise[1])
    assert noise.std() == pytest.approx(1.0, abs=0.05)


def test_a_condition_is_repeated_sample_by_sample() -> None:
    repeated = repeat_condition({"tokens": torch.tensor([1, 2]), "text": torch.tensor([[3], [4]])}, 3)
    assert repeated["tokens"].tolist() == [1, 1, 1, 2, 2, 2]
    assert repeated["text"].tolist() == [[3], [3], [3], [4], [4], [4]]


def test_what_cannot_be_sampled_is_refused() -> None:
    noise = draw_noise(TINY, [0])
    with pytest.raises(SamplerError, match=r"'rk4'.*euler, midpoint"):
        sample(Field(bent), None, noise, 2, "rk4")
    with pytest.raises(SamplerError, match="at least 1 step"):
        sample(Field(bent), None, noise, 0)
    with pytest.raises(SamplerError, match=r"noise must be \(B, 16, 8, 3\)"):
        sample(Field(bent), None, noise[0], 2)


@pytest.mark.parametrize(
    "times", [(0.0,), (0.0, 0.5), (0.0, 0.5, 0.5, 1.0), (-0.1, 1.0), (0.0, float("nan"), 1.0)]
)
def test_times_that_do_not_rise_to_the_data_are_refused(times: tuple[float, ...]) -> None:
    with pytest.raises(SamplerError, match="rise from 0 or more to 1"):
        SamplingPlan("euler", times)


@pytest.mark.parametrize("method", METHODS)
def test_numpy_arrays_and_tensors_take_the_same_way(method: str) -> None:
    plan = SamplingPlan.of(method, 5, shift=10.0)
    start = draw_noise(TINY, [4]).double()
    of_tensors = plan.integrate(lambda state, time: (2.0 - time) * torch.sin(state), start)
    of_arrays = plan.integrate(lambda state, time: (2.0 - time) * np.sin(state), start.numpy())
    np.testing.assert_allclose(of_arrays, of_tensors.numpy(), rtol=1e-12)
