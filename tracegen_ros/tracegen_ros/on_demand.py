"""What is only for people costs nothing while nobody looks: subscriptions that exist as long as somebody listens."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.subscription import Subscription

LOOK_ROUND_S = 0.5
"""How often it is asked whether somebody listens [s of wall time]."""


class OnDemand:
    """Subscribes once one of ``publishers`` has a listener, and unsubscribes when none has any more.

    Args:
        node: Whose they are.
        publishers: What somebody may listen to.
        subscribe: Makes the subscriptions that the publishers' messages are made from.
        forget: Called after they were destroyed: lets go of what they brought.
    """

    def __init__(
        self,
        node: Node,
        publishers: Sequence[Publisher],
        subscribe: Callable[[], Sequence[Subscription]],
        forget: Callable[[], None],
    ) -> None:
        self._node = node
        self._publishers = publishers
        self._subscribe = subscribe
        self._forget = forget
        self._subscriptions: Sequence[Subscription] = ()
        # A steady clock: a simulator's may stand still.
        node.create_timer(LOOK_ROUND_S, self._look_round, clock=Clock(clock_type=ClockType.STEADY_TIME))

    @property
    def wanted(self) -> bool:
        """Somebody listens."""
        return any(publisher.get_subscription_count() > 0 for publisher in self._publishers)

    def _look_round(self) -> None:
        wanted = self.wanted
        if wanted and not self._subscriptions:
            self._subscriptions = self._subscribe()
        elif not wanted and self._subscriptions:
            for subscription in self._subscriptions:
                self._node.destroy_subscription(subscription)
            self._subscriptions = ()
            self._forget()
