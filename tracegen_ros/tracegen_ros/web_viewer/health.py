"""How the system is doing: how fresh each input is, what the follower does, and both over the last minutes."""

from __future__ import annotations

import html
import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FAULT = "FAULT"
"""The state that nothing but a person's word leads out of."""

STATE_COLOURS = {
    "IDLE": "#8a93a3",
    "FOLLOW": "#2f9e63",
    "FOLLOW (grasp)": "#2b77d9",
    "FOLLOW (release)": "#7a55d1",
    "FOLLOW (retreat)": "#1aa3a8",
    "HOLD": "#e08a00",
    "STOP": "#d63a3a",
    FAULT: "#b3007d",
}
"""One colour per state of the follower; following has phases of its own."""

_UNKNOWN_COLOUR = "#b9bfca"
_GOOD, _BAD, _RESTING = "#2f9e63", "#d63a3a", "#8a93a3"


@dataclass(frozen=True)
class Input:
    """One thing that the viewer listens to.

    Attributes:
        name: For people.
        age_s: Since the newest message [s]; None before the first.
        stale_after_s: Older than this is stale [s]; infinite for what speaks only now and then.
        publishers: How many publish it now.
        expected: It should be there now; without an instruction there are no traces, and nothing is wrong.
        error: Why its messages are not understood.
    """

    name: str
    age_s: float | None
    stale_after_s: float
    publishers: int
    expected: bool = True
    error: str = ""

    @property
    def fresh(self) -> bool:
        """It is there, and recent."""
        return (
            not self.error
            and self.publishers > 0
            and self.age_s is not None
            and self.age_s <= self.stale_after_s
        )

    @property
    def verdict(self) -> str:
        """In words."""
        if self.error:
            return self.error
        if self.publishers == 0:
            return "nobody publishes" if self.age_s is None else f"gone for {_seconds(self.age_s)}"
        if not self.fresh and not self.expected:
            return "at rest"
        if self.age_s is None:
            return "nothing yet"
        return "live" if self.fresh else f"stale for {_seconds(self.age_s)}"


@dataclass(frozen=True)
class HealthSample:
    """What the nodes say about their speed at one instant; NaN where they say nothing.

    Attributes:
        image_to_traces_ms: Age of the newest image when its traces were published [ms].
        inference_ms: Median time of a prediction [ms].
        trace_to_command_ms: Median time from traces to joint trajectory [ms].
        traces_hz: Predictions per second [Hz].
    """

    image_to_traces_ms: float = math.nan
    inference_ms: float = math.nan
    trace_to_command_ms: float = math.nan
    traces_hz: float = math.nan


def health_sample(trace_node: Mapping[str, str], follower: Mapping[str, str]) -> HealthSample:
    """The numbers among the two nodes' diagnostic values."""
    return HealthSample(
        image_to_traces_ms=1e3 * _number(trace_node, "staleness_s"),
        inference_ms=_number(trace_node, "total_p50_ms"),
        trace_to_command_ms=_number(follower, "trace_to_command_p50_ms"),
        traces_hz=_number(trace_node, "rate_hz"),
    )


class RecentHealth:
    """Health samples and follower states of the last ``length_s`` [s]."""

    def __init__(self, length_s: float) -> None:
        self._length_s = length_s
        self._samples: deque[tuple[float, HealthSample]] = deque()
        self._states: deque[tuple[float, str]] = deque()

    def add(self, now_s: float, sample: HealthSample) -> None:
        """Note ``sample`` at ``now_s`` [s, a clock that only goes forward]."""
        self._samples.append((now_s, sample))
        while now_s - self._samples[0][0] > self._length_s:
            self._samples.popleft()

    def add_state(self, now_s: float, state: str) -> None:
        """Note that ``state``, such as FOLLOW, began at ``now_s``, unless it goes on."""
        if not self._states or self._states[-1][1] != state:
            self._states.append((now_s, state))
        while len(self._states) > 1 and now_s - self._states[1][0] > self._length_s:
            self._states.popleft()

    def series(self, now_s: float, *names: str) -> tuple[NDArray[np.float64], ...]:
        """Seconds before now (<= 0), and the samples' fields ``names``, each (K,); zero where a node said nothing."""
        times = np.array([at_s - now_s for at_s, _ in self._samples])
        values = [np.array([getattr(sample, name) for _, sample in self._samples]) for name in names]
        return times, *(np.nan_to_num(value) for value in values)

    def spells(self, now_s: float) -> list[tuple[str, float, float]]:
        """Each state with when it began and ended, as fractions of the window from 0 (long ago) to 1 (now)."""
        if not self._states:
            return []
        begins = [at_s for at_s, _ in self._states]
        ends = [*begins[1:], now_s]
        spells = []
        for (_, state), begin, end in zip(self._states, begins, ends, strict=True):
            left, right = (min(max(1.0 - (now_s - at_s) / self._length_s, 0.0), 1.0) for at_s in (begin, end))
            if right > left:
                spells.append((state, left, right))
        return spells


