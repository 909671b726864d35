"""The parameters of a recorded run that decide its traces and commands, from the bag's provenance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

DECISIVE = {
    "trace_node": (
        "model",
        "engine",
        "precision",
        "method",
        "steps",
        "samples",
        "consensus",
        "warm_start",
        "threads",
        "seed",
        "sync_tolerance_s",
    ),
    "trace_follower": (
        "robot",
        "limits",
        "workspace_lower",
        "workspace_upper",
        "table_height",
        "speed",
        "max_trace_age_s",
        "command_lead_s",
        "base_frame",
        "joint_timeout_s",
        "joint_gap_s",
        "sync_tolerance_s",
    ),
}
"""By node; topics, rates and time limits of a live machine are not among them."""


def recorded_parameters(provenance: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Values of ``DECISIVE``, by node; those that the bag does not tell are left out."""
    told = provenance.get("parameters")
    told = told if isinstance(told, Mapping) else {}
    found: dict[str, dict[str, Any]] = {}
    for node, names in DECISIVE.items():
        values = told.get(node) or told.get(f"/{node}")
        values = values if isinstance(values, Mapping) else {}
        found[node] = {name: values[name] for name in names if name in values}
    return found
