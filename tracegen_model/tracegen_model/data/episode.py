"""Trace episodes in TraceForge's layout, read and written.

    <episode>/images/<stem>.png         RGB image
    <episode>/samples/<stem>.npz        keypoints (N, 2) px; traj (N, T, 2 or 3) u px, v px, z, padded with -inf;
                                        valid_steps (T,)
    <episode>/depth/<stem>_raw.npz      depth (H, W) or (1, H, W), 0 = no reading; optional
    <episode>/three_instructions.json   instruction_1 .. instruction_3 or any other kinds; optional
                                        (task_descriptions.json is another name for it)
    <episode>/all_data/<stem>.npz       alternative to images, samples and depth: all their arrays in one file, the
                                        picture as image (H, W, 3); where the folder exists, the others are not read

Stems are sorted as strings, as the published loader does: ``_10`` comes before ``_5``.

Three keys of ``samples`` are this project's own and optional: ``point_kind`` (N,) uint8, see :class:`PointKind`;
``target_uvz`` (3, 3), rows [object to move, zone, hand TCP] as (u px, v px, z m), NaN where not applicable; and
``visibility`` (N, T) bool, whether the camera sees the point at that step.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from tracegen_model.data.episode_error import EpisodeError
from tracegen_model.data.npz_file import ArrayHeader, array_headers, read_arrays

__all__ = ["EpisodeError", "EpisodeReader", "EpisodeTraces", "EpisodeWriter", "PointKind", "TraceSample"]

INSTRUCTION_FILES = ("three_instructions.json", "task_descriptions.json")
"""Files that carry an episode's instructions; the first one found is read, both are written."""

UNIFIED_FOLDER = "all_data"
"""Folder of samples that carry image and depth along."""

TARGET_COUNT = 3
"""Rows of ``target_uvz``: object to move, zone, hand TCP."""

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_HEADER = struct.Struct(">8sI4sII")
"""Signature, length and type of the first chunk, then the image's width and height."""

PNG_END = b"IEND\xaeB`\x82"
"""Type and checksum of the chunk that ends a PNG file."""

LARGEST_IMAGE_SIDE = 16384
"""An image that claims a longer side is taken for damage [px]."""


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
class EpisodeTraces:
    """Contents of a sample's npz.

    Attributes:
        keypoints: (N, 2) [px].
        traces: (N, T, 3) (u px, v px, z), NaN where unknown; z is unknown throughout in two-dimensional episodes.
        valid_steps: (T,) bool, the steps that the episode counts as valid.
        point_kinds: (N,) uint8, see :class:`PointKind`.
        target_uvz: (3, 3) (u px, v px, z m), NaN where not applicable.
    """

    keypoints: NDArray[np.float32]
    traces: NDArray[np.float32]
    valid_steps: NDArray[np.bool_]
    point_kinds: NDArray[np.uint8]
    target_uvz: NDArray[np.float32]


