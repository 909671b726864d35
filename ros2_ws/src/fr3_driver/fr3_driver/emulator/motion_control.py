"""The robot's motions tick by tick: start, commands, loss of commands, limits, end, stop, reflex and recovery."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from fr3_driver.emulator.arm_model import ArmModel
from fr3_driver.emulator.arm_state import ArmState
from fr3_driver.emulator.codes import ControllerMode, GeneratorMode, MoveStatus, RobotError, RobotMode
from fr3_driver.emulator.layouts import JOINTS, MoveRequest
from fr3_driver.emulator.limit_check import JointCommand, JointLimitCheck
from fr3_driver.emulator.peaks import CommandPeaks
from fr3_driver.emulator.robot_description import TORQUE_LIMITS
from ik_controller.joint_limits import JointLimits

FloatArray = NDArray[np.float64]

_LOGGER = logging.getLogger(__name__)

PERIOD_S = 1e-3
"""Time between two states, and their commands [s]."""

LOST_IN_A_ROW = 20
"""As many commands lost one after another end a motion (the FR3's rule)."""

_RATE_WINDOW = 100
"""The success rate counts the commands to this many states."""

_START_TOLERANCE = 1e-2
"""A first joint position further from the arm than this [rad] is refused; the true bound is unknown."""

_TORQUE_STEP = 1.0
"""Commanded torques may change by this much a tick [Nm] (1000 Nm/s)."""

_TORQUE_STEP_SLACK = 1e-2

_REST_SPEED = 1e-3
_CARTESIAN_REST_SPEED = 1e-2
"""A finished motion has ended once its joints are slower than this [rad/s]."""

_DERIVATIVES = 3
"""Velocity, acceleration and jerk: each needs one command more than the one before to be known."""

_OF_POSITIONS = (GeneratorMode.JOINT_POSITION, GeneratorMode.CARTESIAN_POSE)

_BRAKING = 10.0
"""Deceleration of an arm that is stopped [rad/s²]."""


class MotionControl:
    """Moves the arm as commanded.

    Args:
        state: The arm; changed in place.
        model: Its kinematics and dynamics.
        limits: What commands must keep.
        on_ended: Called when a motion has ended, with the reason.
        strict: Break a motion that leaves the limits; else only record it.
    """

    def __init__(
        self,
        state: ArmState,
        model: ArmModel,
        limits: JointLimits,
        on_ended: Callable[[MoveStatus], None],
        strict: bool = True,
    ) -> None:
        self._state = state
        self._model = model
        self._limits = limits
        self._check = JointLimitCheck(limits)
        self._on_ended = on_ended
        self.strict = strict
        self.peaks = CommandPeaks(limits)
        self.lost = 0
        self.last_reflex = ""
        self._upper_torques = np.full(JOINTS, np.inf)
        self._lower_torques = np.full(JOINTS, np.inf)
        self._moving = False
        self._at_rest: list[Callable[[], None]] = []
        self._first = True
        self._commanded = False
        self._unknown = 0
        self._finishing = False
        self._lost_in_a_row = 0
        self._received: deque[bool] = deque()

    @property
    def moving(self) -> bool:
        """A motion has been asked for and has not ended."""
        return self._moving

    @property
    def commanded(self) -> bool:
        """The motion's first command has come: there is one to every state from now on."""
        return self._moving and self._commanded

    def start(self, request: MoveRequest) -> MoveStatus:
        """Begin a motion if the robot may move now."""
        state = self._state
        if state.mode is not RobotMode.IDLE or self._moving:
            return MoveStatus.NOT_POSSIBLE
        external = request.controller is ControllerMode.EXTERNAL
        if external != (request.generator is GeneratorMode.NONE):
            return MoveStatus.INVALID_ARGUMENT
        state.generator, state.controller, state.mode = request.generator, request.controller, RobotMode.MOVE
        state.q_d = state.q.copy()
        state.reflex_reason[:] = 0
        state.success_rate = 1.0
        self._moving = True
        self._start_over()
        return MoveStatus.MOTION_STARTED

    def stop(self) -> None:
        """Bring the motion to rest because a client asked for it, and end it there."""
        self._halt(RobotMode.OTHER)
        self.when_at_rest(lambda: self._settle(MoveStatus.PREEMPTED))

    def abandon(self) -> None:
        """Bring the motion to rest because its client has gone."""
        self._at_rest.clear()
        if self._state.mode in (RobotMode.MOVE, RobotMode.OTHER):
            self._halt(RobotMode.OTHER)
            self.when_at_rest(lambda: self._settle(MoveStatus.ABORTED))

    def when_at_rest(self, act: Callable[[], None]) -> None:
        """Call ``act`` when the joints have come to rest: now, if they are."""
        if self._state.dq.any():
            self._at_rest.append(act)
        else:
            act()

    def reflex(self, error: RobotError, why: str) -> None:
        """Stop because of ``error`` and stay so until a recovery."""
        self.last_reflex = f"{error.name.lower()}: {why}"
        _LOGGER.info("reflex: %s", self.last_reflex)
        self._state.errors[error] = 1
        self._state.reflex_reason[:] = 0
        self._state.reflex_reason[error] = 1
        self._abort(MoveStatus.REFLEX_ABORTED, RobotMode.REFLEX)

    def press_user_stop(self) -> None:
        """Stop because someone pressed the button."""
        self._abort(MoveStatus.EMERGENCY_ABORTED, RobotMode.USER_STOPPED)

    def release_user_stop(self) -> None:
        """The button is out again."""
        if self._state.mode is RobotMode.USER_STOPPED:
            self._state.mode = RobotMode.REFLEX if self._state.errors.any() else RobotMode.IDLE

    def recover(self) -> bool:
        """Clear the errors; False while the user stop is pressed or something moves."""
        if self._state.mode is RobotMode.USER_STOPPED or self._state.dq.any():
            return False
        self._state.errors[:] = 0
        if self._state.mode is RobotMode.REFLEX:
            self._state.mode = RobotMode.IDLE
        return True

    def set_torque_thresholds(self, lower: FloatArray, upper: FloatArray) -> None:
        """External torques (7,) [Nm] that count as contact, and as collision."""
        self._lower_torques, self._upper_torques = lower.copy(), upper.copy()

    def step(self, command: np.void | None, late_by: int | None = None) -> None:
        """Go on for one tick.

        Args:
            command: The command to the tick's state, None where that has not come.
            late_by: How many states ago the one was that the newest command answers; None without a command.
        """
        state = self._state
        external = np.abs(state.external_torques)
        state.contact = (external > self._lower_torques).astype(float)
        state.collision = (external > self._upper_torques).astype(float)
        if not self._moving:
            self._brake()
            return
        if state.collision.any():
            joint = int(np.argmax(external))
            self.reflex(RobotError.JOINT_REFLEX, f"{external[joint]:.1f} Nm on joint {joint + 1}")
            return
        if not self._commanded:
            if command is None and late_by is None:
                return
            self._commanded = True
            if command is None:
                # The client has begun on a state that has passed, and is under way when its first command counts.
                self._unknown = _DERIVATIVES if state.generator in _OF_POSITIONS else _DERIVATIVES - 1
                return
        if not self._count(command):
            return
        if state.generator is GeneratorMode.NONE:
            self._step_torques(command)
        elif state.generator in (GeneratorMode.JOINT_POSITION, GeneratorMode.JOINT_VELOCITY):
            self._step_joints(command)
        else:
            self._step_cartesian(command)

    # One tick

    def _count(self, command: np.void | None) -> bool:
        """Count commands that come and fail to; False when too many have failed."""
        self._received.append(command is not None)
        self._state.success_rate = sum(self._received) / _RATE_WINDOW
        if command is not None:
            self._lost_in_a_row = 0
            return True
        self.lost += 1
        self._lost_in_a_row += 1
        if self._lost_in_a_row < LOST_IN_A_ROW:
            return True
        self.reflex(RobotError.COMMUNICATION_CONSTRAINTS_VIOLATION, f"{LOST_IN_A_ROW} commands lost in a row")
        return False

    def _step_joints(self, command: np.void | None) -> None:
        state = self._state
        if command is None:
            velocity = state.dq_d + state.ddq_d * PERIOD_S
            position = state.q_d + velocity * PERIOD_S
        elif state.generator is GeneratorMode.JOINT_POSITION:
            position = np.array(command["q_c"])
            if self._first and np.abs(position - state.q_d).max() > _START_TOLERANCE:
                self.reflex(
                    RobotError.JOINT_POSITION_MOTION_GENERATOR_START_POSE_INVALID,
                    f"the first command is {np.abs(position - state.q_d).max():.4f} rad from the arm",
                )
                return
            velocity = (position - state.q_d) / PERIOD_S
        else:
            velocity = np.array(command["dq_c"])
            position = state.q_d + velocity * PERIOD_S
        self._note_end(command)
        self._follow(position, velocity, _REST_SPEED)

    def _step_cartesian(self, command: np.void | None) -> None:
        state = self._state
        if command is None:
            velocity = state.dq_d
        elif state.generator is GeneratorMode.CARTESIAN_POSE:
            state.tool_in_base_c = np.array(command["O_T_EE_c"]).reshape(4, 4, order="F")
            velocity = self._model.velocities_towards(state.q_d, state.tool_in_base_c, PERIOD_S)
        else:
            state.twist_in_base_c = np.array(command["O_dP_EE_c"])
            velocity = self._model.velocities_of_twist(state.q_d, state.twist_in_base_c)
        self._note_end(command)
        self._follow(state.q_d + velocity * PERIOD_S, velocity, _CARTESIAN_REST_SPEED)

    def _follow(self, position: FloatArray, velocity: FloatArray, rest_speed: float) -> None:
        """Take over what is commanded; the arm follows at once."""
        state = self._state
        acceleration = (velocity - state.dq_d) / PERIOD_S
        jerk = (acceleration - state.ddq_d) / PERIOD_S
        if self._unknown:
            known = np.arange(1, _DERIVATIVES + 1) <= _DERIVATIVES - self._unknown
            velocity, acceleration, jerk = velocity * known[0], acceleration * known[1], jerk * known[2]
            self._unknown -= 1
        wanted = JointCommand(position, velocity, acceleration, jerk)
        self.peaks.add(wanted)
        error = self._check.violation(wanted, state.generator)
        if error is not None and self.strict:
            self.reflex(error, _describe(wanted))
            return
        self._first = False
        state.q_d, state.dq_d, state.ddq_d = position, velocity, acceleration
        state.q, state.dq = position.copy(), velocity.copy()
        if self._finishing and np.abs(velocity).max() < rest_speed:
            self._succeed()

    def _step_torques(self, command: np.void | None) -> None:
        state = self._state
        if command is not None:
            torques = np.array(command["tau_J_d"])
            step = np.abs(torques - state.desired_torques).max()
            if self.strict and not self._first and step > _TORQUE_STEP + _TORQUE_STEP_SLACK:
                self.reflex(RobotError.CONTROLLER_TORQUE_DISCONTINUITY, f"a step of {step:.2f} Nm")
                return
            state.desired_torques = np.clip(torques, -TORQUE_LIMITS, TORQUE_LIMITS)
            self._first = False
            self._finishing = self._finishing or bool(command["torque_command_finished"])
        acceleration = self._model.accelerations(
            state.q, state.dq, state.desired_torques + state.external_torques
        )
        state.dq = state.dq + acceleration * PERIOD_S
        state.q = state.q + state.dq * PERIOD_S
        state.q_d, state.dq_d = state.q.copy(), state.dq.copy()
        state.torques = state.desired_torques + self._model.gravity(state.q)
        if self.strict and (np.abs(state.dq) > self._limits.velocity).any():
            self.reflex(RobotError.JOINT_VELOCITY_VIOLATION, f"{np.abs(state.dq).max():.2f} rad/s")
        elif (
            self.strict
            and ((state.q < self._limits.position_lower) | (state.q > self._limits.position_upper)).any()
        ):
            self.reflex(RobotError.JOINT_POSITION_LIMITS_VIOLATION, np.array2string(state.q, precision=3))
        elif self._finishing:
            self._succeed()

    def _note_end(self, command: np.void | None) -> None:
        if command is not None and command["motion_generation_finished"]:
            self._finishing = True

    def _brake(self) -> None:
        """Whatever still moves comes to rest."""
        state = self._state
        if state.dq.any():
            self._decelerate()
        if self._at_rest and not state.dq.any():
            waiting, self._at_rest = self._at_rest, []
            for act in waiting:
                act()

    def _decelerate(self) -> None:
        state = self._state
        state.dq = np.sign(state.dq) * np.maximum(np.abs(state.dq) - _BRAKING * PERIOD_S, 0.0)
        state.q = state.q + state.dq * PERIOD_S
        state.q_d = state.q.copy()

    # Beginning and end

    def _start_over(self) -> None:
        self._first = True
        self._commanded = False
        self._unknown = 0
        self._finishing = False
        self._lost_in_a_row = 0
        self._received = deque([True] * _RATE_WINDOW, _RATE_WINDOW)

    def _halt(self, mode: RobotMode) -> None:
        """No motion any more; what still moves is braked from now on."""
        state = self._state
        state.generator, state.controller, state.mode = GeneratorMode.IDLE, ControllerMode.OTHER, mode
        state.q_d = state.q.copy()
        state.dq_d, state.ddq_d = np.zeros(JOINTS), np.zeros(JOINTS)
        state.desired_torques = np.zeros(JOINTS)
        state.torques = self._model.gravity(state.q).copy()
        state.tool_in_base_c = None
        state.twist_in_base_c = np.zeros(6)
        state.success_rate = 0.0
        self._moving = False

    def _abort(self, status: MoveStatus, mode: RobotMode) -> None:
        """Stop for a reason that the client learns at once."""
        was_moving = self._moving
        self._halt(mode)
        if was_moving:
            self._on_ended(status)

    def _succeed(self) -> None:
        """The client has finished, at rest."""
        self._halt(RobotMode.IDLE)
        self._state.dq = np.zeros(JOINTS)
        self._on_ended(MoveStatus.SUCCESS)

    def _settle(self, status: MoveStatus) -> None:
        """A motion that was braked has come to rest."""
        if self._state.mode is RobotMode.OTHER:
            self._state.mode = RobotMode.IDLE
        self._on_ended(status)


def _describe(command: JointCommand) -> str:
    return (
        f"commanded up to {np.abs(command.velocity).max():.3f} rad/s, "
        f"{np.abs(command.acceleration).max():.2f} rad/s², {np.abs(command.jerk).max():.0f} rad/s³ "
        f"at {np.array2string(command.position, precision=3)} rad"
    )
