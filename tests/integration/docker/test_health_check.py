"""Docker's health check, beside parts that report to ``/diagnostics``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from diagnostic_msgs.msg import DiagnosticArray

from tracegen_ros.messages import Level, encode_diagnostics, encode_header

SCRIPT = Path(__file__).parents[3] / "docker" / "health_check.py"
SECONDS = "2.0"
LONG_S, SHORT_S = "60.0", "2.0"
"""Patience where a word comes for sure, and where none does."""


def check(tester, levels: dict[str, Level], *expected: str) -> tuple[int, str]:
    """Exit code and words of the check while parts report ``levels``."""
    arguments = [word for name in expected for word in ("--expect", name)]
    process = subprocess.Popen(
        [
            *(sys.executable, str(SCRIPT), "--seconds", SECONDS),
            *("--patience", LONG_S if levels else SHORT_S),
            *arguments,
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    publisher = tester.node.create_publisher(DiagnosticArray, "/diagnostics", 10)
    while process.poll() is None:
        for name, level in levels.items():
            publisher.publish(encode_diagnostics(name, level, "its words", {}, encode_header(1, "")))
        tester.spin_once()
    tester.node.destroy_publisher(publisher)
    assert process.stdout is not None
    return process.returncode, process.stdout.read()


@pytest.mark.parametrize(
    ("levels", "expected", "code", "words"),
    [
        (
            {"trace_follower: motion": Level.WARN, "trace_node: inference": Level.OK},
            "trace_node",
            0,
            "2 parts",
        ),
        ({"fr3_driver: arm": Level.ERROR}, "fr3_driver", 1, "fr3_driver: arm: its words"),
        ({"trace_follower: motion": Level.OK}, "fr3_driver", 1, "fr3_driver: says nothing"),
        ({}, "trace_node", 1, "nobody publishes /diagnostics"),
    ],
)
def test_the_exit_code_says_whether_every_part_is_well(
    tester, levels: dict[str, Level], expected: str, code: int, words: str
) -> None:
    found = check(tester, levels, expected)
    assert found[0] == code, found
    assert words in found[1]
