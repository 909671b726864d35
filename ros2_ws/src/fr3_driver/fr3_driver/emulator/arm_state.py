"""The emulated arm's state, and how it is written into the message that clients receive."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fr3_driver.emulator.arm_model import HAND_CENTRE, HAND_INERTIA, HAND_MASS, ArmModel
from fr3_driver.emulator.codes import ERROR_COUNT, ControllerMode, GeneratorMode, RobotMode
from fr3_driver.emulator.layouts import JOINTS, ROBOT_STATE

FloatArray = NDArray[np.float64]

HOME = (0.0, -np.pi / 4, 0.0, -3 * np.pi / 4, 0.0, np.pi / 2, np.pi / 4)
"""Where the arm stands at first [rad]."""

_STANDARD_GRAVITY = 9.81


def _joints() -> FloatArray:
    return np.zeros(JOINTS)


def _identity() -> FloatArray:
    return np.eye(4)


@dataclass
class Load:
    """What hangs on the end effector: mass [kg], centre [m, flange], inertia [kg m²], column by column."""

    mass: float = 0.0
    centre: FloatArray = field(default_factory=lambda: np.zeros(3))
    inertia: FloatArray = field(default_factory=lambda: np.zeros(9))


@dataclass
class ArmState:
    """Everything about the arm that changes; joints in radians, Nm and seconds.

    Attributes:
        q: Measured joints; ``dq`` their velocities.
        q_d: Desired joints; ``dq_d`` and ``ddq_d`` their derivatives.
        torques: Measured joint torques.
        desired_torques: Torques commanded beyond gravity.
        pushed_torques: Torques that somebody outside applies; ``contact_torques``, the scene that the arm is in.
        contact: Joints whose external torque is above the lower threshold; ``collision``, the upper one.
        tool_in_base_c: Pose last commanded by a Cartesian motion.
        stiffness_in_tool: Frame K in the end effector; ``tool_in_hand``, the end effector in the nominal one.
    """

    q: FloatArray = field(default_factory=lambda: np.array(HOME))
    dq: FloatArray = field(default_factory=_joints)
    q_d: FloatArray = field(default_factory=lambda: np.array(HOME))
    dq_d: FloatArray = field(default_factory=_joints)
    ddq_d: FloatArray = field(default_factory=_joints)
    torques: FloatArray = field(default_factory=_joints)
    desired_torques: FloatArray = field(default_factory=_joints)
    pushed_torques: FloatArray = field(default_factory=_joints)
    contact_torques: FloatArray = field(default_factory=_joints)
    contact: FloatArray = field(default_factory=_joints)
    collision: FloatArray = field(default_factory=_joints)
    tool_in_base_c: FloatArray | None = None
    twist_in_base_c: FloatArray = field(default_factory=lambda: np.zeros(6))
    stiffness_in_tool: FloatArray = field(default_factory=_identity)
    tool_in_hand: FloatArray = field(default_factory=_identity)
    load: Load = field(default_factory=Load)
    generator: GeneratorMode = GeneratorMode.IDLE
    controller: ControllerMode = ControllerMode.OTHER
    mode: RobotMode = RobotMode.IDLE
    errors: NDArray[np.uint8] = field(default_factory=lambda: np.zeros(ERROR_COUNT, np.uint8))
    reflex_reason: NDArray[np.uint8] = field(default_factory=lambda: np.zeros(ERROR_COUNT, np.uint8))
    success_rate: float = 0.0

    @property
    def external_torques(self) -> FloatArray:
        """(7,) torques that come from outside."""
        return self.pushed_torques + self.contact_torques


class StateWriter:
    """Writes arm states into messages of the protocol.

    Args:
        model: Where the end effector is.
    """

    def __init__(self, model: ArmModel) -> None:
        self._model = model
        self._hand_in_flange = model.tool_in_flange
        self._message = np.zeros((), ROBOT_STATE)
        self._message["F_T_NE"] = _columns(self._hand_in_flange)
        self._message["m_ee"] = HAND_MASS
        self._message["F_x_Cee"] = HAND_CENTRE
        self._message["I_ee"] = HAND_INERTIA.flatten("F")
        self._message["O_ddP_O"] = (0.0, 0.0, -_STANDARD_GRAVITY)

    def write(self, state: ArmState, message_id: int) -> bytes:
        """The message of ``state`` at ``message_id`` [ms]."""
        message = self._message
        message["message_id"] = message_id
        desired_tool = _columns(self._model.tool_in_base(state.q_d))
        message["O_T_EE_d"] = desired_tool
        same = state.q is state.q_d or np.array_equal(state.q, state.q_d)
        message["O_T_EE"] = desired_tool if same else _columns(self._model.tool_in_base(state.q))
        commanded = state.tool_in_base_c
        message["O_T_EE_c"] = desired_tool if commanded is None else _columns(commanded)
        message["O_dP_EE_c"] = state.twist_in_base_c
        message["F_T_EE"] = _columns(self._model.tool_in_flange)
        message["EE_T_K"] = _columns(state.stiffness_in_tool)
        message["NE_T_EE"] = _columns(state.tool_in_hand)
        message["m_load"] = state.load.mass
        message["F_x_Cload"] = state.load.centre
        message["I_load"] = state.load.inertia
        elbow = (state.q[2], -1.0 if state.q[3] < 0.0 else 1.0)
        for name in ("elbow", "elbow_d", "elbow_c"):
            message[name] = elbow
        message["q"] = message["theta"] = state.q
        message["dq"] = message["dtheta"] = state.dq
        message["q_d"] = state.q_d
        message["dq_d"] = state.dq_d
        message["ddq_d"] = state.ddq_d
        message["tau_J"] = state.torques
        message["tau_J_d"] = state.desired_torques
        message["tau_ext_hat_filtered"] = state.external_torques
        message["joint_contact"] = state.contact
        message["joint_collision"] = state.collision
        message["motion_generator_mode"] = state.generator
        message["controller_mode"] = state.controller
        message["robot_mode"] = state.mode
        message["errors"] = state.errors
        message["reflex_reason"] = state.reflex_reason
        message["control_command_success_rate"] = state.success_rate
        return message.tobytes()


def _columns(matrix: FloatArray) -> FloatArray:
    return matrix.flatten("F")
