"""A recording takes no more memory and disk than it was given, and says what it could not keep."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.unit.tracegen_ros.bags.made_bags import HEADERS, packed_header

from tracegen_ros.bags.bag_reader import open_bag
from tracegen_ros.bags.bag_recorder import BagRecorder, RecorderLimits, RecorderState
from tracegen_ros.bags.bag_writer import CHUNK_BYTES, BagWriter, WrittenTopic
from tracegen_ros.bags.message_definition import message_definition

KIND = "std_msgs/msg/Header"
PLENTY = RecorderLimits(queue_bytes=1 << 30, bag_bytes=1 << 40, free_bytes=0)
DEADLINE_S = 60.0


class Disk:
    """A bag whose disk can be held up, and can fail."""

    def __init__(self, folder: Path) -> None:
        self.writer = BagWriter(folder, "none")
        self.ready = threading.Event()
        self.ready.set()
        self.error: OSError | None = None
        self._write = self.writer.write
        self.writer.write = self.write  # type: ignore[method-assign]

    def write(self, *arguments: object) -> None:
        self.ready.wait(DEADLINE_S)
        if self.error is not None:
            raise self.error
        self._write(*arguments)  # type: ignore[arg-type]


def recording(disk: Disk, limits: RecorderLimits = PLENTY, **options: object) -> BagRecorder:
    recorder = BagRecorder(disk.writer, limits, **options)  # type: ignore[arg-type]
    recorder.add_topic(WrittenTopic(HEADERS, KIND, message_definition(KIND)))
    return recorder


def outcome_told(state: RecorderState) -> dict[str, object]:
    return {
        "recorded": state.recorded,
        "dropped": sum(state.dropped.values()),
        "end_reason": state.end_reason,
    }


def refused(data: bytes) -> bytes:
    raise ValueError(data)


def wait(happened: Callable[[], bool], what: str) -> None:
    ends_s = time.monotonic() + DEADLINE_S
    while not happened():
        assert time.monotonic() < ends_s, f"waited in vain for {what}"
        time.sleep(0.01)


def numbers(folder: Path) -> list[int]:
    with open_bag(folder) as bag:
        return [message.message().stamp.sec for message in bag.messages()]


def test_everything_that_was_taken_is_in_the_bag_when_it_is_closed(tmp_path: Path) -> None:
    recorder = recording(Disk(tmp_path / "run"))
    for number in range(500):
        recorder.record(HEADERS, number + 1, number + 1, packed_header(number))
    recorder.close()
    assert numbers(tmp_path / "run") == list(range(500))
    assert recorder.state.recorded == 500
    assert recorder.state.dropped == {}
    assert recorder.state.end_reason == ""


def test_what_does_not_fit_into_the_queue_is_dropped_and_counted(tmp_path: Path) -> None:
    disk = Disk(tmp_path / "run")
    disk.ready.clear()
    size = len(packed_header(0))
    recorder = recording(disk, RecorderLimits(10 * size, 1 << 40, 0))
    for number in range(25):
        recorder.record(HEADERS, number + 1, number + 1, packed_header(number))
    assert recorder.state.queued_bytes <= 10 * size
    assert recorder.state.dropped == {HEADERS: 15}
    disk.ready.set()
    recorder.close()
    assert numbers(tmp_path / "run") == list(range(10))


def test_a_slow_disk_never_holds_up_who_records(tmp_path: Path) -> None:
    disk = Disk(tmp_path / "run")
    disk.ready.clear()
    recorder = recording(disk)
    recorder.record(HEADERS, 1, 1, packed_header(0))
    time.sleep(0.3)
    began_s = time.monotonic()
    for number in range(100):
        recorder.record(HEADERS, number + 2, number + 2, packed_header(number))
    assert not disk.ready.is_set()
    assert time.monotonic() - began_s < DEADLINE_S / 2
    disk.ready.set()
    recorder.close()
    assert len(numbers(tmp_path / "run")) == 101


@pytest.mark.parametrize(
    ("limits", "free", "words"),
    [
        (RecorderLimits(1 << 30, 20_000, 0), 1 << 40, "largest size"),
        (RecorderLimits(1 << 30, 1 << 40, 1 << 30), 1 << 20, "are free on the disk"),
    ],
)
def test_a_recording_ends_at_its_limits_with_a_whole_bag(
    tmp_path: Path, limits: RecorderLimits, free: int, words: str
) -> None:
    disk = Disk(tmp_path / "run")
    free_now = [1 << 40]
    recorder = recording(disk, limits, free_bytes=lambda _: free_now[0])
    recorder.record(HEADERS, 1, 1, packed_header(0, padding=50_000))
    wait(lambda: recorder.state.recorded == 1 or bool(recorder.state.end_reason), "the first message")
    free_now[0] = free
    wait(lambda: words in recorder.state.end_reason, words)
    recorder.record(HEADERS, 2, 2, packed_header(1))
    assert recorder.state.dropped == {HEADERS: 1}
    recorder.close()
    with open_bag(tmp_path / "run") as bag:
        assert len(list(bag.messages())) == 1
        assert bag.problems == ()


def test_a_disk_that_fails_ends_the_recording_with_a_reason(tmp_path: Path) -> None:
    disk = Disk(tmp_path / "run")
    disk.error = OSError(28, "No space left on device")
    recorder = recording(disk)
    recorder.record(HEADERS, 1, 1, packed_header(0))
    wait(lambda: "No space left" in recorder.state.end_reason, "the reason")
    for number in range(10):
        recorder.record(HEADERS, number + 2, number + 2, packed_header(number))
    assert recorder.state.dropped == {HEADERS: 11}
    recorder.close()
    assert recorder.state.recorded == 0


def test_a_chunk_that_could_not_be_written_is_counted_as_dropped(tmp_path: Path) -> None:
    disk = Disk(tmp_path / "run")
    recorder = recording(disk)
    recorder.record(HEADERS, 1, 1, packed_header(0))
    wait(lambda: recorder.state.recorded == 1, "the first message")

    def full() -> None:
        raise OSError(28, "No space left on device")

    disk.writer.flush = full  # type: ignore[method-assign]
    disk.writer.close = full  # type: ignore[method-assign]
    waiting = disk.writer.unwritten.total()
    for number in range(3):
        recorder.record(HEADERS, number + 2, number + 2, packed_header(number, padding=CHUNK_BYTES))
    recorder.close()
    assert "No space left" in recorder.state.end_reason
    assert recorder.state.dropped[HEADERS] == waiting + 3
    assert recorder.state.recorded == 1 - waiting


def test_a_largest_size_holds_within_a_batch_and_all_that_is_left_out_is_counted(tmp_path: Path) -> None:
    disk = Disk(tmp_path / "run")
    disk.ready.clear()
    limit, size, count = 1 << 20, 100_000, 240
    recorder = recording(disk, RecorderLimits(1 << 30, limit, 0), outcome=outcome_told)
    for number in range(count):
        recorder.record(HEADERS, number + 1, number + 1, packed_header(number, padding=size))
    recorder.note_provenance({"model": "nano"})
    disk.ready.set()
    wait(lambda: "largest size" in recorder.state.end_reason, "the largest size")
    recorder.close()
    state = recorder.state
    kept = numbers(tmp_path / "run")
    assert kept == list(range(len(kept)))
    assert limit <= state.written_bytes < limit + 2 * size
    assert state.recorded == len(kept)
    assert state.dropped == {HEADERS: count - len(kept)}
    with open_bag(tmp_path / "run") as bag:
        assert bag.provenance["model"] == "nano"
        told = bag.provenance["recording"]
    assert (told["recorded"], told["dropped"]) == (len(kept), count - len(kept))
    assert "largest size" in told["end_reason"]


def test_the_outcome_in_the_bag_counts_what_waited_to_be_written(tmp_path: Path) -> None:
    disk = Disk(tmp_path / "run")
    disk.ready.clear()
    recorder = recording(disk, outcome=outcome_told)
    for number in range(20):
        recorder.record(HEADERS, number + 1, number + 1, packed_header(number))
    recorder.record(HEADERS, 30, 30, b"broken", change=refused)
    closing = threading.Thread(target=recorder.close)
    closing.start()
    disk.ready.set()
    closing.join(DEADLINE_S)
    with open_bag(tmp_path / "run") as bag:
        assert bag.provenance["recording"] == {"recorded": 20, "dropped": 1, "end_reason": ""}


def test_what_is_written_is_brought_to_the_disk_itself_while_the_recording_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: dict[str, int] = {}

    def fsync(handle: int, sync: Callable[[int], None] = os.fsync) -> None:
        sync(handle)
        synced[str(Path(f"/proc/self/fd/{handle}").readlink())] = os.fstat(handle).st_size

    monkeypatch.setattr(os, "fsync", fsync)
    recorder = recording(Disk(tmp_path / "run"))
    recorder.record(HEADERS, 1, 1, packed_header(0, padding=50_000))
    path = tmp_path / "run" / "run_0.mcap"
    wait(lambda: synced.get(str(path), 0) > 50_000, "the message on the disk itself")
    assert synced.keys() >= {str(tmp_path), str(tmp_path / "run")}
    recorder.close()


def test_a_message_is_recorded_in_another_form_or_dropped_where_it_has_none(tmp_path: Path) -> None:
    recorder = recording(Disk(tmp_path / "run"))

    def hundreds(data: bytes) -> bytes:
        if data == b"broken":
            raise ValueError(data)
        return packed_header(100)

    recorder.record(HEADERS, 1, 1, packed_header(1), change=hundreds)
    recorder.record(HEADERS, 2, 2, b"broken", change=hundreds)
    recorder.close()
    assert numbers(tmp_path / "run") == [100]
    assert recorder.state.dropped == {HEADERS: 1}
