"""Whatever is wrong with a file, it ends in one error that names the file and the reason, and never in memory."""

from __future__ import annotations

import io
import json
import os
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.lib import format as npy_format

from tracegen_model.data.dataset import EpisodeDataset, ItemForm
from tracegen_model.data.episode import EpisodeError
from tracegen_model.data.inspection import inspect_folders
from tracegen_model.data.packed_dataset import PackedDataset, PackedDatasetError
from tracegen_model.data.packing import pack_dataset
from tracegen_model.data.synthetic_episodes import SyntheticSizes, write_synthetic_episodes

FORM = ItemForm(32, 4, 8, "nearest_depth", clip_to_image=False)
SAMPLE, IMAGE, DEPTH = "samples/scene00000_0.npz", "images/scene00000_0.png", "depth/scene00000_0_raw.npz"
INSTRUCTIONS = "three_instructions.json"


@pytest.fixture
def episode(tmp_path: Path) -> Path:
    """One whole episode, in a folder with letters and spaces of all kinds."""
    root = tmp_path / "Ünïcode data 数据 'n such"
    (folder,) = write_synthetic_episodes(root, 1, SyntheticSizes(side=32, grid_side=4, horizon=8))
    return folder


def rewrite(path: Path, content: bytes) -> None:
    path.unlink()
    path.write_bytes(content)


def into_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def with_arrays(**changed: object) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        with np.load(path) as arrays:
            kept = {name: arrays[name] for name in arrays.files}
        kept.update({name: value for name, value in changed.items() if value is not None})
        for name in [name for name, value in changed.items() if value is None]:
            del kept[name]
        path.unlink()
        np.savez(path, **kept)  # type: ignore[arg-type]

    return change


def claiming(name: str, shape: tuple[int, ...], descr: str = "<f4") -> Callable[[Path], None]:
    """An array whose header claims ``shape`` beside hardly any contents."""

    def change(path: Path) -> None:
        header = io.BytesIO()
        npy_format.write_array_header_1_0(header, {"descr": descr, "fortran_order": False, "shape": shape})
        with np.load(path) as arrays:
            kept = {key: arrays[key] for key in arrays.files if key != name}
        path.unlink()
        np.savez(path, **kept)
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(f"{name}.npy", header.getvalue() + b"\0" * 64)

    return change


def longer_than_claimed(path: Path) -> None:
    header = io.BytesIO()
    npy_format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": (16, 9, 3)})
    with np.load(path) as arrays:
        kept = {key: arrays[key] for key in arrays.files if key != "traj"}
    path.unlink()
    np.savez(path, **kept)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("traj.npy", header.getvalue() + b"\0" * 10**6)


def png_claiming(width: int, height: int) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


