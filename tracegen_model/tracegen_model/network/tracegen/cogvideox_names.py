"""Names that diffusers gives to the tensors of its CogVideoX transformer, which the authors' files use too."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

_RENAMED = {
    "patch_embed.proj": "trace_projection",
    "patch_embed.text_proj": "condition_projection",
    "time_embedding.linear_1": "time_embedding.0",
    "time_embedding.linear_2": "time_embedding.2",
    "norm_final": "norm_final",
    "norm_out.norm": "norm_out",
    "proj_out": "trace_out",
}
_RENAMED_IN_BLOCK = {
    "norm1.norm": "norm_attention",
    "attn1.to_q": "attention.query",
    "attn1.to_k": "attention.key",
    "attn1.to_v": "attention.value",
    "attn1.norm_q": "attention.norm_query",
    "attn1.norm_k": "attention.norm_key",
    "attn1.to_out.0": "attention.out",
    "norm2.norm": "norm_feed_forward",
    "ff.net.0.proj": "feed_forward.0",
    "ff.net.2": "feed_forward.2",
}
_KINDS = ("weight", "bias")


def from_cogvideox(tensors: Mapping[str, Tensor], blocks: int) -> dict[str, Tensor]:
    """Tensors of a :class:`TraceTransformer` of ``blocks`` blocks from those of a ``CogVideoXTransformer3DModel``.

    The modulations of all blocks and of the output become one matrix.

    Raises:
        KeyError: A tensor is missing. Tensors of other names are left out.
    """
    out: dict[str, Tensor] = {}
    for kind in _KINDS:
        for theirs, ours in _RENAMED.items():
            out[f"{ours}.{kind}"] = tensors[f"{theirs}.{kind}"]
        modulations = []
        for block in (f"transformer_blocks.{index}" for index in range(blocks)):
            ours_block = block.removeprefix("transformer_")
            for theirs, ours in _RENAMED_IN_BLOCK.items():
                out[f"{ours_block}.{ours}.{kind}"] = tensors[f"{block}.{theirs}.{kind}"]
            modulations += [tensors[f"{block}.{norm}.linear.{kind}"] for norm in ("norm1", "norm2")]
        out[f"modulation_projection.{kind}"] = torch.cat([*modulations, tensors[f"norm_out.linear.{kind}"]])
    return out
