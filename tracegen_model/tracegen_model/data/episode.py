"""Trace episodes in TraceForge's layout, read and written.

    <episode>/images/<stem>.png         RGB image
    <episode>/samples/<stem>.npz        keypoints (N, 2) px; traj (N, T, 2 or 3) u px, v px, z m, padded with -inf;
                                        valid_steps (T,)
    <episode>/depth/<stem>_raw.npz      depth (H, W) m, 0 = no reading; optional
    <episode>/three_instructions.json   instruction_1 .. instruction_3; optional (task_descriptions.json holds the same)

Three keys of ``samples`` are this project's own and optional: ``point_kind`` (N,) uint8, see :class:`PointKind`;
``target_uvz`` (3, 3), rows [object to move, zone, hand TCP] as (u px, v px, z m), NaN where not applicable; and
``visibility`` (N, T) bool, whether the camera sees the point at that step.
"""

from __future__ import annotations

import json
import os
import struct
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

INSTRUCTION_FILES = ("three_instructions.json", "task_descriptions.json")
"""Files that carry an episode's instructions; the first one found is read, both are written."""

TARGET_COUNT = 3
"""Rows of ``target_uvz``: object to move, zone, hand TCP."""

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_HEADER = struct.Struct(">16sII")
"""Signature, length and type of the IHDR chunk, then the image's width and height."""


class EpisodeError(ValueError):
    """A file of an episode is missing, unreadable, or not what the layout says."""

    def __init__(self, path: Path, expected: str, found: str) -> None:
        super().__init__(f"{path}: expected {expected}, found {found}; remove the episode or write it again")
        self.path, self.expected, self.found = path, expected, found

    def __reduce__(self) -> tuple[type[EpisodeError], tuple[Path, str, str]]:
        # Workers send their errors home; an exception of three arguments needs to be told how.
        return EpisodeError, (self.path, self.expected, self.found)


class PointKind(IntEnum):
    """What a grid point lies on."""

    BACKGROUND = 0
    HAND = 1
    ARM = 2
    TARGET_OBJECT = 3
    OTHER_OBJECT = 4


@dataclass(frozen=True)
class TraceSample:
    """One image and where its points travel.

    Attributes:
        stem: Name of the sample's files.
        image: (H, W, 3) uint8 RGB.
        depth: (H, W) float32 [m], 0 = no reading.
        keypoints: (N, 2) [px of the image].
        traces: (N, S + 1, 3) (u px, v px, z m), NaN or -inf where unknown.
        point_kinds: (N,) uint8, see :class:`PointKind`.
        target_uvz: (3, 3) (u px, v px, z m) of object to move, zone and hand TCP; NaN where not applicable.
        visibility: (N, S + 1) whether the camera sees the point at each step; None where that is not known.
    """

    stem: str
    image: NDArray[np.uint8]
    depth: NDArray[np.float32]
    keypoints: NDArray[np.floating]
    traces: NDArray[np.floating]
    point_kinds: NDArray[np.uint8]
    target_uvz: NDArray[np.floating]
    visibility: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        count = self.keypoints.shape[0]
        shapes = {
            "image": (self.image.shape, (*self.depth.shape, 3)),
            "keypoints": (self.keypoints.shape, (count, 2)),
            "traces": (self.traces.shape, (count, self.traces.shape[1], 3)),
            "point_kinds": (self.point_kinds.shape, (count,)),
            "target_uvz": (self.target_uvz.shape, (TARGET_COUNT, 3)),
        }
        if self.visibility is not None:
            shapes["visibility"] = (self.visibility.shape, self.traces.shape[:2])
        for name, (found, expected) in shapes.items():
            if tuple(found) != expected:
                raise EpisodeError(Path(self.stem), f"{name} of shape {expected}", f"shape {tuple(found)}")