NAN = np.nan
FAULTS: dict[str, tuple[str, Callable[[Path], None], str]] = {
    "sample empty": (SAMPLE, lambda p: rewrite(p, b""), "found an empty file"),
    "sample garbage": (SAMPLE, lambda p: rewrite(p, b"PK\x03\x04" + b"\xff" * 99), "readable npz file"),
    "sample text": (SAMPLE, lambda p: rewrite(p, b"keypoints"), "readable npz file"),
    "sample is a folder": (SAMPLE, into_folder, "found a folder"),
    "sample is an npy file": (SAMPLE, lambda p: rewrite(p, b"\x93NUMPY\x01\x00"), "readable npz file"),
    "no traj": (SAMPLE, with_arrays(traj=None), "no traj"),
    "no keypoints": (SAMPLE, with_arrays(keypoints=None), "no keypoints"),
    "no valid_steps": (SAMPLE, with_arrays(valid_steps=None), "no valid_steps"),
    "traj flat": (SAMPLE, with_arrays(traj=np.zeros((16, 9))), "traj of shape"),
    "traj of too few points": (SAMPLE, with_arrays(traj=np.zeros((7, 9, 3))), r"found shape \(7, 9, 3\)"),
    "traj of four": (SAMPLE, with_arrays(traj=np.zeros((16, 9, 4))), "2 or 3"),
    "traj without steps": (
        SAMPLE,
        with_arrays(traj=np.zeros((16, 0, 3)), valid_steps=np.zeros(0)),
        "a step at least",
    ),
    "traj of words": (SAMPLE, with_arrays(traj=np.full((16, 9, 3), "x")), "numbers in traj, found type <U1"),
    "traj of objects": (
        SAMPLE,
        with_arrays(traj=np.array([{}], dtype=object)),
        "numbers in traj, found type object",
    ),
    "traj of complex numbers": (SAMPLE, with_arrays(traj=np.zeros((16, 9, 3), complex)), "numbers in traj"),
    "keypoints of three": (SAMPLE, with_arrays(keypoints=np.zeros((16, 3))), "keypoints of shape"),
    "keypoints none": (
        SAMPLE,
        with_arrays(keypoints=np.zeros((0, 2)), traj=np.zeros((0, 9, 3))),
        "one at least",
    ),
    "keypoints NaN": (SAMPLE, with_arrays(keypoints=np.full((16, 2), NAN)), "finite keypoints"),
    "keypoints infinite": (SAMPLE, with_arrays(keypoints=np.full((16, 2), np.inf)), "finite keypoints"),
    "keypoints elsewhere": (SAMPLE, with_arrays(keypoints=np.zeros((16, 2))), "4 x 4 grid"),
    "keypoints not square": (
        SAMPLE,
        with_arrays(keypoints=np.zeros((15, 2)), traj=np.zeros((15, 9, 3)), point_kind=None),
        "square grid, found 15 of them",
    ),
    "valid_steps too long": (
        SAMPLE,
        with_arrays(valid_steps=np.ones(10, bool)),
        r"valid_steps of shape \(9,\)",
    ),
    "valid_steps a number": (SAMPLE, with_arrays(valid_steps=np.array(9)), r"valid_steps of shape \(9,\)"),
    "point_kind too short": (SAMPLE, with_arrays(point_kind=np.zeros(3)), "point_kind of shape"),
    "target_uvz flat": (SAMPLE, with_arrays(target_uvz=np.zeros(3)), "target_uvz of shape"),
    "huge traj claimed": (SAMPLE, claiming("traj", (10**9, 10**9, 3)), "at most 1073741824 bytes"),
    "large traj claimed": (SAMPLE, claiming("traj", (16, 10**6, 3)), "192000000 bytes for traj"),
    "negative shape claimed": (SAMPLE, claiming("traj", (-16, 9, 3)), "traj of at most|readable npz"),
    "traj longer than claimed": (SAMPLE, longer_than_claimed, "1728 bytes for traj.*found 1000000"),
    "image empty": (IMAGE, lambda p: rewrite(p, b""), "found an empty file"),
    "image missing": (IMAGE, lambda p: p.unlink(), "found no file"),
    "image cut": (IMAGE, lambda p: rewrite(p, p.read_bytes()[:-40]), "its end is missing"),
    "image garbage": (IMAGE, lambda p: rewrite(p, b"GIF89a" + b"\0" * 64), "a damaged file"),
    "image huge": (
        IMAGE,
        lambda p: rewrite(p, png_claiming(2**31 - 1, 2**31 - 1)),
        "2147483647 x 2147483647 px",
    ),
    "image without rows": (IMAGE, lambda p: rewrite(p, png_claiming(0, 32)), "found 0 x 32 px"),
    "depth empty": (DEPTH, lambda p: rewrite(p, b""), "found an empty file"),
    "depth of another name": (DEPTH, with_arrays(depth=None, z=np.zeros(3)), "an array depth, found z"),
    "depth of three": (DEPTH, with_arrays(depth=np.zeros((3, 32, 32))), r"depth of shape \(H, W\)"),
    "depth flat": (DEPTH, with_arrays(depth=np.zeros(32)), r"depth of shape \(H, W\)"),
    "depth of nothing": (DEPTH, with_arrays(depth=np.zeros((0, 32))), r"depth of shape \(H, W\)"),
    "huge depth claimed": (DEPTH, claiming("depth", (2**40, 2**40)), "depth of at most"),
    "instructions empty": (INSTRUCTIONS, lambda p: rewrite(p, b""), "JSON with instruction_1"),
    "instructions cut": (
        INSTRUCTIONS,
        lambda p: rewrite(p, b'{"instruction_1": "m'),
        "JSON with instruction_1",
    ),
    "instructions not text": (INSTRUCTIONS, lambda p: rewrite(p, b"\xff\xfe\x00"), "JSON with instruction_1"),
    "instructions a list": (INSTRUCTIONS, lambda p: rewrite(p, b'["go"]'), "object of strings, found a list"),
    "instructions a number": (INSTRUCTIONS, lambda p: rewrite(p, b"7"), "object of strings, found a int"),
    "instruction a list": (
        INSTRUCTIONS,
        lambda p: rewrite(p, json.dumps({"instruction_1": ["go"]}).encode()),
        "a string for instruction_1, found a list",
    ),
    "instructions deeply nested": (
        INSTRUCTIONS,
        lambda p: rewrite(p, b"[" * 100_000),
        "JSON with|object of strings",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_ends_in_one_error_with_file_and_reason(
    episode: Path, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    name, spoil, reason = FAULTS[fault]
    root = episode.parent
    write_synthetic_episodes(root, 2, SyntheticSizes(side=32, grid_side=4, horizon=8))
    spoil(episode / name)
    with pytest.raises(EpisodeError, match=reason) as error:
        EpisodeDataset([root], FORM)
    assert str(episode / name) in str(error.value)
    assert "\n" not in str(error.value)
    (problem,) = [problem for found in inspect_folders([root], jobs=1) for problem in found.problems]
    assert problem.path == str(episode / name)
    dataset = EpisodeDataset([root], FORM, skip_broken=True)
    assert [dataset.key_of(i).episode for i in range(len(dataset))] == ["scene00000_b"]
    assert caplog.text.count("skipped: ") == 1


@pytest.mark.parametrize("name", [SAMPLE, DEPTH, IMAGE])
def test_a_file_cut_anywhere_is_noticed_when_indexed(episode: Path, name: str) -> None:
    path = episode / name
    content = path.read_bytes()
    for length in np.random.default_rng(0).integers(0, len(content), 25):
        rewrite(path, content[:length])
        with pytest.raises(EpisodeError, match=path.name):
            EpisodeDataset([episode.parent], FORM)


@pytest.mark.parametrize("name", [SAMPLE, DEPTH, IMAGE])
def test_flipped_bits_raise_nothing_but_errors_with_the_file(episode: Path, name: str) -> None:
    path = episode / name
    content = bytearray(path.read_bytes())
    rng = np.random.default_rng(1)
    noticed = 0
    for _ in range(60):
        spoilt = bytearray(content)
        for place in rng.integers(0, len(content), 3):
            spoilt[place] ^= 1 << int(rng.integers(8))
        rewrite(path, bytes(spoilt))
        try:
            item = EpisodeDataset([episode.parent], FORM)[0]
            assert np.isfinite(item.increments).all()
            assert np.isfinite(item.depth).all()
        except EpisodeError as error:
            noticed += 1
            assert str(path) in str(error)
    assert noticed > 10


def test_whole_episodes_in_odd_folders_are_read(episode: Path) -> None:
    odd = episode.rename(episode.parent / "new\nline %s {0} – ‮ﺺ")
    dataset = EpisodeDataset([odd.parent], FORM, cache=odd.parent.parent / "ca che")
    assert len(dataset) == 1
    assert dataset[0].key.episode == odd.name
    assert inspect_folders([odd.parent], jobs=1)[0].problems == []


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda root: None, "no such folder"),
        (lambda root: root.mkdir(), "found no folder"),
        (lambda root: root.write_text("file"), "no such folder"),
        (lambda root: (root / "empty").mkdir(parents=True), "1 folders without"),
        (
            lambda root: (root / "empty" / "samples").mkdir(parents=True),
            "an npz file in samples/, found none",
        ),
        (
            lambda root: (root / "empty" / "all_data").mkdir(parents=True),
            "an npz file in all_data/, found none",
        ),
    ],
)
def test_folders_without_episodes_are_named(
    tmp_path: Path, make: Callable[[Path], object], reason: str
) -> None:
    make(tmp_path / "data")
    with pytest.raises(EpisodeError, match=reason) as error:
        EpisodeDataset([tmp_path / "data"], FORM)
    assert str(tmp_path / "data") in str(error.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_files_that_may_not_be_read_are_named(episode: Path) -> None:
    (episode / SAMPLE).chmod(0)
    with pytest.raises(EpisodeError, match="Permission denied"):
        EpisodeDataset([episode.parent], FORM)


def test_a_sample_that_breaks_after_it_was_indexed_is_named(episode: Path) -> None:
    dataset = EpisodeDataset([episode.parent], FORM)
    rewrite(episode / SAMPLE, b"")
    with pytest.raises(EpisodeError, match=r"scene00000_0\.npz.*an empty file"):
        dataset[0]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("index.json", b"", "is damaged"),
        ("index.json", b"[]", "is damaged"),
        ("index.json", b"{}", "expected format"),
        ("index.json", b'{"format": 2}', "is damaged"),
        ("deltas.npy", b"", "is damaged"),
        ("colour.npy", b"\x93NUMPY", "is damaged"),
    ],
)
def test_a_damaged_packed_dataset_is_named(
    episode: Path, tmp_path: Path, name: str, content: bytes, reason: str
) -> None:
    pack_dataset(episode.parent, tmp_path / "packed", jobs=1, image_side=32)
    (tmp_path / "packed" / name).write_bytes(content)
    with pytest.raises(PackedDatasetError, match=f"{name}.*{reason}"):
        PackedDataset.open(tmp_path / "packed")
