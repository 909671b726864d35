"""What the authors' files call the published network's tensors, and where each one goes.

Their names come with wrapping left over from how a model was compiled and distributed, and with one or two levels of
nesting in SigLIP, depending on the version of transformers; here they are first made plain.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from tracegen_model.network.tracegen.cogvideox_names import from_cogvideox
from tracegen_model.network.tracegen.config import TraceGenConfig

WRAPPINGS = ("_orig_mod.", "module.")
"""What torch.compile and DistributedDataParallel put before names, in either order."""

DECODER = "diffusion_decoder.cogvideox."
"""Prefix of the transformer's tensors, which have diffusers' names."""

PADDING_TOKENS = "diffusion_decoder.learnable_padding_tokens"
"""Would fill up conditions that are too short, which there are none of; (1, condition_length, condition_width)."""

TOWERS = {
    "dinov3": "dino_encoder.vision_model.",
    "siglip": "siglip_encoder.vision_model.",
    "t5": "t5_encoder.text_model.",
}
"""Prefixes of the frozen towers."""

DEPTH_TOWER = "depth_encoder.vision_model."
"""Prefix of the second copy of SigLIP, which sees depth."""

POOLING_HEADS = tuple(prefix + "head." for prefix in (TOWERS["siglip"], DEPTH_TOWER))
"""Prefixes of SigLIP's pooling heads, whose outputs nobody reads."""

WORD_TABLES = ("shared.weight", "encoder.embed_tokens.weight")
"""Names of T5's word table, saved under both."""

TRAINED = {
    "dino_encoder.final_layernorm": "dinov3.norm",
    "siglip_encoder.final_layernorm": "siglip.norm",
    "depth_encoder.stem_adapter": "depth.stem",
    "depth_encoder.final_layernorm": "depth.norm",
    "t5_encoder.final_layernorm": "t5.norm",
    "vision_fusion": "fusion",
}
"""Trained layers outside the transformer, each with weight and bias: the authors' names and ours."""

MASK_TOKEN = "learnable_depth_mask_token"
"""Token of images without depth."""


class AuthorsNamesError(ValueError):
    """Tensors that must be one and the same are not."""


def plain_names(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """``tensors`` without wrappings, with SigLIP nested once and T5's word table once.

    Raises:
        AuthorsNamesError: Two tensors of the same plain name differ.
    """
    found: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        plain = plain_name(name)
        if plain in found and not _equal(found[plain], tensor):
            raise AuthorsNamesError(
                f"two different tensors are {plain}, one of them called {name}; the network has one"
            )
        found[plain] = tensor
    return found


def plain_name(name: str) -> str:
    """The plain form of a file's name for a tensor."""
    while name.startswith(WRAPPINGS):
        name = name.split(".", 1)[1]
    for prefix in (TOWERS["siglip"], DEPTH_TOWER):
        while name.startswith(prefix + "vision_model."):
            name = prefix + name.removeprefix(prefix + "vision_model.")
    prefix = TOWERS["t5"]
    if name == prefix + WORD_TABLES[0]:
        return prefix + WORD_TABLES[1]
    return name


def without_unused(tensors: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
    """Of ``tensors`` by plain name those that the network computes with, and the names of the others."""
    unused = [name for name in tensors if name == PADDING_TOKENS or name.startswith(POOLING_HEADS)]
    return {name: tensor for name, tensor in tensors.items() if name not in set(unused)}, unused


def trained_shapes(config: TraceGenConfig) -> dict[str, tuple[int, ...]]:
    """Shapes of the trained tensors by plain name."""
    dinov3, siglip, t5 = config.dinov3.width, config.siglip.width, config.t5.width
    width, time = config.width, config.time_width
    shapes: dict[str, tuple[int, ...]] = {
        "dino_encoder.final_layernorm": (dinov3,),
        "siglip_encoder.final_layernorm": (siglip,),
        "depth_encoder.stem_adapter": (3, 1, 1, 1),
        "depth_encoder.final_layernorm": (siglip,),
        "t5_encoder.final_layernorm": (t5,),
        "vision_fusion": (config.condition_width, dinov3 + 2 * siglip),
        DECODER + "patch_embed.proj": (width, config.trace_channels),
        DECODER + "patch_embed.text_proj": (width, config.condition_width),
        DECODER + "time_embedding.linear_1": (time, width),
        DECODER + "time_embedding.linear_2": (time, time),
        DECODER + "norm_final": (width,),
        DECODER + "norm_out.linear": (2 * width, time),
        DECODER + "norm_out.norm": (width,),
        DECODER + "proj_out": (config.trace_channels, width),
    }
    for block in (f"{DECODER}transformer_blocks.{index}." for index in range(config.blocks)):
        for norm in ("norm1", "norm2"):
            shapes[f"{block}{norm}.linear"] = (6 * width, time)
            shapes[f"{block}{norm}.norm"] = (width,)
        for part in ("to_q", "to_k", "to_v", "to_out.0"):
            shapes[f"{block}attn1.{part}"] = (width, width)
        for part in ("norm_q", "norm_k"):
            shapes[f"{block}attn1.{part}"] = (config.head_width,)
        shapes[f"{block}ff.net.0.proj"] = (4 * width, width)
        shapes[f"{block}ff.net.2"] = (width, 4 * width)
    weights = {f"{name}.weight": shape for name, shape in shapes.items()}
    biases = {f"{name}.bias": shape[:1] for name, shape in shapes.items()}
    return {MASK_TOKEN: (1, 1, siglip), **weights, **biases}


def our_trained(tensors: Mapping[str, Tensor], config: TraceGenConfig) -> dict[str, Tensor]:
    """Trained tensors by our names, from the authors' plain ones; the names must be those of `trained_shapes`."""
    decoder = {
        name.removeprefix(DECODER): tensor for name, tensor in tensors.items() if name.startswith(DECODER)
    }
    out = {f"transformer.{name}": tensor for name, tensor in from_cogvideox(decoder, config.blocks).items()}
    for theirs, ours in TRAINED.items():
        for kind in ("weight", "bias"):
            out[f"{ours}.{kind}"] = tensors[f"{theirs}.{kind}"]
    out["depth_mask_token"] = tensors[MASK_TOKEN]
    return out


def tower_name(tower: str, ours: str) -> str:
    """The authors' plain name of what our ``tower`` calls ``ours``."""
    nested = "encoder." if tower == "t5" else ""
    return f"{TOWERS[tower]}{nested}{ours}"


def _equal(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and bool((one == other).all())
