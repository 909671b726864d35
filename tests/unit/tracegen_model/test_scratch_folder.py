"""Folders for unfinished work are deleted, by those who made them or by those who come after, never under a process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tracegen_model.scratch_folder import scratch_folder

PREFIX = ".work-"


def test_a_folder_is_deleted_whether_its_work_succeeds_or_fails(tmp_path: Path) -> None:
    with scratch_folder(tmp_path, PREFIX) as folder:
        (folder / "half").write_text("half")
    with pytest.raises(KeyboardInterrupt), scratch_folder(tmp_path, PREFIX):
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())


def test_what_a_killed_process_left_goes_with_the_next_work(tmp_path: Path) -> None:
    code = f"""
import os, signal
from pathlib import Path
from tracegen_model.scratch_folder import scratch_folder
with scratch_folder(Path({str(tmp_path)!r}), {PREFIX!r}) as folder:
    (folder / "half").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode < 0
    (left,) = tmp_path.iterdir()
    (tmp_path / "other").mkdir()
    with scratch_folder(tmp_path, PREFIX):
        assert not left.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["other"]


def test_work_in_progress_stays(tmp_path: Path) -> None:
    with scratch_folder(tmp_path, PREFIX) as one, scratch_folder(tmp_path, PREFIX) as other:
        assert one.is_dir() and other.is_dir() and one != other
