"""Turns a checkpoint of the authors' code into one of this package: every tensor accounted for, or none taken."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from tracegen_model.network.checkpoint import save_checkpoint
from tracegen_model.network.checkpoint_config import CONFIG_FILE, CheckpointConfig, file_digest
from tracegen_model.network.presets import PRESETS
from tracegen_model.network.tensor_mismatches import tensor_mismatches
from tracegen_model.network.tracegen.authors_architecture import network_config
from tracegen_model.network.tracegen.authors_file import AuthorsFile, read_authors_file
from tracegen_model.network.tracegen.authors_names import (
    DEPTH_TOWER,
    TOWERS,
    our_trained,
    plain_names,
    tower_name,
    trained_shapes,
    without_unused,
)
from tracegen_model.network.tracegen.config import TraceGenConfig
from tracegen_model.network.tracegen.encoder_weights import EncoderSource
from tracegen_model.network.tracegen.frozen_tower import digest
from tracegen_model.network.tracegen.tokeniser import T5Tokeniser
from tracegen_model.network.tracegen.tracegen import TraceGen

PUBLISHED_SCALE = (0.05, 0.05, 0.04)
"""Increments that normalise to 1 in the authors' code, where a file does not say: du, dv of the image, dz of depth."""

PUBLISHED_CLIP = 1.0
"""Normalised increments were clamped to plus or minus this in the authors' training."""

OTHER_SIZES = "custom"
"""Stands for the preset where a network has the sizes of none."""

BIAS_TOLERANCE = 1e-6
"""How far the middle of the authors' range of increments may lie from 0, in halves of the range: rounding."""

logger = logging.getLogger(__name__)


class AuthorsCheckpointError(ValueError):
    """A file's tensors are not those of the network that it describes, or cannot be taken over as they are."""


@dataclasses.dataclass(frozen=True)
class ImportedNetwork:
    """A network of the authors in this package's terms.

    Attributes:
        config: Its sizes.
        trained: Trained tensors by our names.
        towers: Tensors of each frozen tower that the file holds, by our names within the tower.
        unused: The authors' names of tensors that nothing is computed with, which were left out.
    """

    config: TraceGenConfig
    trained: Mapping[str, Tensor]
    towers: Mapping[str, Mapping[str, Tensor]]
    unused: tuple[str, ...]

    @property
    def frozen(self) -> dict[str, Tensor] | None:
        """All frozen tensors by their name in the state dict; None unless the file holds all towers."""
        if set(self.towers) != set(TOWERS):
            return None
        return {
            f"{tower}.tower.{name}": tensor
            for tower, tensors in self.towers.items()
            for name, tensor in tensors.items()
        }


def import_authors_checkpoint(
    path: Path,
    folder: Path,
    name: str | None = None,
    sampler_steps: int = TraceGenConfig.flow_times,
    keep_encoders: bool = True,
    tokeniser: Path | None = None,
) -> CheckpointConfig:
    """Write the checkpoint of the authors in ``path`` as one of this package to ``folder``; returns its config.

    Args:
        path: The authors' ``.pth`` file. Nothing in it is run.
        folder: Made when missing.
        name: Name of the new checkpoint; None = the folder's.
        sampler_steps: Steps to take unless the user says otherwise; the authors take 100.
        keep_encoders: Store the frozen towers, too, where the file holds them all; else they are taken from their own
            sources, and recognised by their digests.
        tokeniser: T5's ``tokenizer.json``, which is in no file of the authors, to store with the towers; None = it is
            taken from its own source.

    Raises:
        AuthorsFileError: The file cannot be read safely.
        AuthorsNamesError: It holds different tensors under one name.
        AuthorsArchitectureError, NetworkConfigError: It is another kind of network.
        EncoderWeightsError: ``tokeniser`` is not T5's.
        AuthorsCheckpointError: Tensors are missing, unexpected or of another shape, all of which are listed; its two
            SigLIP towers differ; its increments are not centred; or ``folder`` holds a checkpoint already.
    """
    if (folder / CONFIG_FILE).exists():
        raise AuthorsCheckpointError(f"{folder} holds a checkpoint already; choose another folder")
    file = read_authors_file(path)
    network = imported_network(file)
    frozen = network.frozen if keep_encoders else None
    encoders = {tower: digest(tensors) for tower, tensors in network.towers.items()}
    pieces = None if tokeniser is None else T5Tokeniser(tokeniser, network.config.text_length)
    if pieces is not None:
        encoders["tokeniser"] = pieces.digest()
    config = CheckpointConfig(
        name=name or folder.resolve().name,
        preset=next((preset for preset, sizes in PRESETS.items() if sizes == network.config), OTHER_SIZES),
        network=network.config,
        increment_scale=increment_scale(file),
        clip_increments=PUBLISHED_CLIP,
        sampler_steps=sampler_steps,
        encoders=encoders,
        training={
            "imported_from": path.name,
            "imported_sha256": file_digest(path),
            "epoch": file.epoch,
            "config": dict(file.config),
        },
    )
    config = save_checkpoint(folder, config, network.trained, frozen)
    if pieces is not None and frozen is not None:
        pieces.save(folder)
    _report(folder, config, network, frozen is not None)
    return config


