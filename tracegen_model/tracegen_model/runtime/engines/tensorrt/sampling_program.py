"""A sampling plan as a list of what a GPU has to do: evaluate the velocity, add up tensors, and where each goes.

Every method of ``network.integrators`` is a sum of states and velocities with known factors. The integrator itself is
run once, on symbols, and what it asks for is written down; so there is one account of each method, and a plan costs
nothing but the network when it runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tracegen_model.network.integrators import SamplingPlan

INITIAL_STATE = 0
"""The register in which the state is given."""


@dataclass(frozen=True)
class Evaluate:
    """The velocity of the state in register ``state`` at ``time``, into register ``target``."""

    state: int
    time: float
    target: int

    @property
    def sources(self) -> tuple[int, ...]:
        """Registers that are read."""
        return (self.state,)


@dataclass(frozen=True)
class Combine:
    """The sum of registers times factors, into register ``target``, which is none of them."""

    terms: tuple[tuple[int, float], ...]
    target: int

    @property
    def sources(self) -> tuple[int, ...]:
        """Registers that are read."""
        return tuple(register for register, _ in self.terms)


@dataclass(frozen=True)
class SamplingProgram:
    """What turns the state in register ``INITIAL_STATE`` into traces in register ``result``.

    Attributes:
        instructions: In order.
        registers: How many tensors of the state's shape they need.
        result: Where the traces are in the end.
    """

    instructions: tuple[Evaluate | Combine, ...]
    registers: int
    result: int

    @classmethod
    def of(cls, plan: SamplingPlan, most_terms: int) -> SamplingProgram:
        """The program of ``plan``; no sum has more than ``most_terms`` terms, at least two."""
        recorder = _Recorder(most_terms)
        result = recorder.materialise(plan.integrate(recorder.velocity, recorder.initial))
        return _with_few_registers(recorder.instructions, result)


class _Symbol:
    """A sum of values with factors; values are numbered in the order in which they come to be."""

    def __init__(self, factors: Mapping[int, float]) -> None:
        self.factors = dict(factors)

    def __add__(self, other: _Symbol) -> _Symbol:
        names = [*self.factors, *(name for name in other.factors if name not in self.factors)]
        return _Symbol({name: self.factors.get(name, 0.0) + other.factors.get(name, 0.0) for name in names})

    def __sub__(self, other: _Symbol) -> _Symbol:
        return self + other * -1.0

    def __mul__(self, factor: float) -> _Symbol:
        return _Symbol({name: factor * found for name, found in self.factors.items()})


class _Recorder:
    """Writes down what an integrator asks for, every value in a register of its own."""

    def __init__(self, most_terms: int) -> None:
        self.initial = _Symbol({INITIAL_STATE: 1.0})
        self.instructions: list[Evaluate | Combine] = []
        self._most_terms = most_terms
        self._values = INITIAL_STATE + 1

    def velocity(self, state: _Symbol, time: float) -> _Symbol:
        source, target = self.materialise(state), self._new()
        self.instructions.append(Evaluate(source, time, target))
        return _Symbol({target: 1.0})

    def materialise(self, symbol: _Symbol) -> int:
        """The register that holds the symbol's sum; from then on, the symbol is that one value."""
        while list(symbol.factors.values()) != [1.0]:
            terms = tuple(symbol.factors.items())
            now, later = terms[: self._most_terms], terms[self._most_terms :]
            target = self._new()
            self.instructions.append(Combine(now, target))
            symbol.factors = {target: 1.0, **dict(later)}
        return next(iter(symbol.factors))

    def _new(self) -> int:
        self._values += 1
        return self._values - 1


def _with_few_registers(instructions: Iterable[Evaluate | Combine], result: int) -> SamplingProgram:
    """The same program, with registers used again once their value is no longer read."""
    listed = list(instructions)
    last_read = {source: index for index, entry in enumerate(listed) for source in entry.sources}
    last_read[result] = len(listed)
    place = {INITIAL_STATE: INITIAL_STATE}
    free: list[int] = []
    count = 1
    renamed: list[Evaluate | Combine] = []
    for index, entry in enumerate(listed):
        if free:
            place[entry.target] = free.pop()
        else:
            place[entry.target] = count
            count += 1
        if isinstance(entry, Evaluate):
            renamed.append(Evaluate(place[entry.state], entry.time, place[entry.target]))
        else:
            terms = tuple((place[register], factor) for register, factor in entry.terms)
            renamed.append(Combine(terms, place[entry.target]))
        free += sorted({place[source] for source in entry.sources if last_read[source] == index})
    return SamplingProgram(tuple(renamed), count, place[result])
