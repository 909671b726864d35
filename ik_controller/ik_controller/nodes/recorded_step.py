"""How far the hand goes in one step of recorded traces: that of the model that a bag says it was recorded with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tracegen_model.network.checkpoint_config import WEIGHTS_FILE, CheckpointConfig, CheckpointError
from tracegen_model.runtime import find_checkpoint


@dataclass(frozen=True)
class RecordedStep:
    """The step of recorded traces.

    Attributes:
        length_m: Path of the hand in one step [m]; None = the whole path is spread over the steps, or not known.
        unknown: Why it is not known, in words; empty where it is.
    """

    length_m: float | None
    unknown: str = ""


def recorded_step(provenance: Mapping[str, Any], configs: Sequence[CheckpointConfig]) -> RecordedStep:
    """The step of the traces in a bag.

    Args:
        provenance: The bag's.
        configs: Of checkpoints at hand; others are looked for under the recorded name.
    """
    told = provenance.get("model")
    told = told if isinstance(told, Mapping) else {}
    name, weights = told.get("model"), told.get("weights")
    if not isinstance(name, str) or not name:
        return RecordedStep(None, "the bag does not say which model they are of")
    if not isinstance(weights, str) or not weights:
        return RecordedStep(None, f"the bag does not say which weights of {name} they are of")
    for config in configs:
        if _has(config, weights):
            return RecordedStep(config.step_length_m)
    try:
        config = CheckpointConfig.load(find_checkpoint(name))
    except CheckpointError:
        return RecordedStep(None, f"they are of the model {name}, which is not here; give it by --model")
    if not _has(config, weights):
        return RecordedStep(
            None, f"they are of {name} with other weights ({weights}) than those that are here"
        )
    return RecordedStep(config.step_length_m)


def _has(config: CheckpointConfig, weights: str) -> bool:
    """The checkpoint's weights have the digest that begins with ``weights``."""
    return config.sha256.get(WEIGHTS_FILE, "").startswith(weights)
