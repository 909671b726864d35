"""``tracegen eval``: measure a checkpoint."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from tracegen_model.runtime.checkpoints import find_checkpoint


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add the command to ``commands``."""
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


def _evaluate(options: argparse.Namespace) -> None:
    measures = measure(
        find_checkpoint(options.checkpoint), options.data, options.scenes, options.steps, options.threads
    )
    text = json.dumps(measures, indent=2)
    print(text)
    if options.json is not None:
        options.json.write_text(text + "\n", encoding="utf-8")


def measure(
    folder: Path, data: Path, scenes: int, steps: Sequence[int], threads: int
) -> dict[str, dict[str, float]]:
    """Measures of the checkpoint in ``folder`` on the last scenes of a packed dataset, by number of Euler steps."""
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
