"""``tracegen check-engine``: whether an engine's traces may stand for those of the network itself."""

from __future__ import annotations

import argparse

from tracegen_model.cli.agreement_options import add_agreement_options, compare
from tracegen_model.runtime.checkpoints import find_checkpoint


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add the command to ``commands``."""
    parser = commands.add_parser(
        "check-engine",
        help="compare an engine's traces with those of PyTorch in float32",
        description="Compares traces from the same noise. It passes with a cosine similarity of 0.999 or more in every "
        "task and a mean difference of at most 1 mm or 1 %% of the motion; a precision that passes may then be "
        "chosen by precision 'auto'. Exit status 1 when it fails.",
    )
    parser.add_argument("checkpoint", help="checkpoint's folder, or name of a shipped one")
    parser.add_argument(
        "--engine", default="auto", help="engine (default: %(default)s); see tracegen engines"
    )
    parser.add_argument("--precision", default="auto", help="its precision (default: %(default)s)")
    add_agreement_options(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    folder = find_checkpoint(options.checkpoint)
    return 0 if compare(options, folder, options.engine, options.precision).passed else 1
