"""Small bags written by other people's libraries: ``rosbags`` and ``mcap``."""

from __future__ import annotations

from pathlib import Path

from builtin_interfaces.msg import Time
from mcap.writer import CompressionType, Writer
from mcap.writer import IndexType as Index
from rclpy.serialization import serialize_message
from rosbags.rosbag2 import StoragePlugin
from rosbags.rosbag2 import Writer as RosbagsWriter
from rosbags.rosbag2.enums import CompressionFormat, CompressionMode
from rosbags.typesys import Stores, get_typestore
from std_msgs.msg import Header, String

START_NS = 1_700_000_000_000_000_000
STEP_NS = 100_000_000
HEADERS = "/headers"
WORDS = "/words"
LATCHED_QOS = "- history: keep_last\n  depth: 1\n  reliability: reliable\n  durability: transient_local\n"


def packed_header(number: int, padding: int = 0) -> bytes:
    """A Header in CDR: ``number`` in its stamp, and a frame of ``padding`` letters."""
    return bytes(serialize_message(Header(stamp=Time(sec=number), frame_id=f"frame{'x' * padding}")))


def packed_word(text: str) -> bytes:
    """A String in CDR."""
    return bytes(serialize_message(String(data=text)))


def expected(count: int) -> list[tuple[str, int]]:
    """What ``write_bag`` and ``write_mcap`` write: topics and received times [ns]."""
    headers = [(HEADERS, START_NS + number * STEP_NS) for number in range(count)]
    return [headers[0], (WORDS, START_NS + 1), *headers[1:]]


def write_bag(
    folder: Path,
    storage: StoragePlugin = StoragePlugin.SQLITE3,
    count: int = 5,
    compression: CompressionMode = CompressionMode.NONE,
    provenance: str = "",
) -> Path:
    """A rosbag2 folder made by ``rosbags``."""
    types = get_typestore(Stores.ROS2_JAZZY)
    writer = RosbagsWriter(folder, version=9, storage_plugin=storage)
    if compression is not CompressionMode.NONE:
        writer.set_compression(compression, CompressionFormat.ZSTD)
    if provenance:
        writer.set_custom_data("tracegen_provenance", provenance)
    with writer:
        headers = writer.add_connection(HEADERS, "std_msgs/msg/Header", typestore=types)
        words = writer.add_connection(
            WORDS, "std_msgs/msg/String", typestore=types, offered_qos_profiles=[_latched()]
        )
        for number in range(count):
            writer.write(headers, START_NS + number * STEP_NS, packed_header(number))
            if number == 0:
                writer.write(words, START_NS + 1, packed_word("hello"))
    return folder


def write_mcap(
    path: Path,
    times_ns: list[int] | None = None,
    count: int = 5,
    *,
    chunk_size: int = 200,
    compression: CompressionType = CompressionType.ZSTD,
    index_types: Index = Index.ALL,
    use_chunking: bool = True,
    finish: bool = True,
    encoding: str = "cdr",
    padding: int = 0,
) -> Path:
    """One MCAP file made by ``mcap``; without ``finish`` it ends as after a kill -9."""
    with path.open("wb") as stream:
        writer = Writer(
            stream,
            chunk_size=chunk_size,
            compression=compression,
            index_types=index_types,
            use_chunking=use_chunking,
        )
        writer.start(profile="ros2", library="tests")
        writer.add_metadata("tracegen_provenance", {"model": '{"id": "nano"}', "git": '"abc"'})
        schema = writer.register_schema(
            "std_msgs/msg/Header", "ros2msg", b"builtin_interfaces/Time stamp\nstring frame_id\n"
        )
        word_schema = writer.register_schema("std_msgs/msg/String", "ros2msg", b"string data\n")
        headers = writer.register_channel(HEADERS, encoding, schema)
        words = writer.register_channel(WORDS, encoding, word_schema, {"offered_qos_profiles": LATCHED_QOS})
        if times_ns is None:
            times_ns = [START_NS + number * STEP_NS for number in range(count)]
        for number, received_ns in enumerate(times_ns):
            writer.add_message(headers, received_ns, packed_header(number, padding), received_ns)
            if number == 0:
                writer.add_message(words, START_NS + 1, packed_word("hello"), START_NS + 1)
        if finish:
            writer.finish()
    return path


def _latched() -> object:
    from rosbags.interfaces import Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime

    return Qos(
        QosHistory.KEEP_LAST,
        1,
        QosReliability.RELIABLE,
        QosDurability.TRANSIENT_LOCAL,
        QosTime(0, 0),
        QosTime(0, 0),
        QosLiveliness.AUTOMATIC,
        QosTime(0, 0),
        False,
    )
