"""Checkpoints as the authors' code writes them, made from what is known about their files and from nothing of ours."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import Tensor


@dataclass(frozen=True)
class Sizes:
    """Sizes of a network; the defaults are tiny. Heads of the vision towers are 64 wide, as in all of them."""

    width: int = 32
    head: int = 16
    blocks: int = 2
    time: int = 24
    numbers: int = 24
    text: int = 32
    condition: int = 4 + 12
    dino: int = 64
    dino_blocks: int = 2
    dino_hidden: int = 96
    dino_patch: int = 8
    siglip: int = 64
    siglip_blocks: int = 2
    siglip_hidden: int = 80
    siglip_patch: int = 8
    patches: int = 4
    t5_blocks: int = 2
    t5_heads: int = 2
    t5_head: int = 8
    t5_hidden: int = 48
    words: int = 40


BASE = Sizes(
    width=768,
    head=64,
    blocks=6,
    time=512,
    text=768,
    condition=704,
    dino=1024,
    dino_blocks=24,
    dino_hidden=4096,
    dino_patch=16,
    siglip=768,
    siglip_blocks=12,
    siglip_hidden=3072,
    siglip_patch=16,
    patches=576,
    t5_blocks=12,
    t5_heads=12,
    t5_head=64,
    t5_hidden=3072,
    words=32128,
)

Shapes = dict[str, tuple[int, ...]]


def layer(name: str, *shape: int) -> Shapes:
    """Weight and bias."""
    return {f"{name}.weight": shape, f"{name}.bias": shape[:1]}


def dino_shapes(s: Sizes) -> Shapes:
    p = "dino_encoder.vision_model."
    out: Shapes = {
        p + "cls_token": (1, 1, s.dino),
        p + "reg_token": (1, 4, s.dino),
        **layer(p + "patch_embed.proj", s.dino, 3, s.dino_patch, s.dino_patch),
        **layer(p + "norm", s.dino),
    }
    for i in range(s.dino_blocks):
        b = f"{p}blocks.{i}."
        out |= {b + "gamma_1": (s.dino,), b + "gamma_2": (s.dino,)}
        out |= layer(b + "norm1", s.dino) | layer(b + "norm2", s.dino)
        out[b + "attn.qkv.weight"] = (3 * s.dino, s.dino)
        out |= layer(b + "attn.proj", s.dino, s.dino)
        out |= layer(b + "mlp.fc1", s.dino_hidden, s.dino) | layer(b + "mlp.fc2", s.dino, s.dino_hidden)
    return out


def siglip_shapes(s: Sizes, owner: str) -> Shapes:
    p, w, h = f"{owner}.vision_model.vision_model.", s.siglip, s.siglip_hidden
    out: Shapes = {
        **layer(p + "embeddings.patch_embedding", w, 3, s.siglip_patch, s.siglip_patch),
        p + "embeddings.position_embedding.weight": (s.patches, w),
        **layer(p + "post_layernorm", w),
        p + "head.probe": (1, 1, w),
        p + "head.attention.in_proj_weight": (3 * w, w),
        p + "head.attention.in_proj_bias": (3 * w,),
        **layer(p + "head.attention.out_proj", w, w),
        **layer(p + "head.layernorm", w),
        **layer(p + "head.mlp.fc1", h, w),
        **layer(p + "head.mlp.fc2", w, h),
    }
    for i in range(s.siglip_blocks):
        b = f"{p}encoder.layers.{i}."
        out |= layer(b + "layer_norm1", w) | layer(b + "layer_norm2", w)
        for part in ("q", "k", "v", "out"):
            out |= layer(f"{b}self_attn.{part}_proj", w, w)
        out |= layer(b + "mlp.fc1", h, w) | layer(b + "mlp.fc2", w, h)
    return out


def t5_shapes(s: Sizes) -> Shapes:
    p, inner = "t5_encoder.text_model.", s.t5_heads * s.t5_head
    out: Shapes = {
        p + "shared.weight": (s.words, s.text),
        p + "encoder.embed_tokens.weight": (s.words, s.text),
        p + "encoder.final_layer_norm.weight": (s.text,),
        p + "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight": (32, s.t5_heads),
    }
    for i in range(s.t5_blocks):
        b = f"{p}encoder.block.{i}."
        out |= {f"{b}layer.0.SelfAttention.{part}.weight": (inner, s.text) for part in "qkv"}
        out[b + "layer.0.SelfAttention.o.weight"] = (s.text, inner)
        out |= {f"{b}layer.{sub}.layer_norm.weight": (s.text,) for sub in (0, 1)}
        out[b + "layer.1.DenseReluDense.wi.weight"] = (s.t5_hidden, s.text)
        out[b + "layer.1.DenseReluDense.wo.weight"] = (s.text, s.t5_hidden)
    return out


def decoder_shapes(s: Sizes) -> Shapes:
    p, w = "diffusion_decoder.cogvideox.", s.width
    out: Shapes = {
        **layer(p + "patch_embed.proj", w, s.numbers),
        **layer(p + "patch_embed.text_proj", w, s.text),
        **layer(p + "time_embedding.linear_1", s.time, w),
        **layer(p + "time_embedding.linear_2", s.time, s.time),
        **layer(p + "norm_final", w),
        **layer(p + "norm_out.linear", 2 * w, s.time),
        **layer(p + "norm_out.norm", w),
        **layer(p + "proj_out", s.numbers, w),
    }
    for i in range(s.blocks):
        b = f"{p}transformer_blocks.{i}."
        for norm in ("norm1", "norm2"):
            out |= layer(f"{b}{norm}.linear", 6 * w, s.time) | layer(f"{b}{norm}.norm", w)
        out |= layer(b + "attn1.norm_q", s.head) | layer(b + "attn1.norm_k", s.head)
        for part in ("to_q", "to_k", "to_v", "to_out.0"):
            out |= layer(f"{b}attn1.{part}", w, w)
        out |= layer(b + "ff.net.0.proj", 4 * w, w) | layer(b + "ff.net.2", w, 4 * w)
    return out


def shapes(s: Sizes) -> Shapes:
    """All tensors of a file without wrapping."""
    return {
        "learnable_depth_mask_token": (1, 1, s.siglip),
        **dino_shapes(s),
        **layer("dino_encoder.final_layernorm", s.dino),
        **siglip_shapes(s, "siglip_encoder"),
        **layer("siglip_encoder.final_layernorm", s.siglip),
        **siglip_shapes(s, "depth_encoder"),
        **layer("depth_encoder.stem_adapter", 3, 1, 1, 1),
        **layer("depth_encoder.final_layernorm", s.siglip),
        **t5_shapes(s),
        **layer("t5_encoder.final_layernorm", s.text),
        **layer("vision_fusion", s.text, s.dino + 2 * s.siglip),
        "diffusion_decoder.learnable_padding_tokens": (1, s.condition, s.text),
        **decoder_shapes(s),
    }


def tensors(s: Sizes) -> dict[str, Tensor]:
    """Random ones; both SigLIP towers equal, and T5's word table one tensor under two names."""
    generator = torch.Generator().manual_seed(7)
    out = {name: 0.2 * torch.randn(shape, generator=generator) for name, shape in shapes(s).items()}
    for name in out:
        if name.startswith("depth_encoder.vision_model."):
            out[name] = out["siglip_encoder" + name.removeprefix("depth_encoder")].clone()
    out["t5_encoder.text_model.shared.weight"] = out["t5_encoder.text_model.encoder.embed_tokens.weight"]
    return out


