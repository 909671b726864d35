"""PyTorch, eager: runs any checkpoint as it was trained, on CUDA where there is one. Needs torch."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tracegen_model.network.checkpoint import load_checkpoint
from tracegen_model.network.images import ImageBatch
from tracegen_model.network.integrators import SamplingPlan
from tracegen_model.network.nano.conditioning import SUPERVISED_POINTS
from tracegen_model.network.nano.nano_tracegen import NanoTraceGen
from tracegen_model.network.samplers import repeat_condition
from tracegen_model.runtime.engines.engine import EngineCondition, EngineDescription, EngineRequest


class TorchEngine:
    """Runs the network of a checkpoint's ``model.safetensors``.

    Args:
        request: Which checkpoint, and how; threads are the process's.

    Raises:
        CheckpointError: A file is missing or damaged.
        EncoderWeightsError: Pretrained encoders cannot be found.
    """

    def __init__(self, request: EngineRequest) -> None:
        torch.set_num_threads(request.threads)
        self._threads = request.threads
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._network = load_checkpoint(request.folder)[1].to(self._device)

    @property
    def description(self) -> EngineDescription:
        """See :class:`~tracegen_model.runtime.engines.engine.Engine`."""
        on_gpu = self._device.type == "cuda"
        device = torch.cuda.get_device_name() if on_gpu else f"CPU, threads: {self._threads}"
        return EngineDescription("torch", device, "float32", f"PyTorch {torch.__version__}, eager")

    @torch.inference_mode()
    def condition(
        self, colour: NDArray[np.uint8], depth: NDArray[np.float32], instruction: str
    ) -> EngineCondition:
        """See :class:`~tracegen_model.runtime.engines.engine.Engine`."""
        images = ImageBatch(
            colour=torch.tensor(colour).permute(2, 0, 1)[None].float() / 255.0,
            depth=torch.tensor(depth)[None],
            depth_known=torch.tensor([True]),
        ).to(self._device)
        if not isinstance(self._network, NanoTraceGen):
            return EngineCondition(self._network.condition(images, [instruction]))
        words = self._network.words([instruction]).to(self._device)
        condition, points = self._network.find_points(2.0 * images.colour - 1.0, images.depth, words)
        return EngineCondition(condition, points.uvz[0, : len(SUPERVISED_POINTS)].float().cpu().numpy())

    @torch.inference_mode()
    def sample(
        self, state: NDArray[np.float32], condition: EngineCondition, plan: SamplingPlan
    ) -> NDArray[np.float32]:
        """See :class:`~tracegen_model.runtime.engines.engine.Engine`."""
        repeated = repeat_condition(condition.inputs, len(state))

        def velocity(state: Tensor, time: float) -> Tensor:
            return self._network.velocity(state, state.new_full((len(state),), time), repeated)

        found = plan.integrate(velocity, torch.from_numpy(state).to(self._device))
        return np.asarray(found.float().cpu().numpy())

    def close(self) -> None:
        """See :class:`~tracegen_model.runtime.engines.engine.Engine`."""
