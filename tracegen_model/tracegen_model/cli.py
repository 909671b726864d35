"""``tracegen``: pack, train, export and evaluate from the command line."""

from __future__ import annotations

import argparse
import json
import logging
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tracegen_model.network.checkpoint_config import CheckpointConfig
from tracegen_model.runtime.checkpoints import SHIPPED, find_checkpoint

DEMO_NAME = "fr3_blocks_nano"
"""Checkpoint that ``train-demo`` makes."""

logger = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit status. Errors that a user can mend are said in one line."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        options.run(options)
    except (ValueError, OSError, subprocess.CalledProcessError) as error:
        logger.error("tracegen %s: %s", options.command, error)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tracegen", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)

    pack = commands.add_parser("pack", help="pack a folder of episodes into memory-mapped arrays")
    pack.add_argument("dataset", type=Path, help="folder of episodes (TraceForge layout)")
    pack.add_argument("output", type=Path, help="folder for the arrays")
    pack.add_argument("--jobs", type=int, default=None, help="processes (default: one per core)")
    pack.add_argument("--scenes", type=int, default=None, help="pack the first scenes only")
    pack.set_defaults(run=_pack)

    train = commands.add_parser("train", help="train a network on a packed dataset")
    train.add_argument("--data", type=Path, required=True, help="packed dataset")
    train.add_argument(
        "--out", type=Path, required=True, help="folder for checkpoint, training state and log"
    )
    _add_training_options(train)
    train.add_argument("--resume", action="store_true", help="go on with the run in --out")
    train.set_defaults(run=_train)

    export = commands.add_parser("export", help="write a checkpoint's ONNX graphs and check them")
    export.add_argument("checkpoint", help="checkpoint's folder, or name of a shipped one")
    export.set_defaults(run=_export)

    evaluate = commands.add_parser("eval", help="measure a checkpoint on held-out scenes of a packed dataset")
    evaluate.add_argument("checkpoint", help="checkpoint's folder, or name of a shipped one")
    evaluate.add_argument("--data", type=Path, required=True, help="packed dataset")
    evaluate.add_argument(
        "--scenes", type=int, default=100, help="the last scenes are measured (default: %(default)s)"
    )
    evaluate.add_argument(
        "--steps", type=int, nargs="+", default=[10, 4, 1], help="Euler steps (default: 10 4 1)"
    )
    evaluate.add_argument("--threads", type=int, default=0, help="threads of torch (default: its own choice)")
    evaluate.add_argument("--json", type=Path, default=None, help="write the measures here, too")
    evaluate.set_defaults(run=_evaluate)

    demo = commands.add_parser(
        "train-demo", help="make demonstrations, train, export and evaluate: the shipped checkpoint"
    )
    demo.add_argument("--work", type=Path, default=Path("build/train_demo"), help="folder for data and run")
    demo.add_argument("--out", type=Path, default=SHIPPED / DEMO_NAME, help="folder of the checkpoint")
    demo.add_argument("--scenes", type=int, default=3690, help="demonstrated scenes (default: %(default)s)")
    demo.add_argument(
        "--jobs", type=int, default=os.cpu_count(), help="processes that make data (default: all cores)"
    )
    _add_training_options(demo)
    demo.set_defaults(run=_train_demo)
    return parser


def _add_training_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--preset", default="nano", help="network preset (default: %(default)s)")
    budget = parser.add_mutually_exclusive_group()
    budget.add_argument("--minutes", type=float, default=None, help="wall-clock budget (default: 54)")
    budget.add_argument("--steps", type=int, default=None, help="optimiser steps instead of minutes")
    parser.add_argument(
        "--seed", type=int, default=0, help="seed of everything that is drawn (default: %(default)s)"
    )
    parser.add_argument("--threads", type=int, default=0, help="threads of torch (default: its own choice)")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda (default: %(default)s)")
    parser.add_argument(
        "--held-out", type=int, default=100, help="last scenes, never trained on (default: %(default)s)"
    )
    parser.add_argument("--evaluate-every", type=float, default=240.0, help="seconds between evaluations")
    parser.add_argument(
        "--no-compile", action="store_true", help="do not compile the network: starts at once, runs slower"
    )


def _pack(options: argparse.Namespace) -> None:
    from tracegen_model.data.packed_dataset import pack_dataset

    dataset = pack_dataset(options.dataset, options.output, jobs=options.jobs, max_scenes=options.scenes)
    logger.info(
        "%d images and %d samples of %d scenes in %s",
        dataset.image_count,
        dataset.sample_count,
        len(dataset.scenes),
        options.output,
    )


def _train(options: argparse.Namespace) -> None:
    _run_training(options, options.data, options.out, options.out.name, options.resume)


def _run_training(options: argparse.Namespace, data: Path, output: Path, name: str, resume: bool) -> None:
    from tracegen_model.data.packed_dataset import PackedDataset
    from tracegen_model.training.config import TrainingConfig
    from tracegen_model.training.trainer import Trainer

    minutes = (
        options.minutes
        if options.minutes is not None or options.steps is not None
        else TrainingConfig.minutes
    )
    config = TrainingConfig(
        minutes=minutes,
        steps=options.steps,
        seed=options.seed,
        threads=options.threads,
        device=options.device,
        held_out_scenes=options.held_out,
        evaluate_every_s=options.evaluate_every,
        compile=not options.no_compile,
    )
    Trainer(
        PackedDataset.open(data), options.preset, config, output, name, data=data.name, resume=resume
    ).run()


def _export(options: argparse.Namespace) -> None:
    from tracegen_model.network.nano.onnx_export import export_checkpoint

    export_checkpoint(find_checkpoint(options.checkpoint))


def _evaluate(options: argparse.Namespace) -> None:
    measures = _measure(
        find_checkpoint(options.checkpoint), options.data, options.scenes, options.steps, options.threads
    )
    text = json.dumps(measures, indent=2)
    print(text)
    if options.json is not None:
        options.json.write_text(text + "\n", encoding="utf-8")


def _measure(
    folder: Path, data: Path, scenes: int, steps: Sequence[int], threads: int
) -> dict[str, dict[str, float]]:
    import torch

    from tracegen_model.data.packed_dataset import PackedDataset
    from tracegen_model.network.checkpoint import load_checkpoint
    from tracegen_model.training.evaluation import evaluate

    if threads:
        torch.set_num_threads(threads)
    config, network = load_checkpoint(folder)
    dataset = PackedDataset.open(data)
    images = dataset.images_of_scenes(max(0, len(dataset.scenes) - scenes), len(dataset.scenes))
    return {
        f"{count} steps": evaluate(network, dataset, images, config.increment_scale, steps=count)
        for count in steps
    }


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
    _run_training(options, packed, run, DEMO_NAME, resume=False)
    options.out.mkdir(parents=True, exist_ok=True)
    for name in (WEIGHTS_FILE, CONFIG_FILE):
        shutil.copyfile(run / name, options.out / name)
    export_checkpoint(options.out)
    measures = _measure(
        options.out,
        packed,
        options.held_out,
        (CheckpointConfig.load(options.out).sampler_steps,),
        options.threads,
    )
    print(json.dumps(measures, indent=2))


if __name__ == "__main__":
    sys.exit(main())
