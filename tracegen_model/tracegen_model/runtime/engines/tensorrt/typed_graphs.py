"""Graphs of a checkpoint in the precision that an engine is to compute in.

Graphs in half precision are made when an engine of them is built, by ``network.checkpoint_graphs``, which needs the
package onnx. Running an engine that has been built needs neither.
"""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path

from tracegen_model.network.checkpoint_config import CheckpointConfig
from tracegen_model.runtime.engines.engine import EngineUnavailable

HALF_PRECISIONS = ("bfloat16", "float16")
"""Precisions that graphs have to be written anew for."""

RULES = ("tracegen_model.network.half_precision", "tracegen_model.network.graph_dependencies")
"""Say which arithmetic is done in half precision."""


def typed_graph(folder: Path, config: CheckpointConfig, graph: str, precision: str) -> bytes | None:
    """A graph of the checkpoint in ``folder`` in ``precision``; None where its own file is that already.

    Raises:
        EngineUnavailable: The package onnx is missing.
        CheckpointError: The graph or its weights are missing or altered.
    """
    if precision not in HALF_PRECISIONS:
        return None
    try:
        from tracegen_model.network import checkpoint_graphs
    except ModuleNotFoundError as error:
        raise EngineUnavailable(
            f"building engines in {precision} needs the package {error.name}: pip install {error.name}"
        ) from error
    return bytes(checkpoint_graphs.typed_graph(folder, config, graph, precision).SerializeToString())


def rules_digest(precision: str) -> str:
    """Digest of the code that decides what is done in ``precision``, without running it; "" where there is none."""
    if precision not in HALF_PRECISIONS:
        return ""
    digest = hashlib.sha256()
    for name in RULES:
        found = importlib.util.find_spec(name)
        assert found is not None and found.origin is not None
        digest.update(Path(found.origin).read_bytes())
    return digest.hexdigest()
