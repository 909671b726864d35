"""``tracegen train-demo``: the shipped checkpoint again, from nothing."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

from tracegen_model.runtime.checkpoints import SHIPPED

DEMO_NAME = "fr3_blocks_nano"
"""Checkpoint that the command makes."""

DEMO_CONFIG = "nano_demo"
"""Settings that it is trained with."""


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add the command to ``commands``."""
    demo = commands.add_parser(
        "train-demo", help="make demonstrations, train, export and evaluate: the shipped checkpoint"
    )
    demo.add_argument("--work", type=Path, default=Path("build/train_demo"), help="folder for data and run")
    demo.add_argument("--out", type=Path, default=SHIPPED / DEMO_NAME, help="folder of the checkpoint")
    demo.add_argument("--scenes", type=int, default=3690, help="demonstrated scenes (default: %(default)s)")
    demo.add_argument("--seed", type=int, default=1, help="seed of the scenes (default: %(default)s)")
    demo.add_argument(
        "--jobs", type=int, default=os.cpu_count(), help="processes that make data (default: all cores)"
    )
    demo.add_argument(
        "overrides",
        nargs="*",
        metavar="key=value",
        help=f"changes to the config {DEMO_CONFIG}, such as optimisation.minutes=10",
    )
    demo.set_defaults(run=_train_demo)


def _train_demo(options: argparse.Namespace) -> None:
    import shutil

    from tracegen_model.data.packing import pack_dataset
    from tracegen_model.evaluation.evaluation import SamplerSettings
    from tracegen_model.evaluation.evaluator import evaluate
    from tracegen_model.network.checkpoint import load_checkpoint
    from tracegen_model.network.checkpoint_config import CONFIG_FILE, WEIGHTS_FILE
    from tracegen_model.network.onnx_export import export_checkpoint
    from tracegen_model.training.overrides import read_run_config
    from tracegen_model.training.run_folder import LATEST
    from tracegen_model.training.start_run import open_data, run

    episodes, packed, output = options.work / "episodes", options.work / "packed", options.work / "run"
    config = read_run_config(DEMO_CONFIG, options.overrides)
    config = dataclasses.replace(
        config,
        output=str(output),
        description=f"fr3_sim.demonstrations, seed {options.seed}, {options.scenes} scenes",
        data=dataclasses.replace(config.data, folders=[str(packed)]),
    )
    numbers = ["--scenes", str(options.scenes), "--seed", str(options.seed), "--jobs", str(options.jobs)]
    # Another process and another package: the simulator knows the model, not the other way round.
    subprocess.run([sys.executable, "-m", "fr3_sim.demonstrations", str(episodes), *numbers], check=True)
    pack_dataset(episodes, packed, jobs=options.jobs)
    run(config)
    options.out.mkdir(parents=True, exist_ok=True)
    for name in (WEIGHTS_FILE, CONFIG_FILE):
        shutil.copyfile(output / LATEST / name, options.out / name)
    export_checkpoint(options.out)
    checkpoint, network = load_checkpoint(options.out)
    data = open_data(config.data, checkpoint.network)
    sampler = SamplerSettings(steps=checkpoint.sampler_steps)
    found = evaluate(
        network, data.dataset, data.validation, checkpoint.increment_scale, (sampler,), progress=True
    )
    print(json.dumps(found.scalars(), indent=2))
