"""The benchmarks of continuity, rests and speed see what they are there to see."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.motion_layer import replanned_course
from tests.motion_layer.chunk_rests import resting_time
from tests.motion_layer.command_checker import Bounds
from tests.motion_layer.continuity import Row, row_of
from tests.motion_layer.hand_courses import Course
from tests.motion_layer.path_speed import STAGES, Stopwatch, decide, random_scene, stopwatches
from tests.motion_layer.replanned_course import Habits, ReplannedRun, random_course, step_between

from ik_controller import trajectory_executor
from ik_controller.follower import FollowerInput, FollowerOutput, TraceFollower
from ik_controller.joint_trajectory import JointState, JointTrajectory
from ik_controller.resources import resource_path
from ik_controller.robot_model import RobotModel
from ik_controller.trajectory_joining import JoinedMotion

RATE_HZ = 5.0
SHIFT = 1e-3
BOUNDS = Bounds.read(resource_path("limits/fr3_rectangular.yaml"))


@pytest.fixture(scope="module")
def robot() -> RobotModel:
    return RobotModel.fr3()


@pytest.fixture(scope="module")
def course(robot: RobotModel) -> tuple[Course, np.ndarray]:
    return random_course(robot, np.random.default_rng(5))


@pytest.fixture
def shifted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every second motion of the follower is off by a milliradian."""

    class Shifted(TraceFollower):
        count = 0

        def update(self, inputs: FollowerInput) -> FollowerOutput:
            output = super().update(inputs)
            self.count += 1
            if output.trajectory is None or self.count % 2:
                return output
            trajectory = output.trajectory
            return replace(output, trajectory=replace(trajectory, positions=trajectory.positions + SHIFT))

    monkeypatch.setattr(replanned_course, "TraceFollower", Shifted)


def run_row(robot: RobotModel, course: tuple[Course, np.ndarray], habits: Habits) -> Row:
    run = ReplannedRun(robot, *course, habits, 3).execute()
    return row_of(run, habits.rate_hz, robot.limits.name, BOUNDS)


def test_a_shifted_motion_is_a_step_of_its_shift() -> None:
    motion = JointTrajectory(
        np.array([0.0, 1.0]), np.array([[0.0, 0.0], [1.0, 2.0]]), np.zeros((2, 2)), np.zeros((2, 2))
    )
    other = replace(motion, positions=motion.positions + np.array([0.0, SHIFT]))
    step = step_between(motion.sample(0.4), other.sample(0.4))
    assert step.position == pytest.approx(SHIFT)
    assert (step.velocity, step.acceleration) == pytest.approx((0.0, 0.0), abs=1e-12)
    faster = JointState(np.zeros(2), np.array([0.0, -0.5]), np.array([3.0, 0.0]))
    step = step_between(JointState.at_rest(np.zeros(2)), faster)
    assert (step.position, step.velocity, step.acceleration) == (0.0, 0.5, 3.0)


def test_a_run_with_disturbances_is_continuous_and_inside_the_limits(
    robot: RobotModel, course: tuple[Course, np.ndarray]
) -> None:
    row = run_row(robot, course, Habits(10.0))
    assert row.replans > 10
    assert row.late
    assert row.ignored
    assert row.is_continuous
    assert not row.violations
    assert not row.refused


@pytest.mark.usefixtures("shifted")
def test_a_step_between_planned_motions_shows_even_where_the_executor_blends_over_it(
    robot: RobotModel, course: tuple[Course, np.ndarray]
) -> None:
    row = run_row(robot, course, replace(Habits.punctual(RATE_HZ), most_replans=6))
    assert row.planned.position == pytest.approx(SHIFT, rel=1e-6)
    assert row.told.position < 1e-9
    assert not row.is_continuous
    assert not row.violations


@pytest.mark.usefixtures("shifted")
def test_a_step_in_what_the_arm_is_told_shows_and_is_outside_the_limits(
    robot: RobotModel, course: tuple[Course, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trajectory_executor, "join", lambda spline, *_: JoinedMotion(spline))
    row = run_row(robot, course, replace(Habits.punctual(RATE_HZ), most_replans=6))
    assert row.told.position == pytest.approx(SHIFT, rel=1e-6)
    assert not row.is_continuous
    assert row.violations


def test_rests_take_time_and_none_are_as_fast_as_one_motion(
    robot: RobotModel, course: tuple[Course, np.ndarray]
) -> None:
    way, start = course
    single = resting_time(robot, way, start, np.zeros(0))
    run = ReplannedRun(robot, way, start, Habits.punctual(RATE_HZ), 0).execute()
    assert run.arrived
    assert single * 0.95 < run.duration_s < single * 1.3
    assert resting_time(robot, way, start, np.array([way.length / 2])) > single + 0.1


def test_stopwatches_count_every_stage_once_and_change_nothing(robot: RobotModel) -> None:
    scene = random_scene(robot, np.random.default_rng(2))
    assert scene is not None
    watch = Stopwatch()
    with stopwatches(watch):
        first, second = decide(robot, scene, watch)
    for taken in (first, second):
        assert all(taken[stage] > 0.0 for stage in STAGES)
        assert sum(taken.values()) == pytest.approx(2 * taken["whole"])
    assert set(decide(robot, scene)[0]) == {"whole"}
