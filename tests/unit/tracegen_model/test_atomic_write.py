"""A file is replaced as a whole, whatever happens to those who write it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tracegen_model.atomic_write import replacing, write_atomically


def test_the_content_of_a_file_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    write_atomically(path, b"old")
    write_atomically(path, "neu: ß")
    assert path.read_text(encoding="utf-8") == "neu: ß"
    assert list(tmp_path.iterdir()) == [path]


def test_a_writer_that_fails_changes_nothing_and_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    write_atomically(path, "old")
    with pytest.raises(KeyboardInterrupt), replacing(path) as part:
        part.write_text("half of the n")
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_writer_that_is_killed_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    write_atomically(path, "old")
    code = f"""
import os, signal
from pathlib import Path
from tracegen_model.atomic_write import replacing
with replacing(Path({str(path)!r})) as part:
    part.write_text("half of the n")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode < 0
    assert path.read_text() == "old"
    write_atomically(path, "new")
    assert path.read_text() == "new"


def test_of_two_writers_at_a_time_the_last_one_counts(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    with replacing(path) as first:
        first.write_text("first")
        with replacing(path) as second:
            second.write_text("second")
        assert path.read_text() == "second"
    assert path.read_text() == "first"
