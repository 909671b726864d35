"""Marks each test by the folder it is in: unit, integration or system."""

from pathlib import Path

import pytest

TESTS = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        kind = item.path.relative_to(TESTS).parts[0]
        if kind in ("unit", "integration", "system"):
            item.add_marker(kind)
