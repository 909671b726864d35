"""Which grid points ride the hand, and how they say it moves."""

from pathlib import Path

import numpy as np
import pytest

from ik_controller import so3
from ik_controller.hand_motion import estimate_hand_motion
from ik_controller.hand_orientation import heading
from ik_controller.hand_points import find_hand_points, signed_distance
from ik_controller.robot_model import RobotModel

ROBOT = RobotModel.fr3()
TCP = np.eye(4)
TCP[:3, :3] = np.diag([1.0, -1.0, -1.0])
TCP[:3, 3] = (0.5, 0.0, 0.2)


def moving_points(
    count: int, steps: int, yaw: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Points that ride a hand along a line while it turns, and the true path of the tool centre point."""
    local = rng.uniform([-0.02, -0.1, -0.1], [0.02, 0.1, 0.0], (count, 3))
    path = TCP[:3, 3] + np.linspace(0.0, 1.0, steps + 1)[:, None] * np.array([0.1, -0.15, -0.1])
    turns = np.linspace(0.0, yaw, steps + 1)
    points = []
    for place, turn in zip(path, turns, strict=True):
        cos, sin = np.cos(turn), np.sin(turn)
        rotation = np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]]) @ TCP[:3, :3]
        points.append(place + local @ rotation.T)
    return np.array(points), path


@pytest.mark.parametrize("count", [3, 10, 60])
def test_hand_motion_is_found_with_few_and_with_many_points(count: int) -> None:
    rng = np.random.default_rng(count)
    points, path = moving_points(count, 32, 0.0, rng)
    points[1:] += rng.normal(0.0, 0.003, points[1:].shape)
    motion = estimate_hand_motion(points, TCP)
    assert np.linalg.norm(motion.positions - path, axis=1).max() < 0.01
    assert abs(heading(motion.rotations[-1])) < 0.08


def test_rotation_is_followed_where_the_points_can_tell() -> None:
    points, path = moving_points(20, 32, 0.6, np.random.default_rng(1))
    motion = estimate_hand_motion(points, TCP)
    assert motion.rotation_observed
    np.testing.assert_allclose(motion.rotations, so3.about_vertical(np.linspace(0.0, 0.6, 33)), atol=1e-6)
    np.testing.assert_allclose(motion.positions, path, atol=1e-6)


def test_two_points_hold_the_orientation() -> None:
    points, _ = moving_points(2, 16, 0.0, np.random.default_rng(2))
    motion = estimate_hand_motion(points, TCP)
    assert not motion.rotation_observed
    assert (motion.rotations == np.eye(3)).all()


def test_points_that_do_not_ride_along_are_left_out() -> None:
    rng = np.random.default_rng(3)
    points, path = moving_points(12, 32, 0.3, rng)
    points[:, :3] = points[0, :3]
    motion = estimate_hand_motion(points, TCP)
    assert np.linalg.norm(motion.positions - path, axis=1).max() < 0.012


def test_path_ends_where_no_point_is_valid() -> None:
    points, _ = moving_points(8, 32, 0.0, np.random.default_rng(4))
    points[20:] = np.nan
    assert len(estimate_hand_motion(points, TCP).positions) == 20
    points[:] = np.nan
    assert len(estimate_hand_motion(points, TCP).positions) == 1


def test_no_points_give_no_motion() -> None:
    assert len(estimate_hand_motion(np.empty((33, 0, 3)), TCP).positions) == 1


def test_signed_distance_to_a_box() -> None:
    box = np.array([[[-1.0, -1.0, -1.0], [1.0, 1.0, 1.0]]])
    points = np.array([[0.0, 0.0, 0.0], [2.0, 0.0, 0.0], [2.0, 2.0, 0.0], [np.nan, 0.0, 0.0]])
    expected = [-1.0, 1.0, np.sqrt(2.0), np.inf]
    np.testing.assert_allclose(signed_distance(points, np.eye(4), box), expected)


def test_points_between_the_fingers_are_not_the_hand() -> None:
    hand_in_base = TCP.copy()
    hand_in_base[2, 3] += ROBOT.hand.tcp_offset
    starts = np.array([TCP[:3, 3], TCP[:3, 3] + [0.0, 0.05, 0.0], [0.5, 0.0, 0.27], [np.nan] * 3])
    found = find_hand_points(starts, hand_in_base, ROBOT.hand, finger_width=0.08)
    assert found.mask.tolist() == [False, True, True, False]
    assert found.count == 2


def test_boxes_hold_the_simulator_s_hand_mesh() -> None:
    franky_sim = pytest.importorskip("franky_sim")
    mujoco = pytest.importorskip("mujoco")
    assets = Path(franky_sim.__file__).parent / "assets"
    spec = mujoco.MjSpec.from_file(str(assets / "fr3.xml"))
    spec.meshdir = str(assets / "meshes")
    model = spec.compile()
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    hand = model.body("hand").id
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = data.xmat[hand].reshape(3, 3), data.xpos[hand]
    distances = []
    for name in ("hand", "left_finger", "right_finger"):
        for geom in np.flatnonzero((model.geom_bodyid == model.body(name).id) & (model.geom_group == 2)):
            mesh = model.geom_dataid[geom]
            start = model.mesh_vertadr[mesh]
            vertices = model.mesh_vert[start : start + model.mesh_vertnum[mesh]]
            world = vertices @ data.geom_xmat[geom].reshape(3, 3).T + data.geom_xpos[geom]
            distances.append(signed_distance(world, pose, ROBOT.hand.boxes(0.0)))
    spread = np.concatenate(distances)
    # The cable's plug and the buttons stick out.
    assert np.percentile(spread, 95) < 0.012
    assert np.percentile(np.abs(spread), 50) < 0.004
