"""``tracegen data``: look at datasets and pack them."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

logger = logging.getLogger(__name__)


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add the commands to ``commands``."""
    parts = commands.add_parser("data", help="pack datasets").add_subparsers(dest="part", required=True)
    pack = parts.add_parser("pack", help="pack a folder of episodes into memory-mapped arrays")
    pack.add_argument("dataset", type=Path, help="folder of episodes (TraceForge layout)")
    pack.add_argument("output", type=Path, help="folder for the arrays")
    pack.add_argument("--jobs", type=int, default=None, help="processes (default: one per core)")
    pack.add_argument("--scenes", type=int, default=None, help="pack the first scenes only")
    pack.set_defaults(run=_pack)


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
