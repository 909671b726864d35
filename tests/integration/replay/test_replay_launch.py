"""What cannot be replayed is refused before any node starts, with what was expected and what to do."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from tests.unit.tracegen_ros.bags.made_bags import write_bag

DEADLINE_S = 200.0
"""Less than the timeouts of the tests that replay a bag, so that they can show what was said until then."""

TIMEOUT_S = DEADLINE_S + 40.0


def launch_replay(*arguments: str) -> tuple[int, str]:
    """Exit code and output of the replay's launch file; what it started is gone afterwards."""
    ros2 = shutil.which("ros2")
    assert ros2 is not None, "ros2 is not on the path; source scripts/env.sh"
    process = subprocess.Popen(
        [ros2, "launch", "tracegen_ros", "replay.launch.py", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=DEADLINE_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        pytest.fail(f"the replay did not end within {DEADLINE_S:g} s; it said:\n{output}")
    return process.returncode, output


@pytest.mark.timeout(TIMEOUT_S)
@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda folder: folder / "nothing", "there is no bag at"),
        (lambda folder: write_bag(folder / "bag"), "has no colour images on /camera/camera/color/image_raw"),
    ],
)
def test_what_cannot_be_replayed_is_refused_with_a_reason(make, words: str, tmp_path: Path) -> None:
    code, output = launch_replay(f"bag:={make(tmp_path)}")
    assert code != 0
    assert words in output
    assert "process started" not in output
    assert "Traceback" not in output


def test_a_bag_in_the_home_folder_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    write_bag(tmp_path / "bag")
    code, output = launch_replay("bag:=~/bag")
    assert code != 0
    # The bag has been read: what it lacks is told, not that there is none.
    assert "has no colour images" in output
