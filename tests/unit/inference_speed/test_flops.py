"""Operations counted from a config are those that the published network was measured to take."""

from __future__ import annotations

import pytest
from tests.inference_speed.flops import executed_step, published_step

from tracegen_model.network.nano.config import NanoConfig
from tracegen_model.network.tracegen.config import TraceGenConfig

GIGA = 1e9


@pytest.mark.parametrize(
    ("config", "linear", "attention"),
    [
        (TraceGenConfig(), 196.7, 97.8),
        (TraceGenConfig(blocks=12, heads=16), 697.2, 260.9),
        (TraceGenConfig(blocks=4, heads=8), 58.6, 43.5),
    ],
    ids=["base", "large", "the authors' training config"],
)
def test_a_published_step_takes_what_a_counter_found(
    config: TraceGenConfig, linear: float, attention: float
) -> None:
    found = published_step(config)
    assert found.linear / GIGA == pytest.approx(linear, abs=0.05)
    assert found.attention / GIGA == pytest.approx(attention, abs=0.05)


def test_our_step_leaves_out_what_nobody_reads() -> None:
    config = TraceGenConfig()
    saved = published_step(config).total - executed_step(config).total
    assert saved / GIGA == pytest.approx(13.3 + 0.8, abs=0.1)


def test_a_nano_step_grows_with_its_blocks() -> None:
    one, two = (executed_step(NanoConfig(blocks=blocks)).total for blocks in (1, 2))
    tokens, width, inner = 100 + 24 + 8, 128, 128
    block = 24 * tokens * width**2 + 4 * tokens**2 * width + 2 * inner * width * 12
    assert two - one == pytest.approx(block)
