"""What the launch file refuses, it refuses at once, with a message and a non-zero exit code."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

DEADLINE_S = 90.0


def launch(*arguments: str) -> tuple[int, str]:
    """Exit code and output of the demo's launch file; what it started is gone afterwards."""
    ros2 = shutil.which("ros2")
    assert ros2 is not None, "ros2 is not on the path; source scripts/env.sh"
    process = subprocess.Popen(
        [ros2, "launch", "tracegen_ros", "fr3_demo.launch.py", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=DEADLINE_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    return process.returncode, output


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
    code, output = launch(*arguments.split())
    assert code != 0
    assert words in output


@pytest.mark.skipif(shutil.which("rviz2") is not None, reason="RViz is installed here")
def test_rviz_where_there_is_none_is_refused_with_a_way_out() -> None:
    code, output = launch("viz:=rviz")
    assert code != 0
    assert "viz:=rviz needs RViz" in output


def test_a_missing_checkpoint_ends_the_launch_with_the_reason(tmp_path: Path) -> None:
    code, output = launch(f"model:={tmp_path / 'nothing_here'}")
    assert code != 0
    assert f"cannot load the model '{tmp_path / 'nothing_here'}'" in output
    assert "trace_node failed to configure" in output
