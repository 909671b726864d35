"""Small drawn scenes whose motion follows from image and sentence: for tests, learning checks and first steps.

A table seen by a camera that looks down on it, some coloured shapes on it, and a sentence that says which of them goes
to which other. The shape travels there over the others, so that its points come nearer to the camera on the way; all
other points stay. Two episodes show the same scene with different sentences, so that neither image nor sentence alone
says what happens. A split should hold out whole scenes (``EpisodeDataset(..., scenes="stem")``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from tracegen_model.data.episode import EpisodeWriter, PointKind, TraceSample
from tracegen_model.trace_grid import GRID_SIDE, grid_pixels

COLOURS = {
    "red": (208, 48, 44),
    "green": (58, 160, 70),
    "blue": (52, 92, 200),
    "yellow": (236, 200, 56),
    "purple": (142, 72, 176),
    "orange": (236, 132, 40),
}
"""RGB of shapes."""

SHAPES = ("square", "circle", "triangle")

TABLE_DEPTH = 1.0
"""Distance of the table from the camera [m]."""

TABLE_SLOPE = 0.15
"""The table's far edge (top of the image) is further away than its near edge by this [m]."""

SHAPE_HEIGHT = 0.05
"""Shapes are this thick [m]."""

LIFT = 0.12
"""Height of the way [m]."""

SHAPE_RADIUS = (0.08, 0.11)
"""Smallest and largest half side of a shape, in fractions of the image."""

SHORTEST_WAY = 0.3
"""Start and goal are this far apart at least, in fractions of the image."""

SHAPES_PER_SCENE = 3

ATTEMPTS = 1000
"""Times that places are drawn again until the shapes do not touch."""

WORDINGS = (
    "move the {moved} to the {goal}",
    "put the {moved} on the {goal}",
    "take the {moved} and bring it to the {goal}",
)
"""An episode is told in each of these."""


@dataclass(frozen=True)
class SyntheticSizes:
    """Sizes of drawn episodes.

    Attributes:
        side: Side of the square images [px].
        grid_side: Points along each side of the query grid.
        horizon: Steps of a trace.
    """

    side: int = 384
    grid_side: int = GRID_SIDE
    horizon: int = 32


@dataclass(frozen=True)
class _Shape:
    """A shape that lies at ``place`` (u, v), all lengths in fractions of the image."""

    colour: str
    kind: str
    place: NDArray[np.float64]
    radius: float

    @property
    def name(self) -> str:
        return f"{self.colour} {self.kind}"

    def outline(self) -> NDArray[np.float64]:
        """(K, 2) corners."""
        if self.kind == "circle":
            turns = np.linspace(0.0, 2.0 * np.pi, 48, endpoint=False)
            return self.place + self.radius * np.column_stack([np.cos(turns), np.sin(turns)])
        corners = (
            [(-1, -1), (1, -1), (1, 1), (-1, 1)]
            if self.kind == "square"
            else [(0, -1.2), (1.1, 0.9), (-1.1, 0.9)]
        )
        return self.place + self.radius * np.array(corners, float)


