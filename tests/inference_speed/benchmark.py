"""How fast traces are made here, by every engine that runs here, beside the plain construction: ``make bench``.

    make bench                                            # nano, and a step of base's transformer
    make bench ARGS='--presets nano base'                 # base as a whole: minutes of export, 8 GB
    make bench ARGS='--precisions all --parts engines'

Engines and the plain construction are processes of their own and take turns, so that what else the machine does meets
all of them; the ratio of a turn says more than either time. Everything is warmed up first. Without a GPU every process
is kept to as many cores as it has threads, so the others are free for simulator and robot.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.inference_speed.decoder_step import time_decoder
from tests.inference_speed.engine_rows import candidates, time_checkpoint
from tests.inference_speed.report import Findings, verdicts, write

from tracegen_model.network.checkpoint_config import CheckpointConfig
from tracegen_model.network.integrators import METHODS, SamplingPlan
from tracegen_model.runtime.checkpoints import find_checkpoint
from tracegen_model.runtime.engines import ENGINES
from tracegen_model.runtime.engines.nvidia_driver import why_no_gpu

PARTS = ("engines", "decoder", "live")
BASE_TURNS = 3
"""Of the full-size network on a CPU, where a plain prediction takes minutes."""


def parse_arguments() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(prog="make bench", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="default: all")
    parser.add_argument("--presets", nargs="+", choices=["nano", "base"], default=["nano"])
    parser.add_argument("--checkpoints", nargs="+", default=["fr3_blocks_nano"], help="of the preset nano")
    parser.add_argument(
        "--engines", nargs="+", choices=list(ENGINES), default=list(ENGINES), help="default: all"
    )
    parser.add_argument("--precisions", choices=["auto", "all"], default="auto", help="default: %(default)s")
    parser.add_argument("--method", choices=list(METHODS), help="default: the checkpoint's")
    parser.add_argument("--steps", type=int, help="default: the checkpoint's")
    parser.add_argument("--turns", type=int, default=20, help="turns of each engine (default: %(default)s)")
    parser.add_argument(
        "--samples", type=int, default=8, help="samples drawn together (default: %(default)s)"
    )
    parser.add_argument(
        "--threads", type=int, default=1, help="CPU threads of each engine (default: %(default)s)"
    )
    parser.add_argument("--decoder-turns", type=int, default=3, help="default: %(default)s")
    parser.add_argument(
        "--episodes", type=int, default=2, help="scenes of the live stack (default: %(default)s)"
    )
    parser.add_argument(
        "--output", type=Path, default=Path("outputs/inference_speed"), help="default: %(default)s"
    )
    arguments = parser.parse_args()
    counts = (
        arguments.turns,
        arguments.samples,
        arguments.threads,
        arguments.decoder_turns,
        arguments.episodes,
    )
    if min(counts) < 1:
        parser.error("--turns, --samples, --threads, --decoder-turns and --episodes must be 1 at least")
    arguments.output = arguments.output.absolute()
    return arguments


def machine() -> dict[str, str]:
    """What it is measured on."""
    model = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return {
        "processor": f"{model}, {os.cpu_count()} cores",
        "load before the run (1, 5, 15 min)": load,
        "software": f"Python {platform.python_version()}, {platform.system()} {platform.release()}",
    }


@contextmanager
def folders(arguments: argparse.Namespace) -> Iterator[list[Path]]:
    """The checkpoints to time; the full-size one has random weights, and is made for the purpose."""
    found = [find_checkpoint(name) for name in arguments.checkpoints] if "nano" in arguments.presets else []
    with tempfile.TemporaryDirectory(prefix="tracegen_base_") as folder:
        if "base" in arguments.presets:
            from tests.inference_speed.random_base import write_random_base

            print("making and exporting the full-size network with random weights...", flush=True)
            write_random_base(Path(folder))
            found.append(Path(folder))
        yield found


def listen(arguments: argparse.Namespace, findings: Findings) -> None:
    """Measure the live stack. ROS is imported here: every worker imports this file, and would carry it along."""
    from tests.closed_loop.cell import CellError
    from tests.closed_loop.stack import StackError
    from tests.inference_speed.end_to_end import measure_end_to_end

    print("the live stack...", flush=True)
    model, launch = arguments.checkpoints[0], {"threads": str(arguments.threads)}
    try:
        findings.live = measure_end_to_end(model, arguments.episodes, launch, arguments.output)
    except (CellError, StackError) as error:
        findings.live_failure = str(error)


def main() -> int:
    """Measure, print, write; 1 when something that was asked for was measured and does not hold."""
    arguments = parse_arguments()
    began_s = time.monotonic()
    no_gpu = why_no_gpu()
    cores = frozenset(sorted(os.sched_getaffinity(0))[: arguments.threads]) if no_gpu else None
    settings = {name: value for name, value in vars(arguments).items() if name != "output"}
    findings = Findings(machine(), settings, why_no_gpu=no_gpu or "")
    if no_gpu is None:
        import torch

        findings.gpu = torch.cuda.get_device_name()
        findings.machine["GPU"] = findings.gpu
    else:
        findings.machine["GPU"] = f"none: {no_gpu}"
    if "engines" in arguments.parts:
        with folders(arguments) as checkpoints:
            for folder in checkpoints:
                config = CheckpointConfig.load(folder)
                print(f"{config.name}: loading engines, then {arguments.turns} turns...", flush=True)
                plan = SamplingPlan.of(
                    arguments.method or config.sampler_method,
                    arguments.steps or config.sampler_steps,
                    config.network.time_shift,
                )
                slow = config.preset == "base" and no_gpu is not None
                findings.checkpoints.append(
                    time_checkpoint(
                        folder,
                        plan,
                        candidates(arguments.engines, all_precisions=arguments.precisions == "all"),
                        turns=min(arguments.turns, BASE_TURNS) if slow else arguments.turns,
                        samples_together=arguments.samples,
                        threads=arguments.threads,
                        cores=cores,
                    )
                )
    if "decoder" in arguments.parts:
        print("a step of base's transformer...", flush=True)
        findings.decoder = time_decoder("base", arguments.decoder_turns, arguments.threads, cores)
        findings.decoder_peak = findings.checkpoints[0].peak if findings.checkpoints else None
    if "live" in arguments.parts:
        listen(arguments, findings)
    else:
        findings.live_failure = "left out by --parts"
    print(f"\n{write(findings, arguments.output)}\n")
    print(f"{(time.monotonic() - began_s) / 60:.1f} min; everything is in {arguments.output}")
    return 1 if any(one.holds is False for one in verdicts(findings)) else 0


if __name__ == "__main__":
    sys.exit(main())
