"""The network that a run starts with: which one, and with which weights."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tracegen_model.network.checkpoint import load_checkpoint
from tracegen_model.network.checkpoint_config import CheckpointConfig
from tracegen_model.network.config_error import NetworkConfigError
from tracegen_model.network.nano.config import NanoConfig
from tracegen_model.network.networks import build_network
from tracegen_model.network.presets import NetworkConfig, architecture_of, network_config_from_dict, preset
from tracegen_model.network.trace_network import TraceNetwork
from tracegen_model.training.ranks import Ranks
from tracegen_model.training.run_config import EncodersConfig, RunConfig, TrainingConfigError

if TYPE_CHECKING:
    from tracegen_model.network.tracegen.encoder_weights import EncoderSource


def configured_network(config: RunConfig, known: CheckpointConfig | None) -> NetworkConfig:
    """The preset or the ``known`` checkpoint's network, with the changes that the settings ask for.

    Raises:
        TrainingConfigError: There is no such setting, or its value is not one.
    """
    if known is not None:
        base = known.network
    else:
        assert config.preset is not None
        base = preset(config.preset)
    values = _changed(dataclasses.asdict(base), config.network, "network")
    try:
        return network_config_from_dict(architecture_of(base), values)
    except (NetworkConfigError, TypeError) as error:
        raise TrainingConfigError(f"network: {error}") from error


def _changed(values: dict[str, Any], changes: Mapping[str, Any], place: str) -> dict[str, Any]:
    for name, value in changes.items():
        if name not in values:
            raise TrainingConfigError(f"unknown setting {place}.{name}; there is {', '.join(values)}")
        nested = isinstance(values[name], dict) and isinstance(value, Mapping)
        values[name] = _changed(values[name], value, f"{place}.{name}") if nested else value
    return values


def initial_network(
    config: RunConfig, network_config: NetworkConfig, start: Path | None, ranks: Ranks
) -> TraceNetwork:
    """The network of ``network_config``, random or with the weights of the checkpoint in ``start``.

    Raises:
        CheckpointError: The checkpoint is damaged.
        EncoderWeightsError: Pretrained encoders cannot be found.
        TrainingConfigError: The checkpoint's weights do not fit the network.
    """
    encoders = None if isinstance(network_config, NanoConfig) else _encoder_source(config.encoders)
    if not ranks.is_main:
        ranks.wait()  # One process fetches pretrained encoders, the others find them.
    if start is None:
        network = build_network(network_config, encoders)
    else:
        loaded, network = load_checkpoint(start, encoders)
        if loaded.network != network_config:
            changed = build_network(network_config, encoders)
            _require_same_tensors(changed, network, start)
            changed.load_state_dict(network.state_dict())
            network = changed
    if ranks.is_main:
        ranks.wait()
    return network


def _require_same_tensors(network: TraceNetwork, other: TraceNetwork, start: Path) -> None:
    expected = {name: tensor.shape for name, tensor in network.state_dict().items()}
    found = {name: tensor.shape for name, tensor in other.state_dict().items()}
    if expected != found:
        names = sorted(name for name in {**expected, **found} if expected.get(name) != found.get(name))
        raise TrainingConfigError(
            f"network: the weights of {start} do not fit the changed network: {', '.join(names[:5])}"
            f"{' and more' if len(names) > 5 else ''}; change only what has no weights, such as time_shift"
        )


def _encoder_source(config: EncodersConfig) -> EncoderSource | None:
    """Where pretrained encoders come from; None = where the network or the checkpoint says."""
    from tracegen_model.network.tracegen.encoder_weights import EncoderSource

    if config == EncodersConfig():
        return None
    return EncoderSource(
        dinov3=config.dinov3, siglip=config.siglip, t5=config.t5, random=config.random, seed=config.seed
    )
