"""Commands are matched with the traces that they answer, and timed from the image's stamp."""

from __future__ import annotations

import pytest
from tests.inference_speed.live_latency import Arrivals, latencies

MILLISECOND = 1_000_000


def test_latencies_count_from_the_moment_of_the_images_stamp() -> None:
    arrivals = Arrivals(
        clock={100 * MILLISECOND: 5.0},
        images={100 * MILLISECOND: 5.02},
        traces=[(5.06, 100 * MILLISECOND)],
        commands=[(5.07, 260 * MILLISECOND)],
    )
    found = latencies(arrivals)
    assert found["image"] == pytest.approx([0.02])
    assert found["traces"] == pytest.approx([0.06])
    assert found["command"] == pytest.approx([0.07])
    assert found["effect"] == pytest.approx([0.16])


def test_a_command_answers_the_newest_traces_before_it() -> None:
    stamps = [100 * MILLISECOND, 200 * MILLISECOND]
    arrivals = Arrivals(
        clock={stamps[0]: 1.0, stamps[1]: 1.1},
        traces=[(1.05, stamps[0]), (1.15, stamps[1])],
        commands=[(1.01, 0), (1.16, 300 * MILLISECOND), (1.18, 0)],
    )
    assert latencies(arrivals)["command"] == pytest.approx([0.06])


def test_traces_of_an_image_that_the_clock_never_showed_do_not_count() -> None:
    assert latencies(Arrivals(traces=[(1.0, 7)], commands=[(1.1, 8)]))["traces"] == []