@dataclass(frozen=True)
class EpisodeReader:
    """One episode's folder. Every method that reads raises EpisodeError, naming the file, when it cannot.

    Attributes:
        folder: The episode's folder.
    """

    folder: Path

    @staticmethod
    def find(root: Path) -> list[EpisodeReader]:
        """Episodes under ``root``: its folders, hidden ones left out, sorted by name."""
        if not root.is_dir():
            raise EpisodeError(root, "a folder of episodes", "no such folder", "check the path")
        episodes = [
            EpisodeReader(folder)
            for folder in sorted(root.iterdir())
            if folder.is_dir() and not folder.name.startswith(".")
        ]
        if not any(episode.is_complete for episode in episodes):
            found = f"{len(episodes)} folders without" if episodes else "no folder"
            raise EpisodeError(root, "folders that hold a samples/ folder each", found, "check the path")
        return episodes

    @property
    def is_unified(self) -> bool:
        """Whether each sample's file carries its image and depth."""
        return (self.folder / UNIFIED_FOLDER).is_dir()

    @property
    def is_complete(self) -> bool:
        """Whether there is a folder of samples."""
        return self.is_unified or (self.folder / "samples").is_dir()

    def stems(self) -> list[str]:
        """Names of the samples, sorted as strings."""
        folder = self.folder / (UNIFIED_FOLDER if self.is_unified else "samples")
        return sorted(path.stem for path in folder.glob("*.npz"))

    def wordings(self) -> dict[str, str]:
        """Wordings of the instruction by their kind, empty ones dropped; empty when the episode has none."""
        for name in INSTRUCTION_FILES:
            path = self.folder / name
            if not path.is_file():
                continue
            try:
                content = json.loads(path.read_text(encoding="utf-8"))
            except (json.JSONDecodeError, UnicodeDecodeError, RecursionError, OSError) as error:
                raise EpisodeError(path, "JSON with instruction_1, instruction_2, ...", str(error)) from error
            if not isinstance(content, dict):
                raise EpisodeError(path, "an object of strings", f"a {type(content).__name__}")
            for kind, text in content.items():
                if text is not None and not isinstance(text, str):
                    raise EpisodeError(path, f"a string for {kind}", f"a {type(text).__name__}")
            kinds = sorted((kind for kind in content if (content[kind] or "").strip()), key=_natural_order)
            return {kind: content[kind].strip() for kind in kinds}
        return {}

    def instructions(self) -> list[str]:
        """Wordings of the instruction without their kinds."""
        return list(self.wordings().values())

    def sample_path(self, stem: str) -> Path:
        """Path of a sample's npz."""
        return self.folder / (UNIFIED_FOLDER if self.is_unified else "samples") / f"{stem}.npz"

    def image_path(self, stem: str) -> Path:
        """Path of the file that holds a sample's image."""
        return self.sample_path(stem) if self.is_unified else self.folder / "images" / f"{stem}.png"

    def depth_path(self, stem: str) -> Path:
        """Path of the file that may hold a sample's depth."""
        return self.sample_path(stem) if self.is_unified else self.folder / "depth" / f"{stem}_raw.npz"

    def image(self, stem: str) -> NDArray[np.uint8]:
        """(H, W, 3) uint8 RGB."""
        path = self.image_path(stem)
        if self.is_unified:
            self.image_size(stem)
            return np.asarray(read_arrays(path, ("image",))["image"], dtype=np.uint8)
        width, height = self.image_size(stem)
        try:
            bgr = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
        except (cv2.error, OSError) as error:
            raise EpisodeError(path, "a PNG image", str(error)) from error
        if bgr is None or bgr.shape[:2] != (height, width):
            raise EpisodeError(path, "a PNG image", "a damaged file")
        return np.ascontiguousarray(bgr[..., ::-1])

    def image_size(self, stem: str) -> tuple[int, int]:
        """(width, height) [px] from the header of a file that at least begins and ends as it should."""
        path = self.image_path(stem)
        if self.is_unified:
            header = _required_header(path, "image")
            if len(header.shape) != 3 or header.shape[2] != 3 or header.dtype != np.uint8:
                raise EpisodeError(path, "image (H, W, 3) uint8", f"{header.shape} {header.dtype}")
            return header.shape[1], header.shape[0]
        if not path.is_file():
            raise EpisodeError(path, "a PNG image", "no file")
        with path.open("rb") as file:
            begin = file.read(PNG_HEADER.size)
            file.seek(max(0, file.seek(0, os.SEEK_END) - len(PNG_END)))
            end = file.read()
        if len(begin) < PNG_HEADER.size or not begin.startswith(PNG_SIGNATURE):
            raise EpisodeError(path, "a PNG image", "a damaged file" if begin else "an empty file")
        _, _, kind, width, height = PNG_HEADER.unpack(begin)
        if kind != b"IHDR" or not (0 < width <= LARGEST_IMAGE_SIDE and 0 < height <= LARGEST_IMAGE_SIDE):
            raise EpisodeError(
                path, f"a PNG image with sides of 1 to {LARGEST_IMAGE_SIDE} px", f"{width} x {height} px"
            )
        if end != PNG_END:
            raise EpisodeError(path, "a PNG image", "a damaged file: its end is missing")
        return int(width), int(height)

    def image_digest(self, stem: str) -> str:
        """Equal for samples whose image and depth are the same; reads the image's file, of the depth its checksum."""
        digest = hashlib.blake2b(digest_size=16)
        if self.is_unified:
            headers = array_headers(self.image_path(stem))
            parts = [headers[name] for name in ("image", "depth") if name in headers]
        else:
            digest.update(self.image_path(stem).read_bytes())
            path = self.depth_path(stem)
            parts = [_required_header(path, "depth")] if path.is_file() else []
        for part in parts:
            digest.update(f"{part.shape} {part.dtype.str} {part.checksum};".encode())
        return digest.hexdigest()

    def has_depth(self, stem: str) -> bool:
        """Whether the sample comes with a depth image; raises EpisodeError when that is none."""
        path = self.depth_path(stem)
        if self.is_unified:
            if "depth" not in array_headers(path):
                return False
        elif not path.is_file():
            return False
        shape = _required_header(path, "depth").shape
        if not (len(shape) == 2 or (len(shape) == 3 and shape[0] == 1)) or 0 in shape:
            raise EpisodeError(path, "depth of shape (H, W)", f"shape {shape}")
        return True

    def depth(self, stem: str) -> NDArray[np.float32] | None:
        """(H, W) in the dataset's unit, 0 = no reading; None when the sample has no depth."""
        if not self.has_depth(stem):
            return None
        depth = np.asarray(read_arrays(self.depth_path(stem), ("depth",))["depth"], dtype=np.float32)
        return depth[0] if depth.ndim == 3 else depth

    def traces(self, stem: str) -> EpisodeTraces:
        """The sample's traces, in pixels of its image.

        The npz files of ``all_data`` give pixels of the video that they were cut from; as the corners of the query grid
        are the corners of the image, those pixels are scaled to the image's.
        """
        path = self.sample_path(stem)
        arrays = read_arrays(path, ("keypoints", "traj", "valid_steps"), ("point_kind", "target_uvz"))
        keypoints, traj, valid = arrays["keypoints"], arrays["traj"], arrays["valid_steps"]
        if keypoints.ndim != 2 or keypoints.shape[1] != 2:
            raise EpisodeError(path, "keypoints of shape (N, 2)", f"shape {keypoints.shape}")
        if not len(keypoints) or not np.isfinite(keypoints).all():
            raise EpisodeError(path, "finite keypoints, one at least", "NaN or none")
        if traj.ndim != 3 or traj.shape[0] != keypoints.shape[0] or traj.shape[2] not in (2, 3):
            raise EpisodeError(
                path, f"traj of shape ({keypoints.shape[0]}, T, 2 or 3)", f"shape {traj.shape}"
            )
        if not traj.shape[1] or valid.shape != (traj.shape[1],):
            raise EpisodeError(
                path, f"valid_steps of shape ({traj.shape[1]},), a step at least", f"shape {valid.shape}"
            )
        kinds = arrays.get("point_kind", np.zeros(len(keypoints), np.uint8))
        if kinds.shape != (len(keypoints),):
            raise EpisodeError(path, f"point_kind of shape ({len(keypoints)},)", f"shape {kinds.shape}")
        targets = arrays.get("target_uvz", np.full((TARGET_COUNT, 3), np.nan, np.float32))
        if targets.shape != (TARGET_COUNT, 3):
            raise EpisodeError(path, f"target_uvz of shape ({TARGET_COUNT}, 3)", f"shape {targets.shape}")
        valid = np.nan_to_num(valid).astype(bool)
        traces = np.full((*traj.shape[:2], 3), np.nan, np.float32)
        with np.errstate(over="ignore", invalid="ignore"):
            traces[..., : traj.shape[2]] = traj
        traces[~np.isfinite(traces)] = np.nan
        traces[:, ~valid] = np.nan
        keypoints = np.asarray(keypoints, dtype=np.float32)
        if self.is_unified:
            scale = self._scale_to_image(stem, keypoints)
            keypoints = keypoints * scale
            traces[..., :2] *= scale
        return EpisodeTraces(
            keypoints=keypoints,
            traces=traces,
            valid_steps=valid,
            point_kinds=np.asarray(kinds, dtype=np.uint8),
            target_uvz=np.asarray(targets, dtype=np.float32),
        )

    def _scale_to_image(self, stem: str, keypoints: NDArray[np.float32]) -> NDArray[np.float32]:
        """(2,) factors that bring the last keypoint, u and v, to the image's last pixel."""
        last = keypoints.max(axis=0)
        if (last <= 0.0).any():
            raise EpisodeError(self.sample_path(stem), "keypoints all over the image", f"none beyond {last}")
        width, height = self.image_size(stem)
        return (np.array([width - 1, height - 1]) / last).astype(np.float32)


def _required_header(path: Path, name: str) -> ArrayHeader:
    headers = array_headers(path)
    if name not in headers:
        raise EpisodeError(path, f"an array {name}", f"{', '.join(headers) or 'no arrays'}")
    return headers[name]


def _natural_order(kind: str) -> tuple[tuple[int, int, str], ...]:
    """Sorts ``instruction_2`` before ``instruction_10``."""
    return tuple(
        (0, int(part), "") if part.isdecimal() else (1, 0, part) for part in re.split(r"(\d+)", kind)
    )
