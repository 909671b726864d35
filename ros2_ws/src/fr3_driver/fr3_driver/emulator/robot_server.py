"""The robot's side of its TCP channel: what each request does, and when it is answered."""

from __future__ import annotations

import logging
import selectors
from collections import deque
from dataclasses import dataclass

import numpy as np

from fr3_driver.emulator.arm_model import ArmModel
from fr3_driver.emulator.arm_state import ArmState, Load, StateWriter
from fr3_driver.emulator.codes import (
    ROBOT_PORT,
    ROBOT_SERVER_VERSION,
    Command,
    ConnectStatus,
    MoveStatus,
    RecoveryStatus,
    SetterStatus,
)
from fr3_driver.emulator.command_channel import CommandChannel
from fr3_driver.emulator.layouts import (
    COLLISION_REQUEST,
    CONNECT_REQUEST,
    FRAME_REQUEST,
    LOAD_REQUEST,
    ROBOT_CONNECT_ANSWER,
    ROBOT_HEADER,
    LayoutError,
    MoveRequest,
    unpack,
)
from fr3_driver.emulator.motion_control import MotionControl
from fr3_driver.emulator.robot_description import arm_urdf
from fr3_driver.emulator.state_stream import StateStream
from ik_controller.joint_limits import JointLimits

_LOGGER = logging.getLogger(__name__)

_RECOVERY_TICKS = 3
"""A recovery is answered after this many states without errors: clients read the state right after the answer."""


@dataclass(frozen=True)
class _Answer:
    """An answer to be given later."""

    due_tick: int
    command: int
    command_id: int
    payload: bytes


