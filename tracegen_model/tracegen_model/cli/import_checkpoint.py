"""``tracegen import-checkpoint``: a checkpoint of the authors' code as one of this package."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add the command to ``commands``."""
    parser = commands.add_parser(
        "import-checkpoint",
        help="take over a checkpoint of the authors' code",
        description="Write a .pth file of the authors' code as a checkpoint of this package: safetensors and a "
        "readable config. Nothing in the file is run; every tensor must be known and fit.",
    )
    parser.add_argument("file", type=Path, help="the authors' file, tracegen_model.pth for example")
    parser.add_argument("--out", type=Path, required=True, help="folder for the checkpoint")
    parser.add_argument("--name", default=None, help="name of the checkpoint (default: the folder's)")
    parser.add_argument(
        "--steps", type=int, default=100, help="sampler steps to note in its config (default: %(default)s)"
    )
    parser.add_argument(
        "--without-encoders",
        action="store_true",
        help="leave the frozen encoders out (2 GB); they are then taken from Hugging Face or from your own folders",
    )
    parser.add_argument(
        "--tokenizer",
        type=Path,
        default=None,
        help="T5's tokenizer.json, to store it with the encoders; no file of the authors holds it",
    )
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    from tracegen_model.network.tracegen.authors_checkpoint import import_authors_checkpoint

    import_authors_checkpoint(
        options.file,
        options.out,
        options.name,
        options.steps,
        keep_encoders=not options.without_encoders,
        tokeniser=options.tokenizer,
    )
