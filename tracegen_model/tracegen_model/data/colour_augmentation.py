"""Random changes of colour images that leave every object where it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
"""(H, W, 3) RGB."""

LEVELS = 255.0
"""Brightest level of an image."""


@dataclass(frozen=True)
class ExposureConfig:
    """Exposure, white balance and noise of a camera; objects keep their colours' names.

    Brightness is counted from 0 (black) to 1 (white); gains leave mid-grey alone.

    Attributes:
        gain: Standard deviation of the gain shared by the channels.
        tint: Standard deviation of each channel's own gain.
        offset: Standard deviation of the offset shared by the channels.
        tint_offset: Standard deviation of each channel's own offset.
        noise: Standard deviation of each pixel's noise.
    """

    gain: float = 0.0
    tint: float = 0.0
    offset: float = 0.0
    tint_offset: float = 0.0
    noise: float = 0.0


def change_exposure(colour: Image, config: ExposureConfig, rng: np.random.Generator) -> Image:
    """``colour`` as another camera, or the same one a moment later, would see it."""
    gain = (1.0 + config.gain * rng.standard_normal()) * (1.0 + config.tint * rng.standard_normal(3))
    offset = config.offset * rng.standard_normal() + config.tint_offset * rng.standard_normal(3)
    changed = (colour.astype(np.float32) / LEVELS - 0.5) * gain.astype(np.float32)
    changed += (0.5 + offset).astype(np.float32)
    if config.noise > 0.0:
        changed += config.noise * rng.standard_normal(colour.shape, dtype=np.float32)
    return np.clip(np.rint(changed * LEVELS), 0.0, LEVELS).astype(np.uint8)


def jitter_colour(
    colour: Image,
    brightness: float,
    contrast: float,
    saturation: float,
    hue: float,
    rng: np.random.Generator,
) -> Image:
    """Brightness, contrast, saturation and hue changed in a random order, by Pillow's rules as in the original.

    Args:
        colour: The image.
        brightness: The factor is drawn from 1 - this (0 at least) to 1 + this; likewise for the next two.
        contrast: See ``brightness``.
        saturation: See ``brightness``.
        hue: The shift is drawn from minus to plus this [turns of the colour circle].
        rng: Draws.
    """
    from PIL import Image as PillowImage
    from PIL import ImageEnhance

    image = PillowImage.fromarray(np.ascontiguousarray(colour))
    enhancers = (
        (ImageEnhance.Brightness, brightness),
        (ImageEnhance.Contrast, contrast),
        (ImageEnhance.Color, saturation),
    )
    for step in rng.permutation(len(enhancers) + 1):
        if step == len(enhancers):
            image = _turn_hue(image, rng.uniform(-hue, hue)) if hue else image
        elif enhancers[step][1]:
            enhancer, strength = enhancers[step]
            image = enhancer(image).enhance(rng.uniform(max(0.0, 1.0 - strength), 1.0 + strength))
    return np.asarray(image, dtype=np.uint8)


def _turn_hue(image, turns: float):  # type: ignore[no-untyped-def]  # Pillow is imported where it is needed
    """``image`` with its hues turned."""
    from PIL import Image as PillowImage

    hue, saturation, value = image.convert("HSV").split()
    turned = np.asarray(hue, dtype=np.uint8) + np.uint8(round(turns * LEVELS) % 256)
    return PillowImage.merge("HSV", (PillowImage.fromarray(turned), saturation, value)).convert("RGB")
