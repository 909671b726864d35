"""The emulated robot's motions tick by tick, without sockets."""

from __future__ import annotations

import numpy as np
import pytest

from fr3_driver.emulator.arm_model import ArmModel
from fr3_driver.emulator.arm_state import ArmState
from fr3_driver.emulator.codes import ControllerMode, GeneratorMode, MoveStatus, RobotError, RobotMode
from fr3_driver.emulator.layouts import ROBOT_COMMAND, MoveRequest
from fr3_driver.emulator.motion_control import LOST_IN_A_ROW, PERIOD_S, MotionControl
from fr3_driver.emulator.robot_description import arm_urdf
from ik_controller.joint_limits import JointLimits

LIMITS = JointLimits.load("fr3_full")
URDF = arm_urdf(LIMITS)
VELOCITIES = MoveRequest(ControllerMode.JOINT_IMPEDANCE, GeneratorMode.JOINT_VELOCITY)
POSITIONS = MoveRequest(ControllerMode.JOINT_IMPEDANCE, GeneratorMode.JOINT_POSITION)
TORQUES = MoveRequest(ControllerMode.EXTERNAL, GeneratorMode.NONE)
POSES = MoveRequest(ControllerMode.JOINT_IMPEDANCE, GeneratorMode.CARTESIAN_POSE)


class Robot:
    """A robot and the commands to it."""

    def __init__(self) -> None:
        self.state = ArmState()
        self.ended: list[MoveStatus] = []
        self.control = MotionControl(self.state, ArmModel(URDF), LIMITS, self.ended.append)

    def command(self, **fields: object) -> None:
        command = np.zeros((), ROBOT_COMMAND)
        for name, value in fields.items():
            command[name] = value
        self.control.step(command[()])

    def speed_up(self, velocity: float, joint: int = 0, jerk: float = 4000.0) -> None:
        """Bring one joint to a velocity [rad/s] within the limits."""
        target = np.zeros(7)
        target[joint] = velocity
        acceleration = 0.0
        while abs(target[joint] - self.state.dq_d[joint]) > 1e-6:
            left = target[joint] - self.state.dq_d[joint]
            wanted = np.clip(np.sign(left) * np.sqrt(2 * jerk * abs(left)) * 0.7, -8.0, 8.0)
            acceleration += np.clip(wanted - acceleration, -jerk * PERIOD_S, jerk * PERIOD_S)
            velocities = self.state.dq_d.copy()
            velocities[joint] += np.clip(acceleration * PERIOD_S, -abs(left), abs(left))
            self.command(dq_c=velocities)
            assert not self.ended, self.control.last_reflex

    @property
    def errors(self) -> list[RobotError]:
        return [RobotError(index) for index in np.flatnonzero(self.state.errors)]

    def come_to_rest(self) -> float:
        """Seconds until nothing moves."""
        for tick in range(1000):
            if not self.state.dq.any():
                return tick * PERIOD_S
            self.control.step(None)
        raise AssertionError("it never comes to rest")


@pytest.fixture
def robot() -> Robot:
    return Robot()


def test_a_finished_motion_ends_with_success(robot: Robot) -> None:
    assert robot.control.start(VELOCITIES) is MoveStatus.MOTION_STARTED
    assert robot.state.mode is RobotMode.MOVE
    start = robot.state.q.copy()
    robot.speed_up(0.2)
    robot.speed_up(0.0)
    robot.command(motion_generation_finished=1)
    assert robot.ended == [MoveStatus.SUCCESS]
    assert robot.state.mode is RobotMode.IDLE
    assert robot.state.q[0] > start[0] + 0.002


def test_nothing_is_lost_before_the_first_command(robot: Robot) -> None:
    robot.control.start(VELOCITIES)
    for _ in range(3 * LOST_IN_A_ROW):
        robot.control.step(None)
    assert robot.control.lost == 0
    assert robot.control.moving


@pytest.mark.parametrize("late", [1, 3, 8])
@pytest.mark.parametrize("request_", [VELOCITIES, POSITIONS])
def test_a_client_that_begins_on_a_state_of_before_is_not_taken_for_one_that_jumps(
    robot: Robot, request_: MoveRequest, late: int
) -> None:
    robot.control.start(request_)
    start = robot.state.q.copy()
    robot.control.step(None, late)
    jerk = 500.0
    for tick in range(late + 1, late + 6):
        t = tick * PERIOD_S
        moved = np.array([0.0, jerk * t**3 / 6, *[0.0] * 5])
        robot.command(q_c=start + moved, dq_c=np.array([0.0, jerk * t**2 / 2, *[0.0] * 5]))
        assert robot.errors == [], robot.control.last_reflex
    assert robot.control.lost == 0
    assert robot.state.dq_d[1] == pytest.approx(jerk * t**2 / 2, rel=0.2)
    # From here on everything is known, and what jumps is seen.
    robot.command(q_c=start - 1e-4, dq_c=np.full(7, -0.1))
    assert robot.errors == [RobotError.JOINT_MOTION_GENERATOR_VELOCITY_DISCONTINUITY]


@pytest.mark.parametrize(("lost", "ended"), [(LOST_IN_A_ROW - 1, False), (LOST_IN_A_ROW, True)])
def test_twenty_lost_commands_in_a_row_end_a_motion(robot: Robot, lost: int, ended: bool) -> None:
    robot.control.start(VELOCITIES)
    robot.command()
    for _ in range(lost):
        robot.control.step(None)
    assert bool(robot.ended) is ended
    assert robot.errors == ([RobotError.COMMUNICATION_CONSTRAINTS_VIOLATION] if ended else [])


