"""Where the weights and the tokeniser of pretrained encoders come from. Needs no torch."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path

WEIGHTS_FILE = "model.safetensors"
INDEX_FILE = "model.safetensors.index.json"
"""Names that Hugging Face gives to weights in one file, and to the table of contents of weights in several."""

HASHED_WORDS = "hashed words"
"""Stands for the digest of the tokeniser where words are hashed."""

TOKENISER_FILE = "tokenizer.json"
"""Name that Hugging Face gives to tokenisers."""

TIMM_OWNER, TIMM_PREFIX = "timm", "vit_"
"""timm names its models without their owner at Hugging Face; its vision transformers start like this."""

logger = logging.getLogger(__name__)


class EncoderWeightsError(ValueError):
    """Pretrained weights cannot be found, or are not those of the model that the config describes."""


@dataclass(frozen=True)
class EncoderSource:
    """Where the pretrained encoders come from.

    A location is a file, a folder, or a name at Hugging Face; None = the name that the network's config gives.

    Attributes:
        dinov3: Location of the geometry tower.
        siglip: Location of the appearance and depth tower.
        t5: Location of the text tower and its tokeniser.
        stored: A safetensors file with the frozen tensors of all towers under the network's own names, as checkpoints
            hold it; no tower comes from the locations above then. The tokeniser is that at ``t5``, else a
            ``tokenizer.json`` beside this file.
        hashed_words: Word ids by a hash instead of T5's tokeniser, as random towers have them.
        random: Random towers and hashed words instead of pretrained ones, for tests and for timing.
        seed: Seed of random towers; equal seeds give equal towers.
        download: Fetch from Hugging Face what is not on this machine.
    """

    dinov3: str | None = None
    siglip: str | None = None
    t5: str | None = None
    stored: Path | None = None
    hashed_words: bool = False
    random: bool = False
    seed: int = 0
    download: bool = True


def find_weights(tower: str, location: str, download: bool) -> list[Path]:
    """Safetensors files that together hold the weights at ``location``.

    Args:
        tower: Name of the option that would give another location; for the error.
        location: A file, a folder, or a name at Hugging Face.
        download: Fetch from Hugging Face what is not on this machine.

    Raises:
        EncoderWeightsError: There are none.
    """
    path = Path(location).expanduser()
    if path.is_file() and path.suffix != ".safetensors":
        raise EncoderWeightsError(
            f"{tower}: {path} is not a .safetensors file, and other kinds may run code; convert it first"
        )
    if path.is_file():
        return [path]
    found = _find_file(tower, location, (WEIGHTS_FILE, INDEX_FILE), download)
    if found.name == WEIGHTS_FILE:
        return [found]
    return [_find_file(tower, str(found.parent), (name,), download) for name in _parts(found)]


def find_tokeniser(tower: str, location: str, download: bool) -> Path:
    """The tokeniser's file at ``location``, beside the weights when that is a file; see :func:`find_weights`.

    Raises:
        EncoderWeightsError: There is none.
    """
    path = Path(location).expanduser()
    return _find_file(tower, str(path.parent if path.is_file() else location), (TOKENISER_FILE,), download)


def _find_file(tower: str, location: str, names: tuple[str, ...], download: bool) -> Path:
    """The first of the files ``names`` that there is at ``location``, a folder or a name at Hugging Face."""
    folder = Path(location).expanduser()
    if folder.is_dir():
        for name in names:
            if (folder / name).is_file():
                return folder / name
        raise EncoderWeightsError(f"{tower}: the folder {folder} holds no {' or '.join(names)}")
    repository = f"{TIMM_OWNER}/{location}" if location.startswith(TIMM_PREFIX) else location
    for cached_only in (True, False) if download else (True,):
        for name in names:
            found = _from_hub(repository, name, cached_only)
            if found is not None:
                return found
    looked = f"it is no file or folder here, and {names[0]} of {repository} is not in Hugging Face's cache"
    if download:
        looked += " and cannot be fetched (no connection, no such model, or its licence is not accepted yet)"
    raise EncoderWeightsError(
        f"{tower}: the pretrained model {location!r} is missing: {looked}. "
        f"On a machine with a connection run `hf download {repository} --local-dir FOLDER`, copy the folder here "
        f"and name it: encoders.{tower}=FOLDER for `tracegen train`, --encoders {tower}=FOLDER otherwise. "
        "For tests and timing, encoders.random=true and --random-encoders do without"
    )


def _from_hub(repository: str, name: str, cached_only: bool) -> Path | None:
    """Path of a file of a repository at Hugging Face; None when it cannot be had."""
    # Takes a moment to import, and folders do without.
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HFValidationError

    try:
        return Path(hf_hub_download(repository, name, local_files_only=cached_only))
    except (OSError, HFValidationError) as error:
        logger.debug("%s of %s: %s", name, repository, error)
        return None


def _parts(index: Path) -> list[str]:
    """Names of the files that a table of contents lists."""
    try:
        return sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise EncoderWeightsError(f"{index} is damaged: {type(error).__name__}: {error}") from error
