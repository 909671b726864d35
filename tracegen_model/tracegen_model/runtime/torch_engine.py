"""PyTorch, eager: runs any checkpoint as it was trained, on CUDA where there is one. Needs torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from tracegen_model.network.checkpoint import load_checkpoint
from tracegen_model.network.checkpoint_config import CheckpointConfig
from tracegen_model.network.images import ImageBatch
from tracegen_model.network.nano.conditioning import SUPERVISED_POINTS
from tracegen_model.network.nano.nano_tracegen import NanoTraceGen
from tracegen_model.runtime.engine import EngineCondition


class TorchEngine:
    """Runs the network of a checkpoint's ``model.safetensors``.

    Args:
        folder: The checkpoint.
        config: Its config.
        threads: Threads of torch; they are the process's.

    Raises:
        CheckpointError: A file is missing or damaged.
        EncoderWeightsError: Pretrained encoders cannot be found.
    """

    def __init__(self, folder: Path, config: CheckpointConfig, threads: int) -> None:
        torch.set_num_threads(threads)
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._network = load_checkpoint(folder)[1].to(self._device)

    @torch.inference_mode()
    def condition(
        self, colour: NDArray[np.uint8], depth: NDArray[np.float32], instruction: str
    ) -> EngineCondition:
        """See :class:`~tracegen_model.runtime.engine.Engine`."""
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
    def step(
        self, state: NDArray[np.float32], time: float, next_time: float, condition: EngineCondition
    ) -> NDArray[np.float32]:
        """See :class:`~tracegen_model.runtime.engine.Engine`."""
        given = torch.from_numpy(state)[None].to(self._device)
        now = torch.tensor([time], device=self._device, dtype=torch.float32)
        velocity = self._network.velocity(given, now, condition.inputs)
        return np.asarray((given + (next_time - time) * velocity)[0].float().cpu().numpy())
