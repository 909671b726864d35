"""The lock files pin hashes, name no place to fetch from, and agree with one another."""

import re
from pathlib import Path

import pytest

REQUIREMENTS = Path(__file__).parents[3] / "requirements"
LOCKS = sorted(REQUIREMENTS.rglob("*.txt"))
PINNED = re.compile(r"^([a-z0-9-]+)==(\S+) \\$")
HASH = re.compile(r"^    --hash=sha256:[0-9a-f]{64}( \\)?$")


def versions(lock: Path) -> dict[str, str]:
    return dict(match.groups() for line in lock.read_text().splitlines() if (match := PINNED.match(line)))


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: str(path.relative_to(REQUIREMENTS)))
def test_a_lock_holds_pinned_names_and_hashes_and_nothing_else(lock: Path) -> None:
    lines = lock.read_text().splitlines()
    assert lines
    for line in lines:
        assert PINNED.match(line) or HASH.match(line), f"neither a pinned package nor a hash: {line!r}"


@pytest.mark.parametrize("numpy", ["numpy1", "numpy2"])
def test_larger_locks_extend_smaller_ones_without_changing_a_version(numpy: str) -> None:
    demo, train, dev = (versions(REQUIREMENTS / numpy / f"{name}.txt") for name in ("demo", "train", "dev"))
    assert demo.items() <= train.items() <= dev.items()
    assert demo["numpy"].startswith(numpy.removeprefix("numpy") + ".")


@pytest.mark.parametrize("numpy", ["numpy1", "numpy2"])
def test_the_demo_needs_no_torch(numpy: str) -> None:
    demo = versions(REQUIREMENTS / numpy / "demo.txt")
    assert not [name for name in demo if name == "torch" or name.startswith("nvidia-")]


def test_every_package_asked_for_is_locked() -> None:
    for name in ("demo", "train", "dev"):
        asked = re.findall(r"^([A-Za-z0-9-]+)", (REQUIREMENTS / f"{name}.in").read_text(), flags=re.MULTILINE)
        for numpy in ("numpy1", "numpy2"):
            assert {package.lower() for package in asked} <= versions(
                REQUIREMENTS / numpy / f"{name}.txt"
            ).keys()
