"""Paths of hand poses are reached inside limits and clear of collisions, or end with the reason."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pinocchio as pin
import pytest
from numpy.typing import NDArray

from ik_controller.collision_model import CollisionMargins
from ik_controller.hand_orientation import reach_tilt
from ik_controller.inverse_kinematics import IkConfig, SolvedPath, solve_path, solve_pose
from ik_controller.robot_model import RobotModel

FloatArray = NDArray[np.float64]

UR5 = Path(__file__).parents[2] / "robots" / "ur5" / "ur5.yaml"

ROBOTS = {"fr3": RobotModel.fr3("fr3_full"), "ur5": RobotModel.load(UR5)}

TABLE = 0.0

ONLY_MANIPULABILITY = IkConfig(posture_gain=0.0, limit_gain=0.0, margins=None)


@pytest.fixture(params=list(ROBOTS))
def robot(request: pytest.FixtureRequest) -> RobotModel:
    return ROBOTS[request.param]


def between(
    robot: RobotModel, start: FloatArray, end: FloatArray, count: int = 20
) -> tuple[FloatArray, FloatArray]:
    """Straight and evenly turning from the hand's pose at one posture to that at another."""
    first, last = robot.tcp_in_base(start), robot.tcp_in_base(end)
    turn = pin.log3(last[:3, :3] @ first[:3, :3].T)
    share = np.linspace(0.0, 1.0, count)
    positions = first[:3, 3] + share[:, None] * (last[:3, 3] - first[:3, 3])
    return positions, np.array([pin.exp3(s * turn) @ first[:3, :3] for s in share])


