"""The engines there are, by name, and which one is taken when nobody says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from tracegen_model.network.checkpoint_config import CheckpointError
from tracegen_model.runtime.engines.checked_engine import CheckedEngine
from tracegen_model.runtime.engines.engine import (
    BEST_PRECISION,
    Engine,
    EngineError,
    EngineKind,
    EngineRequest,
    EngineUnavailable,
)
from tracegen_model.runtime.engines.onnx_kinds import ONNX_RUNTIME, ONNX_RUNTIME_CUDA, ONNX_RUNTIME_TENSORRT
from tracegen_model.runtime.engines.tensorrt.kinds import TENSORRT_KIND, TENSORRT_RTX_KIND
from tracegen_model.runtime.engines.torch_kinds import TORCH, TORCH_COMPILED

BEST_ENGINE = "auto"
"""Asks for the first engine that works here, in the order of ``ENGINES``."""


@dataclass(frozen=True)
class LoadedEngine:
    """An engine that is ready.

    Attributes:
        engine: The engine.
        refused: Why those before it, in the order of preference, were not taken.
    """

    engine: Engine
    refused: Mapping[str, str]


ENGINES: dict[str, EngineKind] = {
    kind.name: kind
    for kind in (
        TENSORRT_KIND,
        TENSORRT_RTX_KIND,
        ONNX_RUNTIME_TENSORRT,
        ONNX_RUNTIME_CUDA,
        TORCH_COMPILED,
        ONNX_RUNTIME,
        TORCH,
    )
}
"""Engines by name, best first; each imports its own library only when it is asked for."""


def load_engine(
    name: str, request: EngineRequest, excluded: Mapping[str, str] = MappingProxyType({})
) -> LoadedEngine:
    """The engine called ``name``, or the first that works when it is ``BEST_ENGINE``.

    Args:
        name: A key of ``ENGINES``, or ``BEST_ENGINE``.
        request: What it is loaded for.
        excluded: Engines that ``BEST_ENGINE`` passes over, and why: those that broke while running.

    Raises:
        EngineUnavailable: It does not run here, or none does; the message says why.
        CheckpointError: There is no such engine or precision, or the checkpoint's files do not suit it.
    """
    if name != BEST_ENGINE:
        return LoadedEngine(_load(_engine_kind(name), request), {})
    refused: dict[str, str] = {}
    for kind in ENGINES.values():
        reason = excluded.get(kind.name) or kind.why_unavailable() or kind.why_not_best()
        if reason is not None:
            refused[kind.name] = reason
            continue
        try:
            return LoadedEngine(_load(kind, request), refused)
        except (CheckpointError, EngineError) as error:
            refused[kind.name] = str(error)
    reasons = "; ".join(f"{kind}: {reason}" for kind, reason in refused.items())
    raise EngineUnavailable(f"no engine runs {request.folder}: {reasons}")


def _engine_kind(name: str) -> EngineKind:
    if name not in ENGINES:
        raise CheckpointError(f"no engine {name!r}; there is {', '.join((BEST_ENGINE, *ENGINES))}")
    return ENGINES[name]


def _load(kind: EngineKind, request: EngineRequest) -> Engine:
    if request.precision not in (BEST_PRECISION, *kind.precisions):
        raise EngineUnavailable(
            f"engine {kind.name} does not run in {request.precision}; it offers {', '.join(kind.precisions)}"
        )
    reason = kind.why_unavailable() or kind.why_no_precision(request.precision)
    if reason is not None:
        raise EngineUnavailable(f"engine {kind.name} {reason}")
    return CheckedEngine(kind.load(request), request.config.network)
