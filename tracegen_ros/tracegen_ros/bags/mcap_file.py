"""One MCAP file of a bag, whole or damaged.

The file is walked record by record without its contents (https://mcap.dev/spec), not by the index at its end, which a
recording that was cut off does not have. Chunks are unpacked one after the other while messages are read.
"""

from __future__ import annotations

import heapq
import json
import struct
from array import array
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import zstandard
from mcap.data_stream import ReadDataStream
from mcap.exceptions import McapError
from mcap.opcode import Opcode
from mcap.records import Channel, Chunk, McapRecord, Message, MessageIndex, Metadata, Schema
from mcap.stream_reader import breakup_chunk
from mcap.writer import MCAP0_MAGIC
from numpy.typing import NDArray

from tracegen_ros.bags.bag_metadata import is_latched
from tracegen_ros.bags.recorded import BagError, RecordedMessage, RecordedTopic

PROVENANCE_RECORD = "tracegen_provenance"
"""Metadata record with a run's provenance: each value in JSON."""

QOS_KEY = "offered_qos_profiles"
"""Where a channel keeps the profiles of its publishers, as rosbag2 does."""

CDR = "cdr"

_RECORD_HEADER = struct.Struct("<BQ")
_CHUNK_HEADER = struct.Struct("<QQ")
_MESSAGE_HEADER = struct.Struct("<HIQQ")
_LATEST_NS = int(np.iinfo(np.int64).max)
_SMALL = (Opcode.SCHEMA, Opcode.CHANNEL, Opcode.METADATA, Opcode.MESSAGE_INDEX)
"""Records that are read whole while walking."""

_DAMAGED = (
    McapError,
    struct.error,
    UnicodeDecodeError,
    ValueError,
    zstandard.ZstdError,
    RuntimeError,  # what lz4 raises
    MemoryError,
    OverflowError,
)
"""What reading a damaged record raises, depending on where the damage is."""


@dataclass(slots=True)
class _Stretch:
    """A chunk, or a message outside of any chunk: a stretch of the file that is read in one go."""

    number: int
    """Its place among the file's stretches."""

    offset: int
    length: int
    start_ns: int
    channels: Counter[int] = field(default_factory=Counter)
    """Messages by channel."""


class _Times:
    """When the messages of a file were received; eight bytes for each of four numbers, for there are millions."""

    def __init__(self) -> None:
        self._rows = array("q")

    def note(self, stretch: int, channel: int, records: Sequence[tuple[int, int]]) -> None:
        """Messages on ``channel`` in ``stretch``: (received [ns], place in the stretch)."""
        rows = np.empty((len(records), 4), dtype=np.int64)
        rows[:, 0], rows[:, 1] = stretch, channel
        rows[:, 2:] = np.array(records, dtype=np.int64).reshape(-1, 2)
        self._rows.frombytes(rows.tobytes())

    def forget(self, stretch: int) -> None:
        """Leave out what was noted about a stretch."""
        rows = self._table()
        self._rows = array("q", rows[rows[:, 0] != stretch].tobytes())

    def in_order(self, channels: Collection[int]) -> NDArray[np.int64]:
        """(N,) int64, the times of messages on ``channels`` [ns], in the order of the file."""
        rows = self._table()
        rows = rows[np.isin(rows[:, 1], list(channels))]
        return rows[np.lexsort((rows[:, 3], rows[:, 0])), 2]

    def _table(self) -> NDArray[np.int64]:
        return np.frombuffer(self._rows, dtype=np.int64).reshape(-1, 4)


