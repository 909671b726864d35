"""Arrays of npz files, read with suspicion: what a file claims is checked before memory is spent on it."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from tracegen_model.data.episode_error import EpisodeError

LARGEST_ARRAY = 2**30
"""An array that claims more than this is taken for damage [bytes]."""

_READ_ERRORS = (
    OSError,
    ValueError,
    EOFError,
    KeyError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
    NotImplementedError,  # a compression that zipfile does not know
    RuntimeError,  # an encrypted archive
)


@dataclass(frozen=True)
class ArrayHeader:
    """What an npz file says about one of its arrays.

    Attributes:
        shape: Shape of the array.
        dtype: Its type.
        checksum: CRC-32 of the array's bytes, from the archive's directory.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    checksum: int


def array_headers(path: Path) -> dict[str, ArrayHeader]:
    """Headers of all arrays of ``path`` without their contents; raises EpisodeError when it is no complete npz file."""
    if not path.is_file():
        raise EpisodeError(path, "an npz file", "a folder" if path.is_dir() else "no file")
    try:
        with zipfile.ZipFile(path) as archive:
            entries = [entry for entry in archive.infolist() if entry.filename.endswith(".npy")]
            return {entry.filename.removesuffix(".npy"): _header(path, archive, entry) for entry in entries}
    except EpisodeError:
        raise
    except _READ_ERRORS as error:
        raise EpisodeError(path, "a readable npz file", _reason(path, error)) from error


def read_arrays(path: Path, required: Collection[str], optional: Iterable[str] = ()) -> dict[str, NDArray]:
    """The ``required`` arrays of an npz file and those of the ``optional`` ones that it has.

    Raises:
        EpisodeError: The file is missing, damaged or incomplete, or one of the arrays holds no numbers or claims to be
            larger than the file says.
    """
    headers = array_headers(path)
    missing = [name for name in required if name not in headers]
    if missing:
        raise EpisodeError(path, f"arrays {', '.join(required)}", f"no {', '.join(missing)}")
    wanted = [*required, *(name for name in optional if name in headers)]
    for name in wanted:
        if headers[name].dtype.kind not in "biuf":
            raise EpisodeError(path, f"numbers in {name}", f"type {headers[name].dtype}")
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in wanted}
    except (*_READ_ERRORS, MemoryError) as error:
        raise EpisodeError(path, "a readable npz file", _reason(path, error)) from error


def _header(path: Path, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> ArrayHeader:
    with archive.open(entry) as stream:
        version = npy_format.read_magic(stream)
        read = npy_format.read_array_header_1_0 if version == (1, 0) else npy_format.read_array_header_2_0
        shape, _, dtype = read(stream)
        header_bytes = stream.tell()
    claimed = dtype.itemsize
    for length in shape:
        claimed *= int(length)  # Python's integers: what a damaged header claims may not fit another
    name = entry.filename.removesuffix(".npy")
    if min(shape, default=0) < 0 or claimed > LARGEST_ARRAY:
        raise EpisodeError(path, f"{name} of at most {LARGEST_ARRAY} bytes", f"shape {shape} {dtype}")
    if not dtype.hasobject and claimed != entry.file_size - header_bytes:
        raise EpisodeError(
            path, f"{claimed} bytes for {name} of shape {shape} {dtype}", f"{entry.file_size - header_bytes}"
        )
    return ArrayHeader(tuple(int(length) for length in shape), dtype, entry.CRC)


def _reason(path: Path, error: BaseException) -> str:
    if path.stat().st_size == 0:
        return "an empty file"
    return f"{type(error).__name__}: {error}"