def write_synthetic_episodes(
    folder: Path, episodes: int, sizes: SyntheticSizes | None = None, seed: int = 0
) -> list[Path]:
    """Draw ``episodes`` episodes of one sample each under ``folder``, in TraceForge's layout.

    Each scene makes two episodes, in which different shapes move: ``scene00000_a`` and ``scene00000_b``. An episode
    depends on its number and the seed only.

    Returns:
        The episodes' folders.

    Raises:
        ValueError: ``episodes`` is not positive.
    """
    if episodes < 1:
        raise ValueError(f"expected at least one episode to draw, found {episodes}")
    chosen = sizes or SyntheticSizes()
    written: list[Path] = []
    for scene in range((episodes + 1) // 2):
        writer = EpisodeWriter(folder)
        shapes, image, depth = _draw_scene(np.random.default_rng([seed, scene]), chosen.side)
        for moved, letter in zip((0, 1), "ab", strict=True):
            if len(written) == episodes:
                break
            goal = shapes[-1]
            sample = _sample(f"scene{scene:05d}_0", shapes, moved, image, depth, chosen)
            wordings = [text.format(moved=shapes[moved].name, goal=goal.name) for text in WORDINGS]
            written.append(writer.write(f"scene{scene:05d}_{letter}", [sample], wordings))
    return written


def _draw_scene(
    rng: np.random.Generator, side: int
) -> tuple[list[_Shape], NDArray[np.uint8], NDArray[np.float32]]:
    """Shapes, picture and depth [m] of a scene; the last shape is the goal."""
    places, radii = _draw_places(rng)
    colours = rng.permutation(list(COLOURS))[:SHAPES_PER_SCENE]
    shapes = [
        _Shape(str(colour), str(rng.choice(SHAPES)), place, float(radius))
        for colour, place, radius in zip(colours, places, radii, strict=True)
    ]
    image = _draw_table(rng, side)
    depth = np.repeat(_table_depth(np.linspace(0.0, 1.0, side))[:, None], side, axis=1)
    for shape in shapes:
        corners = shape.outline() * side - 0.5
        shadow = np.zeros((side, side), np.uint8)
        _fill(shadow, corners + 0.02 * side, 255)
        image = (
            image * (1.0 - 0.35 * cv2.GaussianBlur(shadow, (0, 0), 0.012 * side)[..., None] / 255.0)
        ).astype(np.uint8)
        _fill(image, corners, COLOURS[shape.colour])
        body = np.zeros((side, side), np.uint8)
        _fill(body, corners, 255)
        depth[body > 127] -= SHAPE_HEIGHT
    noise = rng.normal(0.0, 3.0, image.shape)
    return shapes, np.clip(image + noise, 0, 255).astype(np.uint8), depth.astype(np.float32)


def _draw_places(rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Places (K, 2) and radii (K,) of shapes that lie apart, those that move far enough from the goal."""
    for _ in range(ATTEMPTS):
        radii = rng.uniform(*SHAPE_RADIUS, SHAPES_PER_SCENE)
        places = rng.uniform(0.15, 0.85, (SHAPES_PER_SCENE, 2))
        apart = np.linalg.norm(places[:, None] - places[None], axis=-1)
        np.fill_diagonal(apart, np.inf)
        if apart.min() > 2.4 * SHAPE_RADIUS[1] and apart[-1].min() > SHORTEST_WAY:
            return places, radii
    raise RuntimeError("no free places for the shapes: SHAPE_RADIUS or SHORTEST_WAY is too large")


def _draw_table(rng: np.random.Generator, side: int) -> NDArray[np.uint8]:
    """A tinted table with soft stains and a grain."""
    tint = rng.uniform(130, 205) + rng.uniform(-18, 18, 3)
    stains = cv2.resize(rng.normal(0.0, 1.0, (6, 6)), (side, side), interpolation=cv2.INTER_CUBIC)
    grain = cv2.resize(rng.normal(0.0, 1.0, (side // 2, 3)), (side, side), interpolation=cv2.INTER_LINEAR)
    return np.clip(tint + (9.0 * stains + 3.0 * grain)[..., None], 0, 255).astype(np.uint8)


def _table_depth(v: NDArray[np.floating]) -> NDArray[np.float64]:
    """Distance of the table [m] at heights ``v`` of the image, 0 = top."""
    return TABLE_DEPTH + TABLE_SLOPE * (0.5 - np.asarray(v, dtype=float))


def _sample(
    stem: str,
    shapes: Sequence[_Shape],
    moved: int,
    image: NDArray[np.uint8],
    depth: NDArray[np.float32],
    sizes: SyntheticSizes,
) -> TraceSample:
    """The scene with its ``moved`` shape carried to the last one."""
    shape, goal = shapes[moved], shapes[-1]
    keypoints = grid_pixels(sizes.side, sizes.side, sizes.grid_side)
    place = (keypoints + 0.5) / sizes.side
    outline = shape.outline().astype(np.float32)
    rides = np.array([cv2.pointPolygonTest(outline, (float(u), float(v)), False) >= 0 for u, v in place])
    if (
        not rides.any()
    ):  # a coarse grid may miss the shape: the point next to its middle is taken to lie on it
        rides[np.argmin(np.linalg.norm(place - shape.place, axis=1))] = True
    kinds = np.full(len(place), PointKind.BACKGROUND, np.uint8)
    for other in shapes:
        inside = [
            cv2.pointPolygonTest(other.outline().astype(np.float32), (float(u), float(v)), False) >= 0
            for u, v in place
        ]
        kinds[np.array(inside)] = PointKind.OTHER_OBJECT
    kinds[rides] = PointKind.TARGET_OBJECT

    rows, columns = np.rint(keypoints[:, 1]).astype(int), np.rint(keypoints[:, 0]).astype(int)
    progress = np.linspace(0.0, 1.0, sizes.horizon + 1)
    way = goal.place - shape.place
    traces = np.empty((len(place), sizes.horizon + 1, 3))
    traces[..., :2] = keypoints[:, None]
    traces[..., 2] = depth[rows, columns][:, None]
    traces[rides, :, :2] += progress[:, None] * way * sizes.side
    slope = _table_depth(shape.place[1] + progress * way[1]) - _table_depth(shape.place[1])
    traces[rides, :, 2] += slope - LIFT * np.sin(np.pi * progress)
    ends = np.array([[*shape.place, 0.0], [*goal.place, 0.0], [np.nan] * 3])
    ends[:2, :2] = ends[:2, :2] * sizes.side - 0.5
    ends[:2, 2] = _table_depth(np.array([shape.place[1], goal.place[1]])) - SHAPE_HEIGHT
    return TraceSample(stem, image, depth, keypoints, traces, kinds, ends)


def _fill(image: NDArray[np.uint8], corners: NDArray[np.float64], colour: tuple[int, ...] | int) -> None:
    bits = 4
    cv2.fillPoly(image, [np.rint(corners * 2**bits).astype(np.int32)], colour, cv2.LINE_AA, bits)
