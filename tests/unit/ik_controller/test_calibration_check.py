"""The start-up check of the camera's calibration, on depth images of the simulated cell."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from ik_controller.calibration_check import CalibrationVerdict, Verdict, check_calibration
from ik_controller.calibration_gate import IMAGES_NEEDED, CalibrationGate
from ik_controller.robot_model import RobotModel

simulation = pytest.importorskip("fr3_sim.simulation")
camera_pose = pytest.importorskip("fr3_sim.camera_pose")
noise = pytest.importorskip("fr3_sim.depth_noise")
INTRINSICS = pytest.importorskip("fr3_sim.camera").INTRINSICS

ROBOT = RobotModel.fr3()
NOMINAL = camera_pose.nominal_camera_in_base()
SCENES = range(810_000, 810_006)


@dataclass(frozen=True)
class Picture:
    """A depth image (H, W) [m] and the arm's joints (7,) [rad] and fingers [m] in it."""

    depth: NDArray[np.float32]
    joints: NDArray[np.float64]
    finger_width: float

    def check(self, camera_in_base: NDArray[np.float64]) -> CalibrationVerdict:
        return check_calibration(
            self.depth,
            INTRINSICS,
            camera_in_base,
            ROBOT.hand_in_base(self.joints),
            ROBOT.hand.boxes(self.finger_width),
            ROBOT.hand.wrist,
        )


@pytest.fixture(scope="module")
def pictures() -> Iterator[list[Picture]]:
    cell = simulation.Simulation()
    taken = []
    for seed in SCENES:
        cell.reset(seed)
        _, exact = cell.camera.render()
        depth = noise.noisy_depth(exact, INTRINSICS.fx, 1.0, np.random.default_rng(seed))
        taken.append(Picture(depth, cell.scene.arm_joints, cell.scene.finger_width))
    yield taken
    cell.close()


def moved(translation: float, rotation_deg: float, seed: int) -> NDArray[np.float64]:
    """The calibration, wrong by so much [m] and [deg] in random directions."""
    rng = np.random.default_rng(seed)
    return camera_pose.perturbed_camera_pose(NOMINAL, translation, np.radians(rotation_deg), rng)


def test_the_right_calibration_is_accepted_in_every_scene(pictures: list[Picture]) -> None:
    for picture in pictures:
        found = picture.check(NOMINAL)
        assert found.verdict is Verdict.ACCEPTED, found.reason
        assert found.agreement > 0.75


def test_an_error_that_the_follower_corrects_by_itself_is_accepted(pictures: list[Picture]) -> None:
    for seed, picture in enumerate(pictures):
        assert picture.check(moved(0.01, 1.0, seed)).verdict is Verdict.ACCEPTED


@pytest.mark.parametrize(("translation", "rotation_deg"), [(0.10, 0.0), (0.0, 10.0)])
def test_gross_errors_are_never_accepted(
    pictures: list[Picture], translation: float, rotation_deg: float
) -> None:
    for seed, picture in enumerate(pictures):
        for direction in range(3):
            found = picture.check(moved(translation, rotation_deg, 10 * seed + direction))
            assert found.verdict is not Verdict.ACCEPTED, found


def test_the_reason_says_where_the_hand_is_seen(pictures: list[Picture]) -> None:
    shift = np.array([0.08, 0.0, 0.0])
    wrong = NOMINAL.copy()
    wrong[:3, 3] -= NOMINAL[:3, :3] @ shift
    found = pictures[0].check(wrong)
    # The calibration puts the camera too far left, so that the hand is expected too far right.
    np.testing.assert_allclose(found.offset, -shift, atol=0.012)
    assert "mm from where the calibration puts it (-" in found.reason


def test_a_calibration_turned_inside_out_is_not_accepted(pictures: list[Picture]) -> None:
    assert pictures[0].check(np.linalg.inv(NOMINAL)).verdict is not Verdict.ACCEPTED


def test_a_hand_that_is_hidden_is_refused(pictures: list[Picture]) -> None:
    hidden = Picture(np.full_like(pictures[0].depth, 0.4), pictures[0].joints, pictures[0].finger_width)
    found = hidden.check(NOMINAL)
    assert found.verdict is Verdict.REFUSED
    assert "is not seen where the calibration puts it" in found.reason


def test_a_blind_camera_is_not_accepted(pictures: list[Picture]) -> None:
    blind = Picture(np.zeros_like(pictures[0].depth), pictures[0].joints, pictures[0].finger_width)
    assert blind.check(NOMINAL).verdict is Verdict.REFUSED


def test_the_gate_opens_after_images_that_agree_in_a_row_and_stays_open(pictures: list[Picture]) -> None:
    picture = pictures[0]

    def look(gate: CalibrationGate, camera_in_base: NDArray[np.float64]) -> None:
        gate.look(picture.depth, INTRINSICS, camera_in_base, picture.joints, picture.finger_width)

    gate = CalibrationGate(ROBOT, needed=True)
    assert not gate.is_open
    assert "waiting for a depth image" in gate.reason
    wrong = moved(0.10, 0.0, 0)
    for camera_in_base in [NOMINAL] * (IMAGES_NEEDED - 1) + [wrong] + [NOMINAL] * (IMAGES_NEEDED - 1):
        look(gate, camera_in_base)
        assert not gate.is_open
    look(gate, NOMINAL)
    assert gate.is_open
    look(gate, wrong)
    assert gate.is_open
    assert CalibrationGate(ROBOT, needed=False).is_open
