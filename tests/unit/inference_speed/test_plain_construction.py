"""The plain construction computes what the engines compute, only slower."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.inference_speed.plain_construction import (
    STEPS,
    PlainConstruction,
    as_traces,
    as_video,
    stock_velocity,
)
from tests.unit.tracegen_model.conftest import TINY_TRACEGEN

from tracegen_model.network.checkpoint_config import CheckpointConfig
from tracegen_model.network.images import ImageBatch
from tracegen_model.network.networks import build_network
from tracegen_model.network.tracegen.encoder_weights import EncoderSource
from tracegen_model.network.tracegen.tracegen import TraceGen
from tracegen_model.runtime.checkpoints import find_checkpoint
from tracegen_model.runtime.engines import EngineRequest, load_engine

LARGEST_DIFFERENCE = 2e-3
"""Of normalised increments, whose size is about 1, after 100 float32 steps."""


@pytest.mark.timeout(300)
def test_its_traces_are_an_engines_at_as_many_steps() -> None:
    folder = find_checkpoint("fr3_blocks_nano")
    config = CheckpointConfig.load(folder)
    rng = np.random.default_rng(0)
    side = config.network.image_side
    colour = rng.integers(0, 256, (side, side, 3), dtype=np.uint8)
    depth = rng.uniform(0.4, 1.2, (side, side)).astype(np.float32)
    noise = rng.standard_normal((1, config.network.points, config.network.horizon, 3), np.float32)
    sentence = "put the red block in the blue zone"

    plain = PlainConstruction(folder, threads=1)
    assert (plain.plan.method, plain.plan.steps) == ("euler", STEPS)
    slow = plain.sample(noise, plain.condition(colour, depth, sentence))
    engine = load_engine("onnxruntime", EngineRequest(folder, config, plain.plan, precision="float32")).engine
    fast = engine.sample(noise, engine.condition(colour, depth, sentence), plain.plan)

    assert slow.std() > 0.1
    np.testing.assert_allclose(slow, fast, atol=LARGEST_DIFFERENCE)


def test_diffusers_blocks_give_the_published_networks_velocity() -> None:
    torch.manual_seed(0)
    network = build_network(TINY_TRACEGEN, EncoderSource(random=True, seed=0)).eval()
    assert isinstance(network, TraceGen)
    side = TINY_TRACEGEN.image_side
    images = ImageBatch(torch.rand(1, 3, side, side), torch.rand(1, side, side), torch.tensor([True]))
    state = torch.randn(1, TINY_TRACEGEN.points, TINY_TRACEGEN.horizon, 3)
    with torch.no_grad():
        condition = network.condition(images, ["put the red block in the blue zone"])
        expected = network.velocity(state, torch.tensor([0.3]), condition)
        found = stock_velocity(network, torch.device("cpu"))(state, 0.3, condition)
    assert expected.abs().max() > 0.1
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


def test_traces_come_back_from_a_video() -> None:
    traces = torch.randn(2, TINY_TRACEGEN.points, TINY_TRACEGEN.horizon, 3)
    torch.testing.assert_close(as_traces(as_video(traces, TINY_TRACEGEN), TINY_TRACEGEN), traces)
