"""Training learns: traces drawn for scenes never seen beat no motion and mean motion, which know no sentence.

The same at full size, on a command line: see the config ``synthetic``.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from tracegen_model.data.packing import pack_dataset
from tracegen_model.data.synthetic_episodes import SyntheticSizes, write_synthetic_episodes
from tracegen_model.network.presets import NetworkConfig

from .conftest import TINY, TINY_TRACEGEN, write_episodes
from .tiny_runs import logged, train

pytestmark = pytest.mark.timeout(600)

SMALL_NANO = dataclasses.replace(
    TINY,
    image_side=48,
    grid_side=8,
    frames_in_channels=8,
    width=64,
    blocks=2,
    encoder_width=32,
    text_width=32,
)
SMALL_TRACEGEN = dataclasses.replace(TINY_TRACEGEN, time_shift=10.0)


def pack(episodes: Path, network: NetworkConfig) -> Path:
    """The episodes packed for a network: reading them again and again would take most of the time."""
    packed = episodes.with_name("packed")
    pack_dataset(
        episodes,
        packed,
        jobs=1,
        image_side=network.image_side,
        preparation=network.preparation,
        horizon=network.horizon,
    )
    return packed


def learn(network: NetworkConfig, episodes: Path, output: Path, **changes: Any) -> dict[str, float]:
    """Train, and measure on the tenth of the scenes that is held out."""
    settings: dict[str, Any] = {
        "data__validation_share": 0.1,
        "augmentation": {},
        "objective": {"increment_scale": "measured", "flow": {"times": "shifted"}},
        "optimisation": {
            "batch": 32,
            "learning_rate": 3e-3,
            "beta2": 0.97,
            "weight_decay": 0.02,
            "warm_up_steps": 50,
            "constant_share": 0.4,
            "ema": 0.99,
            "group_images": True,
        },
        "validation": {"samples": 80, "sampler_steps": 4, "overlays": 0, "at_start": False},
    }
    train(network, pack(episodes, network), output, **settings, **changes)
    return logged(output, "validation")[-1]


def test_nano_learns_which_shape_the_sentence_means_and_where_it_goes(tmp_path: Path) -> None:
    write_synthetic_episodes(tmp_path / "episodes", 800, SyntheticSizes(side=48, grid_side=8, horizon=8))
    found = learn(SMALL_NANO, tmp_path / "episodes", tmp_path / "run", optimisation__steps=300)
    assert found["loss"] < 0.8
    assert found["gain_over_zero_motion"] > 4.0
    assert found["gain_over_mean_motion"] > 4.0
    assert found["hit_object"] > 0.9


def test_the_published_network_learns_beside_random_frozen_towers(tmp_path: Path) -> None:
    write_episodes(tmp_path / "episodes", 150)
    found = learn(SMALL_TRACEGEN, tmp_path / "episodes", tmp_path / "run", optimisation__steps=400)
    assert found["loss"] < 0.1
    assert found["gain_over_zero_motion"] > 2.0
    assert found["gain_over_mean_motion"] > 1.5
    assert found["object_choice"] > 0.9
