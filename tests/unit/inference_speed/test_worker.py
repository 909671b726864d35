"""What is timed runs in a process of its own, which says what went wrong in it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np
import pytest
from tests.inference_speed.timings import Duration
from tests.inference_speed.worker import Observation, PredictionTimes, Worker, WorkerError

OBSERVATION = Observation(np.zeros((2, 2, 3), np.uint8), np.ones((2, 2), np.float32), "go")
MEBIBYTE = 2**20
HELD_MIB = 256


class Holding:
    """Takes as long as it is told, by the number of samples, and holds memory."""

    description, precision = "a test", "float32"

    def __init__(self) -> None:
        self.held = np.ones(HELD_MIB * MEBIBYTE, np.uint8)

    def predict(self, observation: Observation, samples: int) -> PredictionTimes:
        if samples == 13:
            raise ValueError("13 samples bring bad luck")
        if samples == 99:
            os._exit(3)
        return PredictionTimes(Duration(1.0, 0.5), Duration(2.0, 1.0), Duration(4.0 * samples, 2.0))

    def measure_peak(self) -> None:
        return None


def unloadable() -> Holding:
    raise RuntimeError("there is no such engine here")


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    worker = Worker(Holding, (), cores=None)
    yield worker
    worker.close()


def test_times_and_memory_are_the_process_own(worker: Worker) -> None:
    assert worker.introduction.description == "a test"
    assert worker.predict(OBSERVATION, 2).total == Duration(11.0, 3.5)
    peak = worker.memory_mib["peak_rss"]
    assert peak is not None
    assert HELD_MIB < peak < 4 * HELD_MIB


def test_a_failure_is_told_and_survived(worker: Worker) -> None:
    with pytest.raises(WorkerError, match=r"ValueError: 13 samples bring bad luck \(test_worker.py:\d+\)"):
        worker.predict(OBSERVATION, 13)
    assert worker.predict(OBSERVATION, 1).sample.wall_s == 4.0


def test_what_cannot_be_loaded_says_why() -> None:
    with pytest.raises(WorkerError, match="no such engine here"):
        Worker(unloadable, (), cores=None)


def test_a_process_that_dies_is_noticed() -> None:
    mortal = Worker(Holding, (), cores=None)
    with pytest.raises(WorkerError, match="ended with code 3"):
        mortal.predict(OBSERVATION, 99)
    mortal.close()
