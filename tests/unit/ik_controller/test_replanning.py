"""Motion is replaced without a step, stays inside the limits, and ends at rest: over hundreds of random replans."""

import numpy as np
import pytest

from ik_controller.commanded_motion import CommandedMotion
from ik_controller.hand_orientation import hand_rotations
from ik_controller.hand_path import path_through
from ik_controller.inverse_kinematics import IkConfig, solve_path
from ik_controller.joint_limits import find_violations
from ik_controller.joint_path import JointPath
from ik_controller.joint_trajectory import JointState, JointTrajectory, TrajectoryError
from ik_controller.path_timing import PathSpeed
from ik_controller.replanning import is_inside, plan_along, plan_rest, slow_to_rest
from ik_controller.robot_model import RobotModel

SPEED = PathSpeed(0.3, 1.5, 15.0)


@pytest.mark.parametrize("limits", ["fr3_rectangular", "fr3_full"])
def test_hundreds_of_random_replans_are_continuous_and_inside_the_limits(limits: str) -> None:
    robot = RobotModel.fr3(limits)
    rng = np.random.default_rng(7)
    ik = IkConfig()
    motion = CommandedMotion(JointTrajectory.standing(robot.posture), 0.0)
    now, recorded, replaced = 0.0, [], 0
    for number in range(300):
        start = now + 0.03
        pose = robot.tcp_in_base(motion.state_at(now).position)
        goal = rng.uniform([0.40, -0.25, 0.02], [0.62, 0.25, 0.30])
        goal = pose[:3, 3] + (goal - pose[:3, 3]) * min(1.0, 0.4 / np.linalg.norm(goal - pose[:3, 3]))
        share = np.linspace(0.0, 1.0, 33)[:, None]
        positions = (
            pose[:3, 3] + share * (goal - pose[:3, 3]) + np.sin(np.pi * share) * rng.normal(0, 0.03, 3)
        )
        headings = np.linspace(0.0, rng.uniform(-0.6, 0.6), 33)
        path = path_through(positions, hand_rotations(positions, headings), 0.2)
        before = motion.state_at(start)
        if number % 19 == 5:
            motion = motion.stopped_from(start, robot.limits)
        elif path is not None:
            points = path.thinned()
            joints = motion.state_at(now).position
            solved = solve_path(robot, joints, points.positions, points.rotations, ik)
            plan = None
            if len(solved.joints) > 1:
                curve = JointPath(points.lengths[: len(solved.joints)], solved.joints)
                plan = plan_along(curve, rng.uniform(0.0, 0.02), before, robot.limits, SPEED)
            replaced += plan is not None
            motion = motion.continued_from(start) if plan is None else CommandedMotion(plan.trajectory, start)
        after = motion.state_at(start)
        for old, new in zip(
            (before.position, before.velocity, before.acceleration),
            (after.position, after.velocity, after.acceleration),
            strict=True,
        ):
            assert np.abs(old - new).max() < 1e-9
        assert not motion.trajectory.velocities[-1].any()
        end = start + round(rng.uniform(0.04, 0.5), 3)
        times = np.arange(start, end - 1e-9, 0.001)
        recorded.append(motion.trajectory.sample_many(times - motion.start_s)[0])
        now = end - 0.03
    commands = np.concatenate(recorded)
    assert find_violations(np.arange(len(commands)) * 0.001, commands, robot.limits) == []
    assert replaced > 250


def test_stopping_stays_on_the_way_and_inside_the_limits() -> None:
    robot = RobotModel.fr3()
    start = robot.posture
    curve = JointPath(np.array([0.0, 0.2, 0.4]), np.stack([start, start + 0.15, start + 0.4]))
    plan = plan_along(curve, 0.0, JointState.at_rest(start), robot.limits, SPEED)
    assert plan is not None
    motion = plan.trajectory
    for at in np.arange(0.0, motion.duration_s, 0.07):
        stopped = slow_to_rest(motion, float(at), robot.limits)
        assert is_inside(stopped, robot.limits)
        assert (stopped.positions[-1] <= motion.positions[-1] + 1e-9).all()
        # Along a straight line in joint space, all joints advance alike.
        way = stopped.positions - start
        assert np.ptp(way, axis=1).max() < 1e-6


def test_an_arm_in_motion_is_brought_to_rest_from_its_own_speed() -> None:
    robot = RobotModel.fr3()
    state = JointState(robot.posture, np.full(7, 0.3), np.zeros(7))
    plan = plan_rest(state, robot.limits)
    assert plan is not None
    first = plan.trajectory.sample(0.0)
    np.testing.assert_allclose(first.velocity, 0.3)
    assert is_inside(plan.trajectory, robot.limits)


def test_no_plan_where_the_state_is_already_outside() -> None:
    robot = RobotModel.fr3()
    outside = JointState.at_rest(robot.limits.position_upper + 0.1)
    curve = JointPath(np.array([0.0, 0.1]), np.stack([robot.limits.position_upper] * 2))
    assert plan_along(curve, 0.0, outside, robot.limits, SPEED) is None


