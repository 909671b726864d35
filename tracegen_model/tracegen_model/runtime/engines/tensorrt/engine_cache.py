"""Engines on disk: built once, found again only where nothing they depend on has changed.

A folder for each library; in it, for each engine,

    velocity-1c9f….engine         what TensorRT loads
    velocity-1c9f….json           its manifest: what it was built from, by and for, and its own digest
    velocity-1c9f….layers.txt     what the builder says of its layers and bindings
    velocity-1c9f….kernels        kernels that TensorRT for RTX compiled for this GPU when it loaded the engine
    velocity-1c9f….lock           held by the process that builds it

Files appear whole or not at all: a build that is killed leaves a ``.part`` at most, which the next one deletes, and an
engine without its manifest is none.
"""

from __future__ import annotations

import dataclasses
import fcntl
import hashlib
import json
import logging
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tracegen_model.atomic_write import PART_SUFFIX, write_atomically
from tracegen_model.network.checkpoint_config import file_digest
from tracegen_model.runtime.engines.tensorrt.engine_builder import BuiltEngine
from tracegen_model.runtime.engines.tensorrt.flavours import FLAVOURS
from tracegen_model.runtime.engines.tensorrt.targets import Gpu, Target
from tracegen_model.scratch_folder import scratch_folder

logger = logging.getLogger(__name__)

DEFAULT_LIMIT = 20 * 10**9
"""Bytes of engines that are kept; those of the base network take 2.3 GB in float32."""

MANIFEST_FORMAT = 1
"""Raised whenever manifests change their meaning."""

ENGINE_SUFFIX, MANIFEST_SUFFIX, LAYERS_SUFFIX = ".engine", ".json", ".layers.txt"
KERNELS_SUFFIX, LOCK_SUFFIX, TIMINGS_SUFFIX = ".kernels", ".lock", ".timings"

SCRATCH_PREFIX = ".build-"
"""Begins the names of folders that live as long as a build."""

KEY_LENGTH = 16
"""Hexadecimal digits of the digest that a file name carries."""


@dataclass(frozen=True)
class EngineOrder:
    """An engine that is wanted.

    Attributes:
        flavour: Name of the library.
        version: Its version.
        graph: Name of the graph's file.
        graph_sha256: Digest of that file.
        weights_sha256: Digest of the weights that the graph refers to.
        precision: What it computes in.
        open_sizes: Sizes of the axes that the graph leaves open.
        target: What to build it for where none is found.
        gpu: The GPU that will run it, for which an engine of a wider target does too; None = only this target will do.
    """

    flavour: str
    version: str
    graph: str
    graph_sha256: str
    weights_sha256: str
    precision: str
    open_sizes: Mapping[str, int]
    target: Target
    gpu: Gpu | None = None

    @property
    def model(self) -> dict[str, Any]:
        """What the engine computes, whoever builds it."""
        return {
            "graph": self.graph,
            "graph_sha256": self.graph_sha256,
            "weights_sha256": self.weights_sha256,
            "precision": self.precision,
            "open_sizes": dict(sorted(self.open_sizes.items())),
        }

    @property
    def name(self) -> str:
        """Stem of the engine's files."""
        everything = {**self.model, "version": self.version, "target": dataclasses.asdict(self.target)}
        digest = hashlib.sha256(json.dumps(everything, sort_keys=True).encode()).hexdigest()
        return f"{self.graph.removesuffix('.onnx')}-{digest[:KEY_LENGTH]}"

    def accepts(self, target: Target) -> bool:
        """Whether an engine that was built for ``target`` will do."""
        return target == self.target if self.gpu is None else target.covers(self.gpu)


