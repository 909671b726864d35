"""Tests that need a machine that is on time run again where the machine, as measured meanwhile, was late.

A test marked ``real_time`` talks to an emulated robot a thousand times a second, or judges the pace of a camera: no
waiting can replace that. While it runs, a process of its own sleeps a few milliseconds at a time, and now and then it
works a little. Where that process was once kept waiting for ``LATE_S``, the machine had no core to spare, and a failure
says nothing about what is tested: the test runs again, ``RERUNS`` times at most. On a machine that was on time a
failure is a failure.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

LATE_S = 0.05
"""A machine that is so late [s] with waking a sleeper, or with 20 ms of work, is starved."""

RERUNS = 2

MARK = "real_time"

_WATCH = """\
import os, select, time

SLEEP_S = 0.005
WORK_S = 0.02
WORK_EVERY_S = 0.5

def work():
    began_s, worked_s = time.monotonic(), time.process_time()
    while time.process_time() - worked_s < WORK_S:
        pass
    return time.monotonic() - began_s - WORK_S

worst_s, worked_s = 0.0, 0.0
while True:
    if time.monotonic() - worked_s > WORK_EVERY_S:
        worst_s, worked_s = max(worst_s, work()), time.monotonic()
    began_s = time.monotonic()
    asked = select.select([0], [], [], SLEEP_S)[0]
    worst_s = max(worst_s, time.monotonic() - began_s - SLEEP_S)
    if asked:
        if not os.read(0, 1):
            break
        os.write(1, b"%.6f\\n" % worst_s)
        worst_s = 0.0
"""


class Lateness:
    """How late the machine is: the longest that a process was kept waiting for a core.

    A process of its own, because a thread would also measure what the tests' own interpreter is busy with.
    """

    def __init__(self) -> None:
        self._watch = subprocess.Popen(
            [sys.executable, "-S", "-c", _WATCH], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self._worst_s = 0.0

    def begin(self) -> None:
        """Forget what was."""
        self._ask()
        self._worst_s = 0.0

    @property
    def worst_s(self) -> float:
        """The worst since the beginning [s]."""
        self._worst_s = max(self._worst_s, self._ask())
        return self._worst_s

    def close(self) -> None:
        """End the process."""
        self._watch.communicate()

    def _ask(self) -> float:
        stdin, stdout = self._watch.stdin, self._watch.stdout
        assert stdin is not None and stdout is not None
        stdin.write(b"?")
        stdin.flush()
        return float(stdout.readline())


class RealTimePlugin:
    """Gives marked tests another chance on a machine that was late."""

    def __init__(self) -> None:
        self._lateness: Lateness | None = None
        self._again: list[str] = []

    def _is_late(self) -> bool:
        return self._lateness is not None and self._lateness.worst_s > LATE_S

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        if config.option.usepdb:
            return
        for item in items:
            if item.get_closest_marker(MARK) is None:
                continue
            item.add_marker(pytest.mark.flaky(reruns=RERUNS, condition=self._is_late))
            timeout = item.get_closest_marker("timeout")
            each_s = float(timeout.args[0] if timeout else config.getini("timeout") or 0.0)
            item.add_marker(pytest.mark.timeout((1 + RERUNS) * each_s), append=False)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        if item.get_closest_marker(MARK) is None:
            return
        if self._lateness is None:
            self._lateness = Lateness()
        self._lateness.begin()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Iterator[None]:
        report = yield
        if report.failed and self._lateness is not None and item.get_closest_marker(MARK) is not None:
            report.sections.append(("Machine", self._said()))
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.outcome == "rerun":
            self._again.append(f"{report.nodeid}: {self._said()}")

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self._again:
            terminalreporter.section("ran again on a late machine")
            for line in self._again:
                terminalreporter.write_line(line)

    def pytest_unconfigure(self) -> None:
        if self._lateness is not None:
            self._lateness.close()

    def _said(self) -> str:
        worst_s = 0.0 if self._lateness is None else self._lateness.worst_s
        return f"it kept a process waiting for up to {1e3 * worst_s:.0f} ms (starved: over {1e3 * LATE_S:.0f} ms)"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", f"{MARK}: runs again, {RERUNS} times at most, where it failed on a starved machine"
    )
    config.pluginmanager.register(RealTimePlugin(), MARK)
