"""Random changes of samples that training should not notice."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from tracegen_model.data.colour_augmentation import ExposureConfig, change_exposure, jitter_colour
from tracegen_model.data.depth_augmentation import DepthConfig, disturb_depth
from tracegen_model.data.grid_augmentation import mirror, shift
from tracegen_model.data.sentence_augmentation import WordsConfig, sloppy_sentence
from tracegen_model.data.trace_item import TraceItem


class AugmentationConfigError(ValueError):
    """Settings of an augmentation that cannot be."""


@dataclass(frozen=True)
class AugmentationConfig:
    """How samples are varied. The default varies what the published training does: which wording is used.

    Attributes:
        wordings: Which of an episode's wordings a sample is used with: one drawn anew each time, or always the first.
        horizontal_flip: Share of images that are mirrored, with their traces and the words left and right. Robots and
            scenes that are not symmetric look wrong in a mirror.
        shift: Images are moved by up to this many cells of the query grid, in each direction; 0 = not at all.
        brightness: The factor is drawn from 1 - this to 1 + this.
        contrast: The factor is drawn from 1 - this to 1 + this.
        saturation: The factor is drawn from 1 - this to 1 + this.
        hue: Largest turn of the hues [turns]; beyond 0.05, colours may no longer be what sentences call them.
        exposure: Exposure, white balance and noise of the colour camera.
        depth: Faults of the depth camera.
        words: Sloppier sentences.
    """

    wordings: Literal["random", "first"] = "random"
    horizontal_flip: float = 0.0
    shift: int = 0
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0
    exposure: ExposureConfig = field(default_factory=ExposureConfig)
    depth: DepthConfig = field(default_factory=DepthConfig)
    words: WordsConfig = field(default_factory=WordsConfig)

    def __post_init__(self) -> None:
        shares = {
            "horizontal_flip": self.horizontal_flip,
            "depth.dropout": self.depth.dropout,
            "depth.hole_side": self.depth.hole_side,
            "words.share": self.words.share,
            "words.insert": self.words.insert,
            "words.replace + words.drop": self.words.replace + self.words.drop,
        }
        for name, value in shares.items():
            if not 0.0 <= value <= 1.0:
                raise AugmentationConfigError(f"augmentation.{name}: expected 0 to 1, found {value}")
        if not 0.0 <= self.hue <= 0.5:
            raise AugmentationConfigError(f"augmentation.hue: expected 0 to 0.5, found {self.hue}")
        strengths = {
            "shift": self.shift,
            "brightness": self.brightness,
            "contrast": self.contrast,
            "saturation": self.saturation,
            "depth.noise": self.depth.noise,
            "depth.scale": self.depth.scale,
            "depth.holes": self.depth.holes,
            **{f"exposure.{name}": value for name, value in vars(self.exposure).items()},
        }
        for name, value in strengths.items():
            if not (value >= 0.0 and np.isfinite(value)):
                raise AugmentationConfigError(f"augmentation.{name}: expected 0 or more, found {value}")

    @property
    def changes_images(self) -> bool:
        """Whether images can come out different, so that encoders' outputs for them cannot be kept."""
        return replace(self, wordings="random", words=WordsConfig()) != AugmentationConfig()


NANO_AUGMENTATION = AugmentationConfig(
    exposure=ExposureConfig(gain=0.15, tint=0.06, offset=0.05, tint_offset=0.025, noise=0.01),
    depth=DepthConfig(noise=0.002, scale=0.003),
    words=WordsConfig(share=0.35),
)
"""The recipe of the shipped nano checkpoint. It mirrors nothing, since its robot is not symmetric."""


class Augmentation:
    """Varies samples as a config says.

    What concerns the image is drawn from one generator and what concerns the sentence from another: samples that show
    one image can be given equal generators for it, and then still show one image, which is encoded once.
    """

    def __init__(self, config: AugmentationConfig) -> None:
        self._config = config

    def __call__(
        self, item: TraceItem, image_rng: np.random.Generator, sentence_rng: np.random.Generator
    ) -> TraceItem:
        """``item``, changed; its ``image_key`` changes when and as its image does."""
        item = self._vary_sentence(item, sentence_rng)
        if not self._config.changes_images:
            return item
        item = self._vary_geometry(item, image_rng)
        return self._vary_readings(item, image_rng)

    def _vary_sentence(self, item: TraceItem, rng: np.random.Generator) -> TraceItem:
        config = self._config
        wordings = list(item.wordings.values())
        sentence = item.sentence
        if config.wordings == "random" and wordings:
            sentence = wordings[int(rng.integers(len(wordings)))]
        return replace(item, sentence=sloppy_sentence(sentence, config.words, rng))

    def _vary_geometry(self, item: TraceItem, rng: np.random.Generator) -> TraceItem:
        config = self._config
        if config.horizontal_flip and rng.random() < config.horizontal_flip:
            item = mirror(item)
        if config.shift:
            right, down = (int(cells) for cells in rng.integers(-config.shift, config.shift + 1, size=2))
            item = shift(item, right, down) if right or down else item
        return item

    def _vary_readings(self, item: TraceItem, rng: np.random.Generator) -> TraceItem:
        config = self._config
        draw = int(rng.integers(2**63))
        colour, depth, depth_known = item.colour, item.depth, item.depth_known
        jitter = config.brightness, config.contrast, config.saturation, config.hue
        if any(jitter):
            colour = jitter_colour(colour, *jitter, rng)
        if config.exposure != ExposureConfig():
            colour = change_exposure(colour, config.exposure, rng)
        if config.depth != DepthConfig() and depth_known:
            depth = disturb_depth(depth, config.depth, rng)
            if rng.random() < config.depth.dropout:
                depth, depth_known = np.zeros_like(depth), False
        if colour is item.colour and depth is item.depth:
            return item
        key = f"{item.image_key}.{draw:016x}"
        return replace(item, image_key=key, colour=colour, depth=depth, depth_known=depth_known)
