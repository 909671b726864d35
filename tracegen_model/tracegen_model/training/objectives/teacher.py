"""A distillation's teacher: a trained network whose flow is followed as far as it was trained."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tracegen_model.network.checkpoint_config import CheckpointConfig
from tracegen_model.network.images import ImageBatch
from tracegen_model.network.integrators import sampling_method
from tracegen_model.network.presets import NetworkConfig, architecture_of
from tracegen_model.network.trace_network import TraceNetwork
from tracegen_model.training.run_config import DistillationConfig, TrainingConfigError


class Teacher(nn.Module):
    """A frozen network and its way from noise to traces.

    Args:
        network: The trained network.
        config: How its flow is followed.
    """

    def __init__(self, network: TraceNetwork, config: DistillationConfig) -> None:
        super().__init__()
        self.network = network.eval().requires_grad_(False)
        self._integrate = sampling_method(config.method).integrate
        self._times = times_until(config.until, config.teacher_steps, network.config.time_shift)

    @torch.no_grad()
    def condition(self, images: ImageBatch, sentences: Sequence[str], image_index: Tensor) -> Any:
        """See :meth:`~tracegen_model.network.trace_network.TraceNetwork.condition`."""
        return self.network.condition(images, sentences, image_index)

    @torch.no_grad()
    def traces(self, noise: Tensor, condition: Any) -> Tensor:
        """Normalised increments (B, points, horizon, 3) that the flow leads to from ``noise`` of the same shape."""

        def velocity(state: Tensor, time: float) -> Tensor:
            return self.network.velocity(state, state.new_full((len(state),), time), condition).float()

        state: Tensor = self._integrate(velocity, noise, self._times)
        until = self._times[-1]
        return state + velocity(state, until) * (1.0 - until)

    def train(self, mode: bool = True) -> Teacher:
        """A teacher does not learn: it stays in evaluation mode."""
        return super().train(False)


def times_until(until: float, steps: int, shift: float) -> list[float]:
    """(steps + 1) times from 0 to ``until``, equidistant before the shift, see ``flow_times``."""
    last = shift * until / (1.0 - until + shift * until)
    u = np.linspace(0.0, last, steps + 1)
    return [float(time) for time in u / (u + shift * (1.0 - u))]


def require_same_network(teacher: CheckpointConfig, folder: Path, student: NetworkConfig) -> None:
    """Raise TrainingConfigError unless a student of this config can have the weights of the ``teacher`` in ``folder``.

    Only ``time_shift`` may differ: it says where a network steps, not what it is made of.
    """
    expected, found = architecture_of(student), teacher.architecture
    what = "architecture"
    if expected == found:
        ours, theirs = dataclasses.asdict(student), dataclasses.asdict(teacher.network)
        different = [name for name in ours if name != "time_shift" and ours[name] != theirs[name]]
        if not different:
            return
        what = ", ".join(different)
        expected, found = (", ".join(str(values[name]) for name in different) for values in (ours, theirs))
    raise TrainingConfigError(
        f"objective.distillation.teacher: {folder} is another network than the student: {what}: expected {expected}, "
        f"found {found}; a student starts from its teacher's weights and can change time_shift only"
    )
