"""Networks from their configs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracegen_model.network.nano.config import NanoConfig
from tracegen_model.network.nano.nano_tracegen import NanoTraceGen
from tracegen_model.network.presets import NetworkConfig
from tracegen_model.network.trace_network import TraceNetwork

if TYPE_CHECKING:
    from tracegen_model.network.tracegen.encoder_weights import EncoderSource


def build_network(config: NetworkConfig, encoders: EncoderSource | None = None) -> TraceNetwork:
    """The network that ``config`` describes, its trained weights random.

    Args:
        config: Sizes and options.
        encoders: Where pretrained encoders come from; None = the names that the config gives.

    Raises:
        EncoderWeightsError: Pretrained weights cannot be found, or do not fit.
    """
    if isinstance(config, NanoConfig):
        return NanoTraceGen(config)
    # The towers' libraries take seconds to import; the nano network needs none of them.
    from tracegen_model.network.tracegen.encoder_weights import EncoderSource
    from tracegen_model.network.tracegen.tracegen import TraceGen

    return TraceGen(config, encoders or EncoderSource())
