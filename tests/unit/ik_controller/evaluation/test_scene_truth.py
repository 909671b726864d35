"""Truth for scene points on made-up images: what stays is exactly where it was, what hides it makes it unknown."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from ik_controller.evaluation.recording import Camera, JointTrack, RecordedFrame, Window
from ik_controller.evaluation.truth import PointKind, TruthFinder
from ik_controller.robot_model import RobotModel
from tracegen_model.camera import CameraIntrinsics

HEIGHT, WIDTH, FOCAL = 240, 320, 300.0
INTRINSICS = CameraIntrinsics(FOCAL, FOCAL, (WIDTH - 1) / 2, (HEIGHT - 1) / 2, WIDTH, HEIGHT)
TABLE_M, BOX_M = 1.0, 0.95
BOX_SIDE, STEP_PX, FRAMES = 40, 14, 7
GRAIN_PX = 8
"""Size of the texture's cells."""

OFF_FRAME = 3
"""From here on the box has left the place where it was at first; before, nobody can tell."""

JOINTS = np.array([0.0, 0.1, 0.0, -2.1, 0.0, 2.2, 0.785])


@pytest.fixture(scope="module")
def robot() -> RobotModel:
    return RobotModel.fr3()


def camera() -> Camera:
    """Above the table beside the robot, looking down; the hand is out of its view."""
    pose = np.diag([1.0, -1.0, -1.0, 1.0])
    pose[:3, 3] = [0.2, -0.7, 1.0]
    return Camera(pose, INTRINSICS)


def track() -> JointTrack:
    """The hand moves, out of view: what nothing moves cannot have moved."""
    times = np.arange(0.0, 2.0, 0.05)
    positions = np.tile(JOINTS, (len(times), 1))
    positions[:, 0] += times
    return JointTrack(times, positions)


def texture(rng: np.random.Generator, width: int, height: int, low: int, high: int) -> np.ndarray:
    cells = rng.integers(low, high, (height // GRAIN_PX, width // GRAIN_PX, 3)).astype(np.uint8)
    return cv2.resize(cells, (width, height), interpolation=cv2.INTER_CUBIC)


def frames(noise_m: float = 0.0) -> list[RecordedFrame]:
    """A textured box glides over a textured table."""
    rng = np.random.default_rng(0)
    table = texture(rng, WIDTH, HEIGHT, 90, 130)
    box = texture(rng, BOX_SIDE, BOX_SIDE, 10, 250)
    made = []
    for number in range(FRAMES):
        colour, depth = table.copy(), np.full((HEIGHT, WIDTH), TABLE_M, np.float32)
        left = 100 + STEP_PX * number
        colour[100 : 100 + BOX_SIDE, left : left + BOX_SIDE] = box
        depth[100 : 100 + BOX_SIDE, left : left + BOX_SIDE] = BOX_M
        depth += rng.normal(0.0, noise_m, depth.shape).astype(np.float32)
        made.append(RecordedFrame(0.1 * number, number, colour, depth, "go"))
    return made


@pytest.mark.parametrize("noise_m", [0.0, 0.003])
def test_a_box_is_followed_and_the_table_stays(robot: RobotModel, noise_m: float) -> None:
    window = Window("bag", tuple(frames(noise_m)), track(), 0.1 * (FRAMES - 1))
    on_box = np.array([[112.0, 112.0], [120.0, 125.0], [130.0, 118.0]])
    on_table = np.array([[40.0, 40.0], [250.0, 60.0], [60.0, 200.0]])
    covered = np.array([[170.0, 120.0]])
    truth = TruthFinder(robot, camera()).find(
        window, np.concatenate([on_box, on_table, covered]), window.end_s
    )
    assert (truth.kinds == PointKind.SCENE).all()
    places = truth.at(truth.scene_times_s)
    moved = np.linalg.norm(places - places[0], axis=-1)
    step_m = STEP_PX / FOCAL * BOX_M
    expected = step_m * np.arange(FRAMES)
    errors = np.abs(moved[:, :3] - expected[:, None])
    assert np.nanmax(errors) < 0.004 + 2 * noise_m
    assert np.isfinite(moved[OFF_FRAME:, :3]).mean() > 0.8
    assert np.nanmax(moved[:, 3:6]) == 0.0 and np.isfinite(moved[:, 3:6]).all()
    assert moved[1, 6] == 0.0 and np.isnan(moved[4, 6]), "under the box nothing is known"
    assert moved[-1, 6] == 0.0, "what comes out from under it is where it was"


@pytest.mark.parametrize("count", [2, 3, 4])
def test_a_window_of_few_frames_is_enough(robot: RobotModel, count: int) -> None:
    window = Window("bag", tuple(frames()[:count]), track(), 0.1 * (count - 1))
    truth = TruthFinder(robot, camera()).find(window, np.array([[120.0, 125.0], [40.0, 40.0]]), window.end_s)
    assert len(truth.scene_times_s) == count
    assert (truth.at(truth.scene_times_s)[:, 1] == truth.starts_in_camera[1]).all()


def test_a_point_without_depth_has_no_truth(robot: RobotModel) -> None:
    images = frames()
    images[0].depth_m[30:50, 30:50] = 0.0
    window = Window("bag", tuple(images), track(), 0.5)
    truth = TruthFinder(robot, camera()).find(window, np.array([[40.0, 40.0]]), window.end_s)
    assert truth.kinds[0] == PointKind.LEFT_OUT
    assert np.isnan(truth.at(truth.scene_times_s)).all()
