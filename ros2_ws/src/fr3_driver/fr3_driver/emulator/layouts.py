"""Byte layouts of the robot's protocol: little endian, packed, matrices column by column."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fr3_driver.emulator.codes import ERROR_COUNT, ControllerMode, GeneratorMode

FloatArray = NDArray[np.float64]

JOINTS = 7

ROBOT_HEADER = struct.Struct("<III")
"""Command, command id (chosen by the client, echoed), size of the whole message."""

GRIPPER_HEADER = struct.Struct("<HII")
"""The same of the gripper, with a shorter command."""

CONNECT_REQUEST = struct.Struct("<HH")
"""Version of the server that the client wants, and its UDP port; the same for robot and gripper."""

ROBOT_CONNECT_ANSWER = struct.Struct("<BH")
GRIPPER_CONNECT_ANSWER = struct.Struct("<HH")
"""Status, and the server's version."""

MOVE_REQUEST = struct.Struct("<II3d3dB7d")
"""Controller, generator, path deviation, goal deviation, asynchronous generator, its maximal velocities."""

COLLISION_REQUEST = struct.Struct("<52d")
"""Joint torques (4 × 7 [Nm]) and forces (4 × 6 [N, Nm]); each lower and upper in acceleration, then nominal."""

LOAD_REQUEST = struct.Struct("<d3d9d")
"""Mass [kg], centre of mass in the flange [m], inertia [kg m²]."""

FRAME_REQUEST = struct.Struct("<16d")
"""A homogeneous transform."""

GRASP_REQUEST = struct.Struct("<5d")
"""Width, tolerance below and above it [m], speed [m/s], force [N]."""

GRIPPER_MOVE_REQUEST = struct.Struct("<2d")
"""Width [m], speed [m/s]."""

GRIPPER_STATUS = struct.Struct("<H")
GRIPPER_STATE = struct.Struct("<IddBH")
"""Message id, width, greatest width [m], something is grasped, temperature [°C]."""

ROBOT_STATE = np.dtype(
    [
        ("message_id", "<u8"),
        ("O_T_EE", "<f4", 16),
        ("O_T_EE_d", "<f4", 16),
        ("F_T_EE", "<f4", 16),
        ("EE_T_K", "<f4", 16),
        ("F_T_NE", "<f4", 16),
        ("NE_T_EE", "<f4", 16),
        ("m_ee", "<f4"),
        ("I_ee", "<f4", 9),
        ("F_x_Cee", "<f4", 3),
        ("m_load", "<f4"),
        ("I_load", "<f4", 9),
        ("F_x_Cload", "<f4", 3),
        ("elbow", "<f4", 2),
        ("elbow_d", "<f4", 2),
        ("tau_J", "<f4", 7),
        ("tau_J_d", "<f4", 7),
        ("dtau_J", "<f4", 7),
        ("q", "<f4", 7),
        ("q_d", "<f4", 7),
        ("dq", "<f4", 7),
        ("dq_d", "<f4", 7),
        ("ddq_d", "<f4", 7),
        ("joint_contact", "<f4", 7),
        ("cartesian_contact", "<f4", 6),
        ("joint_collision", "<f4", 7),
        ("cartesian_collision", "<f4", 6),
        ("tau_ext_hat_filtered", "<f4", 7),
        ("O_F_ext_hat_K", "<f4", 6),
        ("K_F_ext_hat_K", "<f4", 6),
        ("O_dP_EE_d", "<f4", 6),
        ("O_ddP_O", "<f4", 3),
        ("elbow_c", "<f4", 2),
        ("delbow_c", "<f4", 2),
        ("ddelbow_c", "<f4", 2),
        ("O_T_EE_c", "<f4", 16),
        ("O_dP_EE_c", "<f4", 6),
        ("O_ddP_EE_c", "<f4", 6),
        ("theta", "<f4", 7),
        ("dtheta", "<f4", 7),
        ("accelerometer_top", "<f4", 18),
        ("accelerometer_bottom", "<f4", 18),
        ("motion_generator_mode", "u1"),
        ("controller_mode", "u1"),
        ("errors", "u1", ERROR_COUNT),
        ("reflex_reason", "u1", ERROR_COUNT),
        ("robot_mode", "u1"),
        ("control_command_success_rate", "<f4"),
    ]
)
"""The robot's state, sent once a millisecond; names as in libfranka."""

ROBOT_COMMAND = np.dtype(
    [
        ("message_id", "<u8"),
        ("q_c", "<f8", 7),
        ("dq_c", "<f8", 7),
        ("O_T_EE_c", "<f8", 16),
        ("O_dP_EE_c", "<f8", 6),
        ("elbow_c", "<f8", 2),
        ("valid_elbow", "u1"),
        ("motion_generation_finished", "u1"),
        ("tau_J_d", "<f8", 7),
        ("torque_command_finished", "u1"),
    ]
)
"""The client's command to a state; the message id is that of the state."""


class LayoutError(ValueError):
    """A request whose bytes are not those of its kind."""


@dataclass(frozen=True)
class MoveRequest:
    """What a client wants to command from now on."""

    controller: ControllerMode
    generator: GeneratorMode

    @classmethod
    def unpack(cls, payload: bytes) -> MoveRequest:
        """Read a move request; deviations and the asynchronous generator are not modelled.

        Raises:
            LayoutError: The size or a mode is not one of the protocol's.
        """
        controller, generator, *_ = unpack(MOVE_REQUEST, payload)
        try:
            return cls(ControllerMode(int(controller)), GeneratorMode(int(generator) + 1))
        except ValueError as error:
            raise LayoutError(f"no such mode in a move request: {error}") from error


def unpack(layout: struct.Struct, payload: bytes) -> tuple[float, ...]:
    """The numbers of ``payload``.

    Raises:
        LayoutError: Its size is not that of ``layout``.
    """
    if len(payload) != layout.size:
        raise LayoutError(f"a request of {layout.size} bytes came with {len(payload)}")
    return layout.unpack(payload)
