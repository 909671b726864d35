"""What frozen encoders say of images, kept on disk: encoded once, trained on many times.

    <folder>/encoders.json              which encoders the features are of
    <folder>/<ab>/<digest>.safetensors  features of one image

At the published sizes an image takes 4 MB in float32. Only images that are shown as they are on disk can be found
again: ``AugmentationConfig.changes_images`` says whether that is so.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from tracegen_model.atomic_write import write_atomically
from tracegen_model.network.images import ImageBatch

logger = logging.getLogger(__name__)

ENCODERS_FILE = "encoders.json"
"""Says which encoders the features of a folder are of."""

MEMORY_LIMIT = 2**30
"""Features that are also held in memory [bytes]."""

Features = dict[str, Tensor]


class FeatureCacheError(ValueError):
    """A folder holds features of other encoders, or images cannot be told apart."""


class FeatureCache:
    """Features of images by key. Several processes may use one folder at a time.

    A batch of which some images are known has only the others encoded; whether an image's features are the same to the
    last bit in any batch is up to the encoders' arithmetic. What was stored comes back bit by bit.

    Args:
        folder: Where features are kept; made when missing.
        encoders: What tells these encoders from others: digests of their weights, and the precision that they compute
            in if that varies.
        memory_limit: Features of the images used last are held in memory up to this size [bytes]; 0 = none.

    Raises:
        FeatureCacheError: The folder's features are of other encoders.
    """

    def __init__(self, folder: Path, encoders: Mapping[str, str], memory_limit: int = MEMORY_LIMIT) -> None:
        self._folder = folder
        self._memory: OrderedDict[str, Features] = OrderedDict()
        self._memory_limit, self._memory_used = memory_limit, 0
        self._claim(dict(encoders))

    def with_features(
        self, images: ImageBatch, encode: Callable[[ImageBatch], Mapping[str, Tensor]]
    ) -> ImageBatch:
        """``images`` with their features, by ``encode`` where they are not known yet.

        Args:
            images: Images with keys.
            encode: Gives features by name, each (I, ...), of any images.

        Raises:
            FeatureCacheError: The images have no keys.
        """
        if len(images.keys) != len(images):
            raise FeatureCacheError(
                f"expected a key for each of {len(images)} images, found {len(images.keys)}"
            )
        found = [self.get(key) for key in images.keys]
        missing = [i for i, features in enumerate(found) if features is None]
        if missing:
            wanted = torch.tensor(missing, device=images.colour.device)
            part = ImageBatch(
                colour=images.colour[wanted],
                depth=images.depth[wanted],
                depth_known=images.depth_known[wanted.to(images.depth_known.device)],
                keys=tuple(images.keys[i] for i in missing),
            )
            encoded = {name: value.detach().cpu() for name, value in encode(part).items()}
            for place, i in enumerate(missing):
                found[i] = {name: value[place].clone() for name, value in encoded.items()}
                self.put(images.keys[i], found[i] or {})
        known = [features for features in found if features is not None]
        device = images.colour.device
        stacked = {name: torch.stack([each[name] for each in known]).to(device) for name in known[0]}
        return replace(images, features=stacked)

    def get(self, key: str) -> Features | None:
        """Features of the image called ``key``; None when they are not known."""
        if key in self._memory:
            self._memory.move_to_end(key)
            return self._memory[key]
        path = self._path(key)
        try:
            features = load(path.read_bytes())
        except FileNotFoundError:
            return None
        except (SafetensorError, OSError, ValueError) as error:
            logger.warning("%s is damaged (%s): the image is encoded again", path, error)
            return None
        self._remember(key, features)
        return features

    def put(self, key: str, features: Features) -> None:
        """Keep the features of the image called ``key``."""
        path = self._path(key)
        path.parent.mkdir(exist_ok=True)
        write_atomically(path, save({name: value.contiguous() for name, value in features.items()}))
        self._remember(key, features)

    def _claim(self, encoders: dict[str, str]) -> None:
        """Make the folder that of ``encoders``, unless it is that of others."""
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / ENCODERS_FILE
        if not path.exists():
            write_atomically(path, json.dumps(encoders, indent=2, sort_keys=True))
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise FeatureCacheError(f"{path} is damaged ({error}); remove the folder") from error
        if found != encoders:
            names = sorted(set(encoders) | set(found) if isinstance(found, dict) else encoders)
            other = [n for n in names if not isinstance(found, dict) or found.get(n) != encoders.get(n)]
            raise FeatureCacheError(
                f"{self._folder} holds features of other encoders (they differ in {', '.join(other)}); "
                "choose another folder or remove this one"
            )

    def _path(self, key: str) -> Path:
        digest = hashlib.blake2b(key.encode(errors="surrogateescape"), digest_size=16).hexdigest()
        return self._folder / digest[:2] / f"{digest}.safetensors"

    def _remember(self, key: str, features: Features) -> None:
        if key in self._memory:
            self._memory_used -= _size(self._memory.pop(key))
        self._memory[key] = features
        self._memory_used += _size(features)
        while self._memory and self._memory_used > self._memory_limit:
            self._memory_used -= _size(self._memory.popitem(last=False)[1])


def _size(features: Features) -> int:
    return sum(value.nbytes for value in features.values())