class EpisodeWriter:
    """Writes episodes under one folder. Image and depth of a stem that it has written before become hard links."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._written: dict[str, tuple[Path, Path]] = {}

    def write(self, episode: str, samples: Sequence[TraceSample], wordings: Sequence[str]) -> Path:
        """Write one episode; ``wordings`` say the same instruction in other words. Returns the episode's folder."""
        folder = self._root / episode
        for part in ("images", "samples", "depth"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        for sample in samples:
            self._write_observation(folder, sample)
            traces = np.asarray(sample.traces, dtype=np.float32)
            known = np.isfinite(traces)
            arrays: dict[str, Any] = {
                "keypoints": np.asarray(sample.keypoints, dtype=np.float32),
                "traj": np.where(known, traces, -np.inf).astype(np.float32),
                "valid_steps": known.all(axis=2).any(axis=0),
                "point_kind": np.asarray(sample.point_kinds, dtype=np.uint8),
                "target_uvz": np.asarray(sample.target_uvz, dtype=np.float32),
            }
            if sample.visibility is not None:
                arrays["visibility"] = sample.visibility
            np.savez(folder / "samples" / f"{sample.stem}.npz", **arrays)
        text = json.dumps(
            {f"instruction_{i}": wording for i, wording in enumerate(wordings, start=1)}, indent=1
        )
        for name in INSTRUCTION_FILES:
            (folder / name).write_text(text, encoding="utf-8")
        return folder

    def _write_observation(self, folder: Path, sample: TraceSample) -> None:
        paths = folder / "images" / f"{sample.stem}.png", folder / "depth" / f"{sample.stem}_raw.npz"
        if sample.stem in self._written:
            for source, link in zip(self._written[sample.stem], paths, strict=True):
                link.unlink(missing_ok=True)
                os.link(source, link)
            return
        image_path, depth_path = paths
        if not cv2.imwrite(str(image_path), sample.image[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 1]):
            raise EpisodeError(image_path, "a writable PNG file", "an image that OpenCV cannot write")
        np.savez(depth_path, depth=sample.depth.astype(np.float16))
        self._written[sample.stem] = paths


@dataclass(frozen=True)
class EpisodeReader:
    """One episode's folder.

    Attributes:
        folder: The episode's folder.
    """

    folder: Path

    @staticmethod
    def find(root: Path) -> list[EpisodeReader]:
        """Episodes under ``root``, sorted by name; raises EpisodeError when there is none."""
        if not root.is_dir():
            raise EpisodeError(root, "a folder of episodes", "no such folder")
        episodes = [
            EpisodeReader(folder) for folder in sorted(root.iterdir()) if (folder / "samples").is_dir()
        ]
        if not episodes:
            raise EpisodeError(root, "folders that hold a samples/ folder each", "none")
        return episodes

    def stems(self) -> list[str]:
        """Names of the samples, sorted as strings."""
        return sorted(path.stem for path in (self.folder / "samples").glob("*.npz"))

    def instructions(self) -> list[str]:
        """Wordings of the instruction, empty ones dropped; an empty list when the episode has none."""
        for name in INSTRUCTION_FILES:
            path = self.folder / name
            if not path.is_file():
                continue
            try:
                content = json.loads(path.read_text(encoding="utf-8"))
            except (json.JSONDecodeError, UnicodeDecodeError) as error:
                raise EpisodeError(path, "JSON with instruction_1, instruction_2, ...", str(error)) from error
            if not isinstance(content, dict) or not all(isinstance(text, str) for text in content.values()):
                raise EpisodeError(path, "an object of strings", type(content).__name__)
            numbered = sorted(key for key in content if key.startswith("instruction_"))
            return [content[key].strip() for key in numbered if content[key].strip()]
        return []

    def image_path(self, stem: str) -> Path:
        """Path of a sample's image."""
        return self.folder / "images" / f"{stem}.png"

    def image(self, stem: str) -> NDArray[np.uint8]:
        """(H, W, 3) uint8 RGB."""
        path = self.image_path(stem)
        bgr = cv2.imread(str(path), cv2.IMREAD_COLOR) if path.is_file() else None
        if bgr is None:
            raise EpisodeError(path, "a PNG image", "a damaged file" if path.is_file() else "no file")
        return np.ascontiguousarray(bgr[..., ::-1])

    def image_size(self, stem: str) -> tuple[int, int]:
        """(width, height) [px] from the image's header."""
        path = self.image_path(stem)
        header = path.open("rb").read(PNG_HEADER.size) if path.is_file() else b""
        if len(header) < PNG_HEADER.size or not header.startswith(PNG_SIGNATURE):
            raise EpisodeError(path, "a PNG image", "a damaged file" if path.is_file() else "no file")
        _, width, height = PNG_HEADER.unpack(header)
        return int(width), int(height)

    def depth(self, stem: str) -> NDArray[np.float32] | None:
        """(H, W) [m], 0 = no reading; None when the sample has no depth."""
        path = self.folder / "depth" / f"{stem}_raw.npz"
        if not path.is_file():
            return None
        depth = np.asarray(_load(path, ("depth",))["depth"], dtype=np.float32)
        depth = depth[0] if depth.ndim == 3 and depth.shape[0] == 1 else depth
        if depth.ndim != 2:
            raise EpisodeError(path, "depth of shape (H, W)", f"shape {depth.shape}")
        return depth

    def traces(self, stem: str) -> EpisodeTraces:
        """The sample's traces; raises EpisodeError naming the file when it is damaged."""
        path = self.folder / "samples" / f"{stem}.npz"
        arrays = _load(path, ("keypoints", "traj", "valid_steps"))
        keypoints, traj, valid = arrays["keypoints"], arrays["traj"], arrays["valid_steps"]
        if keypoints.ndim != 2 or keypoints.shape[1] != 2:
            raise EpisodeError(path, "keypoints of shape (N, 2)", f"shape {keypoints.shape}")
        if traj.ndim != 3 or traj.shape[0] != keypoints.shape[0] or traj.shape[2] not in (2, 3):
            raise EpisodeError(
                path, f"traj of shape ({keypoints.shape[0]}, T, 2 or 3)", f"shape {traj.shape}"
            )
        if valid.shape != (traj.shape[1],):
            raise EpisodeError(path, f"valid_steps of shape ({traj.shape[1]},)", f"shape {valid.shape}")
        kinds = arrays.get("point_kind", np.zeros(len(keypoints), np.uint8))
        if kinds.shape != (len(keypoints),):
            raise EpisodeError(path, f"point_kind of shape ({len(keypoints)},)", f"shape {kinds.shape}")
        targets = arrays.get("target_uvz", np.full((TARGET_COUNT, 3), np.nan, np.float32))
        if targets.shape != (TARGET_COUNT, 3):
            raise EpisodeError(path, f"target_uvz of shape ({TARGET_COUNT}, 3)", f"shape {targets.shape}")
        traces = np.full((*traj.shape[:2], 3), np.nan, np.float32)
        traces[..., : traj.shape[2]] = traj
        traces[~np.isfinite(traces)] = np.nan
        traces[:, ~valid.astype(bool)] = np.nan
        return EpisodeTraces(
            keypoints=np.asarray(keypoints, dtype=np.float32),
            traces=traces,
            point_kinds=np.asarray(kinds, dtype=np.uint8),
            target_uvz=np.asarray(targets, dtype=np.float32),
        )


@dataclass(frozen=True)
class EpisodeTraces:
    """Contents of a sample's npz.

    Attributes:
        keypoints: (N, 2) [px].
        traces: (N, T, 3) (u px, v px, z m), NaN where unknown.
        point_kinds: (N,) uint8, see :class:`PointKind`.
        target_uvz: (3, 3) (u px, v px, z m), NaN where not applicable.
    """

    keypoints: NDArray[np.float32]
    traces: NDArray[np.float32]
    point_kinds: NDArray[np.uint8]
    target_uvz: NDArray[np.float32]


def _load(path: Path, required: Sequence[str]) -> Mapping[str, NDArray]:
    if not path.is_file():
        raise EpisodeError(path, "an npz file", "no file")
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise EpisodeError(path, "a readable npz file", str(error)) from error
    missing = [name for name in required if name not in arrays]
    if missing:
        raise EpisodeError(path, f"arrays {', '.join(required)}", f"no {', '.join(missing)}")
    return arrays
