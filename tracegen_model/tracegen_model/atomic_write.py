"""Files that appear whole or not at all: a reader finds the old content or the new one, whatever ends the writer."""

from __future__ import annotations

import os
import secrets
from collections.abc import Buffer, Iterator
from contextlib import contextmanager
from pathlib import Path

PART_SUFFIX = ".part"
"""Ends the names of files that are being written, or that a writer left which was killed."""

NAME_BYTES = 4
"""Random bytes in such a name."""


def write_atomically(path: Path, content: str | Buffer) -> None:
    """Make ``content`` that of ``path``; text is written in UTF-8."""
    with replacing(path) as part, part.open("wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path to write a file to, which takes the place of ``path`` when the block ends, and is deleted if it fails.

    No two writers are given the same one: where several write ``path`` at a time, the last one counts.
    """
    part = path.with_name(f"{path.name}.{secrets.token_hex(NAME_BYTES)}{PART_SUFFIX}")
    try:
        yield part
        flush_to_disk(part)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def flush_to_disk(path: Path) -> None:
    """Bring a file's content, or a folder's entries, to the disk, where they outlive a loss of power."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