def test_tail_is_the_same_curve() -> None:
    rng = np.random.default_rng(1)
    times = np.array([0.0, 0.2, 0.5, 0.9])
    velocity, acceleration = rng.normal(size=(2, 4, 7))
    velocity[-1] = acceleration[-1] = 0.0
    motion = JointTrajectory(times, rng.normal(size=(4, 7)), velocity, acceleration)
    for cut in (0.1, 0.2, 0.33, 0.85):
        rest = motion.tail(cut)
        at = np.linspace(0.0, 0.9 - cut, 50)
        for whole, part in zip(motion.sample_many(at + cut), rest.sample_many(at), strict=True):
            np.testing.assert_allclose(whole, part, atol=1e-8)


def test_a_trajectory_must_end_at_rest() -> None:
    with pytest.raises(TrajectoryError, match="at rest"):
        JointTrajectory(np.array([0.0, 1.0]), np.zeros((2, 7)), np.ones((2, 7)), np.zeros((2, 7)))


def test_sampled_derivatives_agree_with_differences() -> None:
    rng = np.random.default_rng(2)
    velocity, acceleration = rng.normal(size=(2, 3, 7))
    velocity[-1] = acceleration[-1] = 0.0
    motion = JointTrajectory(np.array([0.0, 0.4, 1.0]), rng.normal(size=(3, 7)), velocity, acceleration)
    at = np.linspace(0.05, 0.9, 30)
    step = 1e-5
    q_before, _, _ = motion.sample_many(at - step)
    q, v, a = motion.sample_many(at)
    q_after, _, _ = motion.sample_many(at + step)
    np.testing.assert_allclose((q_after - q_before) / (2 * step), v, atol=1e-4)
    np.testing.assert_allclose((q_after - 2 * q + q_before) / step**2, a, atol=2e-2)


def test_a_decision_that_starts_before_one_still_to_start_takes_its_place() -> None:
    robot = RobotModel.fr3()
    start = np.array(robot.posture)
    curve = JointPath(np.array([0.0, 0.2, 0.4]), np.stack([start, start + 0.15, start + 0.4]))
    plan = plan_along(curve, 0.0, JointState.at_rest(start), robot.limits, SPEED)
    assert plan is not None
    running = CommandedMotion(JointTrajectory.standing(start), 0.0).replaced_by(plan.trajectory, 1.0)
    later = running.stopped_from(1.8, robot.limits)
    for time_s in (1.2, 1.79):
        np.testing.assert_array_equal(later.state_at(time_s).position, running.state_at(time_s).position)
    assert later.is_moving_at(1.5)
    earlier = later.stopped_from(1.4, robot.limits)
    for part in ("position", "velocity", "acceleration"):
        now, before = (getattr(motion.state_at(1.4), part) for motion in (earlier, running))
        np.testing.assert_allclose(now, before, atol=1e-9)
    assert earlier.end_s < later.end_s
    assert (earlier.state_at(3.0).position < later.state_at(3.0).position).all()


def test_stopping_again_changes_nothing() -> None:
    robot = RobotModel.fr3()
    start = np.array(robot.posture)
    curve = JointPath(np.array([0.0, 0.2, 0.4]), np.stack([start, start + 0.15, start + 0.4]))
    plan = plan_along(curve, 0.0, JointState.at_rest(start), robot.limits, SPEED)
    assert plan is not None
    stop = CommandedMotion(plan.trajectory, 0.0).stopped_from(0.5, robot.limits)
    again = stop.stopped_from(0.6, robot.limits)
    for time_s in np.arange(0.6, 1.5, 0.01):
        np.testing.assert_allclose(
            again.state_at(time_s).position, stop.state_at(time_s).position, atol=1e-12
        )
    assert again.end_s == stop.end_s


def test_a_given_scale_slows_the_motion_where_it_is_given() -> None:
    robot = RobotModel.fr3()
    start = np.array(robot.posture)
    lengths = np.linspace(0.0, 0.4, 9)
    curve = JointPath(lengths, start + lengths[:, None])
    durations = []
    for scale in (np.ones(9), np.where(np.arange(9) == 4, 0.2, 1.0), np.full(9, 0.2)):
        plan = plan_along(curve, 0.0, JointState.at_rest(start), robot.limits, SPEED, scale)
        assert plan is not None
        assert is_inside(plan.trajectory, robot.limits)
        _, q, v, _, _ = plan.trajectory.samples
        near = np.abs(q[:, 0] - start[0] - 0.2) < 0.005
        assert v[near, 0].max() <= scale[4] * SPEED.velocity + 1e-3
        durations.append(plan.trajectory.duration_s)
    assert durations[0] < durations[1] < 0.5 * durations[2]
