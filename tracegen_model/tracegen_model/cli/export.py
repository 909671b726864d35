"""``tracegen export``: a checkpoint's ONNX graphs."""

from __future__ import annotations

import argparse

from tracegen_model.cli.encoder_options import add_encoder_options, encoder_source
from tracegen_model.network.integrators import METHODS
from tracegen_model.runtime.checkpoints import find_checkpoint


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add the command to ``commands``."""
    parser = commands.add_parser("export", help="write a checkpoint's ONNX graphs and check them")
    parser.add_argument("checkpoint", help="checkpoint's folder, or name of a shipped one")
    parser.add_argument("--steps", type=int, help="steps of the sampler from now on (default: as they are)")
    parser.add_argument(
        "--method", choices=sorted(METHODS), help="its method from now on (default: as it is)"
    )
    parser.add_argument(
        "--precision",
        nargs="+",
        default=[],
        choices=("bfloat16", "float16"),
        help="write the graphs with matrix products in half precision as well, for strongly typed TensorRT",
    )
    add_encoder_options(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    try:
        from tracegen_model.network.onnx_export import export_checkpoint
    except ModuleNotFoundError as error:
        raise ValueError(f"exporting needs {error.name}: pip install 'tracegen-model[train]'") from error

    export_checkpoint(
        find_checkpoint(options.checkpoint),
        encoder_source(options),
        options.steps,
        options.method,
        options.precision,
    )
