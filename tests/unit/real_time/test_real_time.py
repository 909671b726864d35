"""A test that needs a machine on time runs again where the machine was late, and only there."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import pytest
from tests import real_time
from tests.real_time import LATE_S, RERUNS, Lateness

pytest_plugins = ["pytester"]

PAUSE_S = 1.0
"""How long the process that measures is held [s]; only a machine that is later than that would spoil it."""

TESTS = """
import pytest

attempts = []


@pytest.mark.real_time
def test_marked():
    attempts.append("")
    assert len(attempts) > {failures}


def test_unmarked():
    assert {failures} == 0
"""


class Machine:
    """As late as it is said to be."""

    worst_s = 0.0

    def begin(self) -> None:
        pass

    def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("worst_s", "failures", "outcomes"),
    [
        (2 * LATE_S, 0, {"passed": 2}),
        (2 * LATE_S, RERUNS, {"rerun": RERUNS, "passed": 1, "failed": 1}),
        (2 * LATE_S, RERUNS + 1, {"rerun": RERUNS, "failed": 2}),
        (LATE_S / 2, 1, {"failed": 2}),
    ],
)
def test_only_a_marked_test_runs_again_and_only_on_a_late_machine(
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    worst_s: float,
    failures: int,
    outcomes: dict[str, int],
) -> None:
    monkeypatch.setattr(Machine, "worst_s", worst_s)
    monkeypatch.setattr(real_time, "Lateness", Machine)
    pytester.makepyfile(TESTS.format(failures=failures))
    quiet = [
        word for name in ("launch_testing", "launch_ros", "cacheprovider") for word in ("-p", f"no:{name}")
    ]
    result = pytester.runpytest_inprocess("-p", "tests.real_time", "--strict-markers", *quiet)
    assert {name: count for name, count in result.parseoutcomes().items() if name != "warnings"} == outcomes
    said = "test_marked: it kept a process waiting for up to 100 ms" in result.stdout.str()
    assert said is ("rerun" in outcomes)


@pytest.fixture
def lateness() -> Iterator[Lateness]:
    lateness = Lateness()
    yield lateness
    lateness.close()


def test_lateness_is_that_since_it_was_begun(lateness: Lateness, monkeypatch: pytest.MonkeyPatch) -> None:
    measured = iter([3.0, 0.2, 0.1, 0.4, 0.0, 0.3])
    monkeypatch.setattr(lateness, "_ask", lambda: next(measured))
    assert lateness.worst_s == 3.0
    lateness.begin()  # What is measured until now, 0.2, is of the past, too.
    assert [lateness.worst_s for _ in range(2)] == [0.1, 0.4]
    lateness.begin()
    assert lateness.worst_s == 0.3


def test_the_watch_forgets_what_it_has_said(lateness: Lateness) -> None:
    lateness.begin()  # It answers: the process is up.
    os.kill(lateness._watch.pid, signal.SIGSTOP)
    time.sleep(PAUSE_S)
    os.kill(lateness._watch.pid, signal.SIGCONT)
    paused_s = lateness.worst_s
    assert paused_s > PAUSE_S / 2
    lateness.begin()
    assert lateness.worst_s < paused_s
