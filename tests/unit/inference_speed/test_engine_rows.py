"""A checkpoint's engines are timed in turns with the plain construction, each in a process of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.inference_speed.engine_rows import PLAIN, Candidate, time_checkpoint
from tests.inference_speed.plain_construction import STEPS
from tests.inference_speed.random_base import write_random_base
from tests.unit.tracegen_model.conftest import TINY_TRACEGEN

from tracegen_model.network.integrators import SamplingPlan


@pytest.mark.timeout(900)
def test_a_published_network_with_random_weights_is_timed(tmp_path: Path) -> None:
    write_random_base(tmp_path, TINY_TRACEGEN)
    wanted = [Candidate("onnxruntime", "float32"), Candidate("tensorrt", "auto", "needs a GPU")]
    plan = SamplingPlan.of("heun", 2, TINY_TRACEGEN.time_shift)
    found = time_checkpoint(tmp_path, plan, wanted, turns=1, samples_together=3, threads=1, cores=None)

    plain, engine = found.rows
    assert (plain.name, plain.evaluations, plain.ratio_wall) == (PLAIN, STEPS, None)
    assert (engine.name, engine.evaluations, engine.samples_together) == ("onnxruntime float32", 3, 3)
    assert engine.ratio_wall is not None
    assert engine.ratio_wall > 1.0
    parts = engine.prepare.p50_s + engine.encode.p50_s + engine.sample.p50_s
    assert engine.total.p95_s >= engine.total.p50_s > 0.5 * parts
    assert found.refused == {"tensorrt": "needs a GPU"}
    assert found.peak > engine.achieved > 0.0
