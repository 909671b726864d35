"""One sqlite3 file of a rosbag2 bag, whole or damaged."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from tracegen_ros.bags.bag_metadata import is_latched
from tracegen_ros.bags.recorded import BagError, RecordedMessage, RecordedTopic

CDR = "cdr"

_DAMAGED = (sqlite3.Error, UnicodeDecodeError, OverflowError, TypeError, ValueError)
"""What reading a damaged file raises, depending on where the damage is."""


class SqliteFile:
    """One sqlite3 file.

    Args:
        path: The file.

    Attributes:
        topics: By name.
        times_ns: (N,) int64, when each message was received [ns], in the order of recording.
        provenance: Empty: what the file itself cannot hold stands in ``metadata.yaml``.
        problems: What is wrong with the file as far as it has been read.

    Raises:
        BagError: Not a bag's sqlite3 file, or unreadable.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.problems: list[str] = []
        self.provenance: dict[str, Any] = {}
        if path.stat().st_size == 0:
            raise BagError(f"{path} is empty: 0 bytes; the recording was never begun or not copied")
        self._connection = _open(path)
        try:
            self._names, self.topics = self._list_topics()
            # Not ordered by sqlite, which then can answer from the index of times alone.
            rows = np.array(
                self._connection.execute("SELECT id, timestamp FROM messages").fetchall(), dtype=np.int64
            ).reshape(-1, 2)
        except _DAMAGED as error:
            self._connection.close()
            raise BagError(
                f"{path} cannot be read as a rosbag2 sqlite3 file: {error}; "
                "`sqlite3 FILE .recover` may save what is left"
            ) from error
        self.times_ns: NDArray[np.int64] = rows[np.argsort(rows[:, 0], kind="stable"), 1]

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def messages(self, topics: Collection[str] | None = None) -> Iterator[RecordedMessage]:
        """Messages on ``topics`` (None = all), by received time; equal times in the order of recording."""
        wanted = {
            number: self.topics[name]
            for number, name in self._names.items()
            if name in self.topics and (topics is None or name in topics)
        }
        places = ", ".join("?" * len(wanted))
        try:
            for number, received_ns, data in self._connection.execute(
                "SELECT topic_id, timestamp, data FROM messages "
                f"WHERE topic_id IN ({places}) ORDER BY timestamp, id",
                tuple(wanted),
            ):
                topic = wanted[number]
                yield RecordedMessage(topic.name, topic.kind, int(received_ns), bytes(data))
        except _DAMAGED as error:
            problem = f"{self._path.name} is damaged: {error}; what comes after that is left out"
            if problem not in self.problems:
                self.problems.append(problem)

    def _list_topics(self) -> tuple[dict[int, str], dict[str, RecordedTopic]]:
        counts = dict(self._connection.execute("SELECT topic_id, COUNT(*) FROM messages GROUP BY topic_id"))
        columns = {row[1] for row in self._connection.execute("PRAGMA table_info(topics)")}
        qos = "offered_qos_profiles" if "offered_qos_profiles" in columns else "''"
        names: dict[int, str] = {}
        topics: dict[str, RecordedTopic] = {}
        for number, name, kind, encoding, profiles in self._connection.execute(
            f"SELECT id, name, type, serialization_format, {qos} FROM topics"
        ):
            names[number] = name
            if encoding != CDR:
                self.problems.append(
                    f"{name} is left out: its messages are in {encoding!r}, ROS 2's are in 'cdr'"
                )
                continue
            earlier = topics.get(name)
            topics[name] = RecordedTopic(
                name,
                kind,
                counts.get(number, 0) + ((earlier.count or 0) if earlier else 0),
                is_latched(profiles or ""),
            )
        return names, topics


def _open(path: Path) -> sqlite3.Connection:
    """The file, for reading only; also where a journal beside it cannot be written."""
    problem: Exception | None = None
    for option in ("mode=ro", "immutable=1"):
        connection = sqlite3.connect(f"file:{quote(str(path.absolute()))}?{option}", uri=True)
        try:
            connection.execute("SELECT COUNT(*) FROM topics").fetchone()
        except _DAMAGED as error:
            connection.close()
            problem = error
        else:
            return connection
    raise BagError(f"{path} is not a rosbag2 sqlite3 file: {problem}")
