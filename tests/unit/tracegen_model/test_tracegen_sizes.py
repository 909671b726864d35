"""Every part of the published networks has as many parameters as the original, and configs say what does not fit."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
import torch
from torch import nn

from tracegen_model.network.config_error import NetworkConfigError
from tracegen_model.network.presets import preset
from tracegen_model.network.tracegen.config import T5Config, TraceGenConfig
from tracegen_model.network.tracegen.encoder_weights import EncoderSource
from tracegen_model.network.tracegen.tracegen import TraceGen

from .conftest import TINY_TRACEGEN

SIGLIP_TOWER = 93_176_064
SIGLIP_POOLING_HEAD = 7_087_104
"""The original computes it and throws its result away."""
PADDING_TOKENS = 704 * 768
"""The original holds them and never uses them at this length."""

SMALL = TraceGenConfig(blocks=4, heads=8)
"""The authors' training config."""


def parameters(module: nn.Module, trained: bool | None = None) -> int:
    return sum(p.numel() for p in module.parameters() if trained is None or p.requires_grad == trained)


def shapes_only(config: TraceGenConfig) -> TraceGen:
    with torch.device("meta"):
        return TraceGen(config, EncoderSource())


def test_every_part_of_base_has_the_size_of_the_original() -> None:
    network = shapes_only(TraceGenConfig())
    assert parameters(network.dinov3.tower) == 303_079_424
    assert parameters(network.dinov3.norm) == 2_048
    assert parameters(network.siglip.tower) == SIGLIP_TOWER - SIGLIP_POOLING_HEAD
    assert parameters(network.siglip.norm) == 1_536
    assert parameters(network.depth.stem) == 6
    assert parameters(network.depth.norm) == 1_536
    assert network.depth_mask_token.numel() == 768
    assert parameters(network.t5.tower) == 109_628_544
    assert parameters(network.t5.norm) == 1_536
    assert parameters(network.fusion) == 1_966_848


@pytest.mark.parametrize(
    ("config", "transformer", "block", "total", "trained"),
    [
        pytest.param(SMALL, 26_689_560, 6_304_512, 628_264_606, 29_204_510, id="small"),
        pytest.param(preset("base"), 72_971_288, 11_815_936, 674_546_334, 75_486_238, id="base"),
        pytest.param(preset("large"), 229_482_520, 18_900_224, 831_057_566, 231_997_470, id="large"),
    ],
)
def test_totals_are_those_of_the_original_less_what_it_holds_in_vain(
    config: TraceGenConfig, transformer: int, block: int, total: int, trained: int
) -> None:
    network = shapes_only(config)
    modulation_of_a_block = 2 * 6 * config.width * (config.time_width + 1)
    assert parameters(network.transformer) == transformer
    assert parameters(network.transformer.blocks[0]) + modulation_of_a_block == block
    assert parameters(network, trained=True) == trained - PADDING_TOKENS
    in_vain = PADDING_TOKENS + SIGLIP_POOLING_HEAD + SIGLIP_TOWER
    assert parameters(network) == total - in_vain


def test_the_towers_are_frozen_and_all_else_is_trained() -> None:
    network = TraceGen(TINY_TRACEGEN, EncoderSource(random=True))
    frozen = {name for name, parameter in network.named_parameters() if not parameter.requires_grad}
    assert frozen == set(network.frozen_parameters())
    assert {name.split(".")[1] for name in frozen} == {"tower"}
    assert set(network.frozen_parameters()) < set(network.state_dict())


def test_a_config_survives_json() -> None:
    for config in (TINY_TRACEGEN, preset("base"), preset("large")):
        assert TraceGenConfig.from_dict(json.loads(json.dumps(dataclasses.asdict(config)))) == config


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"grid_side": 5}, "grid_side 5 must be a multiple of patch_side 2"),
        ({"horizon": 7}, "horizon 7 must be a multiple of frames_in_channels 2"),
        ({"image_side": 30}, "image_side 30 must be a multiple of dinov3.patch_side 8"),
        ({"heads": 0}, "heads must be a positive integer, got 0"),
        ({"blocks": 2.5}, "blocks must be a positive integer, got 2.5"),
        ({"head_width": 12}, "must be a multiple of 16"),
        ({"condition_width": 48}, "t5.width 32 must be condition_width 48"),
        ({"spatial_scale": 0.0}, "spatial_scale must be positive"),
    ],
)
def test_sizes_that_do_not_fit_are_named(change: dict[str, Any], complaint: str) -> None:
    with pytest.raises(NetworkConfigError, match=complaint):
        dataclasses.replace(TINY_TRACEGEN, **change)


@pytest.mark.parametrize(
    ("tower", "change", "complaint"),
    [
        ("dinov3", {"heads": 3}, "dinov3: width 32 must be a multiple of heads 3"),
        ("dinov3", {"width": 12}, "dinov3: the width of a head, 6, must be a multiple of 4"),
        ("dinov3", {"registers": -1}, "dinov3: registers must be"),
        ("siglip", {"depth": 0}, "siglip: depth must be a positive integer"),
        ("siglip", {"patch_side": 16}, "same patches, got 8 px and 16 px"),
        ("t5", {"vocabulary": "many"}, "t5: vocabulary must be a positive integer"),
    ],
)
def test_tower_sizes_that_do_not_fit_are_named(tower: str, change: dict[str, Any], complaint: str) -> None:
    with pytest.raises(NetworkConfigError, match=complaint):
        sizes = dataclasses.replace(getattr(TINY_TRACEGEN, tower), **change)
        dataclasses.replace(TINY_TRACEGEN, **{tower: sizes})


def test_a_stored_config_with_an_unknown_or_missing_field_is_refused() -> None:
    values = dataclasses.asdict(TINY_TRACEGEN)
    with pytest.raises(NetworkConfigError, match=r"unknown fields \['hieght'\]"):
        TraceGenConfig.from_dict({**values, "hieght": 3})
    with pytest.raises(NetworkConfigError, match=r"t5: .*missing fields \['depth'\]"):
        TraceGenConfig.from_dict({**values, "t5": {k: v for k, v in values["t5"].items() if k != "depth"}})
    with pytest.raises(NetworkConfigError, match="t5 must be a mapping"):
        TraceGenConfig.from_dict({**values, "t5": "t5-base"})
    assert TraceGenConfig.from_dict({**values, "t5": dataclasses.asdict(T5Config(width=32))}).t5.depth == 12
