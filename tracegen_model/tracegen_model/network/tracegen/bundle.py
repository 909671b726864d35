"""``bundle.json``: all that a program needs to know to run the exported graphs, without this package."""

from __future__ import annotations

import importlib.metadata
import json
from pathlib import Path
from typing import Any

import onnx

from tracegen_model.network.checkpoint_config import CheckpointConfig, file_digest
from tracegen_model.network.flow_times import shifted_times
from tracegen_model.network.tracegen.config import TraceGenConfig
from tracegen_model.network.tracegen.graph_files import MEANINGS
from tracegen_model.network.tracegen.tokeniser import END_ID, PADDING_ID

BUNDLE_FILE = "bundle.json"

BUNDLE_VERSION = 1
"""Raised whenever an entry changes its meaning."""

PACKAGES = ("tracegen-model", "torch", "onnx", "onnxruntime")
"""Whose versions are noted."""


def write_bundle(
    folder: Path,
    config: CheckpointConfig,
    network: TraceGenConfig,
    graphs: list[str],
    files: list[str],
    tokeniser: str,
) -> None:
    """Write ``folder``/bundle.json.

    Args:
        folder: Where the graphs are.
        config: Config of the checkpoint.
        network: Sizes of its network.
        graphs: Names of the graphs.
        files: Names of all files whose digests are noted.
        tokeniser: File of the tokeniser, or the name of the rule.
    """
    values: dict[str, Any] = {
        "format": BUNDLE_VERSION,
        "name": config.name,
        "preset": config.preset,
        "architecture": config.architecture,
        "versions": {name: _version(name) for name in PACKAGES},
        "preprocessing": {
            "preparation": network.preparation,
            "colour": "squashed to a square by an antialiased bilinear filter; the graph normalises",
            "depth": "unknown readings to 0, then squashed like colour; no other scaling",
            "side_px": network.image_side,
        },
        "tokeniser": {
            "source": tokeniser,
            "length": network.text_length,
            "end_id": END_ID,
            "padding_id": PADDING_ID,
        },
        "statistics": {
            "increment_scale": list(config.increment_scale),
            "increment_units": [
                "fraction of the image's width",
                "fraction of its height",
                "unit of the depth",
            ],
            "clip_increments": config.clip_increments,
            "step_length_m": config.step_length_m,
        },
        "query_grid": {
            "side": network.grid_side,
            "order": "row by row",
            "horizon": network.horizon,
            "summing": "a point's place after step s is its start plus its increments up to s",
        },
        "sampler": {
            "steps": config.sampler_steps,
            "times": shifted_times(config.sampler_steps, network.time_shift).tolist(),
        },
        "graphs": {name: _tensors(folder / name) for name in graphs},
        "encoders": dict(config.encoders),
        "sha256": {name: file_digest(folder / name) for name in files},
    }
    (folder / BUNDLE_FILE).write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def _tensors(path: Path) -> dict[str, Any]:
    graph = onnx.load(path, load_external_data=False).graph
    return {
        kind: {entry.name: _described(entry) for entry in entries}
        for kind, entries in (("inputs", graph.input), ("outputs", graph.output))
    }


def _described(entry: onnx.ValueInfoProto) -> dict[str, Any]:
    tensor = entry.type.tensor_type
    return {
        "type": onnx.TensorProto.DataType.Name(tensor.elem_type).lower(),
        "shape": [axis.dim_param or axis.dim_value for axis in tensor.shape.dim],
        "meaning": MEANINGS[entry.name],
    }


def _version(package: str) -> str | None:
    """Version of an installed package; None where another distribution stands in for it."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
