"""Graphs whose matrix products are in int8, for ONNX Runtime on the CPU. They are made by
``tracegen quantise`` and kept in the engines' cache, never in a checkpoint.

A folder for each checkpoint, named after the digests of all that the graphs were made from:

    onnxruntime-int8/1c9f…/velocity.onnx     with its weights inside
    onnxruntime-int8/1c9f…/manifest.json     digests of the graphs
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from tracegen_model.atomic_write import write_atomically
from tracegen_model.network.checkpoint_config import (
    SAMPLER_FILE,
    VELOCITY_FILE,
    CheckpointConfig,
    CheckpointError,
)
from tracegen_model.runtime.engines.cache_folder import default_cache_folder
from tracegen_model.runtime.engines.engine import EngineUnavailable

QUANTISED = (VELOCITY_FILE, SAMPLER_FILE)
"""Graphs that come in int8: those that run at every step. The encoders lose too much, and gain little."""

RECIPE = 1
"""Raised whenever graphs are quantised in another way."""

FOLDER = "onnxruntime-int8"
MANIFEST_FILE = "manifest.json"

KEY_LENGTH = 16
"""Hexadecimal digits of the digest that a folder's name carries."""


class QuantisedGraphs:
    """The quantised graphs of a checkpoint.

    Args:
        config: The checkpoint's config, with the digests of its files.
        cache: Folder of the engines' cache; None = the user's own.
    """

    def __init__(self, config: CheckpointConfig, cache: Path | None = None) -> None:
        made_from = {name: config.sha256.get(name) for graph in QUANTISED for name in _files(config, graph)}
        key = json.dumps({"recipe": RECIPE, "files": made_from}, sort_keys=True)
        digest = hashlib.sha256(key.encode()).hexdigest()[:KEY_LENGTH]
        self.folder = (cache or default_cache_folder()) / FOLDER / digest
        self._name = config.name

    def exist(self) -> bool:
        """Whether they have been made."""
        return (self.folder / MANIFEST_FILE).is_file()

    def read(self, name: str) -> bytes | None:
        """A graph with its weights; None when graph ``name`` is not one that comes in int8.

        Raises:
            EngineUnavailable: They have not been made.
            CheckpointError: It is damaged.
        """
        if name not in QUANTISED:
            return None
        if not self.exist():
            raise EngineUnavailable(
                f"there are no int8 graphs of {self._name} yet; make them: tracegen quantise {self._name}"
            )
        try:
            expected = json.loads((self.folder / MANIFEST_FILE).read_text(encoding="utf-8"))["sha256"][name]
            content = (self.folder / name).read_bytes()
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CheckpointError(
                f"{self.folder} is damaged ({error}); delete it and quantise again"
            ) from error
        if hashlib.sha256(content).hexdigest() != expected:
            raise CheckpointError(
                f"{self.folder / name} is damaged: its SHA-256 is not that of {MANIFEST_FILE}; delete the folder and "
                "quantise again"
            )
        return content

    def write(self, graphs: Mapping[str, bytes]) -> None:
        """Keep the graphs, by name; the manifest goes last, so that half of them count as none."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / MANIFEST_FILE).unlink(missing_ok=True)
        digests = {name: hashlib.sha256(content).hexdigest() for name, content in graphs.items()}
        manifest = json.dumps({"sha256": digests}, indent=2) + "\n"
        for name, content in (*graphs.items(), (MANIFEST_FILE, manifest.encode())):
            write_atomically(self.folder / name, content)


def _files(config: CheckpointConfig, graph: str) -> tuple[str, ...]:
    return (graph, *config.graphs.get(graph, ()))
