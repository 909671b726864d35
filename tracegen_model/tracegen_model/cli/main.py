"""The ``tracegen`` command: assembles its parts, and says what is wrong in one line."""

from __future__ import annotations

import argparse
import logging
import subprocess
import sys
from collections.abc import Sequence

from tracegen_model.cli import (
    build_engine,
    check_engine,
    data,
    engines,
    evaluate,
    export,
    import_checkpoint,
    quantise,
    train,
    train_demo,
)

COMMANDS = (
    data,
    train,
    evaluate,
    export,
    engines,
    build_engine,
    quantise,
    check_engine,
    import_checkpoint,
    train_demo,
)
"""Modules of the commands, in the order of the help."""

INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells have it: 128 and the number of the signal."""

logger = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit status. Errors that a user can mend, and Ctrl-C, are said in one line."""
    parser = argparse.ArgumentParser(
        prog="tracegen", description="TraceGen's data, training, export and evaluation."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for module in COMMANDS:
        module.add_parser(commands)
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        status = options.run(options)
    except (ValueError, OSError, subprocess.CalledProcessError) as error:
        logger.error("tracegen %s: %s", options.command, error)
        return 1
    except KeyboardInterrupt:
        logger.error("tracegen %s: interrupted", options.command)
        return INTERRUPTED
    return int(status or 0)
