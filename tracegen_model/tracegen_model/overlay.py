"""Traces drawn on images, and images laid out as a sheet: what inspection, training and evaluation show to people."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

Image = NDArray[np.uint8]
"""(H, W, 3) RGB."""

DRAWING_SIDE = 512
"""Smaller images are enlarged to at least this width before they are drawn on [px]."""

SUBPIXEL_BITS = 4
"""Fractional bits of the coordinates that OpenCV is given."""

HALO = (12, 12, 20)
"""Colour of the outline that keeps traces readable on bright images."""

HALO_OPACITY = 0.45
STATIC_OPACITY = 0.55
STATIC_COLOUR = (235, 235, 240)

PAPER = (250, 250, 252)
"""Background of a sheet."""

INK = (28, 30, 38)
"""Colour of captions."""

CAPTION_FONT = "fonts/ttf/DejaVuSans.ttf"
"""Font of captions, among matplotlib's data: it has the letters of most languages."""

CAPTION_SIZE = 13
"""Height of captions' letters [px]."""

LINE_HEIGHT = 18
"""Distance between lines of a caption [px]."""

MARGIN = 10
"""Space around the images of a sheet [px]."""

LETTER_WIDTH = 7.6
"""Mean width of a caption's letters, for breaking lines [px]."""


def step_colours(count: int) -> NDArray[np.uint8]:
    """(count, 3) RGB from dark violet (first) to yellow (last): equal steps look equally far apart (plasma)."""
    shades = np.linspace(0, 255, max(count, 1)).astype(np.uint8)
    return cv2.applyColorMap(shades[:, None], cv2.COLORMAP_PLASMA)[:, 0, ::-1]


def depth_colours(depth: ArrayLike) -> NDArray[np.uint8]:
    """(..., 3) RGB of depths, near bright and far dark (viridis), between their 2nd and 98th percentile."""
    values = np.asarray(depth, dtype=np.float32)
    known = np.isfinite(values) & (values > 0.0)
    near, far = np.percentile(values[known], (2, 98)) if known.any() else (0.0, 1.0)
    share = (far - np.nan_to_num(values, nan=far, posinf=far, neginf=far)) / max(float(far - near), 1e-6)
    shades = np.round(255 * np.clip(share, 0.0, 1.0)).astype(np.uint8)
    coloured = cv2.applyColorMap(shades.reshape(-1, 1), cv2.COLORMAP_VIRIDIS)[:, 0, ::-1]
    coloured[~known.ravel()] = 0
    return coloured.reshape(*values.shape, 3)


def draw_depth(depth: ArrayLike) -> Image:
    """A depth image (H, W) in false colours; places without a reading are black."""
    return np.ascontiguousarray(depth_colours(depth))


