"""``tracegen quantise``: a checkpoint's graphs in int8, for ONNX Runtime on the CPU."""

from __future__ import annotations

import argparse

from tracegen_model.cli.agreement_options import add_agreement_options, compare
from tracegen_model.runtime.checkpoints import find_checkpoint


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add the command to ``commands``."""
    parser = commands.add_parser(
        "quantise",
        help="make a checkpoint's graphs in int8, faster on CPUs, and check them",
        description="Makes int8 graphs for engine onnxruntime and keeps them in the engines' cache. If their traces "
        "pass the check (see check-engine), precision 'auto' takes them from now on. Exit status 1 when they fail.",
    )
    parser.add_argument("checkpoint", help="checkpoint's folder, or name of a shipped one")
    add_agreement_options(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from tracegen_model.network.checkpoint_config import CheckpointConfig
    from tracegen_model.network.quantisation import quantised_graphs
    from tracegen_model.runtime.engines.quantised_graphs import QuantisedGraphs

    folder = find_checkpoint(options.checkpoint)
    config = CheckpointConfig.load(folder)
    kept = QuantisedGraphs(config)
    graphs = quantised_graphs(folder, config)
    kept.write(graphs)
    for name, content in graphs.items():
        print(f"{name:24s} {len(content) / 1e6:9.1f} MB  {kept.folder / name}")
    return 0 if compare(options, folder, "onnxruntime", "int8").passed else 1
