"""``tracegen export``: a checkpoint's ONNX graphs."""

from __future__ import annotations

import argparse

from tracegen_model.cli.encoder_options import add_encoder_options, encoder_source
from tracegen_model.runtime.checkpoints import find_checkpoint


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add the command to ``commands``."""
    parser = commands.add_parser("export", help="write a checkpoint's ONNX graphs and check them")
    parser.add_argument("checkpoint", help="checkpoint's folder, or name of a shipped one")
    add_encoder_options(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    from tracegen_model.network.checkpoint_config import CheckpointConfig

    folder = find_checkpoint(options.checkpoint)
    if CheckpointConfig.load(folder).architecture == "nano":
        from tracegen_model.network.nano.onnx_export import export_checkpoint

        export_checkpoint(folder)
    else:
        from tracegen_model.network.tracegen.onnx_export import export_tracegen

        export_tracegen(folder, encoder_source(options))
