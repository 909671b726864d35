"""``tracegen train-demo``: the shipped checkpoint again, from nothing."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

from tracegen_model.cli.evaluate import measure
from tracegen_model.cli.train import add_training_options, run_training
from tracegen_model.network.checkpoint_config import CheckpointConfig
from tracegen_model.runtime.checkpoints import SHIPPED

DEMO_NAME = "fr3_blocks_nano"
"""Checkpoint that the command makes."""


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add the command to ``commands``."""
    demo = commands.add_parser(
        "train-demo", help="make demonstrations, train, export and evaluate: the shipped checkpoint"
    )
    demo.add_argument("--work", type=Path, default=Path("build/train_demo"), help="folder for data and run")
    demo.add_argument("--out", type=Path, default=SHIPPED / DEMO_NAME, help="folder of the checkpoint")
    demo.add_argument("--scenes", type=int, default=3690, help="demonstrated scenes (default: %(default)s)")
    demo.add_argument(
        "--jobs", type=int, default=os.cpu_count(), help="processes that make data (default: all cores)"
    )
    add_training_options(demo)
    demo.set_defaults(run=_train_demo)


def _train_demo(options: argparse.Namespace) -> None:
    import shutil

    from tracegen_model.data.packed_dataset import pack_dataset
    from tracegen_model.network.checkpoint_config import CONFIG_FILE, WEIGHTS_FILE
    from tracegen_model.network.nano.onnx_export import export_checkpoint

    episodes, packed, run = options.work / "episodes", options.work / "packed", options.work / "run"
    numbers = ["--scenes", str(options.scenes), "--seed", str(options.seed + 1), "--jobs", str(options.jobs)]
    # Another process and another package: the simulator knows the model, not the other way round.
    subprocess.run([sys.executable, "-m", "fr3_sim.demonstrations", str(episodes), *numbers], check=True)
    pack_dataset(episodes, packed, jobs=options.jobs)
    run_training(options, packed, run, DEMO_NAME, resume=False)
    options.out.mkdir(parents=True, exist_ok=True)
    for name in (WEIGHTS_FILE, CONFIG_FILE):
        shutil.copyfile(run / name, options.out / name)
    export_checkpoint(options.out)
    measures = measure(
        options.out,
        packed,
        options.held_out,
        (CheckpointConfig.load(options.out).sampler_steps,),
        options.threads,
    )
    print(json.dumps(measures, indent=2))
