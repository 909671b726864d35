"""What every network of this package is: images and sentences to a condition, and a velocity field under it.

Time runs from 0 (noise) to 1 (data): x_t = (1 - t) noise + t data, and the velocity is dx/dt = data - noise.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from tracegen_model.network.images import ImageBatch
from tracegen_model.network.presets import NetworkConfig


class TraceNetwork(nn.Module, ABC):
    """Condition once per image and sentence, then follow the velocity from noise to traces.

    A condition is whatever the network's own ``velocity`` understands; all its tensors have the samples first, and
    ``torch.utils._pytree`` can walk it.

    Attributes:
        config: Sizes and options.
    """

    config: NetworkConfig

    @abstractmethod
    def condition(
        self, images: ImageBatch, sentences: Sequence[str], image_index: Tensor | None = None
    ) -> Any:
        """Condition of B samples.

        Args:
            images: I images.
            sentences: B instructions; the empty sentence is the null condition of guidance.
            image_index: (B,) image of each sample; None when each sample has its own image (I = B).
        """

    @abstractmethod
    def velocity(self, state: Tensor, time: Tensor, condition: Any) -> Tensor:
        """dx/dt (B, points, horizon, 3) of normalised increments ``state`` (B, points, horizon, 3) at ``time`` (B,)."""

    def frozen_parameters(self) -> dict[str, Tensor]:
        """Pretrained tensors that never change, by their name in the state dict; none unless a network says so."""
        return {}

    def encoder_digests(self) -> dict[str, str]:
        """SHA-256 of each pretrained part, to notice when another takes its place; none unless a network says so."""
        return {}

    def trained_tensors(self) -> dict[str, Tensor]:
        """The state dict without what is frozen."""
        frozen = self.frozen_parameters()
        return {name: tensor for name, tensor in self.state_dict().items() if name not in frozen}

    def compile_parts(self) -> None:
        """Compile what gains from it, in place; names of parameters stay the same."""
