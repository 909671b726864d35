"""What GPUs an engine is for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tracegen_model.runtime.engines.engine import EngineUnavailable
from tracegen_model.runtime.engines.tensorrt.flavours import Flavour, buildable_compute_capabilities


@dataclass(frozen=True)
class Gpu:
    """A GPU of this machine.

    Attributes:
        name: What its maker calls it.
        compute_capability: Such as "8.9".
        driver: Newest CUDA version that its driver runs, such as "13.0".
    """

    name: str
    compute_capability: str
    driver: str


@dataclass(frozen=True)
class Target:
    """GPUs that an engine is for.

    Attributes:
        compute_capabilities: Theirs, ascending.
        gpu: The only GPU by name; None = every one of these compute capabilities.
    """

    compute_capabilities: tuple[str, ...]
    gpu: str | None = None

    def covers(self, gpu: Gpu) -> bool:
        """Whether ``gpu`` is one of them."""
        return gpu.compute_capability in self.compute_capabilities and self.gpu in (None, gpu.name)

    def __str__(self) -> str:
        return self.gpu or "compute capability " + ", ".join(self.compute_capabilities)


def target_for(flavour: Flavour, gpu: Gpu) -> Target:
    """What to build where ``gpu`` will run it: one engine for its kind, or for all GPUs of its compute capability."""
    name = None if flavour.compiles_when_loaded else gpu.name
    return Target((gpu.compute_capability,), name)


def target_without_gpu(flavour: Flavour, compute_capabilities: Sequence[str]) -> Target:
    """GPUs by compute capability, of which none need be in this machine.

    Raises:
        EngineUnavailable: The library is missing, or cannot build for them.
    """
    possible = list(buildable_compute_capabilities(flavour.library()))
    if not possible:
        raise EngineUnavailable(
            f"{flavour.title} builds on the GPU that will run the engine, and for no other; leave out the compute "
            "capabilities, and run this on that machine"
        )
    unknown = [name for name in compute_capabilities if name not in possible]
    if unknown or not compute_capabilities:
        raise EngineUnavailable(
            f"{flavour.title} builds for the compute capabilities {', '.join(possible)}; got "
            f"{', '.join(unknown) or 'none'}"
        )
    ordered = sorted(set(compute_capabilities), key=lambda name: tuple(int(part) for part in name.split(".")))
    return Target(tuple(ordered))


def set_target(library: Any, build_config: Any, target: Target) -> None:
    """Tell the builder what to build for; TensorRT builds for the GPU in this machine and is not told."""
    kinds = buildable_compute_capabilities(library)
    if not kinds:
        return
    build_config.num_compute_capabilities = len(target.compute_capabilities)
    for index, name in enumerate(target.compute_capabilities):
        build_config.set_compute_capability(kinds[name], index)
