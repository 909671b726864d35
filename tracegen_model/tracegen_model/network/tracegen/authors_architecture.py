"""The sizes of the authors' networks, read off their tensors; what no tensor tells comes from their saved config."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from tracegen_model.network.tracegen.authors_names import DECODER, PADDING_TOKENS, TOWERS
from tracegen_model.network.tracegen.config import Dinov3Config, SiglipConfig, T5Config, TraceGenConfig

TELLING = {
    "patch": DECODER + "patch_embed.proj.weight",
    "text": DECODER + "patch_embed.text_proj.weight",
    "time": DECODER + "time_embedding.linear_2.weight",
    "query": DECODER + "transformer_blocks.0.attn1.norm_q.weight",
    "dinov3": "dino_encoder.final_layernorm.weight",
    "siglip": "siglip_encoder.final_layernorm.weight",
    "t5": "t5_encoder.final_layernorm.weight",
}
"""Trained tensors that tell sizes."""

VISION_HEAD_WIDTH = 64
"""Width of an attention head in every DINOv3 up to ViT-H+ and in SigLIP's base model; no tensor tells it."""

COORDINATES = 3
"""Of a trace: column, row, depth."""

_BLOCK = re.compile(re.escape(DECODER) + r"transformer_blocks\.(\d+)\.")
_MISSING = object()


class AuthorsArchitectureError(ValueError):
    """Tensors and config do not describe a network that this package has."""


