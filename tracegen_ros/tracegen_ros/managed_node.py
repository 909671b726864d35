"""A lifecycle node that says no to a transition that its state does not have.

rclpy's own raises out of the executor instead: whoever asked waits for ever, and the node is gone. Asking twice for
the same is no rare thing: a launch file and a person, or a client that did not hear the first answer.
"""

from __future__ import annotations

from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn


class ManagedNode(LifecycleNode):
    """As ``rclpy.lifecycle.LifecycleNode``; a transition that is not to be had now is answered ``success: false``."""

    # The name is rclpy's private one: there is no other place between the request and the state machine.
    def _LifecycleNodeMixin__change_state(self, transition_id: int) -> TransitionCallbackReturn:
        available = {number: label for number, label, *_ in self._state_machine.available_transitions}
        if transition_id not in available:
            state, labels = self._state_machine.current_state[1], ", ".join(available.values())
            self.get_logger().warning(
                f"transition {transition_id} refused: the node is {state}, from where it can {labels}"
            )
            return TransitionCallbackReturn.FAILURE
        outcome: TransitionCallbackReturn = super()._LifecycleNodeMixin__change_state(transition_id)
        return outcome
