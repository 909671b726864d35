"""The watchdogs of all inputs: what each input's silence is told by, and what is silent now."""

from __future__ import annotations

import time

from rclpy.node import Node

from ik_controller.follower import Silence
from ik_controller.nodes.follower_parameters import FollowerParameters
from ik_controller.nodes.input_errors import InputErrors
from ik_controller.nodes.input_watch import InputWatch
from ik_controller.nodes.instant_inputs import InstantInputs
from ik_controller.nodes.transform_watch import FreshListener, TransformWatch


class Watchdogs:
    """Looks after the inputs of one run.

    Args:
        node: Whose clock and view of the graph are used.
        parameters: Time limits. In lockstep nothing is ever silent, so that runs repeat exactly.
        inputs: Where the camera's pose is kept.
        errors: Is told which publishers of transforms are gone.
    """

    def __init__(
        self, node: Node, parameters: FollowerParameters, inputs: InstantInputs, errors: InputErrors
    ) -> None:
        self._node = node
        self._asleep = parameters.lockstep
        self._inputs = inputs
        self._errors = errors
        self._watch = InputWatch(parameters.silence_limits_ns(), parameters.clock_timeout_s)
        self._transforms = TransformWatch(node, lambda: FreshListener(node, inputs.camera_frames))

    def hear(self, kind: Silence) -> None:
        """A message of ``kind`` has come."""
        self._watch.hear(kind, self._now_ns())

    def look(self) -> bool:
        """Notice what no message tells; True where the clock stands still, and the node's timers with it."""
        if self._asleep:
            return False
        missing = self._transforms.missing()
        self._errors.note("transforms", f"{', '.join(missing)} gone" if missing else "")
        self._watch.note_lost(Silence.TRANSFORMS, bool(missing))
        if missing:
            self._inputs.forget_camera_pose()
        elif self._inputs.camera_is_fixed is not None:
            self._transforms.begin(self._inputs.camera_is_fixed)
        self._watch.see_clock(self._now_ns(), time.monotonic())
        return Silence.CLOCK in self.silent()

    def go_without_transforms(self) -> bool:
        """A person has looked: no publisher of transforms that is gone is missed any more. False where none was."""
        return self._transforms.forget()

    def close(self) -> None:
        """Ask nobody any more."""
        self._transforms.forget()

    def silent(self) -> tuple[Silence, ...]:
        """What is silent now."""
        return () if self._asleep else self._watch.silent(self._now_ns())

    def _now_ns(self) -> int:
        return int(self._node.get_clock().now().nanoseconds)
