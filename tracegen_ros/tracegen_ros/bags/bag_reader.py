"""Reads rosbag2 bags, MCAP or sqlite3, folders or single files, also damaged ones.

with open_bag("outputs/demo/bag") as bag:
    for recorded in bag.messages(["/tracegen/traces"]):
        cloud = recorded.message()
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import zstandard

from tracegen_ros.bags.bag_metadata import FILE_NAME, BagMetadata, read_bag_metadata
from tracegen_ros.bags.irregularities import find_irregularities
from tracegen_ros.bags.mcap_file import PROVENANCE_RECORD, McapFile
from tracegen_ros.bags.recorded import BagError, RecordedMessage, RecordedTopic
from tracegen_ros.bags.sqlite_file import SqliteFile

__all__ = ["Bag", "BagError", "RecordedMessage", "RecordedTopic", "open_bag"]

MCAP_SUFFIX = ".mcap"
SQLITE_SUFFIX = ".db3"
_EXPECTED = f"expected a rosbag2 folder, a {MCAP_SUFFIX} file or a {SQLITE_SUFFIX} file"


class Bag:
    """An open bag; a context manager.

    Args:
        path: What was opened.
        files: Its files, in order.
        packed: Each message is compressed by itself, in zstd.
        provenance: What the folder's ``metadata.yaml`` says about the run.
        problems: What was wrong with the folder.

    Attributes:
        path: What was opened.
        topics: Recorded topics by name.
        start_ns: When the first message was received [ns].
        end_ns: When the last message was received [ns].
        provenance: What the recorder wrote about the run: git revision, model, limits, calibration, parameters.
            Empty for bags of other recorders.

    Raises:
        BagError: The bag holds no messages.
    """

    def __init__(
        self,
        path: Path,
        files: list[McapFile | SqliteFile],
        packed: bool,
        provenance: dict[str, Any],
        problems: list[str],
    ) -> None:
        self.path = path
        self._files = files
        self._packed = packed
        self.topics = _join_topics(files)
        self.provenance = dict(provenance)
        for file in files:
            self.provenance |= file.provenance
        times_ns = np.concatenate([file.times_ns for file in files])
        if not times_ns.size:
            reasons = "; ".join([*problems, *(problem for file in files for problem in file.problems)])
            raise BagError(f"{path} holds no messages{f': {reasons}' if reasons else ''}")
        self.start_ns = int(times_ns.min())
        self.end_ns = int(times_ns.max())
        self._problems = [*problems, *find_irregularities(times_ns)]

    def __enter__(self) -> Bag:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the files."""
        for file in self._files:
            file.close()

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong with the bag, a sentence each; empty for a whole one.

        Damage inside of what was recorded shows only when it is read: after a pass over ``messages`` all is known.
        """
        return (*self._problems, *(problem for file in self._files for problem in file.problems))

    def messages(self, topics: Collection[str] | None = None) -> Iterator[RecordedMessage]:
        """Messages on ``topics`` (None = all) by received time; topics that the bag lacks have none."""
        messages = heapq.merge(
            *(file.messages(topics) for file in self._files), key=lambda message: message.received_ns
        )
        return self._unpacked(messages) if self._packed else messages

    def _unpacked(self, messages: Iterator[RecordedMessage]) -> Iterator[RecordedMessage]:
        unpack = zstandard.ZstdDecompressor().decompress
        for message in messages:
            try:
                yield replace(message, data=unpack(message.data))
            except zstandard.ZstdError as error:
                self._problems.append(
                    f"the message on {message.topic} received at {message.received_ns} ns is damaged: {error}; left out"
                )


def open_bag(path: str | Path) -> Bag:
    """Open a rosbag2 folder, or one file of a bag.

    Raises:
        BagError: There is no bag at ``path``, or nothing in it can be read.
    """
    path = Path(path)
    problems: list[str] = []
    if path.is_dir():
        metadata, paths = _look_into_folder(path, problems)
    elif path.is_file():
        metadata, paths = BagMetadata((), "", {}), [path]
    else:
        raise BagError(f"there is no bag at {path}; {_EXPECTED}")
    if metadata.message_compression not in ("", "zstd"):
        raise BagError(
            f"messages in {path} are compressed with {metadata.message_compression!r}; only zstd is read here"
        )
    files: list[McapFile | SqliteFile] = []
    for one in paths:
        try:
            files.append(_open_file(one))
        except BagError as error:
            if len(paths) == 1:
                raise
            problems.append(f"left out: {error}")
    if not files:
        raise BagError(f"nothing in {path} can be read: {'; '.join(problems)}")
    try:
        return Bag(path, files, bool(metadata.message_compression), _provenance(metadata, problems), problems)
    except BagError:
        for file in files:
            file.close()
        raise


def _open_file(path: Path) -> McapFile | SqliteFile:
    if path.suffix == ".zstd":
        raise BagError(f"{path} is compressed as a whole; unpack it first: zstd -d {path}")
    if path.suffix == MCAP_SUFFIX:
        return McapFile(path)
    if path.suffix == SQLITE_SUFFIX:
        return SqliteFile(path)
    raise BagError(f"{path} is not a bag: {_EXPECTED}")


def _look_into_folder(folder: Path, problems: list[str]) -> tuple[BagMetadata, list[Path]]:
    """What ``metadata.yaml`` says and the files that are there; what is missing is added to ``problems``."""
    found = sorted(
        path
        for path in folder.iterdir()
        if {MCAP_SUFFIX, SQLITE_SUFFIX} & set(path.suffixes) and path.is_file()
    )
    try:
        metadata = read_bag_metadata(folder / FILE_NAME)
    except BagError as error:
        if not found:
            raise BagError(f"{folder} holds no bag; {_EXPECTED}") from error
        problems.append(f"{error}; the bag's files are read without it")
        return BagMetadata((), "", {}), found
    # Older recorders wrote the folder's name too.
    named = [folder / Path(file).name for file in metadata.files]
    problems += [
        f"{path.name} is named in {FILE_NAME} but is not there" for path in named if not path.is_file()
    ]
    present = [path for path in named if path.is_file()]
    if not present:
        raise BagError(
            f"of the files that {folder / FILE_NAME} names, none is there: {', '.join(metadata.files)}"
        )
    return metadata, present


def _provenance(metadata: BagMetadata, problems: list[str]) -> dict[str, Any]:
    """The run's provenance from ``metadata.yaml``, which carries it for the storages that cannot."""
    text = metadata.custom.get(PROVENANCE_RECORD)
    if text is None:
        return {}
    try:
        provenance = json.loads(text)
    except json.JSONDecodeError as error:
        problems.append(f"the provenance in {FILE_NAME} is damaged: {error}")
        return {}
    return provenance if isinstance(provenance, dict) else {}


def _join_topics(files: list[McapFile | SqliteFile]) -> dict[str, RecordedTopic]:
    topics: dict[str, RecordedTopic] = {}
    for file in files:
        for name, topic in file.topics.items():
            earlier = topics.get(name)
            topics[name] = RecordedTopic(
                name,
                topic.kind,
                (topic.count or 0) + ((earlier.count or 0) if earlier else 0),
                topic.latched or (earlier is not None and earlier.latched),
            )
    return topics
