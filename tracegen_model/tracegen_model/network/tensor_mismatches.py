"""Where a set of tensors is not the one that a network expects. Needs no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def tensor_mismatches(expected: Mapping[str, Sequence[int]], found: Mapping[str, Sequence[int]]) -> str:
    """Every missing, unexpected and mis-shaped tensor in one line; empty when there is none.

    Args:
        expected: Shapes by name.
        found: Shapes by name.
    """
    problems = {
        "missing": sorted(set(expected) - set(found)),
        "unexpected": sorted(set(found) - set(expected)),
        "of another shape": [
            f"{name}: expected {tuple(expected[name])}, found {tuple(found[name])}"
            for name in sorted(set(expected) & set(found))
            if tuple(expected[name]) != tuple(found[name])
        ],
    }
    return "; ".join(f"{kind}: {', '.join(names)}" for kind, names in problems.items() if names)
