"""A launch file of ``tracegen_ros`` from its start to its end."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess

import pytest

DEADLINE_S = 240.0
"""A launch that goes on for longer [s] fails its test; less than the tests' own limit, to show what was said."""


def run_launch_file(name: str, *arguments: str) -> tuple[int, str]:
    """Exit code and output of ``ros2 launch tracegen_ros name arguments``; what it started is gone afterwards."""
    ros2 = shutil.which("ros2")
    assert ros2 is not None, "ros2 is not on the path; source scripts/env.sh"
    process = subprocess.Popen(
        [ros2, "launch", "tracegen_ros", name, *arguments],
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
        pytest.fail(f"{name} did not end within {DEADLINE_S:g} s; it said:\n{output}")
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    return process.returncode, output
