"""What is wrong with a network's config, and how configs are read strictly."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any


class NetworkConfigError(ValueError):
    """The numbers given do not describe a network."""


def require_exact_fields(config: type, values: Mapping[str, Any]) -> None:
    """Raise NetworkConfigError unless ``values`` has exactly the fields of the dataclass ``config``."""
    names = {field.name for field in dataclasses.fields(config)}
    unknown, missing = sorted(set(values) - names), sorted(names - set(values))
    if unknown or missing:
        raise NetworkConfigError(f"network config: unknown fields {unknown}, missing fields {missing}")
