"""Pretrained encoders that never change: how their tensors are read, checked, drawn at random and recognised."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from tracegen_model.network.tensor_mismatches import tensor_mismatches
from tracegen_model.network.tracegen.encoder_weights import EncoderSource, EncoderWeightsError, find_weights


def build_tower(
    tower: str,
    build: Callable[[], nn.Module],
    fill_buffers: Callable[[nn.Module], None],
    rename: Callable[[str], str | None],
    source: EncoderSource,
    location: str,
) -> nn.Module:
    """A frozen encoder, in evaluation mode.

    Args:
        tower: Its name among the towers: ``dinov3``, ``siglip`` or ``t5``.
        build: Makes it with random weights.
        fill_buffers: Sets the buffers that are in no file.
        rename: Name of a tensor in a pretrained file to its name in the encoder; None = the encoder has no use for it.
        source: Where its weights come from.
        location: Where they are when the source does not say.

    Raises:
        EncoderWeightsError: The weights cannot be found, or do not fit.
    """
    if source.random or torch.get_default_device().type == "meta":
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(source.seed)
            module = build()
    else:
        # Drawing weights that are then replaced takes longer than reading them.
        with torch.device("meta"):
            module = build()
        module.to_empty(device="cpu")
        fill_buffers(module)
        if source.stored is not None:
            files = [source.stored]
            tensors = {
                name.removeprefix(f"{tower}.tower."): tensor
                for name, tensor in read_tensors(files).items()
                if name.startswith(f"{tower}.tower.")
            }
        else:
            files = find_weights(tower, getattr(source, tower) or location, source.download)
            tensors = renamed(read_tensors(files), rename, files[0])
        load_pretrained(module, tensors, files[0])
    return module.requires_grad_(False).eval()


def read_tensors(files: Sequence[Path]) -> dict[str, Tensor]:
    """Tensors of safetensors files together; raises EncoderWeightsError when one is damaged."""
    tensors: dict[str, Tensor] = {}
    for file in files:
        try:
            tensors.update(safetensors.torch.load_file(file))
        except (OSError, safetensors.SafetensorError) as error:
            raise EncoderWeightsError(f"{file} is not a readable safetensors file: {error}") from error
    return tensors


def renamed(
    tensors: Mapping[str, Tensor], rename: Callable[[str], str | None], source: Path
) -> dict[str, Tensor]:
    """``tensors`` under their new names; two that get the same name must be equal, else EncoderWeightsError."""
    out: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        new_name = rename(name)
        if new_name is None:
            continue
        if new_name in out and not torch.equal(out[new_name], tensor):
            raise EncoderWeightsError(f"{source} holds two different tensors for {new_name}, one is {name}")
        out[new_name] = tensor
    return out


def load_pretrained(module: nn.Module, tensors: Mapping[str, Tensor], source: Path) -> None:
    """Give ``module`` its ``tensors``, as float32.

    Raises:
        EncoderWeightsError: Lists every missing, unexpected and mis-shaped tensor.
    """
    expected = {name: tensor.shape for name, tensor in module.state_dict().items()}
    mismatches = tensor_mismatches(expected, {name: tensor.shape for name, tensor in tensors.items()})
    if mismatches:
        raise EncoderWeightsError(
            f"the tensors of {source} are not those of the model that the config describes; {mismatches}"
        )
    module.load_state_dict({name: tensor.float() for name, tensor in tensors.items()}, assign=True)


def digest(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over names, shapes and bytes of ``tensors``, in hexadecimal; to recognise them again."""
    sha = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        sha.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
        sha.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy())
    return sha.hexdigest()
