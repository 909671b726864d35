"""The calls of a recorded run, in their order, each held until the inputs that it names are there."""

from __future__ import annotations

from collections import OrderedDict, deque

from ik_controller.nodes.instant_inputs import InstantInputs, Observation
from tracegen_ros.messages.core_calls import CoreCall

_TRACES_KEPT = 30


class RecordedCalls:
    """What a replay asks to be decided on again.

    Args:
        inputs: What has arrived, other than traces.
    """

    def __init__(self, inputs: InstantInputs) -> None:
        self._inputs = inputs
        self._waiting: deque[CoreCall] | None = None
        self._seen: OrderedDict[int, Observation] = OrderedDict()

    @property
    def active(self) -> bool:
        """Recorded calls alone decide, between their beginning and their end."""
        return self._waiting is not None

    def begin(self) -> None:
        """The calls of a recorded run follow, from its beginning."""
        self._waiting = deque()

    def end(self) -> None:
        """No more calls follow; those that still wait are not made."""
        self._waiting = None

    def add(self, call: CoreCall) -> None:
        """The next call; no effect where none are expected."""
        if self._waiting is not None:
            self._waiting.append(call)

    def note_traces(self, observation: Observation) -> None:
        """Traces that a call may name."""
        self._seen[observation.stamp_ns] = observation
        while len(self._seen) > (_TRACES_KEPT if self.active else 1):
            self._seen.popitem(last=False)

    def take_ready(self) -> tuple[CoreCall, Observation | None] | None:
        """The next call with its traces, None where it lacks an input or there is none."""
        if not self._waiting:
            return None
        call = self._waiting[0]
        observation = None if call.traces_ns is None else self._seen.get(call.traces_ns)
        if not self._has_inputs(call, observation):
            return None
        self._waiting.popleft()
        return call, observation

    def _has_inputs(self, call: CoreCall, observation: Observation | None) -> bool:
        inputs = self._inputs
        if call.joints_ns is not None and not inputs.joints.reaches(call.joints_ns):
            return False
        if call.traces_ns is None:
            return True
        return (
            observation is not None
            and (not call.has_depth or inputs.has_depth_near(call.traces_ns))
            and (
                not call.has_camera
                or (
                    inputs.intrinsics is not None
                    and inputs.camera_pose(observation.frame_id, observation.stamp_ns, may_come=True)
                    is not None
                )
            )
        )
