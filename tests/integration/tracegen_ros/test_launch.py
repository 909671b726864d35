"""What the launch file refuses, it refuses at once, with a message and a non-zero exit code."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from tests.integration.launch_file import run_launch_file

DEMO = "fr3_demo.launch.py"
DEADLINE_S = 90.0


def wait_for(log: Path, words: str, process: subprocess.Popen) -> None:
    """Until the launch has written ``words``."""
    ends_s = time.monotonic() + DEADLINE_S
    while words not in log.read_text():
        assert process.poll() is None, f"the launch has ended: {log.read_text()}"
        assert time.monotonic() < ends_s, f"waited in vain for {words!r}: {log.read_text()}"
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            "robot:=franky",
            "needs an emulated robot on this machine, fci_ip:=127.0.0.1, got fci_ip:=172.16.0.2",
        ),
        ("robot:=ur5", "Valid options are: ['sim', 'franky']"),
        ("camera_rate:=fast", "camera_rate:=fast must be a number"),
        ("lockstep:=perhaps", "lockstep:=perhaps must be true or false"),
        ("engine:=abacus", "Valid options are: ['auto', "),
        ("samples:=several", "samples:=several must be a number"),
        ("dry_run:=true lockstep:=true", "lockstep:=true waits for the robot to be told something"),
    ],
)
def test_what_cannot_be_is_refused_with_a_reason(arguments: str, words: str) -> None:
    code, output = run_launch_file(DEMO, *arguments.split())
    assert code != 0
    assert words in output


def test_a_bag_that_exists_is_refused_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "run").mkdir()
    code, output = run_launch_file(DEMO, "record:=true", "bag:=~/run")
    assert code != 0
    assert "bag:=~/run exists already" in output
    assert "process started" not in output
    assert "Traceback" not in output


def test_a_recorder_that_ends_does_not_end_the_run(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    log = tmp_path / "log"
    arguments = ["record:=true", "camera:=topics", f"bag:={tmp_path / 'file' / 'run'}"]
    with log.open("w") as stream:
        process = subprocess.Popen(
            ["ros2", "launch", "tracegen_ros", DEMO, *arguments],
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        wait_for(log, "the run goes on and is not recorded any more", process)
        wait_for(log, "trace_follower: activated", process)
        # Without a required node everything ends after a grace, which the launch would have begun to count long ago.
        assert "shutting down" not in log.read_text()
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(DEADLINE_S)


@pytest.mark.skipif(shutil.which("rviz2") is not None, reason="RViz is installed here")
def test_rviz_where_there_is_none_is_refused_with_a_way_out() -> None:
    code, output = run_launch_file(DEMO, "viz:=rviz")
    assert code != 0
    assert "viz:=rviz needs RViz" in output


def test_a_missing_checkpoint_ends_the_launch_with_the_reason(tmp_path: Path) -> None:
    code, output = run_launch_file(DEMO, f"model:={tmp_path / 'nothing_here'}")
    assert code != 0
    assert f"cannot load the model '{tmp_path / 'nothing_here'}'" in output
    assert "trace_node failed to configure" in output
