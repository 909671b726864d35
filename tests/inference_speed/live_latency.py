"""Latencies in the live stack, from when what arrived at a listener; knows no ROS.

Traces carry the stamp of their image. A joint trajectory carries the time at which it starts, not the image that it
came from; it is taken for the answer to the newest traces that the listener has. The follower answers within
milliseconds, so this is wrong only for a command that was under way as the next traces came; its own timing is told
beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tests.inference_speed.timings import Summary

STAGES = {
    "image": "image stamp to image at the listener (rendering, transport)",
    "traces": "image stamp to traces at the listener",
    "command": "image stamp to the first new joint trajectory at the listener",
    "effect": "image stamp to the start of that trajectory, in the robot's time",
}
"""What is measured, for people."""


@dataclass
class Arrivals:
    """When what arrived at the listener [s of wall time], by stamp [ns] or in order.

    Attributes:
        clock: When simulated time first reached a stamp.
        images: Images by their stamp.
        traces: (arrival, stamp of the image), in the order of arrival.
        commands: (arrival, start of the trajectory [ns]), in the order of arrival.
    """

    clock: dict[int, float] = field(default_factory=dict)
    images: dict[int, float] = field(default_factory=dict)
    traces: list[tuple[float, int]] = field(default_factory=list)
    commands: list[tuple[float, int]] = field(default_factory=list)


def latencies(arrivals: Arrivals) -> dict[str, list[float]]:
    """Latencies [s] by stage, from what arrived; see ``STAGES``.

    Only traces whose image's stamp the simulated clock has shown count: the clock is published right at the stamp,
    before the image is rendered.
    """
    found: dict[str, list[float]] = {stage: [] for stage in STAGES}
    for stamp_ns, arrival_s in arrivals.images.items():
        if stamp_ns in arrivals.clock:
            found["image"].append(arrival_s - arrivals.clock[stamp_ns])
    ends = [arrival_s for arrival_s, _ in arrivals.traces[1:]] + [float("inf")]
    for (arrival_s, stamp_ns), end_s in zip(arrivals.traces, ends, strict=True):
        if stamp_ns not in arrivals.clock:
            continue
        found["traces"].append(arrival_s - arrivals.clock[stamp_ns])
        answer = next((command for command in arrivals.commands if arrival_s <= command[0] < end_s), None)
        if answer is not None:
            found["command"].append(answer[0] - arrivals.clock[stamp_ns])
            found["effect"].append((answer[1] - stamp_ns) * 1e-9)
    return found


@dataclass(frozen=True)
class EndToEnd:
    """What was measured in the live stack.

    Attributes:
        stages: Latencies by stage; see ``STAGES``.
        traces_per_second: Of wall time, while an instruction was obeyed.
        pace: Simulated seconds per second of wall time: below 1 the machine could not keep up.
        nodes_ms: What the nodes say of themselves [ms].
        engine: What ran the network.
        episodes: Seeds of the episodes.
        successes: How many of them succeeded.
    """

    stages: Mapping[str, Summary]
    traces_per_second: float
    pace: float
    nodes_ms: Mapping[str, float]
    engine: str
    episodes: Sequence[int]
    successes: int
