"""What the benchmark found, as Markdown and JSON, and whether that is what was asked for."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.inference_speed.decoder_step import DecoderSpeed
from tests.inference_speed.engine_rows import PLAIN, CheckpointSpeed, SpeedRow
from tests.inference_speed.live_latency import STAGES, EndToEnd
from tests.inference_speed.timings import Summary

LEAST_RATIO = 10.0
"""How many times longer the plain construction must take than an engine at the default, on a CPU."""

LEAST_TRACES_PER_SECOND = 5.0
"""With one core left to the simulator."""

LONGEST_BASE_S = 1.0 / 30.0
"""Of the base preset on a data centre's GPU, at p99 [s]."""

NOT_MEASURED = "not measured"
GPU_COMMAND = "make bench ARGS='--presets nano base', on a machine with an NVIDIA GPU"
NAME = "inference_speed"
"""Stem of the files."""


@dataclass
class Findings:
    """Everything that was measured; empty parts were not.

    Attributes:
        machine: What it was measured on, by heading.
        settings: How.
        checkpoints: Engines, by checkpoint.
        decoder: A step of the published network's transformer.
        live: In the live stack.
        live_failure: Why that was not measured.
        gpu: Name of the GPU; None where there is none.
        why_no_gpu: What is missing.
    """

    machine: dict[str, str]
    settings: dict[str, Any]
    checkpoints: list[CheckpointSpeed] = field(default_factory=list)
    decoder: DecoderSpeed | None = None
    decoder_peak: float | None = None
    live: EndToEnd | None = None
    live_failure: str = ""
    gpu: str | None = None
    why_no_gpu: str = ""


@dataclass(frozen=True)
class Verdict:
    """Whether one thing that was asked for holds; ``holds`` is None where it was not measured."""

    asked: str
    holds: bool | None
    found: str


def verdicts(findings: Findings) -> list[Verdict]:
    """What the real-time issue asks for, checked on what was measured."""
    return [
        _ratio_verdict(findings),
        _rate_verdict(findings),
        _decoder_verdict(findings),
        _gpu_verdict(findings),
    ]


def _ratio_verdict(findings: Findings) -> Verdict:
    asked = (
        f"nano on a CPU: total at the default at most 1/{LEAST_RATIO:.0f} of the plain 100-step construction"
    )
    row = _best_on_cpu(findings)
    if row is None or row.ratio_wall is None:
        return Verdict(asked, None, NOT_MEASURED)
    found = (
        f"{row.name}: {_ms(row.total.p50_s)} ms, 1/{row.ratio_wall:.1f} by wall time, "
        f"1/{row.ratio_processor:.1f} by processor time"
    )
    return Verdict(asked, row.ratio_wall >= LEAST_RATIO, found)


def _rate_verdict(findings: Findings) -> Verdict:
    asked = (
        f"nano on a CPU: at least {LEAST_TRACES_PER_SECOND:.0f} traces/s with one core left to the simulator"
    )
    if findings.live is not None:
        threads = findings.settings["threads"]
        found = (
            f"{findings.live.traces_per_second:.1f} traces/s in the live stack, threads of the network: {threads}, "
            f"simulator and follower beside it (simulated time ran at {findings.live.pace:.2f} of real time)"
        )
        return Verdict(asked, findings.live.traces_per_second >= LEAST_TRACES_PER_SECOND, found)
    row = _best_on_cpu(findings)
    if row is None:
        return Verdict(asked, None, NOT_MEASURED)
    rate = 1.0 / row.total.p95_s
    return Verdict(
        asked, rate >= LEAST_TRACES_PER_SECOND, f"{row.name}: {rate:.1f} traces/s at p95, without the stack"
    )


def _decoder_verdict(findings: Findings) -> Verdict:
    asked = "base on a CPU: a step of the transformer faster than that of diffusers' blocks"
    decoder = findings.decoder
    if decoder is None or decoder.device != "cpu":
        return Verdict(asked, None, NOT_MEASURED)
    found = f"{decoder.ratio:.3f} times as fast: {decoder.ours_s:.2f} s beside {decoder.stock_s:.2f} s a step"
    return Verdict(asked, decoder.ratio > 1.0, found)


def _gpu_verdict(findings: Findings) -> Verdict:
    asked = f"base on a GPU: camera images to traces in at most {_ms(LONGEST_BASE_S)} ms at p99"
    rows = [row for speed in findings.checkpoints if speed.preset == "base" for row in _engines(speed)]
    if findings.gpu is None or not rows:
        return Verdict(asked, None, f"{NOT_MEASURED}; measure with: {GPU_COMMAND}")
    best = min(rows, key=lambda row: row.total.p99_s)
    found = f"{best.name} on {findings.gpu}: {_ms(best.total.p99_s)} ms"
    return Verdict(asked, best.total.p99_s <= LONGEST_BASE_S, found)


def _best_on_cpu(findings: Findings) -> SpeedRow | None:
    """The fastest engine of the first nano checkpoint, on a machine without a GPU."""
    speed = next((speed for speed in findings.checkpoints if speed.preset == "nano"), None)
    if speed is None or findings.gpu is not None:
        return None
    return min(_engines(speed), key=lambda row: row.total.p50_s, default=None)


def _engines(speed: CheckpointSpeed) -> list[SpeedRow]:
    return [row for row in speed.rows if row.name != PLAIN]


def markdown(findings: Findings) -> str:
    """The tables."""
    parts = ["## Machine", *[f"- {name}: {value}" for name, value in findings.machine.items()], ""]
    for speed in findings.checkpoints:
        parts += [*_engine_tables(speed), ""]
    if findings.decoder is not None:
        parts += [*_decoder_table(findings), ""]
    parts += [*_live_table(findings), "", "## Asked for", "", "| | holds | found |", "|---|---|---|"]
    words = {True: "yes", False: "**no**", None: NOT_MEASURED}
    parts += [f"| {one.asked} | {words[one.holds]} | {one.found} |" for one in verdicts(findings)]
    return "\n".join(parts)


