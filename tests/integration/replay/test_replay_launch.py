"""What cannot be replayed is refused before any node starts, with what was expected and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.integration.launch_file import run_launch_file
from tests.unit.tracegen_ros.bags.made_bags import write_bag


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda folder: folder / "nothing", "there is no bag at"),
        (lambda folder: write_bag(folder / "bag"), "has no colour images on /camera/camera/color/image_raw"),
    ],
)
def test_what_cannot_be_replayed_is_refused_with_a_reason(make, words: str, tmp_path: Path) -> None:
    code, output = run_launch_file("replay.launch.py", f"bag:={make(tmp_path)}")
    assert code != 0
    assert words in output
    assert "process started" not in output
    assert "Traceback" not in output


def test_a_bag_in_the_home_folder_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    write_bag(tmp_path / "bag")
    code, output = run_launch_file("replay.launch.py", "bag:=~/bag")
    assert code != 0
    # The bag has been read: what it lacks is told, not that there is none.
    assert "has no colour images" in output
