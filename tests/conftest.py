"""Marks each test by the folder it is in, and gives Ctrl-C its meaning."""

import signal
from pathlib import Path

import pytest

pytest_plugins = ["tests.real_time"]

TESTS = Path(__file__).parent

# A shell starts background jobs with Ctrl-C ignored, and processes hand that on; tests end processes by it.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        kind = item.path.relative_to(TESTS).parts[0]
        if kind in ("unit", "integration", "system"):
            item.add_marker(kind)
