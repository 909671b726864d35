"""``bundle.json``: all that a program needs to know to run the exported graphs, without this package."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnx

from tracegen_model.network.checkpoint_config import CheckpointConfig

BUNDLE_FILE = "bundle.json"

BUNDLE_VERSION = 2
"""Raised whenever an entry changes its meaning."""

PACKAGES = ("tracegen-model", "torch", "onnx", "onnxruntime")
"""Whose versions are noted."""

PREPARATIONS: dict[str, dict[str, str]] = {
    "nearest_depth": {
        "colour": "squashed to a square, each pixel the mean of the source's area under it (OpenCV's INTER_AREA); the "
        "graph normalises",
        "depth": "in metres, readings that are not finite to 0; each pixel takes the reading at row "
        "floor((row + 1/2) height / side) and the like column, or, where that is 0, the first reading that is not "
        "among those right, left, below and above it in the source; no mixing of readings",
    },
    "bilinear": {
        "colour": "squashed to a square by an antialiased bilinear filter (Pillow's BILINEAR); the graph normalises",
        "depth": "readings that are not finite to 0, then squashed like colour; no other scaling",
    },
}
"""What is done to images before the graphs, by the name that network configs have for it."""


def write_bundle(
    folder: Path,
    config: CheckpointConfig,
    models: Mapping[str, onnx.ModelProto],
    meanings: Mapping[str, str],
    description: Mapping[str, Any],
) -> None:
    """Write ``folder``/bundle.json.

    Args:
        folder: Where the graphs are.
        config: Config of the checkpoint, with the digests of all files.
        models: The graphs, by their files.
        meanings: What each tensor is.
        description: Entries that only this network has.
    """
    network = config.network
    values: dict[str, Any] = {
        "format": BUNDLE_VERSION,
        "name": config.name,
        "preset": config.preset,
        "architecture": config.architecture,
        "versions": {name: _version(name) for name in PACKAGES},
        "preprocessing": {
            "preparation": network.preparation,
            **PREPARATIONS[network.preparation],
            "side_px": network.image_side,
        },
        **description,
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
            "start_px": "point i along a side starts at pixel i (side_px - 1) / (side - 1) of the square image; its "
            "centre lies at (pixel + 1/2) / side_px of the image",
            "start_depth": "as measured there, in the source image",
            "horizon": network.horizon,
            "summing": "a point's place after step s is its start plus its increments up to s, multiplied by "
            "increment_scale",
        },
        "sampler": {
            "method": config.sampler_method,
            "steps": config.sampler_steps,
            "times": list(config.default_plan.times),
        },
        "graphs": {name: _described(name, model, config, meanings) for name, model in models.items()},
        "encoders": dict(config.encoders),
        "sha256": dict(config.sha256),
    }
    (folder / BUNDLE_FILE).write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def _described(
    name: str, model: onnx.ModelProto, config: CheckpointConfig, meanings: Mapping[str, str]
) -> dict[str, Any]:
    tensors = {
        kind: {entry.name: _tensor(entry, meanings) for entry in entries}
        for kind, entries in (("inputs", model.graph.input), ("outputs", model.graph.output))
    }
    return {"weights": list(config.graphs[name]), **tensors}


def _tensor(entry: onnx.ValueInfoProto, meanings: Mapping[str, str]) -> dict[str, Any]:
    tensor = entry.type.tensor_type
    return {
        "type": onnx.TensorProto.DataType.Name(tensor.elem_type).lower(),
        "shape": [axis.dim_param or axis.dim_value for axis in tensor.shape.dim],
        "meaning": meanings[entry.name],
    }


def _version(package: str) -> str | None:
    """Version of an installed package; None where another distribution stands in for it."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
