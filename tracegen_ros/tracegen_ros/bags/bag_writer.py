"""Writes a rosbag2 folder with MCAP storage: files of chunks, and ``metadata.yaml``.

What has been flushed can be read even when nothing more is ever written, and what has been synced even when the power
is cut.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from mcap.writer import CompressionType, Writer

from tracegen_model.atomic_write import flush_to_disk, write_atomically
from tracegen_ros.bags import bag_metadata
from tracegen_ros.bags.mcap_file import CDR, PROVENANCE_RECORD, QOS_KEY
from tracegen_ros.bags.message_definition import ENCODING
from tracegen_ros.bags.recorded import BagError

COMPRESSIONS = {
    "zstd": CompressionType.ZSTD,
    "lz4": CompressionType.LZ4,
    "none": CompressionType.NONE,
}

CHUNK_BYTES = 4 * 2**20
"""A chunk is written when its messages have this many bytes: two or three RGB-D images."""

CHUNK_S = 1.0
"""A chunk is written when its first message has waited for this long [s]: what a kill -9 loses at most."""

SYNC_S = 1.0
"""What has been written is brought to the disk itself this often [s]: a power cut loses no more, and a chunk's wait."""

CHUNKS_PER_FILE = 4000
"""Then the bag goes on in another file: what its writer remembers of each chunk is let go of."""

_PROFILE = "ros2"
_LIBRARY = "tracegen_ros"
_METADATA_VERSION = 9
_NEVER = 1 << 62
"""A chunk size that the writer below never reaches by itself."""


@dataclass(frozen=True)
class WrittenTopic:
    """What a bag says about one of its topics.

    Attributes:
        name: Topic.
        kind: Message type, such as ``sensor_msgs/msg/Image``.
        definition: Its full definition, see ``message_definition``.
        qos: The publishers' profiles, as rosbag2 writes them.
        type_hash: ROS's hash of the type; empty where it is not known.
    """

    name: str
    kind: str
    definition: str
    qos: Sequence[Mapping[str, Any]] = ()
    type_hash: str = ""


@dataclass
class _File:
    name: str
    count: int = 0
    start_ns: int = _NEVER
    end_ns: int = 0
    channels: dict[str, int] = field(default_factory=dict)
    schemas: dict[str, int] = field(default_factory=dict)
    chunks: int = 0


