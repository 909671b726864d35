"""Random changes of images and sentences that training should not notice.

Nothing here mirrors an image (instructions may say left) or drops a colour (it says which object is meant).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tracegen_model.network.nano.text_tokens import word_id, words_of

COLOUR_WORDS = frozenset(
    (
        "red",
        "green",
        "blue",
        "yellow",
        "orange",
        "purple",
        "pink",
        "cyan",
        "white",
        "black",
        "grey",
        "gray",
        "brown",
    )
)
"""Words that say which object is meant; they are never dropped or replaced."""


@dataclass(frozen=True)
class WordAugmentation:
    """Makes sentences sloppier, so that wordings never seen in training still work.

    Attributes:
        share: Share of sentences that are changed.
        insert: Probability of a random word before each word.
        replace: Probability that a word becomes a random one.
        drop: Probability that a word is left out.
    """

    share: float = 0.35
    insert: float = 0.25
    replace: float = 0.15
    drop: float = 0.10

    def __call__(self, sentence: str, vocabulary: int, rng: np.random.Generator) -> list[int]:
        """Word ids of ``sentence``, possibly changed; colours always stay, in order."""
        words = words_of(sentence)
        if rng.random() >= self.share:
            return [word_id(word, vocabulary) for word in words]
        ids: list[int] = []
        for word in words:
            if rng.random() < self.insert:
                ids.append(int(rng.integers(1, vocabulary)))
            fate = rng.random()
            if word in COLOUR_WORDS or fate >= self.replace + self.drop:
                ids.append(word_id(word, vocabulary))
            elif fate < self.replace:
                ids.append(int(rng.integers(1, vocabulary)))
        return ids


@dataclass(frozen=True)
class ColourJitter:
    """Brightness, contrast and a little tint; colours stay themselves.

    Attributes:
        contrast: Standard deviation of the gain shared by the channels.
        tint: Standard deviation of each channel's own gain.
        brightness: Standard deviation of the offset shared by the channels [images span -1..1].
        tint_offset: Standard deviation of each channel's own offset.
        noise: Standard deviation of each pixel's noise.
    """

    contrast: float = 0.15
    tint: float = 0.06
    brightness: float = 0.10
    tint_offset: float = 0.05
    noise: float = 0.02

    def __call__(self, colour: Tensor, generator: torch.Generator) -> Tensor:
        """Changed images (I, 3, H, W)."""
        count = colour.shape[0]
        gain = (1.0 + self.contrast * _normal((count, 1, 1, 1), generator)) * (
            1.0 + self.tint * _normal((count, 3, 1, 1), generator)
        )
        offset = self.brightness * _normal((count, 1, 1, 1), generator)
        offset = offset + self.tint_offset * _normal((count, 3, 1, 1), generator)
        return colour * gain + offset + self.noise * _normal(tuple(colour.shape), generator)


@dataclass(frozen=True)
class DepthJitter:
    """A little more depth noise; holes stay holes.

    Attributes:
        noise: Standard deviation of each pixel's error [m].
        scale: Standard deviation of the error of scale.
    """

    noise: float = 0.002
    scale: float = 0.003

    def __call__(self, depth: Tensor, generator: torch.Generator) -> Tensor:
        """Changed depth (I, H, W) [m]."""
        scale = 1.0 + self.scale * _normal((depth.shape[0], 1, 1), generator)
        changed = depth * scale + self.noise * _normal(tuple(depth.shape), generator)
        return torch.where(depth > 0.0, changed.clamp(min=1e-3), torch.zeros_like(depth))


def _normal(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return torch.randn(shape, generator=generator)
