"""How a scene looks: colours, table texture and light, drawn at random.

Two domains: ``train`` is what demonstrations are made of; ``unseen`` holds textures, light directions and tints that no
demonstration has, for measuring how far a model generalises.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import cv2
import numpy as np
from numpy.typing import NDArray

from fr3_sim.layout import TableLayout

TABLE_TEXTURE_SIDE = 128
"""Side of the table's square texture [px]."""

COLOURS: dict[str, tuple[float, float, float]] = {
    "red": (0.85, 0.10, 0.10),
    "green": (0.10, 0.65, 0.15),
    "blue": (0.10, 0.20, 0.85),
    "yellow": (0.95, 0.85, 0.10),
}
"""Nominal RGB of each colour name, 0..1."""

NOMINAL_TABLE_COLOUR = (0.62, 0.50, 0.38)


class AppearanceDomain(StrEnum):
    """Which distribution a look is drawn from."""

    NOMINAL = "nominal"
    TRAIN = "train"
    UNSEEN = "unseen"


@dataclass(frozen=True)
class Appearance:
    """One look of the scene; colours are RGB in 0..1.

    Attributes:
        block_rgb: (2, 3).
        zone_rgb: (2, 3).
        table_texture: (128, 128, 3) uint8.
        floor_rgb: (3,).
        light_direction: (3,) unit vector from the lamp into the scene, base frame.
        light_diffuse: (3,).
        light_ambient: (3,).
    """

    block_rgb: NDArray[np.float64]
    zone_rgb: NDArray[np.float64]
    table_texture: NDArray[np.uint8]
    floor_rgb: NDArray[np.float64]
    light_direction: NDArray[np.float64]
    light_diffuse: NDArray[np.float64]
    light_ambient: NDArray[np.float64]


def nominal_appearance(layout: TableLayout) -> Appearance:
    """The look of the demo: plain wood-coloured table, white light from above."""
    return Appearance(
        block_rgb=np.array([COLOURS[name] for name in layout.block_colours]),
        zone_rgb=np.array([COLOURS[name] for name in layout.zone_colours]),
        table_texture=_plain(np.array(NOMINAL_TABLE_COLOUR)),
        floor_rgb=np.array([0.35, 0.38, 0.40]),
        light_direction=_unit(np.array([-0.2, -0.2, -1.0])),
        light_diffuse=np.full(3, 0.70),
        light_ambient=np.full(3, 0.35),
    )


def random_appearance(layout: TableLayout, rng: np.random.Generator, domain: AppearanceDomain) -> Appearance:
    """A look drawn from ``domain``."""
    if domain is AppearanceDomain.NOMINAL:
        return nominal_appearance(layout)
    unseen = domain is AppearanceDomain.UNSEEN
    brightness = rng.uniform(0.5, 0.95)
    tint_spread = 0.10 if unseen else 0.05
    tint = 1.0 + rng.normal(0.0, tint_spread, 3)
    if unseen:
        angle = rng.uniform(0.0, 2 * np.pi)
        direction = np.array([0.9 * np.cos(angle), 0.9 * np.sin(angle), -1.0])
    else:
        direction = np.array([*rng.uniform(-0.5, 0.5, 2), -1.0])
    return Appearance(
        block_rgb=_jittered_colours(layout.block_colours, rng),
        zone_rgb=_jittered_colours(layout.zone_colours, rng),
        table_texture=_unseen_texture(rng) if unseen else _train_texture(rng),
        floor_rgb=rng.uniform(0.15, 0.6, 3),
        light_direction=_unit(direction),
        light_diffuse=np.clip(brightness * tint, 0.2, 1.0),
        light_ambient=np.clip(rng.uniform(0.25, 0.45) * tint, 0.1, 0.6),
    )


def _jittered_colours(names: tuple[str, ...], rng: np.random.Generator) -> NDArray[np.float64]:
    spread = 0.05
    nominal = np.array([COLOURS[name] for name in names])
    return np.clip(nominal + rng.normal(0.0, spread, nominal.shape), 0.0, 1.0)


def _table_colour(rng: np.random.Generator) -> NDArray[np.float64]:
    """A dull colour: tables are wood, grey or white, not the colour of a block."""
    grey = rng.uniform(0.25, 0.85)
    warmth = rng.uniform(0.0, 0.25) * grey
    return np.clip(np.array([grey + warmth / 2, grey, grey - warmth]) + rng.normal(0.0, 0.015, 3), 0.05, 1.0)


def _plain(rgb: NDArray[np.float64]) -> NDArray[np.uint8]:
    return np.broadcast_to((rgb * 255).astype(np.uint8), (TABLE_TEXTURE_SIDE, TABLE_TEXTURE_SIDE, 3)).copy()


def _blend(
    first: NDArray[np.float64], second: NDArray[np.float64], weight: NDArray[np.floating]
) -> NDArray[np.uint8]:
    mixed = first * (1 - weight[..., None]) + second * weight[..., None]
    return (np.clip(mixed, 0.0, 1.0) * 255).astype(np.uint8)


def _cloud(rng: np.random.Generator, rows: int, columns: int) -> NDArray[np.float32]:
    """Smooth noise in 0..1 with ``rows`` x ``columns`` cells."""
    coarse = rng.uniform(0.0, 1.0, (rows, columns)).astype(np.float32)
    return cv2.resize(coarse, (TABLE_TEXTURE_SIDE, TABLE_TEXTURE_SIDE), interpolation=cv2.INTER_CUBIC)


def _train_texture(rng: np.random.Generator) -> NDArray[np.uint8]:
    """Plain, cloudy or wood-grained tables."""
    first = _table_colour(rng)
    second = np.clip(first * rng.uniform(0.75, 1.25), 0.05, 1.0)
    kind = rng.choice(["plain", "cloud", "grain"], p=[0.3, 0.35, 0.35])
    if kind == "plain":
        return _plain(first)
    if kind == "cloud":
        cells = int(rng.integers(3, 24))
        return _blend(first, second, _cloud(rng, cells, cells))
    return _blend(first, second, _cloud(rng, int(rng.integers(16, 64)), int(rng.integers(2, 5))))


def _unseen_texture(rng: np.random.Generator) -> NDArray[np.uint8]:
    """Checks, planks and speckles: families that no demonstration uses."""
    first = _table_colour(rng)
    second = np.clip(first * rng.uniform(0.7, 1.3), 0.05, 1.0)
    row, column = np.mgrid[0:TABLE_TEXTURE_SIDE, 0:TABLE_TEXTURE_SIDE]
    kind = rng.choice(["checks", "planks", "speckles"])
    if kind == "checks":
        cell = int(rng.integers(8, 24))
        return _blend(first, second, ((row // cell + column // cell) % 2).astype(float))
    if kind == "planks":
        plank = int(rng.integers(10, 22))
        tone = rng.uniform(0.0, 1.0, TABLE_TEXTURE_SIDE)
        return _blend(first, second, tone[column // plank])
    return _blend(first, second, (rng.uniform(size=row.shape) < 0.12).astype(float))


def _unit(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    return vector / np.linalg.norm(vector)
