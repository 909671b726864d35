"""Run settings from a YAML file and ``key=value`` overrides: no unknown setting, no value of another type."""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from collections.abc import Hashable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from tracegen_model.training.run_config import BUDGETS, RunConfig, TrainingConfigError

SHIPPED_CONFIGS = Path(__file__).resolve().parent.parent / "configs"
"""Configs that come with the package; ``tracegen train --config NAME`` finds them by name."""


def shipped_configs() -> list[str]:
    """Names of the shipped configs."""
    return sorted(path.stem for path in SHIPPED_CONFIGS.glob("*.yaml"))


def read_run_config(config: str | Path, overrides: Sequence[str] = ()) -> RunConfig:
    """Settings of a run.

    Args:
        config: Name of a shipped config, or path of a YAML file.
        overrides: ``key=value`` with dots in keys and YAML values, such as ``optimisation.batch=16``; they win.
            A budget (steps, epochs, minutes) replaces the file's budget, whatever its unit.

    Raises:
        TrainingConfigError: A key is unknown, or a value has the wrong type or makes no sense.
    """
    path = _find(str(config))
    base = _read_file(path)
    changes = _read_overrides(overrides)
    if _budgets(changes):
        for name in _budgets(base):
            del base["optimisation"][name]
    try:
        merged = OmegaConf.to_container(
            OmegaConf.merge(OmegaConf.create(base), OmegaConf.create(changes)), resolve=True
        )
    except OmegaConfBaseException as error:
        raise TrainingConfigError(f"{path} and its overrides: {_one_line(error)}") from error
    return run_config_from_dict(typing.cast(Mapping[str, Any], merged))


def run_config_from_dict(values: Mapping[str, Any]) -> RunConfig:
    """Settings from nested plain values; raises TrainingConfigError naming the key that is wrong."""
    return _read_settings(RunConfig, values, "")


def _find(config: str) -> Path:
    path = Path(config)
    if path.is_file():
        return path
    shipped = SHIPPED_CONFIGS / f"{config}.yaml"
    if shipped.is_file():
        return shipped
    raise TrainingConfigError(
        f"no config {config!r}: neither a YAML file nor one of the shipped {', '.join(shipped_configs())}"
    )


def _read_file(path: Path) -> dict[str, Any]:
    try:
        loaded = OmegaConf.to_container(OmegaConf.load(path))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, OmegaConfBaseException) as error:
        raise TrainingConfigError(f"{path} is not a readable YAML file: {_one_line(error)}") from error
    if not isinstance(loaded, dict):
        raise TrainingConfigError(f"{path}: expected keys and values, found {type(loaded).__name__}")
    return typing.cast(dict[str, Any], loaded)


def _read_overrides(overrides: Sequence[str]) -> dict[str, Any]:
    for override in overrides:
        if "=" not in override or override.startswith("="):
            raise TrainingConfigError(
                f"override {override!r}: expected key=value, such as optimisation.batch=16"
            )
    try:
        return typing.cast(dict[str, Any], OmegaConf.to_container(OmegaConf.from_dotlist(list(overrides))))
    except (yaml.YAMLError, OmegaConfBaseException) as error:
        raise TrainingConfigError(f"overrides {' '.join(overrides)}: {_one_line(error)}") from error


def _budgets(values: Mapping[str, Any]) -> list[str]:
    optimisation = values.get("optimisation")
    return [name for name in BUDGETS if isinstance(optimisation, Mapping) and name in optimisation]


def _read_settings[Settings](kind: type[Settings], values: Any, place: str) -> Settings:
    """``values`` as the dataclass ``kind``; ``place`` is the key that leads there, with its dot."""
    if not isinstance(values, Mapping):
        raise TrainingConfigError(f"{place.rstrip('.')}: expected keys and values, found {values!r}")
    hints = _types_of(typing.cast(Hashable, kind))
    for name in values:
        if name not in hints:
            raise TrainingConfigError(f"unknown setting {place}{name}{_nearest(f'{place}{name}')}")
    return kind(**{name: _read_value(hints[name], value, f"{place}{name}") for name, value in values.items()})


def _read_value(kind: Any, value: Any, key: str) -> Any:
    """``value`` as the type ``kind``; integers count as floats, nothing else is converted."""
    if dataclasses.is_dataclass(kind):
        return _read_settings(typing.cast(type, kind), value, f"{key}.")
    origin = typing.get_origin(kind)
    if origin in (typing.Union, types.UnionType):
        for choice in typing.get_args(kind):
            try:
                return _read_value(choice, value, key)
            except TrainingConfigError:
                continue
    elif origin is Literal:
        if value in typing.get_args(kind):
            return value
    elif origin in (list, tuple) and isinstance(value, list):
        item = typing.get_args(kind)[0]
        read = [_read_value(item, entry, f"{key}[{i}]") for i, entry in enumerate(value)]
        return tuple(read) if origin is tuple else read
    elif kind is float and type(value) in (int, float):
        return float(value)
    elif (kind is type(None) and value is None) or type(value) is kind:
        return value
    elif isinstance(origin, type) and issubclass(origin, Mapping) and isinstance(value, Mapping):
        return dict(value)
    advice = f"; write {key}=[{value}]" if origin is list and isinstance(value, str) else ""
    raise TrainingConfigError(f"{key}: expected {describe_type(kind)}, found {value!r}{advice}")


def describe_type(kind: Any) -> str:
    """The type of a setting in words."""
    words = {
        float: "a number",
        int: "a whole number",
        str: "a text",
        bool: "true or false",
        type(None): "null",
    }
    if kind in words:
        return words[kind]
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(describe_type(part) for part in parts)
    if origin is Literal:
        return "one of " + ", ".join(str(part) for part in parts)
    if origin in (list, tuple):
        return f"a list, each {describe_type(parts[0])}"
    return "keys and values"


@cache
def _types_of(kind: Any) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    return {entry.name: hints[entry.name] for entry in dataclasses.fields(kind)}


def all_settings(kind: type = RunConfig, place: str = "") -> list[str]:
    """Every setting's full key, groups left out."""
    keys = []
    for name, hint in _types_of(kind).items():
        group = dataclasses.is_dataclass(hint)
        keys += all_settings(typing.cast(type, hint), f"{place}{name}.") if group else [place + name]
    return keys


def _nearest(key: str) -> str:
    known = all_settings()
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.6)
    if not near:
        # The right name in the wrong group.
        near = [candidate for candidate in known if candidate.rsplit(".", 1)[-1] == key.rsplit(".", 1)[-1]]
    return f"; did you mean {near[0]}?" if near else ""


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
