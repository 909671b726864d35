"""What an update of the motion core is given: of one instant, in the core's time, and the same when made again."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from tf2_ros import Buffer

from ik_controller.follower import FollowerInput, Silence
from ik_controller.gates import Gate
from ik_controller.nodes.follower_parameters import FollowerParameters
from ik_controller.nodes.input_errors import InputErrors
from ik_controller.nodes.instant_inputs import InstantInputs, Observation
from ik_controller.nodes.joint_state_buffer import CLOCK_SET_BACK_NS
from ik_controller.nodes.recorded_calls import RecordedCalls
from ik_controller.nodes.update_inputs import JOINTS_AHEAD_NS, UpdateInputs
from ik_controller.robot_description import RobotDescription
from ik_controller.robot_model import RobotModel
from ik_controller.safety import joint_state_gate
from tracegen_model.camera import CameraIntrinsics
from tracegen_model.trace_grid import TraceGrid
from tracegen_ros.messages import (
    encode_depth,
    encode_header,
    encode_intrinsics,
    encode_joint_state,
    encode_transform,
)
from tracegen_ros.messages.core_calls import CallKind, CoreCall, decode_core_call, encode_core_call

MS = 1_000_000
BEGIN_NS = 1_700_000_000 * 1000 * MS
ROBOT = RobotModel.fr3()
ARM, FINGER_JOINTS = ROBOT.joint_names, ROBOT.fingers.names
CAMERA = "camera_optical_frame"
UR5 = Path(__file__).parents[2] / "robots" / "ur5" / "ur5.yaml"
INTRINSICS = CameraIntrinsics(fx=8.0, fy=8.0, cx=3.5, cy=2.5, width=8, height=6)


class Robot:
    """Inputs as a robot sends them; times are milliseconds since ``BEGIN_NS``."""

    def __init__(self, **parameters: object) -> None:
        self.parameters = FollowerParameters(**parameters).for_robot(ROBOT)
        self.log: list[str] = []
        self.errors = InputErrors(self.log.append)
        self.transforms = Buffer()
        self.inputs = InstantInputs(self.parameters, ROBOT, self.transforms, self.errors)
        self.updates = UpdateInputs(self.inputs, self.parameters)

    def see(self, at_ms: int, depth_m: float = 0.5) -> None:
        header = encode_header(BEGIN_NS + at_ms * MS, CAMERA)
        self.inputs.add_depth(encode_depth(np.full((6, 8), depth_m), header))

    def move(self, at_ms: int, names: tuple[str, ...] = ARM) -> bool:
        positions = np.full(len(names), at_ms / 1000)
        header = encode_header(BEGIN_NS + at_ms * MS, "")
        return self.inputs.add_joint_state(encode_joint_state(names, positions, np.zeros(len(names)), header))

    def place_camera(self) -> None:
        pose = np.eye(4)
        pose[:3, 3] = (1.0, 2.0, 3.0)
        header = encode_header(0, self.parameters.base_frame)
        self.transforms.set_transform_static(encode_transform(pose, header, CAMERA), "test")
        self.inputs.add_camera_info(encode_intrinsics(INTRINSICS, encode_header(0, CAMERA)))

    def now(self, at_ms: int, observation: Observation | None) -> tuple[FollowerInput, CoreCall]:
        return self.updates.of_now(observation, BEGIN_NS + at_ms * MS, gripper_busy=False, number=5)


def traces_of(at_ms: int) -> Observation:
    grid = TraceGrid(np.full((3, 4, 3), 0.5), np.zeros((3, 4, 2)))
    return Observation(BEGIN_NS + at_ms * MS, CAMERA, grid, arrived_s=0.0)


def at_work(**parameters: object) -> Robot:
    """Everything has come that belongs to the traces of 100 ms."""
    robot = at_work_without_camera(**parameters)
    robot.place_camera()
    return robot


def at_work_without_camera(**parameters: object) -> Robot:
    """Nobody has said yet where the camera stands."""
    robot = Robot(**parameters)
    robot.inputs.add_camera_info(encode_intrinsics(INTRINSICS, encode_header(0, CAMERA)))
    robot.see(100)
    for at_ms in (90, 105, 140):
        robot.move(at_ms, (*ARM, *FINGER_JOINTS))
    return robot


def assert_same(one: FollowerInput, other: FollowerInput) -> None:
    for name, value in asdict(one).items():
        np.testing.assert_equal(asdict(other)[name], value, err_msg=name)


@pytest.mark.parametrize("lacking", ["depth", "joints", "camera"])
def test_an_instant_is_complete_when_the_last_of_its_inputs_has_come(lacking: str) -> None:
    robot = Robot()
    steps = {"depth": lambda: robot.see(100), "joints": lambda: robot.move(100), "camera": robot.place_camera}
    for name, step in steps.items():
        if name != lacking:
            step()
    assert not robot.inputs.are_complete(traces_of(100))
    steps[lacking]()
    assert robot.inputs.are_complete(traces_of(100))


def test_a_camera_pose_that_is_missing_is_named_once_until_it_comes() -> None:
    robot = Robot()
    for _ in range(3):
        assert robot.inputs.camera_pose(CAMERA, BEGIN_NS) is None
    assert len(robot.log) == 1 and CAMERA in robot.log[0] and robot.errors.current == robot.log
    robot.place_camera()
    pose = robot.inputs.camera_pose(CAMERA, BEGIN_NS)
    assert pose is not None and not robot.errors.current
    np.testing.assert_allclose(pose[:3, 3], (1.0, 2.0, 3.0))


def test_depth_stamped_a_little_apart_belongs_to_the_colour_image_and_further_apart_it_does_not() -> None:
    robot = Robot(sync_tolerance_s=0.01)
    robot.see(100, 0.5)
    robot.see(133, 0.7)
    depth = robot.inputs.depth_at(BEGIN_NS + 125 * MS)
    assert depth is not None and depth[0, 0] == pytest.approx(0.7)
    assert robot.inputs.depth_at(BEGIN_NS + 116 * MS) is None


def test_fingers_may_speak_for_themselves_and_a_missing_arm_joint_is_an_error() -> None:
    robot = Robot()
    assert not robot.move(10, FINGER_JOINTS)
    assert robot.inputs.fingers.newest is not None and not robot.errors.current
    assert not robot.move(20, ARM[1:])
    assert "joint states" in robot.errors.current[0]
    assert robot.move(30)
    assert not robot.errors.current


def test_an_update_takes_what_is_newest_and_what_belongs_to_its_traces_and_says_so() -> None:
    robot = at_work()
    inputs, call = robot.now(150, traces_of(100))
    assert inputs.now_s - inputs.trace_stamp_s == pytest.approx(0.05)
    np.testing.assert_allclose(inputs.joints_at_trace, 0.100)
    np.testing.assert_allclose(inputs.joint_state_now[0], 0.140)
    assert inputs.finger_width_m == pytest.approx(2 * 0.140)
    assert (call.number, call.kind, call.now_ns) == (5, CallKind.UPDATE, BEGIN_NS + 150 * MS)
    assert (call.traces_ns, call.joints_ns) == (BEGIN_NS + 100 * MS, BEGIN_NS + 140 * MS)
    assert call.has_depth and call.has_camera and call.knows_joints


def test_in_lockstep_stamps_alone_decide() -> None:
    robot = at_work(lockstep=True)
    inputs, call = robot.now(150, traces_of(100))
    assert inputs.now_s == inputs.trace_stamp_s
    assert call.joints_ns == BEGIN_NS + 105 * MS


def test_a_recorded_call_is_given_the_same_again_though_more_has_come_since() -> None:
    robot, again = at_work(), at_work()
    inputs, call = robot.now(150, traces_of(100))
    for at_ms in (150, 160, 170):
        again.move(at_ms, (*ARM, *FINGER_JOINTS))
    repeated, repeated_call = again.updates.of_call(call, traces_of(100))
    assert_same(repeated, inputs)
    assert repeated_call == call


def test_what_was_silent_is_part_of_the_record() -> None:
    robot, again = at_work(), at_work()
    inputs, call = robot.updates.of_now(None, BEGIN_NS + 150 * MS, False, 5, (Silence.CLOCK, Silence.CAMERA))
    assert inputs.silent == (Silence.CLOCK, Silence.CAMERA)
    recorded = decode_core_call(encode_core_call(call))
    assert again.updates.of_call(recorded, None)[0].silent == inputs.silent


def test_a_recorded_call_is_not_given_what_was_missing_then() -> None:
    robot, poor = at_work(), Robot()
    poor.move(140)
    inputs, call = poor.now(150, traces_of(100))
    assert not (call.has_depth or call.has_camera or call.knows_joints)
    repeated, repeated_call = robot.updates.of_call(call, traces_of(100))
    assert repeated.depth_m is None and repeated.camera_in_base is None and repeated.joints_at_trace is None
    assert repeated_call == call
    assert inputs.joints_at_trace is None


def test_old_joints_count_as_missing() -> None:
    robot = at_work(joint_timeout_s=0.3)
    assert robot.now(440, None)[0].joint_state_now is not None
    inputs, call = robot.now(441, None)
    assert inputs.joint_state_now is None and call.joints_ns is None


def test_joints_far_ahead_of_the_time_count_as_missing() -> None:
    robot = at_work()
    ahead_ms = JOINTS_AHEAD_NS // MS
    assert robot.now(140 - ahead_ms, None)[0].joint_state_now is not None
    back = at_work()
    inputs, call = back.now(139 - ahead_ms, None)
    assert inputs.joint_state_now is None and call.joints_ns is None


def test_a_missing_depth_image_is_missed_until_traces_have_theirs_and_that_is_recorded() -> None:
    robot, again = at_work(), at_work()
    for observation in (traces_of(120), None):
        inputs, call = robot.now(150, observation)
        assert inputs.silent == (Silence.CAMERA,)
        recorded = decode_core_call(encode_core_call(call))
        assert again.updates.of_call(recorded, observation)[0].silent == inputs.silent
    assert "no depth image is stamped within 0.01 s" in robot.errors.current[0]
    assert robot.now(160, traces_of(100))[0].silent == ()
    assert robot.now(170, None)[0].silent == () and not robot.errors.current


def test_joints_without_velocities_move_as_their_positions_tell() -> None:
    robot = Robot()
    for at_ms in (100, 120):
        message = encode_joint_state(
            ARM, np.full(7, at_ms / 1000), (), encode_header(BEGIN_NS + at_ms * MS, "")
        )
        assert robot.inputs.add_joint_state(message)
    inputs, _ = robot.now(130, None)
    assert inputs.joint_state_now is not None
    np.testing.assert_allclose(inputs.joint_state_now[1], 1.0)


def test_joint_velocities_that_nothing_tells_shut_a_gate_that_says_what_to_publish() -> None:
    robot = Robot()
    robot.inputs.add_joint_state(encode_joint_state(ARM, np.zeros(7), (), encode_header(BEGIN_NS, "")))
    shut = joint_state_gate(robot.now(10, None)[0], len(ARM))
    assert shut is not None and shut.gate is Gate.JOINTS_INVALID and "publish them" in shut.reason


def test_time_stands_still_where_the_clock_is_late_and_follows_one_that_was_set_back() -> None:
    robot = at_work()
    at_ns = robot.now(2000, None)[1].now_ns
    assert robot.now(1900, None)[1].now_ns == at_ns
    back_ms = 2000 - CLOCK_SET_BACK_NS // MS
    assert robot.now(back_ms, None)[1].now_ns == BEGIN_NS + back_ms * MS


TASK = CoreCall(1, CallKind.TASK, "lift")
UPDATE = CoreCall(
    0,
    CallKind.UPDATE,
    traces_ns=BEGIN_NS + 100 * MS,
    joints_ns=BEGIN_NS + 140 * MS,
    has_depth=True,
    has_camera=True,
)


@pytest.mark.parametrize("lacking", ["depth", "joints", "camera", "traces"])
def test_a_recorded_call_waits_for_what_it_names_and_holds_up_those_after_it(lacking: str) -> None:
    robot = Robot()
    recorded = RecordedCalls(robot.inputs)
    recorded.begin()
    recorded.add(UPDATE)
    recorded.add(TASK)
    steps = {
        "depth": lambda: robot.see(100),
        "joints": lambda: robot.move(140),
        "camera": robot.place_camera,
        "traces": lambda: recorded.note_traces(traces_of(100)),
    }
    for name, step in steps.items():
        if name != lacking:
            step()
    assert recorded.take_ready() is None
    steps[lacking]()
    call, observation = recorded.take_ready() or (None, None)
    assert call == UPDATE and observation is not None and observation.stamp_ns == UPDATE.traces_ns
    assert recorded.take_ready() == (TASK, None)


def test_calls_count_only_between_the_beginning_and_the_end_of_a_recorded_run() -> None:
    recorded = RecordedCalls(Robot().inputs)
    recorded.add(TASK)
    assert not recorded.active and recorded.take_ready() is None
    recorded.begin()
    assert recorded.active and recorded.take_ready() is None
    recorded.add(TASK)
    recorded.end()
    assert not recorded.active and recorded.take_ready() is None


def moving_transform(at_ms: int) -> object:
    """A camera on a wrist, which goes 1 m/s along x."""
    pose = np.eye(4)
    pose[0, 3] = at_ms / 1000
    return encode_transform(pose, encode_header(BEGIN_NS + at_ms * MS, ROBOT.base_frame), CAMERA)


def test_a_moving_camera_is_where_it_was_when_the_image_was_taken() -> None:
    robot = at_work_without_camera()
    for at_ms in (80, 96):
        robot.transforms.set_transform(moving_transform(at_ms), "test")
    assert not robot.inputs.are_complete(traces_of(100)), "TF has not come up to the image yet"
    assert not robot.errors.current, "which is no error as long as it may come"
    inputs, call = robot.now(150, traces_of(100))
    assert inputs.camera_in_base is None and not call.has_camera
    assert "camera pose" in robot.errors.current[0]
    robot.transforms.set_transform(moving_transform(112), "test")
    assert robot.inputs.are_complete(traces_of(100)) and not robot.errors.current
    assert robot.inputs.camera_is_fixed is False
    for stamp_ms in (100, 84, 112):
        pose = robot.inputs.camera_pose(CAMERA, BEGIN_NS + stamp_ms * MS)
        assert pose is not None
        assert pose[0, 3] == pytest.approx(stamp_ms / 1000, abs=1e-9)
    inputs, call = robot.now(150, traces_of(100))
    assert call.has_camera and inputs.camera_in_base is not None
    assert inputs.camera_in_base[0, 3] == pytest.approx(0.100, abs=1e-9)


def test_a_moving_camera_of_a_recorded_call_is_where_it_was_though_it_has_moved_on() -> None:
    robot, again = at_work_without_camera(), at_work_without_camera()
    for at_ms in (96, 112):
        robot.transforms.set_transform(moving_transform(at_ms), "test")
    inputs, call = robot.now(150, traces_of(100))
    for at_ms in (96, 112, 128, 144, 160):
        again.transforms.set_transform(moving_transform(at_ms), "test")
    repeated, _ = again.updates.of_call(call, traces_of(100))
    assert_same(repeated, inputs)


def test_the_opening_of_another_robot_s_fingers_is_read_by_its_description() -> None:
    description = RobotDescription.load(UR5)
    fingers = description.fingers
    assert fingers.opening(np.array([0.0])) == pytest.approx(0.085)
    assert fingers.opening(np.array([0.8])) == pytest.approx(0.0)
    assert fingers.positions(0.0425) == pytest.approx([0.4])
    assert fingers.from_middle(np.array([0.4])) == pytest.approx((0.02125, 0.02125))
    assert ROBOT.fingers.positions(0.08).tolist() == [0.04, 0.04]
    assert ROBOT.fingers.from_middle(np.array([0.01, 0.03])) == (0.01, 0.03)


@pytest.mark.parametrize(("stamp_ms", "time_ms"), [(90, 100), (180, 180), (30_000, 350)])
def test_a_stamp_a_little_ahead_is_the_time_and_one_far_ahead_does_not_push_it(
    stamp_ms: int, time_ms: int
) -> None:
    robot = at_work()
    given, call = robot.now(100, traces_of(stamp_ms))
    assert call.now_ns == BEGIN_NS + time_ms * MS
    assert given.trace_stamp_s is not None
    assert given.trace_stamp_s - given.now_s == pytest.approx((stamp_ms - time_ms) / 1000, abs=1e-6)
    assert at_work(lockstep=True).now(100, traces_of(stamp_ms))[1].now_ns == BEGIN_NS + stamp_ms * MS


def test_a_clock_that_has_not_begun_leaves_the_time_to_the_stamps() -> None:
    robot = at_work()
    _, call = robot.updates.of_now(traces_of(100), 0, gripper_busy=False, number=0)
    assert call.now_ns == BEGIN_NS + 100 * MS
