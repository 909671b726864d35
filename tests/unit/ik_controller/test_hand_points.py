"""Which grid points ride the hand."""

from pathlib import Path

import numpy as np
import pytest

from ik_controller.hand_points import find_hand_points, signed_distance
from ik_controller.robot_model import RobotModel

ROBOT = RobotModel.fr3()
TCP = np.eye(4)
TCP[:3, :3] = np.diag([1.0, -1.0, -1.0])
TCP[:3, 3] = (0.5, 0.0, 0.2)


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
