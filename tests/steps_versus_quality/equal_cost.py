"""Ways of sampling that cost the same: so many evaluations of the network, however they are spent."""

from __future__ import annotations

from tracegen_model.evaluation.evaluation import SamplerSettings
from tracegen_model.network.integrators import METHODS, evaluations

BUDGETS = (1, 2, 4, 8, 10, 20, 50, 100)
"""Evaluations of the network that a sample may take."""


def samplers_within(budget: int, methods: tuple[str, ...] = tuple(METHODS)) -> list[SamplerSettings]:
    """The sampler of each method with the most steps that ``budget`` evaluations pay for.

    Left out are those that a single step makes Euler's (``heun``, ``adams_bashforth``), or that one evaluation does not
    pay for (``midpoint``).
    """
    found = []
    for method in methods:
        affordable = [steps for steps in range(1, budget + 1) if evaluations(method, steps) <= budget]
        steps = max(affordable, default=0)
        if steps > 1 or (steps == 1 and method in ("euler", "midpoint")):
            found.append(SamplerSettings(method, steps))
    return found
