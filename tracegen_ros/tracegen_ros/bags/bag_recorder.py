"""Takes messages without ever waiting, and writes them to a bag in a thread of its own."""

from __future__ import annotations

import shutil
import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tracegen_ros.bags.bag_writer import BagWriter, WrittenTopic

_PERIOD_S = 0.1
"""How often the thread writes what has come [s]; to be woken up by each message would cost more than to write it."""

OUTCOME = "recording"
"""What a bag's provenance calls how its recording ended."""


@dataclass(frozen=True)
class _Job:
    """Something to be done with the bag.

    Attributes:
        do: Does it.
        topic: Whose message it writes; empty where it writes none.
        size: Memory that it holds [bytes].
    """

    do: Callable[[BagWriter], None]
    topic: str = ""
    size: int = 0


@dataclass(frozen=True)
class RecorderLimits:
    """What a recording may take.

    Attributes:
        queue_bytes: Memory for messages that wait to be written [bytes]; more are dropped and counted.
        bag_bytes: Size of the bag on disk [bytes]; the recording ends there.
        free_bytes: What is left free on the disk [bytes]; the recording ends there.
    """

    queue_bytes: int
    bag_bytes: int
    free_bytes: int


@dataclass(frozen=True)
class RecorderState:
    """How a recording stands.

    Attributes:
        recorded: Messages in the bag.
        dropped: Messages that are not in the bag, by topic: for want of room, or because the recording has ended.
        queued_bytes: What waits to be written [bytes].
        written_bytes: What is on disk [bytes].
        end_reason: Why the recording has ended by itself; empty while it goes on.
    """

    recorded: int
    dropped: Mapping[str, int]
    queued_bytes: int
    written_bytes: int
    end_reason: str


