"""TensorRT and TensorRT for RTX: one Python API in two libraries, and the few places where they differ."""

from __future__ import annotations

import importlib
import importlib.util
import re
from dataclasses import dataclass
from typing import Any

from tracegen_model.runtime.engines.engine import EngineUnavailable

OLDEST_COMPUTE_CAPABILITY = (7, 5)
"""Turing: the oldest GPUs that TensorRT 10 and TensorRT for RTX run on (their support matrices)."""


@dataclass(frozen=True)
class Flavour:
    """One of the two libraries.

    Attributes:
        name: Of the engine kind.
        title: What people call it.
        module: What Python imports.
        extra: Extra of ``tracegen-model`` that installs it.
        compiles_when_loaded: Engines hold portable code that is compiled for the GPU when they are loaded. They are
            built without a GPU, serve every GPU of their compute capabilities, and what was compiled is cached.
    """

    name: str
    title: str
    module: str
    extra: str
    compiles_when_loaded: bool

    def is_installed(self) -> bool:
        """Whether Python finds the library."""
        return importlib.util.find_spec(self.module) is not None

    def library(self) -> Any:
        """The library; raises EngineUnavailable saying how to install it."""
        try:
            return importlib.import_module(self.module)
        except (
            ImportError,
            OSError,
            RuntimeError,
        ) as error:  # The packages load shared libraries when imported.
            raise EngineUnavailable(f"{self.how_to_install()} ({error})") from error

    def how_to_install(self) -> str:
        """What to do where the library is missing."""
        return f"needs {self.title}: pip install 'tracegen-model[{self.extra}]'"


TENSORRT = Flavour("tensorrt", "TensorRT", "tensorrt", "tensorrt", compiles_when_loaded=False)
"""For data centres and Jetson: engines are tuned on the GPU that will run them."""

TENSORRT_RTX = Flavour(
    "tensorrt-rtx", "TensorRT for RTX", "tensorrt_rtx", "tensorrt-rtx", compiles_when_loaded=True
)
"""For RTX cards."""

FLAVOURS = {flavour.name: flavour for flavour in (TENSORRT, TENSORRT_RTX)}
"""Both by name."""


def installed_flavour(name: str | None) -> Flavour:
    """The library called ``name``, or the first that is installed; raises EngineUnavailable saying what to install."""
    candidates = [FLAVOURS[name]] if name else list(FLAVOURS.values())
    for flavour in candidates:
        if flavour.is_installed():
            return flavour
    raise EngineUnavailable("; or ".join(flavour.how_to_install() for flavour in candidates))


def buildable_compute_capabilities(library: Any) -> dict[str, Any]:
    """What ``library`` can build engines for without such a GPU: "8.9" to ``ComputeCapability.SM89``, and so on."""
    kinds = getattr(library, "ComputeCapability", None)
    matches = {name: re.fullmatch(r"SM(\d+)(\d)", name) for name in getattr(kinds, "__members__", {})}
    return {
        f"{match[1]}.{match[2]}": getattr(kinds, name) for name, match in matches.items() if match is not None
    }


def network_flags(library: Any) -> int:
    """Flags of a network whose tensors have the types that its graph gives them: a choice before TensorRT 11."""
    flag = getattr(library.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)
    return 0 if flag is None else 1 << int(flag)


def allow_capture(library: Any, build_config: Any) -> None:
    """Have the engine work in memory that it is given, so that a CUDA graph can hold it.

    TensorRT for RTX may otherwise allocate while it runs, which no capture survives; TensorRT has no such flag and no
    such habit for fixed shapes.
    """
    flag = getattr(library.BuilderFlag, "REQUIRE_USER_ALLOCATION", None)
    if flag is not None:
        build_config.set_flag(flag)
