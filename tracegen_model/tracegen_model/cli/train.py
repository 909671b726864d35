"""``tracegen train``: train a network, or go on with a run."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

EPILOG = """\
examples:
  tracegen train --config base data.folders=[episodes] optimisation.batch=16
  tracegen train --config nano_demo data.folders=[packed] output=runs/nano
  tracegen train --config warm_up_5_demonstrations checkpoints.init_from=base_checkpoint data.folders=[mine]
  tracegen train --resume runs/nano
  torchrun --nproc_per_node=8 -m tracegen_model.cli train --config base data.folders=[episodes]

Every setting with its meaning and default: docs/config_reference.md
"""


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add the command to ``commands``."""
    parser = commands.add_parser(
        "train",
        help="train a network",
        description="Train a network, on a CPU, a GPU, or several with torchrun.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    start = parser.add_mutually_exclusive_group(required=True)
    start.add_argument("--config", help="name of a shipped config (see --list), or path of a YAML file")
    start.add_argument(
        "--resume",
        type=Path,
        metavar="FOLDER",
        help="go on with the run in this folder; with overrides, under changed settings",
    )
    start.add_argument("--list", action="store_true", help="list the shipped configs")
    parser.add_argument(
        "overrides",
        nargs="*",
        metavar="key=value",
        help="changes to the config, such as optimisation.batch=16",
    )
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    from tracegen_model.training.overrides import read_run_config, shipped_configs
    from tracegen_model.training.run_folder import RunFolder
    from tracegen_model.training.start_run import run

    if options.list:
        print("\n".join(shipped_configs()))
    elif options.resume is not None:
        config = read_run_config(RunFolder(options.resume).settings_file(), options.overrides)
        run(dataclasses.replace(config, output=str(options.resume)), resume=True)
    else:
        run(read_run_config(options.config, options.overrides))