class BagRecorder:
    """Records into ``writer`` until it is closed, or until a limit or the disk ends it.

    Args:
        writer: The bag; belongs to the recorder from now on.
        limits: What the recording may take.
        free_bytes: Tells the free space on a folder's disk [bytes].
        outcome: What the bag shall say about how its recording ended; asked once, by the thread that writes.
    """

    def __init__(
        self,
        writer: BagWriter,
        limits: RecorderLimits,
        free_bytes: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free,
        outcome: Callable[[RecorderState], Mapping[str, Any]] | None = None,
    ) -> None:
        self._writer = writer
        self._limits = limits
        self._free_bytes = free_bytes
        self._outcome = outcome
        self._jobs: deque[_Job] = deque()
        self._queued_bytes = 0
        self._dropped: Counter[str] = Counter()
        self._end_reason = ""
        self._recorded = 0
        self._written_bytes = 0
        self._closing = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="bag_recorder", daemon=True)
        self._thread.start()

    @property
    def state(self) -> RecorderState:
        """How the recording stands."""
        with self._changed:
            return RecorderState(
                self._recorded,
                dict(self._dropped),
                self._queued_bytes,
                self._written_bytes,
                self._end_reason,
            )

    def add_topic(self, topic: WrittenTopic) -> None:
        """Make a topic known before its first message."""
        self._put(_Job(lambda writer: writer.add_topic(topic)))

    def note_provenance(self, provenance: Mapping[str, Any]) -> None:
        """Keep ``provenance`` in the bag."""
        self._put(_Job(lambda writer: writer.note_provenance(provenance)))

    def record(
        self,
        topic: str,
        received_ns: int,
        published_ns: int,
        data: bytes,
        sequence: int = 0,
        change: Callable[[bytes], bytes] | None = None,
    ) -> None:
        """Record a message, see ``BagWriter.write``; dropped and counted when there is no room for it.

        Args:
            topic: A topic made known before.
            received_ns: When it arrived [ns].
            published_ns: When its publisher sent it [ns].
            data: The message in CDR.
            sequence: Its number among those of its publisher.
            change: What makes the recorded message of ``data``, in the thread that writes; a ValueError drops it.
        """

        def write(writer: BagWriter) -> None:
            try:
                content = data if change is None else change(data)
            except ValueError:
                self._drop(topic)
                return
            writer.write(topic, received_ns, published_ns, content, sequence)

        self._put(_Job(write, topic, len(data)))

    def close(self) -> None:
        """Write what waits and how the recording ended, and finish the bag."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()

    def _put(self, job: _Job) -> None:
        with self._changed:
            if not self._end_reason and self._queued_bytes + job.size <= self._limits.queue_bytes:
                self._jobs.append(job)
                self._queued_bytes += job.size
            elif job.topic:
                self._dropped[job.topic] += 1

    def _drop(self, topic: str) -> None:
        with self._changed:
            self._dropped[topic] += 1

    def _run(self) -> None:
        try:
            while self._work():
                pass
        except (
            Exception
        ) as error:  # whatever it is, the robot goes on and its health says that nothing is recorded
            self._end(f"the bag cannot be written: {error}")
        try:
            self._finish()
        except Exception as error:
            self._end(f"the bag cannot be finished: {error}")
        with self._changed:
            # The last chunk, where it could not be written.
            unwritten = self._writer.unwritten
            self._dropped.update(unwritten)
            self._recorded = self._writer.count - unwritten.total()

    def _finish(self) -> None:
        try:
            while (job := self._next()) is not None:
                job.do(self._writer)
            self._note_progress()
            if self._outcome is not None:
                self._writer.note_provenance({OUTCOME: self._outcome(self.state)})
        finally:
            self._writer.close()
            self._note_progress()

    def _work(self) -> bool:
        """Write what waits; False when the recording is over."""
        with self._changed:
            if not self._closing:
                self._changed.wait(_PERIOD_S)
            closing = self._closing
        while not self._end_reason and (job := self._next()) is not None:
            before = self._writer.count
            try:
                job.do(self._writer)
            except Exception:
                # What has come as far as a chunk is counted with it.
                if job.topic and self._writer.count == before:
                    self._drop(job.topic)
                raise
            finally:
                with self._changed:
                    self._queued_bytes -= job.size
            self._writer.flush_if_due()
            self._writer.sync_if_due()
            self._end_at_size()
        self._writer.flush_if_due()
        self._writer.sync_if_due()
        self._note_progress()
        self._end_on_full_disk()
        return not closing and not self._end_reason

    def _next(self) -> _Job | None:
        with self._changed:
            return self._jobs.popleft() if self._jobs else None

    def _end_at_size(self) -> None:
        """End the recording where the bag is full; asked after each message, the disk after each chunk."""
        waiting_bytes = self._writer.waiting_bytes
        if waiting_bytes and self._writer.size + waiting_bytes > self._limits.bag_bytes:
            # How small the chunk becomes is not known before it is packed.
            self._writer.flush()
        if self._writer.size > self._limits.bag_bytes:
            self._end(f"the bag has reached {_gigabytes(self._limits.bag_bytes)}, the largest size allowed")
        elif self._writer.size > self._written_bytes:
            self._note_progress()
            self._end_on_full_disk()

    def _end_on_full_disk(self) -> None:
        if not self._end_reason and self._free_bytes(self._writer.folder) < self._limits.free_bytes:
            self._end(f"less than {_gigabytes(self._limits.free_bytes)} are free on the disk")

    def _note_progress(self) -> None:
        with self._changed:
            self._recorded = self._writer.count
            self._written_bytes = self._writer.size

    def _end(self, reason: str) -> None:
        with self._changed:
            self._end_reason = self._end_reason or reason
            self._dropped.update(job.topic for job in self._jobs if job.topic)
            # What is known about the run is kept all the same.
            self._jobs = deque(job for job in self._jobs if not job.topic)
            self._queued_bytes = 0


def _gigabytes(size: int) -> str:
    return f"{size / 2**30:.3g} GiB"
