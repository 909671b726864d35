"""What is evaluated on a bag: networks, and the traces that were recorded with it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ik_controller.evaluation.evaluation import Predicted
from ik_controller.evaluation.recording import RecordedFrame
from ik_controller.nodes.evaluated_bag import EvaluatedBag
from ik_controller.nodes.recorded_step import RecordedStep
from tracegen_model.camera import CameraIntrinsics
from tracegen_model.runtime import InstructionError, ObservationError, TracePredictor
from tracegen_model.runtime.engines import EngineError

RECORDED = "recorded"
"""Name of the traces that were predicted when the bag was recorded."""

MODEL_OPTIONS: dict[str, Callable[[str], Any]] = {
    "steps": int,
    "samples": int,
    "threads": int,
    "method": str,
    "engine": str,
    "precision": str,
}
"""What may follow a model's name, as ``TracePredictor`` takes it."""


class ModelOptionError(ValueError):
    """A model that is not named as it should be."""


def parse_model(text: str) -> tuple[str, dict[str, Any]]:
    """Checkpoint and options of ``CHECKPOINT[,OPTION=VALUE]...``, such as ``fr3_blocks_nano,steps=2``.

    Raises:
        ModelOptionError: There is no such option, or its value is of another kind.
    """
    checkpoint, *parts = text.split(",")
    options = {}
    for part in parts:
        name, _, value = part.partition("=")
        try:
            options[name] = MODEL_OPTIONS[name](value)
        except (KeyError, ValueError):
            raise ModelOptionError(
                f"expected CHECKPOINT[,OPTION=VALUE]... with the options {', '.join(MODEL_OPTIONS)}, got {text!r}"
            ) from None
    return os.path.expanduser(checkpoint), options  # noqa: PTH111 - it may be a name.


@dataclass
class NetworkModel:
    """A checkpoint that looks through one camera.

    Attributes:
        name: For reports.
        predictor: What predicts.
        intrinsics: Of the camera.
        seeds: Predictions to draw for each window.
        first_seed: Seed of the first.
        refused: Why there were no traces, and how often.
    """

    name: str
    predictor: TracePredictor
    intrinsics: CameraIntrinsics
    seeds: int
    first_seed: int
    refused: Counter[str]

    @property
    def step_known(self) -> bool:
        """See ``evaluation.Model``."""
        return True

    @property
    def step_length_m(self) -> float | None:
        """See ``evaluation.Model``."""
        return self.predictor.config.step_length_m

    def predict(self, frame: RecordedFrame, seed: int) -> Predicted | None:
        """See ``evaluation.Model``."""
        try:
            found = self.predictor.predict(
                frame.colour,
                frame.depth_m,
                self.intrinsics,
                frame.instruction,
                seed=self.first_seed + seed,
                stamp_s=frame.time_s,
            )
        except (EngineError, InstructionError, ObservationError) as error:
            self.refused[str(error)] += 1
            return None
        return Predicted(found.traces, found.latency_s)


@dataclass
class RecordedModel:
    """What was predicted when the bag was recorded.

    Attributes:
        bag: Where it is.
        step: Of the traces.
        name: For reports.
        seeds: There is one prediction of each image.
    """

    bag: EvaluatedBag
    step: RecordedStep
    name: str = RECORDED
    seeds: int = 1

    @property
    def step_known(self) -> bool:
        """See ``evaluation.Model``."""
        return not self.step.unknown

    @property
    def step_length_m(self) -> float | None:
        """See ``evaluation.Model``."""
        return self.step.length_m

    def predict(self, frame: RecordedFrame, seed: int) -> Predicted | None:
        """See ``evaluation.Model``."""
        traces = self.bag.recorded_traces(frame.stamp_ns)
        return None if traces is None else Predicted(traces)
