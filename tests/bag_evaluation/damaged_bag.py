"""A copy of a bag with damaged messages in it."""

from __future__ import annotations

from pathlib import Path

from rosbags.rosbag2 import Reader, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore
from tests.bag_evaluation.bag_of_run import COLOUR, DEPTH, INSTRUCTION

TF = "/tf"
STAMP_BYTES = 12
"""CDR's header and a stamp: what is left of a damaged image still says when it was taken."""

TORN = b"\x00\x01\x00\x00\x07"
"""A message that ends in its first number."""

TORN_AT = {COLOUR: 2, DEPTH: 3}
"""After which part of the images one is torn: not at the same place, for an image without its partner is not read."""


def copy_bag(source: Path, copy: Path, *, damaged: bool) -> Path:
    """The bag in order of time; if ``damaged`` with torn images, and a torn instruction and transforms at its end."""
    store = get_typestore(Stores.ROS2_JAZZY)
    with Reader(source) as reader, Writer(copy, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        connections = {
            topic: writer.add_connection(topic, kind, typestore=store)
            for topic, kind in [(one.topic, one.msgtype) for one in reader.connections]
            + [(TF, "tf2_msgs/msg/TFMessage")]
        }
        count = dict.fromkeys(TORN_AT, 0)
        for connection, time_ns, data in reader.messages():
            topic, raw = connection.topic, bytes(data)
            if damaged and topic in count:
                count[topic] += 1
                if count[topic] == reader.topics[topic].msgcount // TORN_AT[topic]:
                    raw = raw[:STAMP_BYTES] if topic == COLOUR else TORN
            writer.write(connections[topic], time_ns, raw)
        if damaged:
            for topic in (TF, INSTRUCTION):
                writer.write(connections[topic], reader.end_time, TORN)
    return copy
