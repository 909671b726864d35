"""The networks there are, by the name of their preset. Needs no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tracegen_model.network.config_error import NetworkConfigError
from tracegen_model.network.nano.config import NanoConfig
from tracegen_model.network.tracegen.config import TraceGenConfig

NetworkConfig = TraceGenConfig | NanoConfig
"""Sizes and options of any of the networks."""

ARCHITECTURES: dict[str, type[TraceGenConfig] | type[NanoConfig]] = {
    "tracegen": TraceGenConfig,
    "nano": NanoConfig,
}
"""Config classes by the name of the architecture that they describe."""

PRESETS: dict[str, NetworkConfig] = {
    "base": TraceGenConfig(),
    "large": TraceGenConfig(blocks=12, heads=16),
    "nano": NanoConfig(),
}
"""Network configs by name: ``base`` and ``large`` as published, ``nano`` for CPUs."""


def architecture_of(config: NetworkConfig) -> str:
    """Name of the architecture that ``config`` describes."""
    return next(name for name, kind in ARCHITECTURES.items() if isinstance(config, kind))


def preset(name: str) -> NetworkConfig:
    """The preset called ``name``; raises NetworkConfigError naming the choices."""
    if name not in PRESETS:
        raise NetworkConfigError(f"no preset {name!r}; there is {', '.join(sorted(PRESETS))}")
    return PRESETS[name]


def network_config_from_dict(architecture: str, values: Mapping[str, Any]) -> NetworkConfig:
    """Config of ``architecture`` from a mapping with exactly its fields; raises NetworkConfigError."""
    if architecture not in ARCHITECTURES:
        raise NetworkConfigError(
            f"no architecture {architecture!r}; there is {', '.join(sorted(ARCHITECTURES))}"
        )
    return ARCHITECTURES[architecture].from_dict(values)
