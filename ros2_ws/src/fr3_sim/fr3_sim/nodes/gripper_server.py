"""The gripper's ``control_msgs/GripperCommand`` action: positions are total openings between the fingertips [m].

A goal acts the moment it is accepted, and replaces the one before, which is aborted. Its result is given when the
fingers have reached the opening (``reached_goal``) or have met something (``stalled``); both are success.
"""

from __future__ import annotations

from control_msgs.action import GripperCommand
from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.action.server import ServerGoalHandle
from rclpy.node import Node

from fr3_sim.gripper_control import MAX_WIDTH, GripperGoal, GripperGoalError, GripperState
from fr3_sim.simulation import Simulation


class GripperServer:
    """Serves the action for one simulation; ``update`` gives results and is called whenever time has gone on.

    Args:
        node: The node that the server belongs to.
        simulation: Whose gripper it is.
        name: Name of the action.
    """

    def __init__(self, node: Node, simulation: Simulation, name: str) -> None:
        self._node = node
        self._simulation = simulation
        self._active: ServerGoalHandle | None = None
        self._conclusions: dict[bytes, tuple[bool, GripperState]] = {}
        self._server = ActionServer(
            node,
            GripperCommand,
            name,
            execute_callback=self._finish,
            goal_callback=self._on_goal,
            handle_accepted_callback=self._on_accepted,
            cancel_callback=self._on_cancel,
        )

    def update(self) -> None:
        """Report the goal that has been carried out, if one has."""
        if self._active is not None and not self._simulation.gripper_busy:
            self._conclude(succeeded=True)

    def abort(self) -> None:
        """Give up the present goal: another one replaces it, or the scene is made anew."""
        if self._active is not None:
            self._conclude(succeeded=False)

    def _conclude(self, *, succeeded: bool) -> None:
        """Have ROS send the result; it calls ``_finish`` when it comes to it, maybe much later in simulated time."""
        assert self._active is not None
        handle, self._active = self._active, None
        self._conclusions[bytes(handle.goal_id.uuid)] = (succeeded, self._simulation.gripper_state)
        handle.execute()

    def _on_goal(self, request: GripperCommand.Goal) -> GoalResponse:
        try:
            _goal_of(request)
        except GripperGoalError as error:
            self._node.get_logger().warning(f"gripper goal rejected: {error}")
            return GoalResponse.REJECT
        return GoalResponse.ACCEPT

    def _on_accepted(self, handle: ServerGoalHandle) -> None:
        self.abort()
        self._active = handle
        self._simulation.command_gripper(_goal_of(handle.request))

    def _on_cancel(self, handle: ServerGoalHandle) -> CancelResponse:
        if self._active is not None and handle.goal_id == self._active.goal_id:
            self._simulation.command_gripper(
                GripperGoal(min(self._simulation.gripper_state.width, MAX_WIDTH))
            )
        return CancelResponse.ACCEPT

    def _finish(self, handle: ServerGoalHandle) -> GripperCommand.Result:
        succeeded, state = self._conclusions.pop(bytes(handle.goal_id.uuid))
        if handle.is_cancel_requested:
            handle.canceled()
        elif succeeded:
            handle.succeed()
        else:
            handle.abort()
        return GripperCommand.Result(
            position=state.width, effort=state.effort, stalled=state.stalled, reached_goal=state.reached_goal
        )


def _goal_of(request: GripperCommand.Goal) -> GripperGoal:
    return GripperGoal(request.command.position, request.command.max_effort)