def imported_network(file: AuthorsFile) -> ImportedNetwork:
    """The network in ``file``; raises what `import_authors_checkpoint` lists."""
    plain = plain_names(file.tensors)
    config = network_config(plain, file.config)
    tensors, unused = without_unused(plain)
    held = [tower for tower, prefix in TOWERS.items() if any(name.startswith(prefix) for name in tensors)]
    towers_of_ours = _tower_shapes(config)
    _require_shapes(file.path, expected_shapes(config, held), tensors)
    towers = {
        tower: {ours: _float32(tensors[tower_name(tower, ours)]) for ours in towers_of_ours[tower]}
        for tower in held
    }
    _require_one_siglip(file.path, tensors, towers.get("siglip", {}))
    trained = {name: _float32(tensor) for name, tensor in our_trained(tensors, config).items()}
    return ImportedNetwork(config, trained, towers, tuple(unused))


def expected_shapes(config: TraceGenConfig, towers: Collection[str]) -> dict[str, tuple[int, ...]]:
    """Shapes of all tensors that are taken from a file with the frozen ``towers``, by the authors' plain names."""
    expected = trained_shapes(config)
    shapes = _tower_shapes(config)
    for tower in towers:
        expected |= {tower_name(tower, ours): shape for ours, shape in shapes[tower].items()}
    if "siglip" in towers:
        expected |= {DEPTH_TOWER + ours: shape for ours, shape in shapes["siglip"].items()}
    return expected


def increment_scale(file: AuthorsFile) -> tuple[float, float, float]:
    """Increments that normalise to 1; raises AuthorsCheckpointError unless they are those of -1 with the sign changed.

    The authors normalise by (increment - bias) / scale, the scale being half the range of increments and the bias its
    middle; their bias is 0, and the network here has none.
    """
    if file.action_min is None or file.action_max is None:
        logger.warning(
            "%s does not say how increments were normalised; taking the published %s",
            file.path,
            PUBLISHED_SCALE,
        )
        return PUBLISHED_SCALE
    scale = (file.action_max - file.action_min) / 2.0
    bias = (file.action_max + file.action_min) / 2.0
    if not (scale > 0.0).all():
        raise AuthorsCheckpointError(
            f"{file.path}: action_max {file.action_max.tolist()} must exceed action_min {file.action_min.tolist()}"
        )
    if (bias.abs() > BIAS_TOLERANCE * scale).any():
        raise AuthorsCheckpointError(
            f"{file.path} normalises increments around {bias.tolist()}; only 0 is possible here: expected action_min "
            f"to be -action_max, found {file.action_min.tolist()} and {file.action_max.tolist()}"
        )
    first, second, third = (
        float(f"{value:.7g}") for value in scale.tolist()
    )  # float32 numbers, as they were meant
    return first, second, third


@cache
def _tower_shapes(config: TraceGenConfig) -> dict[str, dict[str, tuple[int, ...]]]:
    """Shapes of each frozen tower's tensors by our names within the tower."""
    with torch.device("meta"):
        network = TraceGen(config, EncoderSource(random=True))
    return {
        tower: {
            name: tuple(tensor.shape) for name, tensor in getattr(network, tower).tower.state_dict().items()
        }
        for tower in TOWERS
    }


def _require_shapes(path: Path, expected: Mapping[str, tuple[int, ...]], found: Mapping[str, Tensor]) -> None:
    mismatches = tensor_mismatches(expected, {name: tensor.shape for name, tensor in found.items()})
    if mismatches:
        raise AuthorsCheckpointError(
            f"the tensors of {path} are not those of the network that it describes; {mismatches}"
        )


def _require_one_siglip(path: Path, tensors: Mapping[str, Tensor], siglip: Mapping[str, Tensor]) -> None:
    """Raise AuthorsCheckpointError where the towers for depth and for colour differ: the network has one for both."""
    others = [
        name
        for name, tensor in siglip.items()
        if not torch.equal(_float32(tensors[DEPTH_TOWER + name]), tensor)
    ]
    if others:
        raise AuthorsCheckpointError(
            f"{path}: the SigLIP towers for colour and depth differ in {len(others)} of {len(siglip)} tensors, "
            f"first in {others[0]}; one of them was trained, and the network here has one frozen tower for both"
        )


def _float32(tensor: Tensor) -> Tensor:
    return tensor.detach().float()


def _report(folder: Path, config: CheckpointConfig, network: ImportedNetwork, stored: bool) -> None:
    trained = sum(tensor.numel() for tensor in network.trained.values())
    logger.info("%s: preset %s, %.1f M trained parameters", folder, config.preset, trained / 1e6)
    if network.unused:
        logger.info(
            "left out %d tensors that nothing is computed with: %s", len(network.unused), _shortened(network)
        )
    if stored:
        logger.info("its frozen encoders are stored with it")
    else:
        missing = ", ".join(sorted(set(TOWERS) - set(network.towers)))
        why = f" (the file lacks {missing})" if missing else ""
        logger.info("its frozen encoders are not stored with it%s: it takes them from their own sources", why)
    if not stored or "tokeniser" not in config.encoders:
        logger.info("it takes the tokeniser of %s from its own source", network.config.t5.name)


def _shortened(network: ImportedNetwork) -> str:
    """Prefixes of the unused tensors."""
    return ", ".join(sorted({".".join(name.split(".")[:3]) for name in network.unused}))
