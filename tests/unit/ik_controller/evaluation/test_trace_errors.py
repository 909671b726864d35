"""Errors of traces whose truth is made up, so that every number is known beforehand."""

from __future__ import annotations

import numpy as np
import pytest

from ik_controller.evaluation.alignment import StepTimes
from ik_controller.evaluation.recording import Camera, JointTrack, RecordedFrame, Window
from ik_controller.evaluation.trace_errors import TraceErrors, trace_errors
from ik_controller.evaluation.truth import PointKind, PointTruth
from ik_controller.robot_model import RobotModel
from tracegen_model.camera import CameraIntrinsics
from tracegen_model.trace_grid import TraceGrid

STEPS = 4
INTRINSICS = CameraIntrinsics(600.0, 600.0, 320.0, 240.0, 640, 480)
KINDS = np.array([PointKind.SCENE, PointKind.SCENE, PointKind.LEFT_OUT], np.int8)


@pytest.fixture(scope="module")
def robot() -> RobotModel:
    return RobotModel.fr3()


def truth(robot: RobotModel) -> tuple[PointTruth, np.ndarray]:
    """A point that goes 10 cm to the right in 4 s, one that stands, one without truth; and all places."""
    places = np.tile([[0.0, 0.0, 1.0], [0.1, 0.1, 1.0], [0.2, 0.0, 1.0]], (STEPS + 1, 1, 1))
    places[:, 0, 0] += np.linspace(0.0, 0.1, STEPS + 1)
    image = np.zeros((480, 640, 3), np.uint8)
    frames = tuple(
        RecordedFrame(float(t), t, image, np.ones((480, 640), np.float32), "go") for t in range(STEPS + 1)
    )
    joints = JointTrack(np.array([0.0, 10.0]), np.zeros((2, 7)))
    window = Window("bag", frames, joints, float(STEPS))
    known = places.copy()
    known[:, KINDS == PointKind.LEFT_OUT] = np.nan
    camera = Camera(np.eye(4), INTRINSICS)
    return (
        PointTruth(
            window, camera, robot, KINDS, places[0], np.zeros(3, np.int8), np.arange(STEPS + 1.0), known
        ),
        places,
    )


def errors(robot: RobotModel, shift: np.ndarray, **options: np.ndarray) -> TraceErrors:
    found, places = truth(robot)
    predicted = places + shift
    grid = TraceGrid(predicted, INTRINSICS.project(predicted))
    times = options.get("times", np.arange(STEPS + 1.0))
    return trace_errors(grid, found, StepTimes(np.arange(STEPS + 1.0), times))


def test_what_happened_has_no_error(robot: RobotModel) -> None:
    measures = errors(robot, np.zeros(3)).measures
    for name in ("all_ade_cm_arc", "scene_fde_cm_arc", "scene_fde_px_arc", "scene_fde_cm_time"):
        assert measures[name].value == pytest.approx(0.0, abs=1e-4)
    assert measures["hand_ade_cm_arc"].weight == 0.0


def test_errors_are_distances_of_displacements_at_their_steps(robot: RobotModel) -> None:
    drift = np.zeros((STEPS + 1, 3, 3))
    drift[:, :, 1] = np.linspace(0.0, 0.04, STEPS + 1)[:, None]
    measures = errors(robot, drift).measures
    assert measures["scene_fde_cm_arc"].value == pytest.approx(4.0, rel=1e-3)
    assert measures["scene_ade_cm_arc"].value == pytest.approx(2.5, rel=1e-3)
    assert measures["scene_fde_px_arc"].value == pytest.approx(24.0, rel=1e-3)
    assert measures["all_fde_cm_arc"].value == pytest.approx(4.0, rel=1e-3)


def test_a_start_that_is_off_is_no_error_in_space_and_one_on_the_image(robot: RobotModel) -> None:
    measures = errors(robot, np.array([0.0, 0.05, 0.0])).measures
    assert measures["scene_fde_cm_arc"].value == pytest.approx(0.0, abs=1e-4)
    assert measures["scene_fde_px_arc"].value == pytest.approx(30.0, rel=1e-3)


def test_time_alignment_asks_where_the_points_were_at_other_times(robot: RobotModel) -> None:
    early = np.array([0.0, 0.5, 1.0, 1.5, 2.0])
    measures = errors(robot, np.zeros(3), times=early).measures
    assert measures["scene_fde_cm_arc"].value == pytest.approx(0.0, abs=1e-4)
    assert measures["scene_fde_cm_time"].value == pytest.approx(5.0, rel=1e-3)


def test_points_without_truth_and_unknown_steps_count_for_nothing(robot: RobotModel) -> None:
    drift = np.zeros((STEPS + 1, 3, 3))
    drift[:, 2] = 1.0
    times = np.array([0.0, 1.0, 2.0, np.nan, np.nan])
    found, places = truth(robot)
    wild = places + drift
    wild[3:, 0] += 9.0
    grid = TraceGrid(wild, INTRINSICS.project(wild))
    measures = trace_errors(grid, found, StepTimes(times, times)).measures
    assert measures["all_ade_cm_arc"].value == pytest.approx(0.0, abs=1e-4)


def test_spread_is_the_deviation_of_end_points_over_seeds(robot: RobotModel) -> None:
    found, places = truth(robot)
    grids = []
    for shift in (-0.01, 0.01):
        moved = places.copy()
        moved[-1, :, 2] += shift
        grids.append(TraceGrid(moved, INTRINSICS.project(moved)))
    times = StepTimes(np.arange(STEPS + 1.0), np.arange(STEPS + 1.0))
    measures = trace_errors(grids[0], found, times, grids[1:]).measures
    assert measures["scene_spread_cm"].value == pytest.approx(np.sqrt(2.0), rel=1e-3)
