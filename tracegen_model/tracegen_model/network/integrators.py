"""How noise becomes traces: ways of following the network's velocity, and over which times of the flow.

All methods are exact where paths are straight, whatever the steps. None of them asks for the velocity at t = 1, where a
network that predicts the data has none (0 / 0). What they cost and how fast their error falls with the step h:

====================  =======================  =====  ==============================================================
method                evaluations in N steps   error  source
====================  =======================  =====  ==============================================================
``euler``             N                        h      one evaluation a step, at its start
``midpoint``          2 N                      h²     second one in the middle of the step
``heun``              2 N - 1                  h²     second one at its end, but for the last step, which is Euler's
                                                      (Karras et al. 2022, "EDM", algorithm 1)
``adams_bashforth``   N                        h²     line through this velocity and the last one, for unequal steps
                                                      (Hairer, Nørsett, Wanner 1993, section III.5); first step Euler's
====================  =======================  =====  ==============================================================

The multistep method is Adams and Bashforth's rather than one of the DPM-Solver family, because those count time in the
logarithm of the signal-to-noise ratio, which is infinite at both ends of this flow, t = 0 and t = 1. It extrapolates,
and overshoots where a step is several times as long as the one before: with shifted times, give it 5 steps or more.

The arithmetic is plain: NumPy arrays, torch tensors and values of a graph that is being written go through the same
lines.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

from tracegen_model.network.flow_times import shifted_times


class SamplerError(ValueError):
    """There is no such sampling method, or what it is given does not fit together."""


class Linear(Protocol):
    """What can be added, and multiplied by a number."""

    def __add__(self, other: Any, /) -> Any: ...

    def __sub__(self, other: Any, /) -> Any: ...

    def __mul__(self, other: Any, /) -> Any: ...


def integrate_euler[State: Linear](
    velocity: Callable[[State, float], State], state: State, times: Sequence[float]
) -> State:
    """First order: along the velocity at the start of each step."""
    for now, after in pairwise(times):
        state = state + velocity(state, now) * (after - now)
    return state


def integrate_midpoint[State: Linear](
    velocity: Callable[[State, float], State], state: State, times: Sequence[float]
) -> State:
    """Second order: along the velocity in the middle of each step."""
    for now, after in pairwise(times):
        half = 0.5 * (after - now)
        middle = state + velocity(state, now) * half
        state = state + velocity(middle, now + half) * (after - now)
    return state


def integrate_heun[State: Linear](
    velocity: Callable[[State, float], State], state: State, times: Sequence[float]
) -> State:
    """Second order: along the mean of the velocities at both ends of each step; the last step is Euler's."""
    for now, after in pairwise(times[:-1]):
        at_start = velocity(state, now)
        at_end = velocity(state + at_start * (after - now), after)
        state = state + (at_start + at_end) * (0.5 * (after - now))
    return integrate_euler(velocity, state, times[-2:])


def integrate_adams_bashforth[State: Linear](
    velocity: Callable[[State, float], State], state: State, times: Sequence[float]
) -> State:
    """Second order: along the line through the velocities at the start of this step and of the one before."""
    last: tuple[State, float] | None = None
    for now, after in pairwise(times):
        found, length = velocity(state, now), after - now
        slope = found if last is None else found + (found - last[0]) * (0.5 * length / last[1])
        state = state + slope * length
        last = found, length
    return state


@dataclass(frozen=True)
class Method:
    """A way to integrate a velocity over given times.

    Attributes:
        integrate: (velocity, state at the first time, times) to the state at the last time.
        evaluations: Number of steps to number of evaluations of the velocity.
    """

    integrate: Callable[[Callable[[Any, float], Any], Any, Sequence[float]], Any]
    evaluations: Callable[[int], int]


METHODS: dict[str, Method] = {
    "euler": Method(integrate_euler, lambda steps: steps),
    "midpoint": Method(integrate_midpoint, lambda steps: 2 * steps),
    "heun": Method(integrate_heun, lambda steps: 2 * steps - 1),
    "adams_bashforth": Method(integrate_adams_bashforth, lambda steps: steps),
}
"""Sampling methods by name."""


def sampling_method(name: str) -> Method:
    """The method called ``name``; raises SamplerError naming the choices."""
    if name not in METHODS:
        raise SamplerError(f"no sampling method {name!r}; there is {', '.join(METHODS)}")
    return METHODS[name]


def evaluations(method: str, steps: int) -> int:
    """Evaluations of the network that ``steps`` steps of ``method`` take; guidance doubles their batch."""
    return sampling_method(method).evaluations(steps)


@dataclass(frozen=True)
class SamplingPlan:
    """A method and the times that it steps over.

    Attributes:
        method: A key of ``METHODS``.
        times: From where the state is given to 1, the data, strictly rising. The first one is 0 where the state is
            noise, and more where the flow starts from traces with noise mixed in.
    """

    method: str
    times: tuple[float, ...]

    def __post_init__(self) -> None:
        sampling_method(self.method)
        rising = all(now < after for now, after in pairwise(self.times))
        if len(self.times) < 2 or not rising or self.times[0] < 0.0 or self.times[-1] != 1.0:
            raise SamplerError(f"expected times that rise from 0 or more to 1, got {self.times}")

    @classmethod
    def of(cls, method: str, steps: int, shift: float) -> SamplingPlan:
        """``steps`` steps from noise to data, see ``flow_times``; raises SamplerError below 1 step."""
        if steps < 1:
            raise SamplerError(f"a sampler takes at least 1 step, got {steps}")
        return cls(method, tuple(float(time) for time in shifted_times(steps, shift)))

    @property
    def steps(self) -> int:
        """Number of steps."""
        return len(self.times) - 1

    @property
    def evaluations(self) -> int:
        """Evaluations of the network."""
        return evaluations(self.method, self.steps)

    def integrate[State: Linear](self, velocity: Callable[[State, float], State], state: State) -> State:
        """The data that ``state``, at the first time, flows to along ``velocity`` (state, time)."""
        found: State = METHODS[self.method].integrate(velocity, state, self.times)
        return found