@pytest.mark.parametrize(
    ("request_", "fields", "error"),
    [
        (VELOCITIES, {"dq_c": [0.02] + [0.0] * 6}, RobotError.JOINT_MOTION_GENERATOR_VELOCITY_DISCONTINUITY),
        (
            VELOCITIES,
            {"dq_c": [0.006] + [0.0] * 6},
            RobotError.JOINT_MOTION_GENERATOR_ACCELERATION_DISCONTINUITY,
        ),
        (
            VELOCITIES,
            {"dq_c": [2.7] + [0.0] * 6},
            RobotError.JOINT_MOTION_GENERATOR_VELOCITY_LIMITS_VIOLATION,
        ),
        (
            POSITIONS,
            {"q_c": np.array(ArmState().q) + 0.1},
            RobotError.JOINT_POSITION_MOTION_GENERATOR_START_POSE_INVALID,
        ),
        (TORQUES, {"tau_J_d": [5.0] + [0.0] * 6}, None),
    ],
)
def test_a_first_command_that_jumps_is_refused_by_name(
    robot: Robot, request_: MoveRequest, fields: dict, error: RobotError | None
) -> None:
    robot.control.start(request_)
    robot.command(**fields)
    assert robot.errors == ([] if error is None else [error])
    assert robot.ended == ([] if error is None else [MoveStatus.REFLEX_ABORTED])


def test_torques_that_jump_are_refused(robot: Robot) -> None:
    robot.control.start(TORQUES)
    robot.command(tau_J_d=np.zeros(7))
    robot.command(tau_J_d=[5.0] + [0.0] * 6)
    assert robot.errors == [RobotError.CONTROLLER_TORQUE_DISCONTINUITY]


def test_without_torques_the_arm_stands_still_against_gravity(robot: Robot) -> None:
    robot.control.start(TORQUES)
    start = robot.state.q.copy()
    for _ in range(200):
        robot.command()
    assert robot.state.q == pytest.approx(start, abs=1e-9)
    assert np.abs(robot.state.torques).max() > 5.0


def test_a_joint_driven_past_its_end_is_stopped_there(robot: Robot) -> None:
    robot.state.q = np.array(LIMITS.position_upper) - 0.001
    robot.control.start(POSITIONS)
    beyond = robot.state.q.copy()
    robot.command(q_c=beyond)
    beyond[0] += 0.002
    robot.command(q_c=beyond)
    assert robot.errors == [RobotError.JOINT_MOTION_GENERATOR_POSITION_LIMITS_VIOLATION]


def test_cartesian_motions_have_error_names_of_their_own(robot: Robot) -> None:
    pose = ArmModel(URDF).tool_in_base(robot.state.q)
    pose[0, 3] += 0.01
    robot.control.start(POSES)
    robot.command(O_T_EE_c=pose.flatten("F"))
    assert robot.errors[0].name.startswith("CARTESIAN_MOTION_GENERATOR_JOINT")


def test_a_stop_brakes_and_is_answered_at_rest(robot: Robot) -> None:
    robot.control.start(VELOCITIES)
    robot.speed_up(0.5)
    robot.control.stop()
    assert robot.ended == []
    assert robot.control.start(VELOCITIES) is MoveStatus.NOT_POSSIBLE
    assert robot.come_to_rest() == pytest.approx(0.05, abs=0.005)
    assert robot.ended == [MoveStatus.PREEMPTED]
    assert robot.state.mode is RobotMode.IDLE


def test_a_reflex_lasts_until_the_recovery(robot: Robot) -> None:
    robot.control.start(VELOCITIES)
    robot.speed_up(0.3)
    robot.control.reflex(RobotError.CARTESIAN_REFLEX, "test")
    assert robot.ended == [MoveStatus.REFLEX_ABORTED]
    assert not robot.control.recover(), "it still moves"
    robot.come_to_rest()
    assert robot.control.start(VELOCITIES) is MoveStatus.NOT_POSSIBLE
    assert robot.control.recover()
    assert robot.control.start(VELOCITIES) is MoveStatus.MOTION_STARTED


def test_a_reflex_outlives_its_client(robot: Robot) -> None:
    robot.control.reflex(RobotError.CARTESIAN_REFLEX, "test")
    robot.control.abandon()
    assert robot.state.mode is RobotMode.REFLEX


def test_a_push_beyond_the_threshold_is_a_collision(robot: Robot) -> None:
    robot.control.set_torque_thresholds(np.full(7, 10.0), np.full(7, 20.0))
    robot.control.start(VELOCITIES)
    robot.command()
    robot.state.pushed_torques[2] = 15.0
    robot.command()
    assert robot.state.contact.tolist() == [0, 0, 1, 0, 0, 0, 0]
    assert not robot.errors
    robot.state.pushed_torques[2] = 25.0
    robot.command()
    assert robot.errors == [RobotError.JOINT_REFLEX]


def test_the_stop_button_can_be_recovered_from_only_when_released(robot: Robot) -> None:
    robot.control.start(VELOCITIES)
    robot.command()
    robot.control.press_user_stop()
    assert robot.ended == [MoveStatus.EMERGENCY_ABORTED]
    assert not robot.control.recover()
    robot.control.release_user_stop()
    assert robot.state.mode is RobotMode.IDLE
