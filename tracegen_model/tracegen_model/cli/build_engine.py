"""``tracegen build-engine``: a checkpoint's graphs as engines of TensorRT or TensorRT for RTX."""

from __future__ import annotations

import argparse
from pathlib import Path

from tracegen_model.runtime.checkpoints import find_checkpoint
from tracegen_model.runtime.engines.cache_folder import CACHE_VARIABLE, default_cache_folder
from tracegen_model.runtime.engines.tensorrt.engine_cache import DEFAULT_LIMIT

FLAVOURS = ("tensorrt", "tensorrt-rtx")
GIGABYTE = 1e9


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add the command to ``commands``."""
    parser = commands.add_parser(
        "build-engine",
        help="build a checkpoint's engines for NVIDIA GPUs ahead of time",
        description="Builds what the engines tensorrt and tensorrt-rtx would build when they are first loaded. "
        "One engine serves every sampling method and number of steps.",
    )
    parser.add_argument("checkpoint", nargs="?", help="checkpoint's folder, or name of a shipped one")
    parser.add_argument(
        "--for", dest="flavour", choices=FLAVOURS, help="library (default: the first that is installed)"
    )
    parser.add_argument("--precision", default="float32", help="float32, tf32, bfloat16 or float16")
    parser.add_argument("--samples", type=int, default=1, metavar="K", help="samples to draw together")
    parser.add_argument(
        "--compute-capability",
        nargs="+",
        default=[],
        metavar="X.Y",
        help="GPUs to build for, none of which need be in this machine (tensorrt-rtx only); default: this machine's",
    )
    parser.add_argument(
        "--cache",
        type=Path,
        metavar="DIR",
        help=f"folder of the engines (default: ${CACHE_VARIABLE}, or tracegen/engines in the user's cache)",
    )
    parser.add_argument(
        "--limit",
        type=float,
        default=DEFAULT_LIMIT / GIGABYTE,
        metavar="GB",
        help="delete the least recently used engines beyond this (default: %(default)g)",
    )
    parser.add_argument(
        "--clean", action="store_true", help="delete all engines first; without a checkpoint, nothing else"
    )
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    from tracegen_model.network.checkpoint_config import CheckpointConfig, CheckpointError
    from tracegen_model.runtime.engines.engine import EngineError, EngineUnavailable
    from tracegen_model.runtime.engines.tensorrt.build_progress import ProgressLog
    from tracegen_model.runtime.engines.tensorrt.checkpoint_engines import CheckpointEngines, check_precision
    from tracegen_model.runtime.engines.tensorrt.cuda_runtime import find_gpu
    from tracegen_model.runtime.engines.tensorrt.engine_cache import EngineCache
    from tracegen_model.runtime.engines.tensorrt.flavours import installed_flavour
    from tracegen_model.runtime.engines.tensorrt.targets import target_for, target_without_gpu

    folder = options.cache or default_cache_folder()
    cache = EngineCache(folder, int(options.limit * GIGABYTE))
    if options.clean:
        count, size = cache.clean()
        print(f"deleted {count} engines, {size / GIGABYTE:.2f} GB, from {folder}")
    if options.checkpoint is None:
        if not options.clean:
            raise ValueError("expected a checkpoint to build engines of, or --clean")
        return
    if options.samples < 1:
        raise ValueError(f"--samples must be at least 1, got {options.samples}")
    check_precision(options.precision)
    flavour = installed_flavour(options.flavour)
    gpu = None
    if not options.compute_capability:
        try:
            gpu = find_gpu()
        except EngineUnavailable as error:
            hint = (
                "; or name GPUs to build for: --compute-capability 8.9"
                if flavour.compiles_when_loaded
                else ""
            )
            raise EngineUnavailable(f"{error}{hint}") from error
    target = target_for(flavour, gpu) if gpu else target_without_gpu(flavour, options.compute_capability)
    checkpoint = find_checkpoint(options.checkpoint)
    config = CheckpointConfig.load(checkpoint)
    engines = CheckpointEngines(checkpoint, config, flavour, options.precision, options.samples, target, gpu)
    try:
        built = engines.get(cache, ProgressLog())
    except EngineError as error:
        raise CheckpointError(str(error)) from error
    for graph, path in built.items():
        print(f"{graph:24s} {path.stat().st_size / 1e6:9.1f} MB  {path}")
