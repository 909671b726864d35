"""The report says what holds, what does not, and what was not measured."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from tests.inference_speed.decoder_step import DecoderSpeed
from tests.inference_speed.engine_rows import PLAIN, CheckpointSpeed, SpeedRow, candidates
from tests.inference_speed.live_latency import EndToEnd
from tests.inference_speed.report import GPU_COMMAND, Findings, verdicts, write
from tests.inference_speed.timings import Duration, Summary


def summary(seconds: float) -> Summary:
    return Summary.of([Duration(seconds, seconds)])


def row(name: str, total_s: float, ratio: float | None) -> SpeedRow:
    return SpeedRow(
        name=name,
        description="a test",
        precision="float32",
        evaluations=4,
        load_s=1.0,
        prepare=summary(0.001),
        encode=summary(0.01),
        sample=summary(total_s - 0.011),
        total=summary(total_s),
        together=summary(8 * total_s),
        samples_together=8,
        peak_rss_mib=100.0,
        gpu_mib=None,
        ratio_wall=ratio,
        ratio_processor=ratio,
        achieved=2e10,
    )


def findings(engine_s: float, ratio: float) -> Findings:
    rows = [row(PLAIN, 0.6, None), row("onnxruntime", engine_s, ratio)]
    speed = CheckpointSpeed("nano", "nano", "4 euler steps", rows, {"tensorrt": "needs a GPU"}, peak=1e11)
    return Findings({"processor": "a test"}, {"threads": 1}, [speed], why_no_gpu="none")


def test_what_was_asked_for_holds_or_does_not() -> None:
    ratio, rate, decoder, gpu = verdicts(findings(0.03, 20.0))
    assert (ratio.holds, rate.holds, decoder.holds, gpu.holds) == (True, True, None, None)
    assert GPU_COMMAND in gpu.found
    ratio, rate, *_ = verdicts(findings(0.25, 2.4))
    assert (ratio.holds, rate.holds) == (False, False)


def test_the_live_stack_decides_where_it_was_measured() -> None:
    live = EndToEnd({"traces": summary(0.1)}, 4.9, 1.0, {}, "engine:=auto", [1], 1)
    _, rate, *_ = verdicts(dataclasses.replace(findings(0.03, 20.0), live=live))
    assert rate.holds is False
    assert "4.9 traces/s" in rate.found


def test_a_decoder_that_is_slower_than_diffusers_is_told() -> None:
    slower = DecoderSpeed("base", "cpu", 1, 3, 2.0, 2.1, 0.95, 3e11, 2.8e11)
    _, _, decoder, _ = verdicts(dataclasses.replace(findings(0.03, 20.0), decoder=slower))
    assert decoder.holds is False


def test_files_tell_the_same_as_the_table(tmp_path: Path) -> None:
    text = write(findings(0.03, 20.0), tmp_path)
    assert "| tensorrt | | not measured: needs a GPU |" in text
    assert (
        "| onnxruntime | float32 | 10.0 / 10.0 | 4.8 / 4.8 | 30.0 / 30.0 | 30.0, 30.0 | 20.0 / 20.0 | 33.3 (8) |"
        in text
    )
    assert (tmp_path / "inference_speed.md").read_text(encoding="utf-8") == f"{text}\n"
    content = json.loads((tmp_path / "inference_speed.json").read_text(encoding="utf-8"))
    assert content["checkpoints"][0]["rows"][1]["share_of_peak"] == 0.2
    assert content["verdicts"][0]["holds"] is True


def test_engines_that_the_machine_lacks_are_candidates_with_a_reason() -> None:
    found = {
        candidate.name: candidate for candidate in candidates(["onnxruntime", "torch"], all_precisions=True)
    }
    assert found["onnxruntime float32"].refused == ""
    assert {"onnxruntime float32", "torch float32"} <= found.keys()
