"""``tracegen engines``: what could run the network on this machine, and what the rest lacks."""

from __future__ import annotations

import argparse


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add the command to ``commands``."""
    parser = commands.add_parser(
        "engines",
        help="list what can run the network on this machine",
        description="Lists the engines, best first: engine 'auto' takes the first one that works.",
    )
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    from tracegen_model.runtime.engines import ENGINES

    width = max(map(len, ENGINES))
    best: str | None = None
    for name, kind in ENGINES.items():
        reason = kind.why_unavailable()
        against = reason or kind.why_not_best()
        best = best or (None if against else name)
        mark = "yes" if reason is None else "no "
        offered = [
            precision for precision in kind.precisions if reason or not kind.why_no_precision(precision)
        ]
        print(f"{name:{width}}  {mark}  {', '.join(offered)}")
        if against:
            print(f"{'':{width}}       {against}")
    print(f"auto takes: {best or 'none'}")