def network_config(tensors: Mapping[str, Tensor], config: Mapping[str, Any]) -> TraceGenConfig:
    """Sizes of the network with the ``tensors`` of an authors' file.

    Args:
        tensors: By plain names, see ``authors_names``.
        config: The authors' config as plain data; where it lacks a value, the published one counts.

    Raises:
        AuthorsArchitectureError: It is not this kind of network, or uses what this package does not have.
        NetworkConfigError: The sizes do not fit together.
    """
    missing = [name for name in TELLING.values() if name not in tensors]
    if missing:
        raise AuthorsArchitectureError(
            f"these are not the tensors of TraceGen; missing: {', '.join(missing)}"
        )
    shapes = {key: tuple(tensors[name].shape) for key, name in TELLING.items()}
    wrong = [
        f"{TELLING[key]} of shape {shape}"
        for key, shape in shapes.items()
        if len(shape) != (2 if key in ("patch", "text", "time") else 1)
    ]
    if wrong:
        raise AuthorsArchitectureError(f"these are not the tensors of TraceGen; found {', '.join(wrong)}")
    _require_supported(config)
    published = TraceGenConfig()
    patch_side = _whole(config, "model.decoder.patch_size", published.patch_side)
    frames, rest = divmod(shapes["patch"][1], COORDINATES * patch_side**2)
    if rest or not frames:
        raise AuthorsArchitectureError(
            f"{TELLING['patch']} takes {shapes['patch'][1]} numbers, which are not whole steps of "
            f"{patch_side} x {patch_side} points of {COORDINATES} coordinates"
        )
    head_width = shapes["query"][0]
    heads, rest = divmod(shapes["patch"][0], head_width)
    if rest or not heads:
        raise AuthorsArchitectureError(
            f"width {shapes['patch'][0]} is not a multiple of the width of a head, {head_width}"
        )
    siglip = _siglip(tensors, _text(config, "siglip_ckpt", SiglipConfig().name), shapes["siglip"][0])
    image_side = _image_side(tensors, config, siglip)
    image_tokens = (image_side // siglip.patch_side) ** 2
    return TraceGenConfig(
        image_side=image_side,
        grid_side=_whole(config, "model.decoder.frame_size", published.grid_side),
        horizon=_whole(config, "trajectory_horizon", published.horizon),
        patch_side=patch_side,
        frames_in_channels=frames,
        heads=heads,
        head_width=head_width,
        blocks=1 + max(int(match[1]) for match in map(_BLOCK.match, tensors) if match),
        condition_width=shapes["text"][1],
        time_width=shapes["time"][0],
        text_length=_condition_length(tensors, config, published) - image_tokens,
        dinov3=_dinov3(tensors, _text(config, "dinov2_model", Dinov3Config().name), shapes["dinov3"][0]),
        siglip=siglip,
        t5=_t5(tensors, _text(config, "t5_model", T5Config().name), shapes["t5"][0]),
    )


def _dinov3(tensors: Mapping[str, Tensor], name: str, width: int) -> Dinov3Config:
    prefix = TOWERS["dinov3"]
    kernel = tensors.get(prefix + "patch_embed.proj.weight")
    hidden = tensors.get(prefix + "blocks.0.mlp.fc1.weight")
    registers = tensors.get(prefix + "reg_token")
    if kernel is None or hidden is None:
        return _published(Dinov3Config(), "DINOv3", prefix, name, width)
    return Dinov3Config(
        name,
        width=kernel.shape[0],
        depth=_depth(tensors, prefix + "blocks."),
        heads=_vision_heads(kernel.shape[0], "DINOv3"),
        feed_forward_width=hidden.shape[0],
        patch_side=kernel.shape[-1],
        registers=0 if registers is None else registers.shape[1],
    )


def _siglip(tensors: Mapping[str, Tensor], name: str, width: int) -> SiglipConfig:
    prefix = TOWERS["siglip"]
    kernel = tensors.get(prefix + "embeddings.patch_embedding.weight")
    hidden = tensors.get(prefix + "encoder.layers.0.mlp.fc1.weight")
    if kernel is None or hidden is None:
        return _published(SiglipConfig(), "SigLIP", prefix, name, width)
    return SiglipConfig(
        name,
        width=kernel.shape[0],
        depth=_depth(tensors, prefix + "encoder.layers."),
        heads=_vision_heads(kernel.shape[0], "SigLIP"),
        feed_forward_width=hidden.shape[0],
        patch_side=kernel.shape[-1],
    )


def _t5(tensors: Mapping[str, Tensor], name: str, width: int) -> T5Config:
    prefix = TOWERS["t5"] + "encoder."
    words = tensors.get(prefix + "embed_tokens.weight")
    query = tensors.get(prefix + "block.0.layer.0.SelfAttention.q.weight")
    bias = tensors.get(prefix + "block.0.layer.0.SelfAttention.relative_attention_bias.weight")
    hidden = tensors.get(prefix + "block.0.layer.1.DenseReluDense.wi.weight")
    if words is None or query is None or bias is None or hidden is None:
        return _published(T5Config(), "T5", prefix, name, width)
    heads = bias.shape[1]
    return T5Config(
        name,
        width=words.shape[1],
        depth=_depth(tensors, prefix + "block."),
        heads=heads,
        head_width=query.shape[0] // heads,
        feed_forward_width=hidden.shape[0],
        vocabulary=words.shape[0],
    )


def _published[Tower: (Dinov3Config, SiglipConfig, T5Config)](
    tower: Tower, kind: str, prefix: str, name: str, width: int
) -> Tower:
    """Sizes of a tower that the file does not hold: those of the published network, if it is that tower."""
    if (name, width) != (tower.name, tower.width):
        raise AuthorsArchitectureError(
            f"the file lacks {kind} ({prefix}*), and the network was trained beside {name} of width {width}, whose "
            f"sizes are not known here; expected {tower.name} of width {tower.width}, or a file with the towers in it"
        )
    return tower


def _depth(tensors: Mapping[str, Tensor], prefix: str) -> int:
    numbers = (name.removeprefix(prefix).split(".")[0] for name in tensors if name.startswith(prefix))
    return 1 + max(int(number) for number in numbers if number.isdigit())


def _vision_heads(width: int, kind: str) -> int:
    if width % VISION_HEAD_WIDTH:
        raise AuthorsArchitectureError(
            f"{kind}: expected heads of width {VISION_HEAD_WIDTH}, found tokens of width {width}"
        )
    return width // VISION_HEAD_WIDTH


def _image_side(tensors: Mapping[str, Tensor], config: Mapping[str, Any], siglip: SiglipConfig) -> int:
    positions = tensors.get(TOWERS["siglip"] + "embeddings.position_embedding.weight")
    if positions is None:
        return _whole(config, "model.vision_encoder.image_size", TraceGenConfig().image_side)
    return math.isqrt(len(positions)) * siglip.patch_side


def _condition_length(
    tensors: Mapping[str, Tensor], config: Mapping[str, Any], published: TraceGenConfig
) -> int:
    padding = tensors.get(PADDING_TOKENS)
    if padding is not None and padding.ndim == 3:
        return int(padding.shape[1])
    return _whole(config, "model.decoder.max_text_seq_length", published.condition_length)


def _require_supported(config: Mapping[str, Any]) -> None:
    """Raise AuthorsArchitectureError where a config asks for what the network here does not do."""
    for name, expected in (
        ("absolute_action", False),
        ("model.decoder.use_rotary_positional_embeddings", False),
        ("model.decoder.patch_size_t", 1),
        ("model.decoder.in_channels", COORDINATES),
        ("model.decoder.out_channels", COORDINATES),
    ):
        found = _value(config, name)
        if found is not _MISSING and found != expected:
            raise AuthorsArchitectureError(
                f"the config says {name} {found!r}; only {expected!r} is known here"
            )


def _value(config: Mapping[str, Any], name: str) -> Any:
    """The value at a path of keys with dots between them."""
    found: Any = config
    for key in name.split("."):
        if not isinstance(found, Mapping) or key not in found:
            return _MISSING
        found = found[key]
    return found


def _whole(config: Mapping[str, Any], name: str, default: int) -> int:
    found = _value(config, name)
    if found is _MISSING:
        return default
    if isinstance(found, bool) or not isinstance(found, int) or found < 1:
        raise AuthorsArchitectureError(f"the config says {name} {found!r}; expected a positive whole number")
    return found


def _text(config: Mapping[str, Any], name: str, default: str) -> str:
    found = _value(config, name)
    if found is _MISSING:
        return default
    if not isinstance(found, str) or not found:
        raise AuthorsArchitectureError(f"the config says {name} {found!r}; expected a name")
    return found
