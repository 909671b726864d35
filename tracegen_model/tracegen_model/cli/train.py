"""``tracegen train``: train a network."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add the command to ``commands``."""
    train = commands.add_parser("train", help="train a network on a packed dataset")
    train.add_argument("--data", type=Path, required=True, help="packed dataset")
    train.add_argument(
        "--out", type=Path, required=True, help="folder for checkpoint, training state and log"
    )
    add_training_options(train)
    train.add_argument("--resume", action="store_true", help="go on with the run in --out")
    train.set_defaults(run=_train)


def add_training_options(parser: argparse.ArgumentParser) -> None:
    """Add what every training command understands."""
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


def _train(options: argparse.Namespace) -> None:
    run_training(options, options.data, options.out, options.out.name, options.resume)


def run_training(options: argparse.Namespace, data: Path, output: Path, name: str, resume: bool) -> None:
    """Train as ``options`` say."""
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
