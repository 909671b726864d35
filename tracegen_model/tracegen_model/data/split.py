"""Which samples are trained on and which are held out for validation."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tracegen_model.data.dataset import DatasetError
from tracegen_model.data.trace_item import TraceDataset


@dataclass(frozen=True)
class Split:
    """Sample numbers, ascending.

    Attributes:
        training: Those that are trained on.
        validation: Those that are held out.
    """

    training: NDArray[np.int64]
    validation: NDArray[np.int64]


def split_scenes(
    dataset: TraceDataset,
    validation_share: float | None = None,
    validation_last: int | None = None,
    seed: int = 0,
) -> Split:
    """Hold out whole scenes, so that nothing that is validated on has been seen: see ``TraceDataset.scene_of``.

    A share is drawn by a hash of each scene's name: a scene stays on its side when others are added or removed. A share
    above 0 holds out one scene at least and leaves one at least, of two or more.

    Args:
        dataset: What is split.
        validation_share: Share of the scenes that is held out, about; 0 = none.
        validation_last: Number of scenes that are held out, the last ones by name. Give this or the share.
        seed: Draws other scenes.

    Raises:
        DatasetError: Not one of share and number is given, or it would leave nothing to train on.
    """
    if (validation_share is None) == (validation_last is None):
        raise DatasetError("give either validation_share or validation_last, not both and not neither")
    scene_of_sample = [dataset.scene_of(index) for index in range(len(dataset))]
    scenes = sorted(set(scene_of_sample))
    if validation_last is not None:
        if not 0 <= validation_last < len(scenes):
            raise DatasetError(
                f"expected validation_last from 0 to {len(scenes) - 1}, one less than there are scenes, "
                f"found {validation_last}"
            )
        held_out = set(scenes[len(scenes) - validation_last :])
    else:
        held_out = _drawn(scenes, float(validation_share or 0.0), seed)
    is_held_out = np.array([scene in held_out for scene in scene_of_sample], dtype=bool)
    return Split(training=np.flatnonzero(~is_held_out), validation=np.flatnonzero(is_held_out))


def _drawn(scenes: list[str], share: float, seed: int) -> set[str]:
    if not 0.0 <= share < 1.0:
        raise DatasetError(f"expected a validation_share from 0 to below 1, found {share}")
    if share > 0.0 and len(scenes) < 2:
        raise DatasetError(
            f"expected two scenes or more to hold a share of {share} out of, found {len(scenes)}; "
            "add episodes or set the share to 0"
        )
    places = {scene: _place(scene, seed) for scene in scenes}
    ranked = sorted(scenes, key=lambda scene: places[scene])
    count = sum(place < share for place in places.values())
    if share > 0.0:
        count = min(max(count, 1), len(scenes) - 1)
    return set(ranked[:count])


def _place(scene: str, seed: int) -> float:
    """A number in [0, 1) that depends on nothing but the name and the seed."""
    digest = hashlib.blake2b(f"{seed}/{scene}".encode(errors="surrogateescape"), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64
