"""What the published network is told about a sample."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.utils._pytree import register_dataclass


@dataclass(frozen=True)
class TraceCondition:
    """Conditioning tokens of B samples: those of the image row by row, then those of the text.

    Attributes:
        tokens: (B, condition_length, condition_width) the tokens.
        projected: (B, condition_length, width) the tokens as the transformer takes them in; the same at every time.
    """

    tokens: Tensor
    projected: Tensor


register_dataclass(TraceCondition)