class BagWriter:
    """A bag that is being written; used by one thread.

    Args:
        folder: The bag; must not exist yet.
        compression: Of chunks: ``zstd``, ``lz4`` or ``none``.
        chunks_per_file: A further file is begun after this many chunks.

    Raises:
        BagError: The folder exists already or cannot be made.
    """

    def __init__(
        self, folder: Path, compression: str = "zstd", chunks_per_file: int = CHUNKS_PER_FILE
    ) -> None:
        try:
            folder.mkdir(parents=True)
        except FileExistsError as error:
            raise BagError(f"{folder} exists already; name a new folder, nothing is written over") from error
        except OSError as error:
            raise BagError(f"cannot make the folder {folder}: {error.strerror}") from error
        self.folder = folder
        self._compression = COMPRESSIONS[compression]
        self._chunks_per_file = chunks_per_file
        self._topics: dict[str, WrittenTopic] = {}
        self._counts: dict[str, int] = {}
        self._provenance: dict[str, Any] = {}
        self._chunk_counts: Counter[str] = Counter()
        self._files: list[_File] = []
        self._finished_bytes = 0
        self._begin_file()
        flush_to_disk(folder.parent)

    @property
    def size(self) -> int:
        """What has been written to disk [bytes]."""
        return self._finished_bytes + (0 if self._stream.closed else self._stream.tell())

    @property
    def waiting_bytes(self) -> int:
        """Messages in the chunk that is being filled [bytes], before they are packed."""
        return self._chunk_bytes

    @property
    def unwritten(self) -> Counter[str]:
        """Messages in the chunk that is being filled, or could not be written, by topic."""
        return Counter(self._chunk_counts)

    @property
    def count(self) -> int:
        """Messages written, or waiting in the chunk that is being filled."""
        return sum(self._counts.values())

    def add_topic(self, topic: WrittenTopic) -> None:
        """Make a topic known; a topic that is known already is left as it is."""
        if topic.name not in self._topics:
            self._topics[topic.name] = topic
            self._counts[topic.name] = 0

    def write(self, topic: str, received_ns: int, published_ns: int, data: bytes, sequence: int = 0) -> None:
        """Add a message.

        Args:
            topic: A topic made known before.
            received_ns: When it arrived [ns].
            published_ns: When its publisher sent it [ns].
            data: The message in CDR.
            sequence: Its number among those of its publisher; 0 where that is not known.
        """
        channel = self._channel(topic)
        self._writer.add_message(channel, received_ns, data, published_ns, sequence)
        self._counts[topic] += 1
        self._chunk_counts[topic] += 1
        file = self._files[-1]
        file.count += 1
        file.start_ns = min(file.start_ns, received_ns)
        file.end_ns = max(file.end_ns, received_ns)
        if not self._chunk_bytes:
            self._chunk_began_s = time.monotonic()
        self._chunk_bytes += len(data)
        if self._chunk_bytes >= CHUNK_BYTES:
            self.flush()

    def note_provenance(self, provenance: Mapping[str, Any]) -> None:
        """Keep ``provenance`` in the bag, in place of what was known so far about the same keys."""
        self._provenance |= provenance
        self._writer.add_metadata(PROVENANCE_RECORD, _packed(provenance))
        self._stream.flush()

    def flush_if_due(self) -> None:
        """Write the chunk that is being filled if it has waited for long enough."""
        if self._chunk_bytes and time.monotonic() - self._chunk_began_s >= CHUNK_S:
            self.flush()

    def sync_if_due(self) -> None:
        """Bring what has been written to the disk itself if that was long enough ago."""
        if self._stream.tell() > self._synced_bytes and time.monotonic() - self._synced_s >= SYNC_S:
            self._sync()

    def flush(self) -> None:
        """Write the chunk that is being filled."""
        self._writer.flush()
        self._chunk_bytes = 0
        self._chunk_counts.clear()
        self._files[-1].chunks += 1
        if self._files[-1].chunks >= self._chunks_per_file:
            self._end_file()
            self._begin_file()

    def close(self) -> None:
        """Finish the bag."""
        self._end_file()
        self._write_metadata()

    def _sync(self) -> None:
        self._stream.flush()
        os.fsync(self._stream.fileno())
        self._synced_bytes = self._stream.tell()
        self._synced_s = time.monotonic()

    def _begin_file(self) -> None:
        name = f"{self.folder.name}_{len(self._files)}.mcap"
        self._stream = (self.folder / name).open("xb")
        self._writer = Writer(self._stream, chunk_size=_NEVER, compression=self._compression)
        self._writer.start(profile=_PROFILE, library=_LIBRARY)
        self._files.append(_File(name))
        self._chunk_bytes = 0
        self._chunk_began_s = time.monotonic()
        if self._provenance:
            self._writer.add_metadata(PROVENANCE_RECORD, _packed(self._provenance))
        self._sync()
        flush_to_disk(self.folder)

    def _end_file(self) -> None:
        self._writer.finish()
        self._sync()
        self._chunk_counts.clear()
        self._finished_bytes += self._stream.tell()
        self._stream.close()

    def _channel(self, name: str) -> int:
        file = self._files[-1]
        if name not in file.channels:
            topic = self._topics[name]
            if topic.kind not in file.schemas:
                file.schemas[topic.kind] = self._writer.register_schema(
                    topic.kind, ENCODING, topic.definition.encode()
                )
            metadata = {
                QOS_KEY: yaml.safe_dump(list(map(dict, topic.qos)), sort_keys=False) if topic.qos else "",
                "topic_type_hash": topic.type_hash,
            }
            file.channels[name] = self._writer.register_channel(name, CDR, file.schemas[topic.kind], metadata)
        return file.channels[name]

    def _write_metadata(self) -> None:
        filled = [file for file in self._files if file.count]
        start_ns = min((file.start_ns for file in filled), default=0)
        end_ns = max((file.end_ns for file in filled), default=0)
        about = {
            "version": _METADATA_VERSION,
            "storage_identifier": "mcap",
            "duration": {"nanoseconds": end_ns - start_ns},
            "starting_time": {"nanoseconds_since_epoch": start_ns},
            "message_count": self.count,
            "topics_with_message_count": [
                {
                    "topic_metadata": {
                        "name": topic.name,
                        "type": topic.kind,
                        "serialization_format": CDR,
                        "offered_qos_profiles": [dict(profile) for profile in topic.qos],
                        "type_description_hash": topic.type_hash,
                    },
                    "message_count": self._counts[topic.name],
                }
                for topic in self._topics.values()
            ],
            "compression_format": "",
            "compression_mode": "",
            "relative_file_paths": [file.name for file in self._files],
            "files": [
                {
                    "path": file.name,
                    "starting_time": {"nanoseconds_since_epoch": file.start_ns if file.count else 0},
                    "duration": {"nanoseconds": file.end_ns - file.start_ns if file.count else 0},
                    "message_count": file.count,
                }
                for file in self._files
            ],
            "custom_data": {PROVENANCE_RECORD: json.dumps(self._provenance)},
            "ros_distro": os.environ.get("ROS_DISTRO", "unknown"),
        }
        content = yaml.safe_dump({bag_metadata.TOP: about}, sort_keys=False)
        write_atomically(self.folder / bag_metadata.FILE_NAME, content)
        flush_to_disk(self.folder)


def _packed(provenance: Mapping[str, Any]) -> dict[str, str]:
    return {key: json.dumps(value) for key, value in provenance.items()}