CONFIG = {
    "seed": 1337,
    "siglip_ckpt": "google/siglip-base-patch16-384",
    "t5_model": "t5-base",
    "dinov2_model": "vit_large_patch16_dinov3.lvd1689m",
    "absolute_action": False,
    "trajectory_horizon": 8,
    "model": {
        "vision_encoder": {"patch_size": 8, "image_size": 16},
        "decoder": {
            "frame_size": 4,
            "patch_size": 2,
            "patch_size_t": 1,
            "max_text_seq_length": 16,
            "in_channels": 3,
            "out_channels": 3,
            "use_rotary_positional_embeddings": False,
        },
    },
    "data": {"dataset_dirs": ["/somewhere"], "augmentation": None},
    "train": {"lr_decoder": 2.0e-4},
}
"""The authors' config of a network of the tiny sizes, shortened."""


class DictToNamespace:
    """As their class: attributes from a nested dictionary, and a method that their files drag along."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        for key, value in values.items():
            setattr(self, key, DictToNamespace(value) if isinstance(value, dict) else value)

    def get(self, key: str, default: Any = None) -> Any:
        return getattr(self, key, default)


def with_bound_methods(namespace: DictToNamespace) -> dict[str, Any]:
    """Their way back to dictionaries, which picks up the method at every level."""
    out: dict[str, Any] = {}
    for key in dir(namespace):
        if not key.startswith("_"):
            value = getattr(namespace, key)
            out[key] = with_bound_methods(value) if isinstance(value, DictToNamespace) else value
    return out


@contextmanager
def class_in(module: str) -> Iterator[None]:
    """Pretend that `DictToNamespace` belongs to ``module``, so that a pickle says so."""
    pretended = types.ModuleType(module)
    pretended.DictToNamespace = DictToNamespace  # type: ignore[attr-defined]
    modules = {module.partition(".")[0]: types.ModuleType(module), module: pretended}
    with (
        mock.patch.dict(sys.modules, modules),
        mock.patch.object(DictToNamespace, "__module__", module),
    ):
        yield


def saved(weights: Mapping[str, Tensor], config: Any = None, **others: Any) -> dict[str, Any]:
    """What the authors' trainer saves."""
    parameter = torch.zeros(3)
    return {
        "epoch": 19,
        "model_state_dict": dict(weights),
        "optimizer_state_dict": {
            "state": {0: {"step": torch.tensor(3.0), "exp_avg": parameter}},
            "param_groups": [{"lr": 2e-4, "betas": (0.9, 0.999), "maximize": False, "params": [0]}],
        },
        "best_metric": 0.0,
        "config": config if config is not None else with_bound_methods(DictToNamespace(CONFIG)),
        "train_metrics": {"total_loss": [0.3, 0.2]},
        "val_metrics": {"total_loss": [0.3]},
        "action_min": torch.tensor([-0.05, -0.05, -0.04]),
        "action_max": torch.tensor([0.05, 0.05, 0.04]),
        **others,
    }


def write(path: Path, content: Any, module: str = "trainer.trainer") -> Path:
    """Save ``content`` as the authors' code would, its config class living in ``module``."""
    with class_in(module):
        torch.save(content, path)
    return path
