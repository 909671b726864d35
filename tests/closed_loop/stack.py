"""The whole stack as a child process: the real launch file in a process group and a ROS domain of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

STOP_TIMEOUT_S = 60.0

INTERRUPTED_WITH_PARENT = ("env", "--default-signal=INT", "setpriv", "--pdeathsig", "INT")
"""Runs a command that is interrupted when its parent is killed, so that no nodes stay behind.

It heeds interrupts also where its parent does not, as a shell's background job.
"""

PATIENT_FOLLOWER = """\
trace_follower:
  ros__parameters:
    input_timeout_s: 10.0
    gripper_timeout_s: 30.0
"""
"""In lockstep nobody is in a hurry: what is late on a busy machine must not change what the robot does."""


class StackError(RuntimeError):
    """The launch file could not be started, or ended by itself."""


class Stack:
    """``ros2 launch tracegen_ros fr3_demo.launch.py`` with ``arguments``; a context manager.

    Args:
        arguments: Launch arguments.
        log: File that gets everything the nodes say.
        launch_file: Another launch file of ``tracegen_ros``.
    """

    def __init__(
        self, arguments: Mapping[str, str], log: Path, launch_file: str = "fr3_demo.launch.py"
    ) -> None:
        self._launch_file = launch_file
        self._arguments = [f"{name}:={value}" for name, value in arguments.items()]
        self._log = log

    def __enter__(self) -> Stack:
        ros2 = shutil.which("ros2")
        if ros2 is None:
            raise StackError("there is no `ros2` here; run this through make, or source scripts/env.sh first")
        self._log.parent.mkdir(parents=True, exist_ok=True)
        if "lockstep:=true" in self._arguments:
            parameters = self._log.with_suffix(".yaml")
            parameters.write_text(PATIENT_FOLLOWER, encoding="utf-8")
            self._arguments.append(f"parameters:={parameters}")
        with self._log.open("w") as output:
            self._process = subprocess.Popen(
                [
                    *INTERRUPTED_WITH_PARENT,
                    ros2,
                    "launch",
                    "tracegen_ros",
                    self._launch_file,
                    *self._arguments,
                ],
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env={**os.environ, "PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1"},
                start_new_session=True,
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # `ros2 launch` passes the interrupt on to its nodes; whoever is left after a while is ended the hard way.
        self._process.send_signal(signal.SIGINT)
        deadline = time.monotonic() + STOP_TIMEOUT_S
        while self._process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.1)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def check(self) -> None:
        """Raise a ``StackError`` with the end of the log if the stack is no longer there."""
        if self._process.poll() is not None:
            raise StackError(
                f"the stack ended with code {self._process.returncode}; the end of {self._log}:\n{self.last_words()}"
            )

    def last_words(self, lines: int = 15) -> str:
        """The end of the log."""
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-lines:])