def state_word(text: str) -> str:
    """The state in what the follower says, ``FOLLOW (grasp): closing``, with its phase; empty when it says none."""
    word = text.partition(":")[0].strip()
    return word if word in STATE_COLOURS else ""


def state_html(text: str, enabled: bool | None, task: str) -> str:
    """The follower's state as a banner."""
    word = state_word(text)
    reason = text.partition(":")[2].strip() if word else text
    colour = STATE_COLOURS.get(word, _UNKNOWN_COLOUR)
    allowed = {None: "", True: "may move", False: "may not move: disabled"}[enabled]
    advice = "recover: see what went wrong, put it right, then press Recover" if word == FAULT else ""
    told = f"“{html.escape(task)}”" if task else "no instruction"
    return (
        f"<div data-follower-state='{word or 'UNKNOWN'}' style='border-left:5px solid {colour};padding:6px 12px;"
        "margin:4px 10px;font:14px/1.45 system-ui;border-radius:4px;background:color-mix(in srgb,"
        f"{colour} 12%, transparent)'><div style='display:flex;justify-content:space-between'>"
        f"<b style='color:{colour};letter-spacing:.04em'>{word or 'NOT THERE'}</b>"
        f"<span style='opacity:.65;font-size:12px'>{allowed}</span></div>"
        f"<div>{html.escape(reason) or 'the trace follower says nothing'}</div><div><b>{advice}</b></div>"
        f"<div style='opacity:.65;font-size:12px'>{told}</div></div>"
    )


def moment_html(text: str) -> str:
    """Which moment the page shows."""
    return (
        "<div data-moment style='font:12px/1.4 system-ui;padding:2px 12px;opacity:.75;min-height:1.4em'>"
        f"{html.escape(text)}</div>"
    )


def inputs_html(inputs: Sequence[Input]) -> str:
    """One chip per input: green when it is live, red with the reason when it is not."""
    chips = "".join(
        f"<span data-input='{html.escape(item.name)}' data-fresh='{str(item.fresh).lower()}' style='white-space:"
        "nowrap;display:inline-block;margin:2px 10px 2px 0'>"
        f"<span style='color:{_colour(item)}'>●</span> {html.escape(item.name)}"
        f" <span style='opacity:.6'>{'' if item.fresh else html.escape(item.verdict)}</span></span>"
        for item in inputs
    )
    return f"<div style='font:12px/1.5 system-ui;padding:2px 12px 6px'>{chips}</div>"


def states_html(spells: Sequence[tuple[str, float, float]], length_s: float) -> str:
    """A strip of the follower's states over the last ``length_s`` [s], with what the colours mean."""
    bars = "".join(
        f"<rect x='{100 * left:.2f}' width='{100 * (right - left):.2f}' height='10' "
        f"fill='{STATE_COLOURS.get(state, _UNKNOWN_COLOUR)}'><title>{html.escape(state)}</title></rect>"
        for state, left, right in spells
    )
    names = "".join(
        "<span style='display:inline-block;margin-right:8px'>"
        f"<span style='color:{colour}'>■</span> {state.lower()}</span>"
        for state, colour in STATE_COLOURS.items()
    )
    return (
        "<div style='font:11px/1.5 system-ui;padding:2px 12px;box-sizing:border-box;max-width:100%'>"
        "<svg viewBox='0 0 100 10' preserveAspectRatio='none' style='width:100%;height:18px;border-radius:3px;"
        f"background:rgba(128,128,128,.15);display:block'>{bars}</svg>"
        f"<div style='display:flex;justify-content:space-between;opacity:.6'><span>−{length_s:.0f} s</span>"
        f"<span>now</span></div><div style='opacity:.8'>{names}</div></div>"
    )


def _colour(item: Input) -> str:
    if item.fresh:
        return _GOOD
    return _RESTING if not item.expected and item.publishers > 0 and not item.error else _BAD


def _number(values: Mapping[str, str], name: str) -> float:
    try:
        number = float(values.get(name, "nan"))
    except ValueError:
        return math.nan
    return number if math.isfinite(number) else math.nan


def _seconds(age_s: float) -> str:
    return f"{age_s:.1f} s" if age_s < 10.0 else f"{age_s:.0f} s"
