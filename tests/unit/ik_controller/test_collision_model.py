"""Distances of the arm to itself and to the table: right, safe against the real shapes, and well derived."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ik_controller.collision_model import CollisionMargins
from ik_controller.robot_description import RobotDescription
from ik_controller.robot_model import RobotModel

LARGEST_PROTRUSION = 0.0015
"""So far the meshes may stick out of the capsules [m]."""

ROBOT = RobotModel.fr3("fr3_full")

FOLDED = np.array([0.0, 0.6, 0.0, -2.95, 0.0, 1.2, 0.785])
"""The hand comes down on the arm's own shoulder [rad]."""


def link_vertices() -> dict[str, NDArray[np.float64]]:
    """Vertices of the simulator's visual meshes by link, in the link's frame."""
    franky_sim = pytest.importorskip("franky_sim")
    mujoco = pytest.importorskip("mujoco")
    assets = Path(franky_sim.__file__).parent / "assets"
    spec = mujoco.MjSpec.from_file(str(assets / "fr3.xml"))
    spec.meshdir = str(assets / "meshes")
    model = spec.compile()
    vertices: dict[str, list[NDArray[np.float64]]] = {}
    for geom in np.flatnonzero(model.geom_group == 2):
        mesh = model.geom_dataid[geom]
        start = model.mesh_vertadr[mesh]
        local = model.mesh_vert[start : start + model.mesh_vertnum[mesh]]
        turn = np.empty(9)
        mujoco.mju_quat2Mat(turn, model.geom_quat[geom])
        placed = local @ turn.reshape(3, 3).T + model.geom_pos[geom]
        vertices.setdefault(model.body(model.geom_bodyid[geom]).name, []).append(placed)
    return {body: np.concatenate(parts) for body, parts in vertices.items()}


def test_capsules_hold_the_links() -> None:
    capsules = RobotDescription.load("fr3").collision.capsules
    vertices = link_vertices()
    assert set(capsules) == {f"fr3_link{index}" for index in range(8)}
    for link, shapes in capsules.items():
        outside = np.min([capsule.distance(vertices[link]) for capsule in shapes], axis=0)
        assert outside.max() < LARGEST_PROTRUSION, link
        # Not so large that they would keep the arm from places it can go to.
        assert np.median(outside) > -0.035, link


def random_joints(rng: np.random.Generator) -> NDArray[np.float64]:
    return rng.uniform(ROBOT.limits.position_lower, ROBOT.limits.position_upper)


def test_gradients_are_those_of_the_distances() -> None:
    rng = np.random.default_rng(0)
    margins, table, step = CollisionMargins(), 0.0, 1e-6
    seen = set()
    for _ in range(60):
        joints = random_joints(rng)
        before = ROBOT.collision.near(joints, table, margins, within=0.2)
        direction = rng.normal(size=7)
        for sign in (-1.0, 1.0):
            after = ROBOT.collision.near(joints + sign * step * direction, table, margins, within=0.3)
            for pair in before:
                change = sign * step * float(pair.gradient @ direction)
                # One of the shapes of these two parts has moved by as much.
                same = [other.distance for other in after if other.pair == pair.pair]
                if pair.distance > 1e-3:
                    assert np.abs(np.array(same) - pair.distance - change).min() < 2e-8, pair.pair
                    seen.add(pair.pair)
    assert len(seen) > 15


def test_a_folded_arm_meets_itself_and_a_posture_at_ease_does_not() -> None:
    folded = ROBOT.collision.clearance(FOLDED)
    assert folded.self_m < 0.0
    assert folded.self_pair is not None
    assert folded.scene_m == folded.fingers_m == np.inf
    assert folded.scene_pair is None
    assert ROBOT.collision.clearance(ROBOT.posture).self_m > 0.1


def test_distance_to_the_table_is_that_of_the_lowest_point() -> None:
    joints = ROBOT.posture
    height = ROBOT.tcp_in_base(joints)[2, 3]
    fingertip = ROBOT.hand.finger[:, 1, 2].max() - ROBOT.hand.tcp_offset
    at_zero = ROBOT.collision.clearance(joints, 0.0)
    # The hand leans a little in this posture, and its fingers are thick.
    assert at_zero.fingers_m == pytest.approx(height - fingertip, abs=0.004)
    assert at_zero.scene_pair is not None
    assert at_zero.scene_pair[1] == "table"
    raised = ROBOT.collision.clearance(joints, 0.1)
    assert raised.fingers_m == pytest.approx(at_zero.fingers_m - 0.1)
    assert raised.scene_m == pytest.approx(at_zero.scene_m - 0.1)


def test_links_that_stand_on_the_table_are_not_near_it() -> None:
    near = ROBOT.collision.near(ROBOT.posture, 0.0, CollisionMargins(), within=2.0)
    against_table = {pair.pair[0] for pair in near if pair.pair[1] == "table"}
    assert against_table == {f"fr3_link{index}" for index in range(2, 8)} | {"fr3_hand", "fingers"}


def test_pairs_that_nobody_watches_cannot_meet() -> None:
    """With every pair watched, those that the description leaves out keep apart over the whole range of the joints."""
    description = RobotDescription.load("fr3")
    watched_by_meshes = {frozenset(("fr3_link5", "fr3_link7")), frozenset(("fr3_link5", "fr3_hand"))}
    every = RobotModel(
        replace(description, collision=replace(description.collision, apart=frozenset())), ROBOT.limits
    )
    rng = np.random.default_rng(1)
    for _ in range(6000):
        for pair in every.collision.near(random_joints(rng), None, CollisionMargins(self_m=0.0), within=0.0):
            assert frozenset(pair.pair) not in description.collision.apart - watched_by_meshes


def test_numbers_are_the_same_every_time() -> None:
    rng = np.random.default_rng(2)
    postures = [random_joints(rng) for _ in range(20)]
    first = [ROBOT.collision.clearance(joints, 0.0) for joints in postures]
    again = RobotModel.fr3("fr3_full").collision
    assert [again.clearance(joints, 0.0) for joints in reversed(postures)] == first[::-1]
