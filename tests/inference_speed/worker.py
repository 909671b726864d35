"""A process of its own for everything that is timed: its threads, its memory and its faults are nobody else's.

The benchmark asks one worker at a time, so they take turns on the same cores. What a worker is asked for, it times
itself: wall time, and processor time of all its threads. Engines return arrays of the host, so a call on a GPU has
come to its end when it returns.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import subprocess
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from tests.inference_speed.timings import Duration

START_TIMEOUT_S = 1800.0
"""An engine may have to be built first."""

CALL_TIMEOUT_S = 600.0
STOP_TIMEOUT_S = 20.0


class WorkerError(RuntimeError):
    """What the worker was asked for failed; the message is its own."""


@dataclass(frozen=True)
class Observation:
    """What a prediction is made from: images of a camera and an instruction."""

    colour: NDArray[np.uint8]
    depth: NDArray[np.float32]
    instruction: str


@dataclass(frozen=True)
class PredictionTimes:
    """How long the parts of one prediction took.

    Attributes:
        prepare: Images to the network's size.
        encode: Image, depth and instruction to the condition, all together if that is done several times.
        sample: Noise to traces.
    """

    prepare: Duration
    encode: Duration
    sample: Duration

    @property
    def total(self) -> Duration:
        """Camera images to traces."""
        return self.prepare + self.encode + self.sample


@dataclass(frozen=True)
class Introduction:
    """What a worker says of itself once it is ready.

    Attributes:
        description: What runs where, for people.
        precision: Of the heavy arithmetic.
        load_s: How long loading took [s].
    """

    description: str
    precision: str
    load_s: float


class Subject(Protocol):
    """Something that predicts."""

    description: str
    precision: str

    def predict(self, observation: Observation, samples: int) -> PredictionTimes:
        """Draw ``samples`` traces, and say how long that took."""

    def measure_peak(self) -> tuple[float, Duration] | None:
        """Floating-point operations of a large float32 matrix product, and how long it took; None if it has none."""


@dataclass
class Stopwatch:
    """Splits time into parts."""

    _wall_s: float = field(default_factory=time.perf_counter)
    _processor_s: float = field(default_factory=time.process_time)

    def split(self) -> Duration:
        """Time since the last split, or since the start."""
        wall_s, processor_s = time.perf_counter(), time.process_time()
        found = Duration(wall_s - self._wall_s, processor_s - self._processor_s)
        self._wall_s, self._processor_s = wall_s, processor_s
        return found


class Worker:
    """A process that holds a subject.

    Args:
        load: Makes the subject, inside the process; a function of a module.
        arguments: For ``load``.
        cores: Cores that the process is kept to; None = all.
    """

    def __init__(
        self, load: Callable[..., Subject], arguments: tuple[Any, ...], cores: frozenset[int] | None
    ) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, load, arguments, cores), daemon=True)
        self._process.start()
        theirs.close()
        try:
            self.introduction: Introduction = self._answer(START_TIMEOUT_S)
        except BaseException:
            self.close()
            raise

    def predict(self, observation: Observation, samples: int = 1) -> PredictionTimes:
        """Have traces drawn; raises WorkerError."""
        return self._ask("predict", observation, samples)

    def measure_peak(self) -> tuple[float, Duration] | None:
        """Operations and duration of a large matrix product; raises WorkerError."""
        return self._ask("measure_peak")

    @property
    def memory_mib(self) -> dict[str, float | None]:
        """Largest resident memory so far, and GPU memory now, [MiB]; None where there is no GPU."""
        return self._ask("memory")

    def close(self) -> None:
        """End the process."""
        with contextlib.suppress(OSError):
            self._connection.send(("stop",))
        self._process.join(STOP_TIMEOUT_S)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._connection.close()

    def _ask(self, *request: Any) -> Any:
        self._connection.send(request)
        return self._answer(CALL_TIMEOUT_S)

    def _answer(self, timeout_s: float) -> Any:
        try:
            if not self._connection.poll(timeout_s):
                raise WorkerError(f"no answer within {timeout_s:.0f} s")
            ok, content = self._connection.recv()
        except EOFError:
            self._process.join(STOP_TIMEOUT_S)
            raise WorkerError(f"the process ended with code {self._process.exitcode}") from None
        if not ok:
            raise WorkerError(content)
        return content


@contextlib.contextmanager
def closing(workers: dict[str, Worker]) -> Iterator[dict[str, Worker]]:
    """The workers for the length of a ``with`` block."""
    try:
        yield workers
    finally:
        for worker in workers.values():
            worker.close()


def _serve(
    connection: Connection,
    load: Callable[..., Subject],
    arguments: tuple[Any, ...],
    cores: frozenset[int] | None,
) -> None:
    if cores is not None:
        os.sched_setaffinity(0, cores)
    began_s = time.perf_counter()
    try:
        subject = load(*arguments)
        connection.send(
            (True, Introduction(subject.description, subject.precision, time.perf_counter() - began_s))
        )
    except Exception as error:
        connection.send((False, str(error) or type(error).__name__))
        return
    answers: dict[str, Callable[..., Any]] = {
        "predict": subject.predict,
        "measure_peak": subject.measure_peak,
        "memory": _memory_mib,
    }
    with contextlib.suppress(EOFError):
        while (request := connection.recv())[0] != "stop":
            try:
                connection.send((True, answers[request[0]](*request[1:])))
            except Exception as error:
                last = traceback.extract_tb(error.__traceback__)[-1]
                connection.send(
                    (False, f"{type(error).__name__}: {error} ({Path(last.filename).name}:{last.lineno})")
                )


def _memory_mib() -> dict[str, float | None]:
    return {"peak_rss": peak_rss_mib(), "gpu": gpu_memory_mib(os.getpid())}


def peak_rss_mib() -> float:
    """Largest resident memory of this process so far [MiB]; ``getrusage`` would count the parent's before the exec."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise WorkerError("/proc/self/status has no VmHWM: peak memory cannot be told on this system")


def gpu_memory_mib(process: int) -> float | None:
    """GPU memory that a process holds [MiB], as NVIDIA's driver says; None where there is no such driver."""
    query = ["nvidia-smi", "--query-compute-apps=pid,used_memory", "--format=csv,noheader,nounits"]
    try:
        lines = subprocess.run(query, capture_output=True, text=True, check=True).stdout.splitlines()
    except (OSError, subprocess.CalledProcessError):
        return None
    pairs = [line.split(",") for line in lines if "," in line]
    used = [float(used) for owner, used in pairs if owner.strip() == str(process) and used.strip().isdigit()]
    return sum(used) if used else None
