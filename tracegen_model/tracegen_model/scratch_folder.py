"""Folders for work that is not finished: deleted when it ends, and by the next such work where it was killed."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path


@contextmanager
def scratch_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """A new folder in ``parent``, which is deleted when the block ends; its name begins with ``prefix``.

    Folders of that prefix which processes left that were killed are deleted first. Those of processes that live are
    locked, and stay; where the file system knows no locks, all stay.
    """
    with ExitStack() as held:
        with _locked(parent):  # Nobody takes a folder that is not locked yet for one that was left.
            for left in parent.glob(f"{prefix}*"):
                _remove_unless_locked(left)
            folder = Path(held.enter_context(tempfile.TemporaryDirectory(dir=parent, prefix=prefix)))
            held.enter_context(_locked(folder))
        yield folder


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _remove_unless_locked(folder: Path) -> None:
    with suppress(OSError):  # It is locked, or gone.
        handle = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder)
        finally:
            os.close(handle)
