"""The engine kinds ``tensorrt`` and ``tensorrt-rtx``: whether they run here, and how one is loaded."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from tracegen_model.runtime.engines.accuracy_record import AccuracyRecord
from tracegen_model.runtime.engines.cache_folder import default_cache_folder
from tracegen_model.runtime.engines.engine import (
    BEST_PRECISION,
    Engine,
    EngineDescription,
    EngineKind,
    EngineRequest,
    EngineUnavailable,
)
from tracegen_model.runtime.engines.tensorrt.build_progress import ProgressListener, ProgressLog
from tracegen_model.runtime.engines.tensorrt.checkpoint_engines import PRECISIONS, CheckpointEngines
from tracegen_model.runtime.engines.tensorrt.cuda_runtime import cuda_is_installed, find_gpu
from tracegen_model.runtime.engines.tensorrt.engine_cache import EngineCache
from tracegen_model.runtime.engines.tensorrt.flavours import (
    OLDEST_COMPUTE_CAPABILITY,
    TENSORRT,
    TENSORRT_RTX,
    Flavour,
    buildable_compute_capabilities,
)
from tracegen_model.runtime.engines.tensorrt.targets import Gpu, target_for
from tracegen_model.runtime.engines.tensorrt.tensorrt_engine import TensorrtEngine

PREFERRED = ("bfloat16", "float16", "tf32")
"""Precisions that are taken, the fastest first, once they have passed ``tracegen check-engine``."""


def why_unavailable(flavour: Flavour) -> str | None:
    """What this machine lacks to run engines of ``flavour``, and what to do about it; None when nothing is missing."""
    if not flavour.is_installed():
        return flavour.how_to_install()
    if not cuda_is_installed():
        return f"needs NVIDIA's CUDA for Python: pip install 'tracegen-model[{flavour.extra}]'"
    try:
        return _why_not_on(flavour, find_gpu())
    except EngineUnavailable as error:
        return str(error)


def _why_not_on(flavour: Flavour, gpu: Gpu) -> str | None:
    found = tuple(int(part) for part in gpu.compute_capability.split("."))
    if found < OLDEST_COMPUTE_CAPABILITY:
        oldest = ".".join(str(part) for part in OLDEST_COMPUTE_CAPABILITY)
        return f"needs a GPU of compute capability {oldest} or newer; {gpu.name} has {gpu.compute_capability}"
    possible = buildable_compute_capabilities(flavour.library()) if flavour.compiles_when_loaded else {}
    if possible and gpu.compute_capability not in possible:
        return (
            f"runs on GPUs of the compute capabilities {', '.join(possible)}; {gpu.name} has "
            f"{gpu.compute_capability}: use engine {TENSORRT.name}"
        )
    return None


def load_tensorrt(
    flavour: Flavour,
    request: EngineRequest,
    cache: EngineCache | None = None,
    listener: ProgressListener | None = None,
) -> Engine:
    """An engine that has run once; what is not in the cache is built first, which takes seconds to minutes.

    Args:
        flavour: The library.
        request: What it is for.
        cache: Where engines are kept; None = the default folder.
        listener: Is told how far a build is; None = the log is.

    Raises:
        EngineUnavailable: There is no such GPU or library, or the cache cannot be written.
        CheckpointError: The checkpoint's graphs are missing, damaged, or not for TensorRT.
        EngineError: The GPU failed.
    """
    gpu = find_gpu()
    library = f"{flavour.title} {flavour.library().__version__}"
    precision = request.precision
    if precision == BEST_PRECISION:
        precision = AccuracyRecord(request.config).best(flavour.name, library, PREFERRED, PRECISIONS[0])
    engines = CheckpointEngines(
        request.folder, request.config, flavour, precision, request.samples, target_for(flavour, gpu), gpu
    )
    folder = default_cache_folder()
    try:
        files: dict[str, Path] = engines.get(cache or EngineCache(folder), listener or ProgressLog())
    except OSError as error:
        raise EngineUnavailable(
            f"engine {flavour.name} cannot keep its engines in {folder}: {error}"
        ) from error
    detail = f"{library}, CUDA graphs, samples at a time: {request.samples}"
    return TensorrtEngine(
        flavour, request, EngineDescription(flavour.name, gpu.name, precision, detail), files
    )


def _kind(flavour: Flavour) -> EngineKind:
    return EngineKind(
        flavour.name, PRECISIONS, partial(why_unavailable, flavour), partial(load_tensorrt, flavour)
    )


TENSORRT_KIND = _kind(TENSORRT)
"""For data centres and Jetson."""

TENSORRT_RTX_KIND = _kind(TENSORRT_RTX)
"""For RTX cards."""