def _engine_tables(speed: CheckpointSpeed) -> list[str]:
    lines = [
        f"## {speed.checkpoint} ({speed.preset}), {speed.plan}",
        "",
        "Median ms of wall time / of processor time, in turns in one run. The ratio is how many times longer the plain "
        "construction's total takes.",
        "",
        "| engine | precision | encode | per step | total | total p95, p99 (wall) | "
        "ratio (wall / processor) | samples/s together | peak RSS MiB | GPU MiB |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in speed.rows:
        per_step = f"{_ms(row.per_step_s)} / {_ms(row.sample.processor_p50_s / row.evaluations)}"
        tail = f"{_ms(row.total.p95_s)}, {_ms(row.total.p99_s)}"
        ratio = "1" if row.ratio_wall is None else f"{row.ratio_wall:.1f} / {row.ratio_processor:.1f}"
        lines.append(
            f"| {row.name} | {row.precision} | {_both(row.encode)} | {per_step} | {_both(row.total)} | {tail} | "
            f"{ratio} | {row.samples_per_second:.1f} ({row.samples_together}) | "
            f"{row.peak_rss_mib:.0f} | {'–' if row.gpu_mib is None else f'{row.gpu_mib:.0f}'} |"
        )
    lines += [
        f"| {name} | | {NOT_MEASURED}: {reason} | | | | | | | |" for name, reason in speed.refused.items()
    ]
    lines += ["", "| | what it is | load s | sampler GFLOP/s | of the peak |", "|---|---|---|---|---|"]
    for row in speed.rows:
        lines.append(
            f"| {row.name} | {row.description} | {row.load_s:.1f} | {row.achieved / 1e9:.1f} | "
            f"{100 * row.achieved / speed.peak:.0f} % |"
        )
    lines += ["", f"Peak: {speed.peak / 1e9:.0f} GFLOP/s, a large float32 matrix product in the same run."]
    return lines


def _decoder_table(findings: Findings) -> list[str]:
    decoder = findings.decoder
    assert decoder is not None
    rows = (
        ("diffusers' blocks", decoder.stock_s, decoder.stock_operations),
        ("ours", decoder.ours_s, decoder.our_operations),
    )
    clock = "processor time" if decoder.device == "cpu" else "wall time"
    lines = [
        f"## {decoder.preset}: one step of the transformer, batch 1, float32, {decoder.device}",
        "",
        f"Median of {decoder.turns} turns of 4 steps, {clock}; same weights, outputs checked first. "
        f"Ratio: {decoder.ratio:.3f}.",
        "",
        "| | s a step | GFLOP a step | GFLOP/s | of the peak |",
        "|---|---|---|---|---|",
    ]
    for name, seconds, operations in rows:
        rate = operations * (1.0 if decoder.device != "cpu" else decoder.threads) / seconds
        share = "–" if findings.decoder_peak is None else f"{100 * rate / findings.decoder_peak:.0f} %"
        lines.append(f"| {name} | {seconds:.3f} | {operations / 1e9:.1f} | {rate / 1e9:.1f} | {share} |")
    return lines


def _live_table(findings: Findings) -> list[str]:
    lines = ["## End to end, in the live stack", ""]
    live = findings.live
    if live is None:
        return [*lines, f"{NOT_MEASURED}: {findings.live_failure}"]
    lines += [
        f"`{live.engine}`; {len(live.episodes)} episodes, {live.successes} succeeded; "
        f"{live.traces_per_second:.1f} traces/s; simulated time ran at {live.pace:.2f} of real time.",
        "",
        "| | p50 ms | p95 ms | p99 ms | number |",
        "|---|---|---|---|---|",
    ]
    for stage, summary in live.stages.items():
        lines.append(f"| {STAGES[stage]} | {_percentiles(summary)} | {summary.count} |")
    names = sorted({name.rsplit("_", 2)[0] for name in live.nodes_ms})
    for name in names:
        p50, p99 = (live.nodes_ms[f"{name}_{percentile}_ms"] for percentile in ("p50", "p99"))
        lines.append(f"| the node's own `{name}` | {p50:.1f} | – | {p99:.1f} | |")
    return lines


def write(findings: Findings, folder: Path) -> str:
    """Write both files to ``folder``; returns the Markdown."""
    folder.mkdir(parents=True, exist_ok=True)
    text = markdown(findings)
    content = asdict(findings)
    for speed, plain in zip(findings.checkpoints, content["checkpoints"], strict=True):
        for row, values in zip(speed.rows, plain["rows"], strict=True):
            values["per_step_s"] = row.per_step_s
            values["samples_per_second"] = row.samples_per_second
            values["share_of_peak"] = row.achieved / speed.peak
    content["verdicts"] = [asdict(one) for one in verdicts(findings)]
    (folder / f"{NAME}.md").write_text(f"{text}\n", encoding="utf-8")
    (folder / f"{NAME}.json").write_text(f"{json.dumps(content, indent=1)}\n", encoding="utf-8")
    return text


def _ms(seconds: float) -> str:
    return f"{1e3 * seconds:.1f}" if seconds < 1.0 else f"{1e3 * seconds:.0f}"


def _both(summary: Summary) -> str:
    return f"{_ms(summary.p50_s)} / {_ms(summary.processor_p50_s)}"


def _percentiles(summary: Summary) -> str:
    return " | ".join(_ms(value) for value in (summary.p50_s, summary.p95_s, summary.p99_s))
