"""The published network assembled: an image, its depth and a sentence to how the points of the query grid will move."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from tracegen_model.network.images import ImageBatch
from tracegen_model.network.trace_network import TraceNetwork
from tracegen_model.network.tracegen.condition import TraceCondition
from tracegen_model.network.tracegen.config import TraceGenConfig
from tracegen_model.network.tracegen.dinov3 import GeometryTower
from tracegen_model.network.tracegen.encoder_weights import EncoderSource
from tracegen_model.network.tracegen.frozen_tower import digest
from tracegen_model.network.tracegen.siglip import AppearanceTower, DepthAdapter
from tracegen_model.network.tracegen.t5 import TextTower
from tracegen_model.network.tracegen.trace_transformer import TraceTransformer


class TraceGen(TraceNetwork):
    """Frozen towers say what is where, fused patch by patch; a transformer over them and the traces follows the flow.

    Attributes:
        config: Sizes and options.
        dinov3: Geometry tower.
        siglip: Appearance tower.
        depth: Depth's way into the appearance tower.
        depth_mask_token: (1, 1, width) token of every patch of an image without depth.
        t5: Text tower.
        fusion: Geometry, appearance and depth of a patch, in this order, to its conditioning token.
        transformer: Noisy traces, time and conditioning tokens to the velocity.
    """

    config: TraceGenConfig

    def __init__(self, config: TraceGenConfig, encoders: EncoderSource) -> None:
        super().__init__()
        self.config = config
        self.dinov3 = GeometryTower(config.dinov3, config.image_side, encoders)
        self.siglip = AppearanceTower(config.siglip, config.image_side, encoders)
        self.depth = DepthAdapter(config.siglip)
        self.depth_mask_token = nn.Parameter(torch.randn(1, 1, config.siglip.width))
        self.t5 = TextTower(config.t5, config.text_length, encoders)
        self.fusion = nn.Linear(config.dinov3.width + 2 * config.siglip.width, config.condition_width)
        self.transformer = TraceTransformer(config)

    def condition(
        self, images: ImageBatch, sentences: Sequence[str], image_index: Tensor | None = None
    ) -> TraceCondition:
        """See :class:`~tracegen_model.network.trace_network.TraceNetwork`."""
        of_images = self.image_tokens(images)
        if image_index is not None:
            of_images = of_images[image_index.to(of_images.device)]
        return self.condition_from_tokens(torch.cat([of_images, self.t5(sentences)], dim=1))

    def condition_from_tokens(self, tokens: Tensor) -> TraceCondition:
        """Condition of conditioning tokens (B, condition_length, condition_width)."""
        return TraceCondition(tokens, self.transformer.project_condition(tokens))

    def image_tokens(self, images: ImageBatch) -> Tensor:
        """(I, image_tokens, condition_width) conditioning tokens of images, row-major."""
        features = images.features or self.encoder_features(images)
        depth = torch.where(
            images.depth_known.view(-1, 1, 1), self.depth(images.depth, self.siglip), self.depth_mask_token
        )
        parts = [self.dinov3(features["dinov3"]), self.siglip(features["siglip"]), depth]
        return torch.as_tensor(self.fusion(torch.cat(parts, dim=-1)))

    def encoder_features(self, images: ImageBatch) -> dict[str, Tensor]:
        """Outputs of the frozen towers that see colour, each (I, image_tokens, width), by the tower's name.

        They depend on the colour images alone, so they can be kept: see ``ImageBatch.features``.
        """
        return {
            "dinov3": self.dinov3.features(images.colour),
            "siglip": self.siglip.features(images.colour),
        }

    def velocity(self, state: Tensor, time: Tensor, condition: TraceCondition) -> Tensor:
        """See :class:`~tracegen_model.network.trace_network.TraceNetwork`.

        The published network counts time down from ``flow_times`` (noise) to 0 (data), was trained at whole numbers
        below ``flow_times``, and gives noise - data.
        """
        return -self.transformer(state, self.transformer.modulation(self.labels(time)), condition.projected)

    def labels(self, time: Tensor) -> Tensor:
        """The published network's labels (B,) of times (B,); see :meth:`velocity`."""
        flow_times = self.config.flow_times
        return (flow_times * (1.0 - time)).clamp(0.0, flow_times - 1.0)

    def frozen_parameters(self) -> dict[str, Tensor]:
        """See :class:`~tracegen_model.network.trace_network.TraceNetwork`."""
        towers = {"dinov3": self.dinov3.tower, "siglip": self.siglip.tower, "t5": self.t5.tower}
        return {
            f"{name}.tower.{entry}": tensor
            for name, tower in towers.items()
            for entry, tensor in tower.state_dict().items()
        }

    def encoder_digests(self) -> dict[str, str]:
        """SHA-256 of each frozen tower's tensors and of the tokeniser, to notice when others take their place."""
        return {
            "dinov3": digest(self.dinov3.tower.state_dict()),
            "siglip": digest(self.siglip.tower.state_dict()),
            "t5": digest(self.t5.tower.state_dict()),
            "tokeniser": self.t5.tokeniser.digest(),
        }

    def compile_parts(self) -> None:
        """Compile the transformer and the towers for images, in place."""
        self.transformer.compile()
        self.dinov3.tower.compile()
        self.siglip.tower.compile()