class EngineCache:
    """The engines in a folder.

    Args:
        folder: Made when the first engine is stored.
        limit: Bytes of engines to keep; the least recently used ones go first, never those of the last order.
    """

    def __init__(self, folder: Path, limit: int = DEFAULT_LIMIT) -> None:
        self._folder = folder
        self._limit = limit

    def get(self, order: EngineOrder, build: Callable[[bytes], BuiltEngine]) -> Path:
        """The engine that is wanted, built first where there is none that will do.

        One process builds, others that want the same engine wait for it.

        Args:
            order: What is wanted.
            build: Builds it, given what earlier builds found out about the speed of kernels.

        Raises:
            OSError: The folder cannot be written.
        """
        found, _ = self._find(order)
        if found is not None:
            return found
        with self._lock(order):
            found, why = self._find(order)  # Another process may have built it while this one waited.
            if found is not None:
                return found
            logger.info("%s: %s; building it for %s", order.graph, why, order.target)
            timings = self._folder / order.flavour / f"{order.version}{TIMINGS_SUFFIX}"
            built = build(timings.read_bytes() if timings.is_file() else b"")
            path = self._store(order, built)
            if built.timing_cache:
                write_atomically(timings, built.timing_cache)
        self._shrink(path)
        return path

    @contextmanager
    def scratch_folder(self) -> Iterator[Path]:
        """A folder beside the engines for what a build needs; it is deleted afterwards."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with scratch_folder(self._folder, SCRATCH_PREFIX) as folder:
            yield folder

    def clean(self) -> tuple[int, int]:
        """Delete every engine and what belongs to it; returns the number of engines and their bytes."""
        engines = self._files(ENGINE_SUFFIX)
        size = sum(path.stat().st_size for path in engines)
        for suffix in (
            MANIFEST_SUFFIX,
            ENGINE_SUFFIX,
            LAYERS_SUFFIX,
            KERNELS_SUFFIX,
            TIMINGS_SUFFIX,
            PART_SUFFIX,
        ):
            for path in self._files(suffix):
                path.unlink(missing_ok=True)
        for left in self._folder.glob(f"{SCRATCH_PREFIX}*"):
            shutil.rmtree(left, ignore_errors=True)
        return len(engines), size

    def _files(self, suffix: str) -> list[Path]:
        """Files in the folders of the libraries; others may keep theirs beside those."""
        return [path for flavour in FLAVOURS for path in (self._folder / flavour).glob(f"*{suffix}")]

    def _find(self, order: EngineOrder) -> tuple[Path | None, str]:
        """An engine that will do, or why there is none."""
        why = "there is no engine yet"
        for manifest in sorted((self._folder / order.flavour).glob(f"*{MANIFEST_SUFFIX}")):
            engine = manifest.with_suffix(ENGINE_SUFFIX)
            try:
                values = json.loads(manifest.read_text(encoding="utf-8"))
                target = Target(tuple(values["target"]["compute_capabilities"]), values["target"]["gpu"])
                same_model = values["format"] == MANIFEST_FORMAT and values["model"] == order.model
                version, digest = values["version"], values["engine_sha256"]
            except (OSError, ValueError, KeyError, TypeError):
                if manifest.stem == order.name:
                    why = f"{manifest.name} is damaged"
                continue
            if not same_model:
                continue
            if version != order.version:
                why = f"the engine is of {order.flavour} {version}, this is {order.version}"
            elif not order.accepts(target):
                why = f"the engine is for {target}"
            elif not engine.is_file() or file_digest(engine) != digest:
                why = f"{engine.name} is missing or damaged"
            else:
                with suppress(FileNotFoundError):  # Another process may be making room.
                    os.utime(manifest)
                return engine, ""
        return None, why

    def _store(self, order: EngineOrder, built: BuiltEngine) -> Path:
        path = self._folder / order.flavour / (order.name + ENGINE_SUFFIX)
        manifest = path.with_suffix(MANIFEST_SUFFIX)
        unfinished = path.parent.glob(f"{path.name}.*{PART_SUFFIX}")
        for stale in (manifest, path.with_suffix(KERNELS_SUFFIX), *unfinished):
            stale.unlink(missing_ok=True)
        write_atomically(path, built.serialized)
        write_atomically(path.with_suffix(LAYERS_SUFFIX), built.information)
        values = {
            "format": MANIFEST_FORMAT,
            "model": order.model,
            "version": order.version,
            "target": dataclasses.asdict(order.target),
            "engine_sha256": file_digest(path),
        }
        write_atomically(manifest, json.dumps(values, indent=2) + "\n")
        return path

    @contextmanager
    def _lock(self, order: EngineOrder) -> Iterator[None]:
        folder = self._folder / order.flavour
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / (order.name + LOCK_SUFFIX)).open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                logger.info("%s: another process is building it; waiting", order.graph)
                fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _shrink(self, kept: Path) -> None:
        """Delete the least recently used engines until the rest fits."""
        manifests = sorted(self._files(MANIFEST_SUFFIX), key=lambda path: path.stat().st_mtime)
        sizes = {path: _size(path.with_suffix(ENGINE_SUFFIX)) for path in manifests}
        total = sum(sizes.values())
        for manifest, size in sizes.items():
            if total <= self._limit:
                break
            if manifest.stem != kept.stem:
                logger.info(
                    "%s: deleted, to keep the engines under %.1f GB", manifest.stem, self._limit / 1e9
                )
                for suffix in (MANIFEST_SUFFIX, ENGINE_SUFFIX, LAYERS_SUFFIX, KERNELS_SUFFIX):
                    manifest.with_suffix(suffix).unlink(missing_ok=True)
                total -= size


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