class RobotServer:
    """One robot for one client at a time.

    Args:
        selector: What watches the sockets.
        host: Address to listen on.
        limits: Limits that commands must keep and that the robot describes itself with.
        strict: Commands outside the limits end the motion.
    """

    def __init__(
        self, selector: selectors.BaseSelector, host: str, limits: JointLimits, strict: bool
    ) -> None:
        self._urdf = arm_urdf(limits)
        self._model = ArmModel(self._urdf)
        self._hand_in_flange = self._model.tool_in_flange
        self.state = ArmState()
        self._writer = StateWriter(self._model)
        self.motion = MotionControl(self.state, self._model, limits, self._answer_move, strict)
        self.stream = StateStream(selector, host)
        self.channel = CommandChannel(
            selector, (host, ROBOT_PORT), ROBOT_HEADER, self._on_request, self._on_gone
        )
        self.tick = 0
        self._move_id: int | None = None
        self._later: deque[_Answer] = deque()

    def send_state(self) -> None:
        """Begin a tick: send the state, and the answers that are due."""
        self.tick += 1
        self.stream.send(self._writer.write(self.state, self.tick), self.tick)
        while self._later and self._later[0].due_tick <= self.tick:
            answer = self._later.popleft()
            self.channel.answer(answer.command, answer.command_id, answer.payload)

    def command_due(self) -> bool:
        """The motion goes on and the command to the last state has not come."""
        return self.motion.commanded and not self.stream.answered

    def step(self) -> None:
        """End the tick."""
        self.motion.step(self.stream.command, self.stream.late_by)

    def close(self) -> None:
        """Hang up."""
        self.channel.close()
        self.stream.close()

    def _answer_move(self, status: MoveStatus) -> None:
        if self._move_id is not None:
            command_id, self._move_id = self._move_id, None
            self.channel.answer(Command.MOVE, command_id, bytes([status]))

    def _on_gone(self) -> None:
        self._move_id = None
        self._later.clear()
        self.stream.close()
        self.motion.abandon()

    def _on_request(self, number: int, command_id: int, payload: bytes) -> None:
        try:
            command = Command(number)
        except ValueError:
            _LOGGER.warning("unknown command %d of %d bytes is not answered", number, len(payload))
            return
        _LOGGER.debug("%s, %d bytes", command.name, len(payload))
        try:
            self._carry_out(command, command_id, payload)
        except LayoutError as error:
            _LOGGER.warning("%s refused: %s", command.name, error)
            status = MoveStatus.INVALID_ARGUMENT if command is Command.MOVE else SetterStatus.INVALID_ARGUMENT
            self.channel.answer(command, command_id, bytes([status]))

    def _carry_out(self, command: Command, command_id: int, payload: bytes) -> None:
        if command is Command.CONNECT:
            self._connect(command_id, payload)
        elif command is Command.MOVE:
            self._move(command_id, payload)
        elif command is Command.STOP_MOVE:
            if self.motion.moving:
                self.motion.stop()
            # The motion's own answer comes first, both at rest.
            self.motion.when_at_rest(
                lambda: self.channel.answer(command, command_id, bytes([SetterStatus.SUCCESS]))
            )
        elif command is Command.AUTOMATIC_ERROR_RECOVERY:
            self.motion.when_at_rest(lambda: self._recover(command_id))
        elif command is Command.GET_ROBOT_MODEL:
            self.channel.answer(command, command_id, bytes([SetterStatus.SUCCESS]) + self._urdf.encode())
        else:
            status = SetterStatus.NOT_POSSIBLE if self.motion.moving else self._set(command, payload)
            self.channel.answer(command, command_id, bytes([status]))

    def _connect(self, command_id: int, payload: bytes) -> None:
        version, port = (int(value) for value in unpack(CONNECT_REQUEST, payload))
        compatible = version == ROBOT_SERVER_VERSION
        status = ConnectStatus.SUCCESS if compatible else ConnectStatus.INCOMPATIBLE_VERSION
        self.channel.answer(
            Command.CONNECT, command_id, ROBOT_CONNECT_ANSWER.pack(status, ROBOT_SERVER_VERSION)
        )
        if compatible:
            self.stream.open((self.channel.client_host, port))
            _LOGGER.info("a client from %s is connected", self.channel.client_host)
        else:
            _LOGGER.warning("a client wants version %d; this is %d", version, ROBOT_SERVER_VERSION)

    def _move(self, command_id: int, payload: bytes) -> None:
        status = self.motion.start(MoveRequest.unpack(payload))
        # The answer goes out before any state shows the new modes: clients insist on that order.
        self.channel.answer(Command.MOVE, command_id, bytes([status]))
        if status is MoveStatus.MOTION_STARTED:
            self._move_id = command_id
            # What was left to drop belonged to the motion before.
            self.stream.to_drop = 0
            self.stream.forget_command()

    def _recover(self, command_id: int) -> None:
        if self.motion.recover():
            due, status = self.tick + _RECOVERY_TICKS, RecoveryStatus.SUCCESS
        else:
            due, status = self.tick, RecoveryStatus.NOT_POSSIBLE
        self._later.append(_Answer(due, Command.AUTOMATIC_ERROR_RECOVERY, command_id, bytes([status])))

    def _set(self, command: Command, payload: bytes) -> SetterStatus:
        if command is Command.SET_LOAD:
            mass, *rest = unpack(LOAD_REQUEST, payload)
            self.state.load = Load(mass, np.array(rest[:3]), np.array(rest[3:]))
        elif command is Command.SET_EE_TO_K:
            self.state.stiffness_in_tool = _matrix(payload)
        elif command is Command.SET_NE_TO_EE:
            self.state.tool_in_hand = _matrix(payload)
            self._model.set_tool(self._hand_in_flange @ self.state.tool_in_hand)
        elif command is Command.SET_COLLISION_BEHAVIOR:
            values = np.array(unpack(COLLISION_REQUEST, payload))
            _lower_acceleration, _upper_acceleration, lower, upper = values[:28].reshape(4, 7)
            self.motion.set_torque_thresholds(lower, upper)
        return SetterStatus.SUCCESS


def _matrix(payload: bytes) -> np.ndarray:
    return np.array(unpack(FRAME_REQUEST, payload)).reshape(4, 4, order="F")
