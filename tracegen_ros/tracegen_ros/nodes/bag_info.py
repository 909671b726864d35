"""``bag_info``: what a bag holds, what made it, and what is wrong with it.

ros2 run tracegen_ros bag_info outputs/demo/bag
ros2 run tracegen_ros bag_info outputs/demo/bag --check      # read every message too
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rclpy.utilities import remove_ros_args

from tracegen_ros.bags.bag_reader import Bag, BagError, open_bag

EXIT_WHOLE = 0
EXIT_DAMAGED = 1
EXIT_NO_BAG = 2

_S_PER_NS = 1e-9
_TOLD_WHOLE = ("git", "model", "recording", "recorded_at", "software")


def describe(bag: Bag) -> list[str]:
    """Lines that tell a bag's length, topics and provenance."""
    begun = datetime.fromtimestamp(bag.start_ns * _S_PER_NS, UTC)
    duration_s = (bag.end_ns - bag.start_ns) * _S_PER_NS
    lines = [f"{bag.path}: {duration_s:.3f} s from {begun.isoformat(sep=' ', timespec='milliseconds')}"]
    for name, topic in sorted(bag.topics.items()):
        count = "?" if topic.count is None else str(topic.count)
        lines.append(f"  {count:>8}  {name}  {topic.kind}{'  latched' if topic.latched else ''}")
    lines += [f"  {key}: {_short(key, value)}" for key, value in bag.provenance.items()]
    return lines


def check(bag: Bag) -> list[str]:
    """Read every message; a sentence for each topic with messages that are not of its type."""
    broken: dict[str, tuple[int, BagError]] = {}
    for recorded in bag.messages():
        try:
            recorded.message()
        except BagError as error:
            broken[recorded.topic] = (broken.get(recorded.topic, (0, error))[0] + 1, error)
    return [
        f"{count} messages on {topic} cannot be read; the last: {error}"
        for topic, (count, error) in broken.items()
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of ``ros2 run tracegen_ros bag_info``."""
    parser = argparse.ArgumentParser(
        prog="bag_info", description="Tell what a bag holds, and what is wrong with it."
    )
    parser.add_argument("bag", type=Path, help="a rosbag2 folder, a .mcap file or a .db3 file")
    parser.add_argument("--check", action="store_true", help="read every message")
    options = parser.parse_args(remove_ros_args(sys.argv)[1:] if arguments is None else arguments)
    try:
        with open_bag(options.bag) as bag:
            lines = describe(bag)
            problems = [*(check(bag) if options.check else []), *bag.problems]
    except BagError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(EXIT_NO_BAG)
    lines += [f"PROBLEM: {problem}" for problem in problems]
    if options.check and not problems:
        lines.append("every message can be read")
    sys.stdout.write("\n".join(lines) + "\n")
    sys.exit(EXIT_DAMAGED if problems else EXIT_WHOLE)


def _short(key: str, value: Any) -> str:
    """Small entries whole; of large ones the names that they hold."""
    return str(value) if key in _TOLD_WHOLE or not isinstance(value, dict) else ", ".join(value)
