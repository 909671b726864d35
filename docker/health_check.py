"""Exit code 0 when every part of the running stack says that it is well; for Docker's health check.

Listens to ``/diagnostics`` for a few seconds from the first word on, which may come late on a busy machine. Unhealthy
are: silence, a part that reports an error or stale data, and a part named with ``--expect`` that says nothing. A
follower that waits for a person (a warning) is healthy.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus

EXIT_HEALTHY = 0
EXIT_UNHEALTHY = 1


def listen(seconds: float, patience: float) -> dict[str, DiagnosticStatus]:
    """The last status of each part heard within ``seconds`` [s] of the first, which may take ``patience`` [s]."""
    heard: dict[str, DiagnosticStatus] = {}

    def on_diagnostics(array: DiagnosticArray) -> None:
        heard.update({status.name: status for status in array.status})

    rclpy.init(args=[])
    node = rclpy.create_node("health_check")
    node.create_subscription(DiagnosticArray, "/diagnostics", on_diagnostics, 50)
    ends = time.monotonic() + patience
    while not heard and time.monotonic() < ends:
        rclpy.spin_once(node, timeout_sec=0.1)
    ends = time.monotonic() + seconds
    while heard and time.monotonic() < ends:
        rclpy.spin_once(node, timeout_sec=0.1)
    node.destroy_node()
    rclpy.shutdown()
    return heard


def problems(heard: dict[str, DiagnosticStatus], expected: Sequence[str]) -> list[str]:
    """What is wrong, one line each."""
    bad = (DiagnosticStatus.ERROR, DiagnosticStatus.STALE)
    found = [f"{name}: {status.message}" for name, status in heard.items() if status.level in bad]
    found += [f"{name}: says nothing" for name in expected if not any(name in part for part in heard)]
    return found if heard else ["nobody publishes /diagnostics"]


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--seconds", type=float, default=5.0, help="how long to listen (default: %(default)s)"
    )
    parser.add_argument(
        "--patience",
        type=float,
        default=10.0,
        help="how long to wait for the first word (default: %(default)s)",
    )
    parser.add_argument(
        "--expect", action="append", default=[], help="a part that must report; may be repeated"
    )
    options = parser.parse_args()
    heard = listen(options.seconds, options.patience)
    found = problems(heard, options.expect)
    sys.stdout.write("\n".join(found or [f"{len(heard)} parts are well"]) + "\n")
    sys.exit(EXIT_UNHEALTHY if found else EXIT_HEALTHY)


if __name__ == "__main__":
    main()
