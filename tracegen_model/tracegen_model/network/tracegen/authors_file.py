"""Reads the authors' ``.pth`` files without running anything that is in them.

Such a file is a pickle, and pickles may call whatever they name. PyTorch's weights-only reader calls nothing but what
rebuilds tensors and plain containers; the authors' files need a little more, because their saved config drags along
objects of their ``DictToNamespace`` and bound methods of it. Those names are taken for stand-ins that only keep what
they are given. A file that names anything else is refused.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

WEIGHTS_KEY = "model_state_dict"
"""Where the authors' files hold the network's tensors."""

NAMESPACE_CLASS = "DictToNamespace"
"""Name of the authors' class for configs; its module depends on the script that saved the file."""

METHOD_OF = "builtins.getattr"
"""What a pickle names to get a bound method."""

NUMPY_NAMES = (
    "numpy.core.multiarray.scalar",
    "numpy._core.multiarray.scalar",
    "numpy.dtype",
)
"""What a pickle names to rebuild a number that numpy made, in the metrics for example."""


class AuthorsFileError(ValueError):
    """A file is not a checkpoint of the authors' code, or not one that can be read safely."""


@dataclass(frozen=True)
class AuthorsFile:
    """What is read from a file of the authors.

    Attributes:
        path: The file.
        tensors: Tensors of the network, by the file's own names.
        config: The authors' config as plain data; empty where the file has none.
        action_min: (3,) increments that normalise to -1; None where the file does not say.
        action_max: (3,) increments that normalise to 1; None where the file does not say.
        epoch: Epoch that it was saved in; None where the file does not say.
    """

    path: Path
    tensors: Mapping[str, Tensor]
    config: Mapping[str, Any] = field(default_factory=dict)
    action_min: Tensor | None = None
    action_max: Tensor | None = None
    epoch: int | None = None


class StandIn:
    """Takes the place of an object that a file names; keeps its state and does nothing.

    Attributes:
        state: What the object's attributes were, if the file says.
    """

    state: Any = None

    def __new__(cls, *arguments: Any) -> StandIn:
        """One of any arguments, which are forgotten."""
        return super().__new__(cls)

    def __setstate__(self, state: Any) -> None:
        self.state = state


class NamespaceStandIn(StandIn):
    """Stands for a ``DictToNamespace``; its state is the mapping of its attributes."""


class MethodStandIn(StandIn):
    """Stands for a bound method."""


class NumberStandIn(StandIn):
    """Stands for a number that numpy made, or its type."""


def read_authors_file(path: Path) -> AuthorsFile:
    """The tensors and the plain data of a file that the authors' code saved.

    Raises:
        AuthorsFileError: It is missing, of another kind or damaged, has the format of PyTorch before 1.6, or names
            functions or classes that a checkpoint has no need of.
        OSError: It cannot be read.
    """
    if not path.is_file():
        raise AuthorsFileError(
            f"{path}: expected a checkpoint of the authors' code, found no such file; check the path"
        )
    with path.open("rb") as file:
        if not zipfile.is_zipfile(file):
            raise AuthorsFileError(
                f"{path} is not in the zip format that torch.save writes since PyTorch 1.6. If it is an older "
                "checkpoint that you trust, load it once with the code that made it and save it again; if it was "
                "downloaded, the download may be incomplete"
            )
    saved = _load(path)
    if not isinstance(saved, Mapping):
        raise AuthorsFileError(f"{path}: expected a mapping with {WEIGHTS_KEY}, found {type(saved).__name__}")
    # Files with nothing but the network's tensors are going around, too.
    tensors = saved.get(WEIGHTS_KEY, saved)
    wrong = sorted(str(name) for name, tensor in _items(tensors) if not isinstance(tensor, Tensor))
    if not isinstance(tensors, Mapping) or not tensors or wrong:
        found = ", ".join(wrong[:10]) or type(tensors).__name__
        raise AuthorsFileError(
            f"{path} holds no network: expected tensors by name, under {WEIGHTS_KEY} or alone, found {found}"
        )
    if tensors is saved:
        return AuthorsFile(path, dict(tensors))
    config, epoch = plain_data(saved.get("config")), saved.get("epoch")
    return AuthorsFile(
        path,
        dict(tensors),
        config if isinstance(config, dict) else {},
        _numbers(path, saved, "action_min"),
        _numbers(path, saved, "action_max"),
        epoch if isinstance(epoch, int) else None,
    )


def plain_data(value: Any) -> Any:
    """``value`` as text, numbers, lists and dictionaries; methods, tensors and other objects are left out."""
    if isinstance(value, NamespaceStandIn):
        value = value.state or {}
    if isinstance(value, Mapping):
        return {str(key): plain_data(entry) for key, entry in value.items() if _is_plain(entry)}
    if isinstance(value, list | tuple):
        return [plain_data(entry) for entry in value if _is_plain(entry)]
    return value


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, NamespaceStandIn | Mapping | list | tuple | str | int | float)


def _load(path: Path) -> Any:
    """What the file holds, with stand-ins."""
    try:
        stand_ins = _stand_ins(path, torch.serialization.get_unsafe_globals_in_checkpoint(path))
        with torch.serialization.safe_globals([(stand_in, name) for name, stand_in in stand_ins.items()]):
            # Mapped, not read: what the optimiser has saved is never touched.
            return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (AuthorsFileError, OSError):
        raise
    except Exception as error:
        # Damaged pickles raise whatever their bytes stumble over: IndexError, KeyError, struct.error, ...
        raise AuthorsFileError(
            f"{path} is not a readable checkpoint: {type(error).__name__}: {error}"
        ) from error


def _stand_ins(path: Path, names: Sequence[str]) -> dict[str, type[StandIn]]:
    """Stand-ins for what ``path`` names; raises AuthorsFileError listing what is refused."""
    known = {name: _stand_in(name) for name in names}
    refused = sorted(name for name, stand_in in known.items() if stand_in is None)
    if refused:
        raise AuthorsFileError(
            f"{path} names {', '.join(refused)}, which no checkpoint of the authors needs and which may run code; "
            "it was not loaded"
        )
    return {name: stand_in for name, stand_in in known.items() if stand_in is not None}


def _stand_in(name: str) -> type[StandIn] | None:
    """Stand-in for what a file calls ``name``; None = refused."""
    if name.rpartition(".")[2] == NAMESPACE_CLASS:
        return NamespaceStandIn
    if name == METHOD_OF:
        return MethodStandIn
    if name in NUMPY_NAMES:
        return NumberStandIn
    return None


def _items(value: Any) -> list[tuple[Any, Any]]:
    return list(value.items()) if isinstance(value, Mapping) else []


def _numbers(path: Path, saved: Mapping[str, Any], name: str) -> Tensor | None:
    value = saved.get(name)
    if value is None:
        return None
    if not isinstance(value, Tensor) or value.shape != (3,) or not value.isfinite().all():
        found = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
        raise AuthorsFileError(f"{path}: {name} must be 3 finite numbers, found {found}")
    return value.double()