def random_path(
    robot: RobotModel, rng: np.random.Generator, spread: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Joints that are clear of everything, and a path from there towards a posture ``spread`` [rad] away."""
    lower, upper = robot.limits.position_lower + 0.1, robot.limits.position_upper - 0.1
    while True:
        start = rng.uniform(lower, upper)
        end = np.clip(start + rng.normal(size=robot.joint_count) * spread, lower, upper)
        near = robot.collision.near(start, TABLE, CollisionMargins(), within=0.003)
        if not near and robot.tcp_in_base(end)[2, 3] > 0.03 and robot.condition_number(start) < 50.0:
            return start, *between(robot, start, end)


def down(positions: FloatArray, heading: float) -> FloatArray:
    cos, sin = np.cos(heading), np.sin(heading)
    rotation = np.array([[cos, sin, 0.0], [sin, -cos, 0.0], [0.0, 0.0, -1.0]])
    return reach_tilt(positions) @ rotation


def solved_freely(
    robot: RobotModel, start: FloatArray, positions: FloatArray, rotations: FloatArray
) -> SolvedPath:
    return solve_path(robot, start, positions, rotations, IkConfig(margins=None))


def assert_follows(
    robot: RobotModel, path: SolvedPath, positions: FloatArray, rotations: FloatArray, config: IkConfig
) -> None:
    for joints, position, rotation in zip(path.joints, positions, rotations, strict=False):
        pose = robot.tcp_in_base(joints)
        assert np.linalg.norm(pose[:3, 3] - position) <= 5 * config.position_tolerance
        assert np.linalg.norm(pin.log3(rotation @ pose[:3, :3].T)) <= 5 * config.rotation_tolerance
        assert (joints >= robot.limits.position_lower + config.limit_margin - 1e-9).all()
        assert (joints <= robot.limits.position_upper - config.limit_margin + 1e-9).all()


def keeps_margins(robot: RobotModel, path: SolvedPath) -> bool:
    margins = CollisionMargins()
    clearances = [robot.collision.clearance(joints, TABLE) for joints in path.joints]
    return all(
        clear.self_m > margins.self_m - 1e-3
        and clear.scene_m > margins.scene_m - 1e-3
        and clear.fingers_m > margins.fingers_m - 1e-3
        for clear in clearances
    )


def test_paths_are_followed_or_end_with_a_reason(robot: RobotModel) -> None:
    rng = np.random.default_rng(0)
    config, whole = IkConfig(), 0
    for _ in range(120):
        start, positions, rotations = random_path(robot, rng, 0.4)
        path = solve_path(robot, start, positions, rotations, config, TABLE)
        assert_follows(robot, path, positions, rotations, config)
        assert keeps_margins(robot, path)
        assert len(path.conditions) == len(path.clearances) == len(path.joints)
        assert (len(path.joints) < len(positions)) == (path.shortened_because is not None)
        if path.shortened_because is None:
            whole += 1
        else:
            assert f"waypoint {len(path.joints)} at" in path.shortened_because
    assert whole > 60


def test_what_is_said_of_each_waypoint_is_so(robot: RobotModel) -> None:
    start, positions, rotations = random_path(robot, np.random.default_rng(1), 0.2)
    path = solve_path(robot, start, positions, rotations, IkConfig(), TABLE)
    assert len(path.joints)
    for joints, condition, clearance in zip(path.joints, path.conditions, path.clearances, strict=True):
        assert condition == pytest.approx(robot.condition_number(joints), rel=1e-6)
        assert clearance == robot.collision.clearance(joints, TABLE)


def test_constraints_that_never_act_change_no_bit(robot: RobotModel) -> None:
    rng = np.random.default_rng(2)
    for _ in range(40):
        start, positions, rotations = random_path(robot, rng, 0.2)
        free = solved_freely(robot, start, positions, rotations)
        guarded = solve_path(robot, start, positions, rotations, IkConfig(), TABLE)
        if keeps_margins(robot, free) and guarded.shortened_because == free.shortened_because:
            np.testing.assert_array_equal(guarded.joints, free.joints)


def test_same_inputs_give_the_same_bits_in_any_order() -> None:
    robot, rng = ROBOTS["fr3"], np.random.default_rng(17)
    paths = [random_path(robot, rng, 0.6) for _ in range(30)]
    first = [solve_path(robot, *path, IkConfig(), TABLE) for path in paths]
    fresh = RobotModel.fr3("fr3_full")
    again = [solve_path(fresh, *path, IkConfig(), TABLE) for path in reversed(paths)]
    for one, other in zip(first, reversed(again), strict=True):
        np.testing.assert_array_equal(one.joints, other.joints)
        assert one.shortened_because == other.shortened_because


def test_the_elbow_gives_way_where_the_free_solution_would_collide() -> None:
    """Random paths of the redundant arm: some are followed only because the null space is used for distance."""
    robot, rng = ROBOTS["fr3"], np.random.default_rng(3)
    gave_way = 0
    for _ in range(300):
        start, positions, rotations = random_path(robot, rng, 0.6)
        free = solved_freely(robot, start, positions, rotations)
        if free.shortened_because is not None or keeps_margins(robot, free):
            continue
        path = solve_path(robot, start, positions, rotations, IkConfig(), TABLE)
        assert keeps_margins(robot, path)
        gave_way += path.shortened_because is None
    assert gave_way >= 3


def test_a_path_into_the_table_ends_above_it_and_says_so(robot: RobotModel) -> None:
    above = robot.tcp_in_base(robot.posture)[:3, 3]
    positions = np.linspace(above, [above[0], above[1], -0.10], 40)
    rotations = np.repeat(robot.tcp_in_base(robot.posture)[None, :3, :3], 40, axis=0)
    assert solved_freely(robot, robot.posture, positions, rotations).shortened_because is None
    path = solve_path(robot, robot.posture, positions, rotations, IkConfig(), TABLE)
    assert 10 < len(path.joints) < 40
    assert path.shortened_because is not None
    assert "of table" in path.shortened_because
    assert keeps_margins(robot, path)


@pytest.mark.parametrize("heading", [-0.6, 0.0, 0.6])
def test_the_hand_reaches_every_grasp_on_the_table(heading: float) -> None:
    """Tool centre point 12 mm over the table, fingertips 3 mm: as low as the demo goes."""
    robot = RobotModel.fr3()
    for x in (0.30, 0.40, 0.50, 0.60, 0.70):
        for y in (-0.30, 0.0, 0.30):
            if np.hypot(x, y) > 0.72:
                continue
            positions = np.linspace([x, y, 0.25], [x, y, 0.012], 13)
            rotations = down(positions, heading)
            start, error, _ = solve_pose(
                robot, robot.posture, positions[0], rotations[0], IkConfig(max_iterations=100)
            )
            assert error < 1e-3
            path = solve_path(robot, start, positions, rotations, IkConfig(), TABLE)
            reason = path.shortened_because
            assert reason is None or "out of reach" in reason, (x, y, reason)


def test_a_failed_waypoint_leaves_those_before_it_as_they_are(robot: RobotModel) -> None:
    start, positions, rotations = random_path(robot, np.random.default_rng(5), 0.1)
    whole = solve_path(robot, start, positions, rotations, IkConfig(), TABLE)
    assert whole.shortened_because is None
    positions = positions.copy()
    positions[12] += 3.0
    path = solve_path(robot, start, positions, rotations, IkConfig(), TABLE)
    np.testing.assert_array_equal(path.joints, whole.joints[:12])
    assert path.shortened_because is not None
    assert "waypoint 12" in path.shortened_because
    assert "out of reach" in path.shortened_because


def test_a_joint_that_stops_the_hand_is_named() -> None:
    robot = RobotModel.fr3()
    pose = robot.tcp_in_base(robot.posture)
    positions = np.repeat(pose[None, :3, 3], 30, axis=0)
    rotations = np.array(
        [pose[:3, :3] @ pin.exp3(np.array([0.0, 0.0, turn])) for turn in np.linspace(0.0, 3.0, 30)]
    )
    path = solve_path(robot, robot.posture, positions, rotations, IkConfig())
    assert path.shortened_because is not None
    assert "fr3_joint7 at the limit" in path.shortened_because
    assert len(path.joints) > 20


def test_an_arm_that_starts_too_near_may_leave_and_comes_no_nearer() -> None:
    robot = ROBOTS["fr3"]
    margins = CollisionMargins(self_m=0.0, scene_m=0.30, fingers_m=0.0)
    config = IkConfig(margins=margins)
    start = robot.posture
    before = robot.collision.clearance(start, TABLE).scene_m
    assert before < margins.scene_m
    pose = robot.tcp_in_base(start)
    rotations = np.repeat(pose[None, :3, :3], 10, axis=0)
    up = pose[:3, 3] + np.linspace(0.0, 0.15, 10)[:, None] * [0.0, 0.0, 1.0]
    left = solve_path(robot, start, up, rotations, config, TABLE)
    assert left.shortened_because is None
    far_down = pose[:3, 3] - np.linspace(0.0, 0.35, 10)[:, None] * [0.0, 0.0, 1.0]
    stopped = solve_path(robot, start, far_down, rotations, config, TABLE)
    assert stopped.shortened_because is not None
    for path in (left, stopped):
        for pair in robot.collision.near(start, TABLE, margins, within=0.0):
            for joints in path.joints:
                now = {p.shapes: p.distance for p in robot.collision.near(joints, TABLE, margins, within=0.0)}
                assert now.get(pair.shapes, np.inf) > pair.distance - 1e-3


def test_joints_are_drawn_away_from_their_limits() -> None:
    robot = RobotModel.fr3()
    start = robot.posture.copy()
    start[0] = robot.limits.position_upper[0] - 0.03
    pose = robot.tcp_in_base(start)
    positions, rotations = np.repeat(pose[None, :3, 3], 30, axis=0), np.repeat(pose[None, :3, :3], 30, axis=0)
    positions = positions + 0.002 * np.sin(np.arange(30))[:, None]
    pulled = solve_path(robot, start, positions, rotations, IkConfig(posture_gain=0.0))
    left = solve_path(robot, start, positions, rotations, IkConfig(posture_gain=0.0, limit_gain=0.0))
    upper = robot.limits.position_upper[0]
    assert upper - pulled.joints[-1, 0] > upper - left.joints[-1, 0] + 0.01


def test_the_arm_is_drawn_away_from_singularities_where_its_elbow_can_help() -> None:
    robot, rng = ROBOTS["fr3"], np.random.default_rng(7)
    ratios: list[float] = []
    while len(ratios) < 25:
        start = rng.uniform(robot.limits.position_lower + 0.15, robot.limits.position_upper - 0.15)
        if not 20.0 < robot.condition_number(start) < 60.0:
            continue
        pose = robot.tcp_in_base(start)
        positions = pose[:3, 3] + 0.002 * np.sin(np.arange(60))[:, None]
        rotations = np.repeat(pose[None, :3, :3], 60, axis=0)
        pulled, left = (
            solve_path(
                robot, start, positions, rotations, replace(ONLY_MANIPULABILITY, manipulability_gain=gain)
            )
            for gain in (0.02, 0.0)
        )
        if pulled.shortened_because is None and left.shortened_because is None:
            ratios.append(float(pulled.conditions[-1] / left.conditions[-1]))
    assert min(ratios) < 0.7
    assert np.exp(np.log(ratios).mean()) < 0.97
    assert max(ratios) < 1.02


def test_weights_say_what_is_kept_where_not_everything_can_be_had() -> None:
    robot = RobotModel.fr3()
    pose = robot.tcp_in_base(robot.posture)
    out_of_reach = pose[:3, 3] * 2.0
    place = replace(IkConfig(), max_iterations=200, damping=0.05, posture_gain=0.0)
    errors = {}
    for name, weight in (("place", 0.05), ("turn", 20.0)):
        _, distance, angle = solve_pose(
            robot, robot.posture, out_of_reach, pose[:3, :3], replace(place, rotation_weight=weight)
        )
        errors[name] = (distance, angle)
    assert errors["place"][0] < errors["turn"][0]
    assert errors["turn"][1] < errors["place"][1]


@pytest.mark.parametrize("broken", ["position", "rotation", "start"])
def test_what_is_not_finite_ends_the_path(robot: RobotModel, broken: str) -> None:
    start, positions, rotations = random_path(robot, np.random.default_rng(6), 0.1)
    start, positions, rotations = start.copy(), positions.copy(), rotations.copy()
    {"position": positions[7], "rotation": rotations[7], "start": start}[broken][...] = np.nan
    path = solve_path(robot, start, positions, rotations, IkConfig(), TABLE)
    assert len(path.joints) == (0 if broken == "start" else 7)
    assert path.joints.shape[1] == robot.joint_count
    assert path.shortened_because is not None
    assert "finite" in path.shortened_because


def test_no_path_raises_or_gives_joints_that_are_not_numbers(robot: RobotModel) -> None:
    rng = np.random.default_rng(8)
    for _ in range(120):
        count, scale = int(rng.integers(0, 12)), 10.0 ** rng.choice([-300, -3, 0, 0, 2, 200])
        positions, rotations = rng.normal(size=(count, 3)) * scale, rng.normal(size=(count, 3, 3))
        if rng.random() < 0.7:
            rotations = np.linalg.qr(rotations)[0].reshape(count, 3, 3)
        positions[rng.random(count) < 0.1] = rng.choice([np.nan, np.inf])
        start = rng.normal(size=robot.joint_count) * 10.0 ** rng.choice([0, 1, 200])
        start[0] = rng.choice([start[0], np.nan], p=[0.9, 0.1])
        with np.errstate(all="raise", under="ignore"):
            path = solve_path(robot, start, positions, rotations, IkConfig(), rng.choice([0.0, -0.5, 1e9]))
        assert np.isfinite(path.joints).all()
        assert path.joints.shape == (len(path.clearances), robot.joint_count)
        assert len(path.joints) == count or path.shortened_by is not None
