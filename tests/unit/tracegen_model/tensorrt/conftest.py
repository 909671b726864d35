"""TensorRT for RTX where it is installed: it builds engines without a GPU."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from tracegen_model.network.checkpoint_config import CheckpointConfig
from tracegen_model.runtime.engines.tensorrt.build_progress import BuildProgress
from tracegen_model.runtime.engines.tensorrt.checkpoint_engines import CheckpointEngines
from tracegen_model.runtime.engines.tensorrt.engine_cache import LAYERS_SUFFIX, EngineCache
from tracegen_model.runtime.engines.tensorrt.engine_report import EngineReport
from tracegen_model.runtime.engines.tensorrt.flavours import TENSORRT_RTX
from tracegen_model.runtime.engines.tensorrt.targets import target_without_gpu

COMPUTE_CAPABILITIES = ("8.9", "12.0")
"""RTX 40 and RTX 50."""

needs_tensorrt_rtx = pytest.mark.skipif(
    importlib.util.find_spec(TENSORRT_RTX.module) is None,
    reason="the package tensorrt-rtx-cu13 is not installed; it has wheels for Linux on x86-64 and aarch64",
)


def build(
    folder: Path, cache: Path, precision: str = "float32", samples: int = 1
) -> tuple[dict[str, Path], list[BuildProgress]]:
    """Engines of a checkpoint by graph, really compiled, and what was said of their progress."""
    progress: list[BuildProgress] = []
    engines = CheckpointEngines(
        folder,
        CheckpointConfig.load(folder),
        TENSORRT_RTX,
        precision,
        samples,
        target_without_gpu(TENSORRT_RTX, COMPUTE_CAPABILITIES),
    )
    return engines.get(EngineCache(cache), progress.append), progress


def report(engine: Path) -> EngineReport:
    """What the builder says of an engine."""
    return EngineReport.parse(engine.with_suffix(LAYERS_SUFFIX).read_text())