def draw_traces(
    image: Image,
    pixels: ArrayLike,
    *,
    depth: ArrayLike | None = None,
    moving: ArrayLike | None = None,
    static_dots: bool = True,
    thickness: float = 2.0,
) -> Image:
    """Draw where points travel; the image is left alone and the drawing returned, enlarged when it is small.

    Args:
        image: (H, W, 3) uint8 RGB.
        pixels: (S + 1, N, 2) [px of ``image``, integers at pixel centres]; a NaN ends or interrupts a trace.
        depth: (S + 1, N), colours the traces by depth instead of by step.
        moving: (N,) bool, only these are drawn as traces; all points when None.
        static_dots: Mark the other points with a faint dot.
        thickness: Width of the traces [px of the drawing].

    Raises:
        ValueError: The arrays do not fit each other.
    """
    base = np.asarray(image)
    if base.ndim != 3 or base.shape[2] != 3 or base.dtype != np.uint8:
        raise ValueError(f"expected an RGB image (H, W, 3) uint8, found {base.shape} {base.dtype}")
    path = np.asarray(pixels, dtype=np.float64)
    if path.ndim != 3 or path.shape[2] != 2:
        raise ValueError(f"expected pixels of shape (S + 1, N, 2), found {path.shape}")
    chosen = np.ones(path.shape[1], bool) if moving is None else np.asarray(moving, dtype=bool)
    if chosen.shape != (path.shape[1],):
        raise ValueError(f"expected moving of shape ({path.shape[1]},), found {chosen.shape}")
    if depth is not None and np.shape(depth) != path.shape[:2]:
        raise ValueError(f"expected depth of shape {path.shape[:2]}, found {np.shape(depth)}")

    scale = max(1, math.ceil(DRAWING_SIDE / base.shape[1]))
    drawing = cv2.resize(base, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    path = (path + 0.5) * scale - 0.5
    path[~np.isfinite(path).all(axis=-1)] = np.nan
    if static_dots:
        drawing = _blend(drawing, _dots(drawing, path[0, ~chosen], STATIC_COLOUR, 1.2), STATIC_OPACITY)
    tracks = path[:, chosen]
    if not tracks.shape[1]:
        return drawing
    width = max(1, round(thickness))
    outline = drawing.copy()
    for step in range(len(tracks) - 1):
        _segments(outline, tracks[step], tracks[step + 1], HALO, width + 2)
    drawing = _blend(drawing, outline, HALO_OPACITY)
    if depth is None:
        for step, colour in enumerate(step_colours(len(tracks) - 1)):
            _segments(drawing, tracks[step], tracks[step + 1], _rgb(colour), width)
    else:
        colours = depth_colours(np.asarray(depth)[:, chosen])
        for step in range(len(tracks) - 1):
            for point in range(tracks.shape[1]):
                ends = tracks[step, point : point + 1], tracks[step + 1, point : point + 1]
                _segments(drawing, *ends, _rgb(colours[step + 1, point]), width)
    drawing = _dots(drawing, tracks[0], HALO, thickness + 1.6)
    return _dots(drawing, tracks[0], (255, 255, 255), thickness + 0.4)


def side_by_side(images: Sequence[Image], gap: int = MARGIN) -> Image:
    """Images in a row, each scaled to the height of the first."""
    height = images[0].shape[0]
    cells = [_to_height(image, height) for image in images]
    spacer = np.full((height, gap, 3), PAPER, np.uint8)
    row = [part for cell in cells for part in (cell, spacer)][:-1]
    return np.concatenate(row, axis=1)


def grid_of_images(
    images: Sequence[Image],
    captions: Sequence[str] = (),
    columns: int | None = None,
    cell_width: int = 384,
) -> Image:
    """Images on one sheet, row by row, with a caption under each.

    Args:
        images: RGB images of any sizes; each is scaled to ``cell_width``.
        captions: One for each image, or none; long ones are broken into lines, newlines are kept.
        columns: Images of a row; as many rows as columns when None.
        cell_width: Width of an image on the sheet [px].

    Raises:
        ValueError: There is no image, or there are captions but not one for each image.
    """
    if not images:
        raise ValueError("expected at least one image for a sheet, found none")
    if captions and len(captions) != len(images):
        raise ValueError(f"expected a caption for each of {len(images)} images, found {len(captions)}")
    across = columns or math.ceil(math.sqrt(len(images)))
    cells = [_captioned(_to_width(image, cell_width), captions[i : i + 1]) for i, image in enumerate(images)]
    rows = []
    for start in range(0, len(cells), across):
        row = cells[start : start + across]
        height = max(cell.shape[0] for cell in row)
        band = np.full((height + MARGIN, across * (cell_width + MARGIN), 3), PAPER, np.uint8)
        for column, cell in enumerate(row):
            left = column * (cell_width + MARGIN)
            band[: cell.shape[0], left : left + cell_width] = cell
        rows.append(band)
    sheet = np.concatenate(rows)
    return cv2.copyMakeBorder(sheet, MARGIN, 0, MARGIN, 0, cv2.BORDER_CONSTANT, value=PAPER)


def _captioned(image: Image, caption: Sequence[str]) -> Image:
    """``image`` with the caption, if there is one, written below it."""
    if not caption:
        return image
    import matplotlib
    from PIL import Image as PillowImage
    from PIL import ImageDraw, ImageFont

    letters = max(8, int(image.shape[1] / LETTER_WIDTH))
    lines = [
        part for line in caption[0].splitlines() or [""] for part in textwrap.wrap(line, letters) or [""]
    ]
    strip = PillowImage.new("RGB", (image.shape[1], LINE_HEIGHT * len(lines) + 4), PAPER)
    font = ImageFont.truetype(Path(matplotlib.get_data_path()) / CAPTION_FONT, CAPTION_SIZE)
    draw = ImageDraw.Draw(strip)
    for number, line in enumerate(lines):
        draw.text((1, 2 + LINE_HEIGHT * number), line, fill=INK, font=font)
    return np.concatenate([image, np.asarray(strip)])


def _segments(image: Image, start: NDArray, end: NDArray, colour: tuple[int, ...], width: int) -> None:
    """Draw lines from ``start`` to ``end``, both (N, 2) [px]; those with an unknown end are left out."""
    ends = np.stack([start, end], axis=1)
    ends = ends[np.isfinite(ends).all(axis=(1, 2))]
    if len(ends):
        cv2.polylines(image, list(_fixed_point(ends)), False, colour, width, cv2.LINE_AA, SUBPIXEL_BITS)


def _dots(image: Image, places: NDArray, colour: tuple[int, ...], radius: float) -> Image:
    """A copy of ``image`` with discs at ``places`` (N, 2) [px]."""
    out = image.copy()
    known = places[np.isfinite(places).all(axis=-1)]
    for place in _fixed_point(known):
        disc = round(radius * 2**SUBPIXEL_BITS)
        cv2.circle(out, (int(place[0]), int(place[1])), disc, colour, -1, cv2.LINE_AA, SUBPIXEL_BITS)
    return out


def _fixed_point(places: NDArray) -> NDArray[np.int32]:
    """OpenCV's integers with fractional bits; far outside is brought near, where it stays out of sight."""
    return np.round(np.clip(places, -4096.0, 16384.0) * 2**SUBPIXEL_BITS).astype(np.int32)


def _blend(below: Image, above: Image, opacity: float) -> Image:
    return cv2.addWeighted(above, opacity, below, 1.0 - opacity, 0.0)


def _rgb(colour: NDArray[np.uint8]) -> tuple[int, ...]:
    return tuple(int(part) for part in colour)


def _to_width(image: Image, width: int) -> Image:
    return _resized(image, width, max(1, round(image.shape[0] * width / image.shape[1])))


def _to_height(image: Image, height: int) -> Image:
    return _resized(image, max(1, round(image.shape[1] * height / image.shape[0])), height)


def _resized(image: Image, width: int, height: int) -> Image:
    if image.shape[:2] == (height, width):
        return image
    smaller = width < image.shape[1]
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC)