class McapFile:
    """One MCAP file.

    Args:
        path: The file.

    Attributes:
        topics: By name.
        times_ns: (N,) int64, when each message was received [ns], in the order of the file.
        provenance: What the recorder wrote about the run; empty for other recorders' files.
        problems: What is wrong with the file as far as it has been read.

    Raises:
        BagError: Not an MCAP file, or unreadable.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.problems: list[str] = []
        self.provenance: dict[str, Any] = {}
        self._schemas: dict[int, Schema] = {}
        self._channels: dict[int, Channel] = {}
        self._stretches: list[_Stretch] = []
        self._times = _Times()
        self._single: dict[int, Counter[int]] = {}
        self._readable: dict[int, str] = {}
        try:
            self._stream: BinaryIO = path.open("rb")
        except OSError as error:
            raise BagError(f"cannot read {path}: {error.strerror}") from error
        try:
            self._size = path.stat().st_size
            self._check_beginning()
            self._walk()
            self._look_into_unknown_chunks()
            self.topics = self._list_topics()
        except OSError as error:
            self._stream.close()
            raise BagError(f"cannot read {path}: {error}") from error
        except BagError:
            self._stream.close()
            raise
        self.times_ns: NDArray[np.int64] = self._times.in_order(self._readable)
        del self._times

    def close(self) -> None:
        """Let go of the file."""
        self._stream.close()

    def messages(self, topics: Collection[str] | None = None) -> Iterator[RecordedMessage]:
        """Messages on ``topics`` (None = all), by received time; equal times in the order of the file."""
        wanted = {
            number: self.topics[name]
            for number, name in self._readable.items()
            if topics is None or name in topics
        }
        waiting: list[tuple[int, int, int, RecordedMessage]] = []
        for stretch in sorted(self._stretches, key=lambda stretch: stretch.start_ns):
            if wanted.keys().isdisjoint(stretch.channels):
                continue
            while waiting and waiting[0][0] < stretch.start_ns:
                yield heapq.heappop(waiting)[-1]
            for place, record in enumerate(self._read(stretch)):
                if isinstance(record, Message) and record.channel_id in wanted:
                    topic = wanted[record.channel_id]
                    message = RecordedMessage(topic.name, topic.kind, record.log_time, record.data)
                    heapq.heappush(waiting, (message.received_ns, stretch.offset, place, message))
        while waiting:
            yield heapq.heappop(waiting)[-1]

    def _check_beginning(self) -> None:
        if self._size == 0:
            raise BagError(f"{self._path} is empty: 0 bytes; the recording was never begun or not copied")
        if self._stream.read(len(MCAP0_MAGIC)) != MCAP0_MAGIC:
            raise BagError(
                f"{self._path} is not an MCAP file: it does not begin as one; expected a rosbag2 bag (MCAP or sqlite3)"
            )

    def _walk(self) -> None:
        """Note where everything is. Ends at the file's end or where the file is damaged."""
        offset = len(MCAP0_MAGIC)
        chunk = None
        while True:
            self._stream.seek(offset)
            header = self._stream.read(_RECORD_HEADER.size)
            if len(header) < _RECORD_HEADER.size:
                self._note_cut(offset)
                return
            opcode, length = _RECORD_HEADER.unpack(header)
            after = offset + _RECORD_HEADER.size + length
            if after > self._size:
                self._note_cut(offset)
                return
            try:
                if opcode == Opcode.CHUNK:
                    start_ns, _ = _CHUNK_HEADER.unpack(self._stream.read(_CHUNK_HEADER.size))
                    number = len(self._stretches)
                    chunk = _Stretch(number, offset, _RECORD_HEADER.size + length, start_ns)
                    self._stretches.append(chunk)
                elif opcode == Opcode.MESSAGE:
                    self._note_message(offset, length)
                elif opcode in _SMALL:
                    self._note(opcode, self._stream.read(length), chunk)
            except _DAMAGED as error:
                self.problems.append(
                    f"{self._path.name} is damaged at byte {offset}: {error}; what follows is left out"
                )
                return
            if opcode == Opcode.FOOTER:
                self._stream.seek(after)
                if self._stream.read(len(MCAP0_MAGIC)) != MCAP0_MAGIC:
                    self._note_cut(after)
                return
            offset = after

    def _note_cut(self, offset: int) -> None:
        for stretch in self._stretches[-1:]:
            # Its index may be cut off as well.
            self._times.forget(stretch.number)
            stretch.channels = Counter()
        self.problems.append(
            f"{self._path.name} was not finished, or is damaged: it makes sense up to byte {offset} of {self._size}; "
            "what was recorded up to there is read"
        )

    def _note_message(self, offset: int, length: int) -> None:
        channel, _, received_ns, _ = _MESSAGE_HEADER.unpack(self._stream.read(_MESSAGE_HEADER.size))
        _check_time(received_ns)
        number = len(self._stretches)
        # Shared: there may be as many stretches as messages.
        channels = self._single.setdefault(channel, Counter((channel,)))
        self._stretches.append(_Stretch(number, offset, _RECORD_HEADER.size + length, received_ns, channels))
        self._times.note(number, channel, [(received_ns, 0)])

    def _note(self, opcode: int, content: bytes, chunk: _Stretch | None) -> None:
        stream = ReadDataStream(BytesIO(content))
        if opcode == Opcode.SCHEMA:
            self._keep(Schema.read(stream))
        elif opcode == Opcode.CHANNEL:
            self._keep(Channel.read(stream))
        elif opcode == Opcode.METADATA:
            metadata = Metadata.read(stream)
            if metadata.name == PROVENANCE_RECORD:
                self.provenance |= {key: json.loads(value) for key, value in metadata.metadata.items()}
        elif chunk is not None:
            index = MessageIndex.read(stream)
            for received_ns, _ in index.records:
                _check_time(received_ns)
            self._times.note(chunk.number, index.channel_id, index.records)
            chunk.channels[index.channel_id] += len(index.records)

    def _keep(self, record: McapRecord) -> None:
        if isinstance(record, Schema):
            self._schemas[record.id] = record
        elif isinstance(record, Channel):
            self._channels[record.id] = record

    def _look_into_unknown_chunks(self) -> None:
        """Unpack chunks that have no index, and the first ones until every channel in use has been described."""
        used = set().union(*(stretch.channels for stretch in self._stretches))
        for stretch in self._stretches:
            unindexed = not stretch.channels
            if not unindexed and self._channels.keys() >= used:
                continue
            for place, record in enumerate(self._read(stretch)):
                self._keep(record)
                if unindexed and isinstance(record, Message) and record.log_time <= _LATEST_NS:
                    self._times.note(stretch.number, record.channel_id, [(record.log_time, place)])
                    stretch.channels[record.channel_id] += 1
                    used.add(record.channel_id)

    def _list_topics(self) -> dict[str, RecordedTopic]:
        counts: Counter[int] = Counter()
        for stretch in self._stretches:
            counts.update(stretch.channels)
        topics: dict[str, RecordedTopic] = {}
        for number, channel in self._channels.items():
            schema = self._schemas.get(channel.schema_id)
            if channel.message_encoding != CDR or schema is None:
                self.problems.append(
                    f"{channel.topic} is left out: its messages are in {channel.message_encoding!r}, "
                    "ROS 2's are in 'cdr' and have a schema"
                )
                continue
            self._readable[number] = channel.topic
            earlier = topics.get(channel.topic)
            topics[channel.topic] = RecordedTopic(
                channel.topic,
                schema.name,
                counts[number] + ((earlier.count or 0) if earlier else 0),
                is_latched(channel.metadata.get(QOS_KEY, "")) or (earlier is not None and earlier.latched),
            )
        return topics

    def _read(self, stretch: _Stretch) -> list[McapRecord]:
        """The records of a chunk, or one message; none, and a problem noted, where it is damaged."""
        self._stream.seek(stretch.offset)
        content = self._stream.read(stretch.length)
        opcode, length = _RECORD_HEADER.unpack_from(content)
        stream = ReadDataStream(BytesIO(content[_RECORD_HEADER.size :]))
        try:
            if opcode == Opcode.MESSAGE:
                return [Message.read(stream, length)]
            return breakup_chunk(Chunk.read(stream), validate_crc=True)
        except _DAMAGED as error:
            lost = sum(stretch.channels.values())
            problem = (
                f"the chunk at byte {stretch.offset} of {self._path.name} is damaged ({error}): "
                f"{lost or 'its'} messages are left out"
            )
            if problem not in self.problems:
                self.problems.append(problem)
            return []


def _check_time(received_ns: int) -> None:
    if received_ns > _LATEST_NS:
        raise ValueError(f"a message was received at {received_ns} ns, which is not a time")
