"""The follower: what it does with good traces, and that nothing moves on bad ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from trace_scenes import BlockOnTable, pick_path

from ik_controller.follower import FollowerInput, FollowerOutput, FollowerPhase, FollowerState, TraceFollower
from ik_controller.joint_limits import find_violations
from ik_controller.joint_trajectory import JointState
from ik_controller.robot_model import RobotModel
from tracegen_model.trace_grid import TraceGrid

ROBOT = RobotModel.fr3()
UR5 = RobotModel.load(Path(__file__).parents[2] / "robots" / "ur5" / "ur5.yaml")
"""A second arm, by configuration alone."""

PERIOD = 0.2


def far_scene(robot: RobotModel = ROBOT) -> BlockOnTable:
    return BlockOnTable(robot, np.array([0.45, -0.10, 0.22]))


def good_inputs(scene: BlockOnTable, now_s: float, **changes: object) -> FollowerInput:
    path, grasp = pick_path(scene.tcp, scene.block)
    return scene.inputs(now_s, scene.traces(path, grasp), **changes)


def started(robot: RobotModel = ROBOT) -> TraceFollower:
    follower = TraceFollower(robot)
    follower.set_task("put the red block in the green zone")
    return follower


def stands(output: FollowerOutput) -> bool:
    return output.trajectory is None or not np.ptp(output.trajectory.positions, axis=0).any()


class Robot:
    """An arm and fingers that do at once what they are told; the fingers close on a block between them."""

    def __init__(self, scene: BlockOnTable) -> None:
        self.scene = scene
        self.motion: FollowerOutput | None = None
        self.holds = False
        self.commands: list[np.ndarray] = []

    def obey(self, output: FollowerOutput) -> None:
        self.pending = output
        if output.gripper is not None:
            closing = output.gripper.width < 0.04
            near = np.linalg.norm(self.scene.tcp - self.scene.block) < 0.02
            self.holds = closing and near
            self.scene.width = 0.04 if self.holds else output.gripper.width

    def advance(self, start_s: float, seconds: float) -> None:
        assert self.pending.trajectory is not None
        times = np.arange(start_s, start_s + seconds - 1e-9, 0.002)
        now = self.motion or self.pending
        new = self.pending
        for at in times:
            source = new if at >= new.start_s else now
            assert source.trajectory is not None
            self.commands.append(source.trajectory.sample(at - source.start_s).position)
        self.motion = new
        before = self.scene.tcp
        self.scene.joints = self.commands[-1]
        self.scene.tcp = self.scene.robot.tcp_in_base(self.scene.joints)[:3, 3]
        if self.holds:
            self.scene.block = self.scene.block + self.scene.tcp - before


@pytest.mark.parametrize("model", [ROBOT, UR5], ids=lambda model: model.name)
def test_a_block_is_picked_up_with_exact_traces_and_every_command_keeps_the_limits(model: RobotModel) -> None:
    scene = far_scene(model)
    robot, follower, events, now = Robot(scene), started(model), [], 1.0
    for _ in range(40):
        if robot.holds:
            path = scene.tcp + np.arange(33)[:, None] * np.array([0.0, 0.0, 0.008])
            inputs = scene.inputs(now, scene.traces(path, 0))
        else:
            inputs = good_inputs(scene, now)
        output = follower.update(inputs)
        assert output.trajectory is not None
        if output.event is not None:
            events.append(output.event)
        robot.obey(output)
        robot.advance(now, PERIOD)
        now += PERIOD
        if scene.block[2] > 0.12:
            break
    assert events[:2] == ["grasp", "closed"]
    assert scene.block[2] > 0.12
    commands = np.array(robot.commands)
    assert find_violations(np.arange(len(commands)) * 0.002, commands, model.limits) == []


def test_a_dip_that_stops_short_is_finished_by_depth() -> None:
    scene = BlockOnTable(ROBOT, np.array([0.50, 0.0, 0.13]))
    path, grasp = pick_path(scene.tcp, scene.block, lowest=0.085)
    follower = started()
    output = follower.update(scene.inputs(1.0, scene.traces(path, grasp)))
    assert output.state is FollowerState.FOLLOW and output.phase is FollowerPhase.GRASP
    assert output.trajectory is not None
    end = ROBOT.tcp_in_base(output.trajectory.positions[-1])[:3, 3]
    assert end[2] == pytest.approx(0.019, abs=0.004)


def test_a_closed_hand_that_holds_nothing_opens_rises_and_goes_on() -> None:
    scene = BlockOnTable(ROBOT, np.array([0.50, 0.0, 0.06]))
    follower, now, events, widths = started(), 1.0, [], []
    robot = Robot(scene)
    for _ in range(25):
        output = follower.update(good_inputs(scene, now))
        if output.event == "grasp":
            scene.block = scene.block + np.array([0.0, 0.15, 0.0])
        events.append(output.event)
        if output.gripper is not None:
            widths.append(output.gripper.width)
        robot.obey(output)
        robot.advance(now, PERIOD)
        now += PERIOD
        if "closed on nothing" in events and output.phase is FollowerPhase.TRACES:
            break
    assert "closed on nothing" in events
    assert widths == [0.0, 0.08]
    assert scene.tcp[2] > 0.10


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"camera_in_base": None}, "no camera pose"),
        ({"camera_in_base": np.full((4, 4), np.nan)}, "camera pose"),
        ({"intrinsics": None}, "no camera intrinsics"),
        ({"joints_at_trace": None}, "no joint state near"),
        ({"joints_at_trace": np.full(7, np.nan)}, "not 7 finite"),
        ({"joint_state_now": None}, "no joint states"),
        ({"joint_state_now": (np.zeros(6), np.zeros(6))}, "expected 7"),
        ({"joint_state_now": (np.full(7, np.nan), np.zeros(7))}, "NaN"),
        ({"depth_m": np.zeros((240, 320), np.float32)}, "no reading"),
        ({"depth_m": np.full((240, 320), np.nan, np.float32)}, "no reading"),
        ({"trace_stamp_s": -5.0}, "s old"),
        ({"trace_stamp_s": 9.0}, "future"),
    ],
)
def test_bad_input_is_a_hold_with_a_name(changes: dict[str, object], words: str) -> None:
    output = started().update(good_inputs(far_scene(), 1.0, **changes))
    assert output.state is FollowerState.HOLD
    assert words in output.reason
    assert stands(output)


def test_traces_that_are_all_invalid_are_a_hold() -> None:
    scene = far_scene()
    bad = TraceGrid(np.full((33, 400, 3), np.nan, np.float32), np.full((33, 400, 2), np.nan, np.float32))
    output = started().update(scene.inputs(1.0, bad))
    assert output.state is FollowerState.HOLD
    assert "valid" in output.reason
    assert stands(output)


def test_a_hand_that_no_trace_rides_is_a_hold() -> None:
    scene = far_scene()
    table = BlockOnTable(ROBOT, np.array([0.60, 0.20, 0.40]))
    output = started().update(
        scene.inputs(1.0, table.traces(np.repeat(table.tcp[None], 33, axis=0)), depth_m=None)
    )
    assert output.state is FollowerState.HOLD
    assert "rides the hand" in output.reason


def test_without_a_task_nothing_moves() -> None:
    output = TraceFollower(ROBOT).update(good_inputs(far_scene(), 1.0))
    assert output.state is FollowerState.IDLE
    assert stands(output)


def test_stop_brings_a_moving_arm_to_rest_and_the_first_reason_is_kept() -> None:
    scene, follower = far_scene(), started()
    moving = follower.update(good_inputs(scene, 1.0))
    assert moving.trajectory is not None
    follower.stop("someone came near")
    follower.stop("and another")
    middle = moving.trajectory.sample(0.5)
    state = (middle.position, middle.velocity)
    output = follower.update(scene.inputs(1.5 + moving.start_s - 1.0, None, joint_state_now=state))
    assert output.state is FollowerState.STOP
    assert output.reason == "someone came near"
    assert output.trajectory is not None
    assert output.trajectory.duration_s < 1.0
    later = follower.update(
        good_inputs(scene, 4.0, joint_state_now=(output.trajectory.positions[-1], np.zeros(7)))
    )
    assert later.state is FollowerState.STOP
    assert stands(later)
    follower.enable(True)
    again = follower.update(
        good_inputs(scene, 4.2, joint_state_now=(output.trajectory.positions[-1], np.zeros(7)))
    )
    assert again.state is FollowerState.FOLLOW


def test_traces_that_stop_coming_end_in_a_named_hold() -> None:
    scene, follower = far_scene(), started()
    first = follower.update(good_inputs(scene, 1.0))
    assert first.trajectory is not None
    for now, expected in ((1.3, FollowerState.FOLLOW), (2.2, FollowerState.HOLD)):
        at = first.trajectory.sample(now - first.start_s)
        output = follower.update(scene.inputs(now, None, joint_state_now=(at.position, at.velocity)))
        assert output.state is expected
    assert "old" in output.reason


def test_switches_are_continuous_in_position_velocity_and_acceleration() -> None:
    rng = np.random.default_rng(0)
    scene, follower = far_scene(), started()
    now = 1.0
    motion: FollowerOutput | None = None
    before: JointState | None = None
    for _ in range(60):
        wobble = rng.normal(0.0, 0.05, 3) * [1, 1, 0.3]
        path = scene.tcp + np.linspace(0.0, 1.0, 33)[:, None] * (
            np.array([0.5, 0.0, 0.2]) + wobble - scene.tcp
        )
        path += np.cumsum(rng.normal(0.0, 0.002, path.shape), axis=0) * (np.arange(33) > 0)[:, None]
        state = (scene.joints, np.zeros(7) if before is None else before.velocity)
        output = follower.update(scene.inputs(now, scene.traces(path), joint_state_now=state))
        assert output.trajectory is not None
        first = output.trajectory.sample(0.0)
        if motion is not None and motion.trajectory is not None:
            old = motion.trajectory.sample(output.start_s - motion.start_s)
            assert np.abs(first.position - old.position).max() < 1e-6
            assert np.abs(first.velocity - old.velocity).max() < 1e-6
            assert np.abs(first.acceleration - old.acceleration).max() < 1e-6
        motion = output
        now += float(rng.uniform(0.07, 0.4))
        before = output.trajectory.sample(now - output.start_s)
        scene.joints = before.position
        scene.tcp = ROBOT.tcp_in_base(scene.joints)[:3, 3]


def test_still_traces_end_the_task_and_a_new_instruction_starts_again() -> None:
    scene, follower, now = far_scene(), started(), 1.0
    still = np.repeat(scene.tcp[None], 33, axis=0)
    states = []
    for _ in range(6):
        output = follower.update(scene.inputs(now, scene.traces(still)))
        states.append(output.state)
        now += PERIOD
    assert states[-1] is FollowerState.IDLE
    assert output.reason == "task done"
    follower.set_task("put the blue block in the yellow zone")
    assert follower.update(good_inputs(scene, now)).state is FollowerState.FOLLOW


def test_an_empty_instruction_stops() -> None:
    scene, follower = far_scene(), started()
    follower.update(good_inputs(scene, 1.0))
    follower.set_task("   ")
    output = follower.update(good_inputs(scene, 1.2))
    assert output.state is FollowerState.IDLE
    assert output.reason == "no task"


def test_an_arm_moved_by_someone_else_is_taken_up_where_it_stands() -> None:
    scene, follower = far_scene(), started()
    follower.update(good_inputs(scene, 1.0))
    moved = BlockOnTable(ROBOT, np.array([0.52, 0.10, 0.25]))
    output = follower.update(good_inputs(moved, 30.0))
    assert output.trajectory is not None
    np.testing.assert_allclose(output.trajectory.positions[0], moved.joints, atol=1e-6)


def test_an_arm_moved_while_traces_keep_coming_is_held_and_then_taken_up_where_it_stands() -> None:
    scene, follower = far_scene(), started()
    follower.update(good_inputs(scene, 1.0))
    moved = BlockOnTable(ROBOT, np.array([0.52, 0.10, 0.25]))
    moved.joints[2] += 1.0
    outputs = [follower.update(good_inputs(moved, 1.2 + PERIOD * number)) for number in range(12)]
    assert outputs[0].state is FollowerState.HOLD
    assert "off its command" in outputs[0].reason
    assert outputs[-1].trajectory is not None
    assert "off its command" not in outputs[-1].reason
    first = next(output for output in outputs if "off its command" not in output.reason)
    assert first.trajectory is not None
    np.testing.assert_allclose(first.trajectory.positions[0], moved.joints, atol=1e-6)


def test_a_clock_set_back_forgets_the_last_command() -> None:
    scene, follower = far_scene(), started()
    follower.update(good_inputs(scene, 100.0))
    moved = BlockOnTable(ROBOT, np.array([0.52, 0.10, 0.25]))
    output = follower.update(good_inputs(moved, 1.0))
    assert output.state is FollowerState.FOLLOW
    assert output.trajectory is not None
    np.testing.assert_allclose(output.trajectory.positions[0], moved.joints, atol=1e-6)


@pytest.mark.parametrize(("side", "steps"), [(6, 32), (20, 8), (40, 64)])
def test_any_number_of_points_and_any_horizon_are_followed(side: int, steps: int) -> None:
    scene = BlockOnTable(ROBOT, np.array([0.45, -0.05, 0.20]), side=side)
    path = scene.tcp + np.linspace(0.0, 1.0, steps + 1)[:, None] * np.array([0.05, 0.10, -0.02])
    output = started().update(scene.inputs(1.0, scene.traces(path)))
    assert output.state is FollowerState.FOLLOW
    assert not stands(output)


def test_same_inputs_give_the_same_commands() -> None:
    scene = far_scene()
    inputs = [good_inputs(scene, 1.0 + PERIOD * number) for number in range(5)]
    runs = []
    for _ in range(2):
        follower = started()
        runs.append([follower.update(one).trajectory for one in inputs])
    for first, second in zip(*runs, strict=True):
        assert first is not None
        assert second is not None
        np.testing.assert_array_equal(first.positions, second.positions)
