"""The byte layouts of the robot's protocol."""

from __future__ import annotations

import numpy as np
import pytest

from fr3_driver.emulator.arm_model import ArmModel
from fr3_driver.emulator.arm_state import ArmState, StateWriter
from fr3_driver.emulator.codes import ControllerMode, GeneratorMode, RobotError, RobotMode
from fr3_driver.emulator.layouts import (
    MOVE_REQUEST,
    ROBOT_COMMAND,
    ROBOT_STATE,
    LayoutError,
    MoveRequest,
)
from fr3_driver.emulator.robot_description import arm_urdf
from ik_controller.joint_limits import JointLimits


def test_messages_have_the_sizes_of_protocol_version_10() -> None:
    assert ROBOT_STATE.itemsize == 1377
    assert ROBOT_COMMAND.itemsize == 371
    assert MOVE_REQUEST.size == 113


@pytest.mark.parametrize(
    ("field", "offset"),
    [("q", 596), ("dq", 652), ("tau_ext_hat_filtered", 840), ("errors", 1290), ("robot_mode", 1372)],
)
def test_fields_of_the_state_lie_where_clients_read_them(field: str, offset: int) -> None:
    assert ROBOT_STATE.fields[field][1] == offset


def test_a_state_is_written_as_clients_read_it() -> None:
    state = ArmState(mode=RobotMode.REFLEX)
    state.errors[RobotError.JOINT_REFLEX] = 1
    state.q = np.arange(7) / 10
    message = StateWriter(ArmModel(arm_urdf(JointLimits.load("fr3_full")))).write(state, 42)
    read = np.frombuffer(message, ROBOT_STATE)[0]
    assert read["message_id"] == 42
    assert read["robot_mode"] == 4
    assert np.flatnonzero(read["errors"]).tolist() == [6]
    assert read["q"] == pytest.approx(state.q, abs=1e-6)
    assert read["O_T_EE"].reshape(4, 4).T[3].tolist() == [0, 0, 0, 1]


def test_a_move_request_names_controller_and_generator() -> None:
    payload = MOVE_REQUEST.pack(0, 1, *[0.0] * 6, 0, *[0.0] * 7)
    assert MoveRequest.unpack(payload) == MoveRequest(
        ControllerMode.JOINT_IMPEDANCE, GeneratorMode.JOINT_VELOCITY
    )


@pytest.mark.parametrize("payload", [b"", MOVE_REQUEST.pack(9, 1, *[0.0] * 6, 0, *[0.0] * 7)])
def test_a_garbled_move_request_is_refused(payload: bytes) -> None:
    with pytest.raises(LayoutError):
        MoveRequest.unpack(payload)


def test_a_robot_without_position_dependent_velocities_cannot_be_described() -> None:
    with pytest.raises(ValueError, match="fr3_full"):
        arm_urdf(JointLimits.load("fr3_rectangular"))
