"""Traces in the robot's frame: at the sensor's depth scale, started on measured surfaces, invalid where they were."""

from dataclasses import replace

import numpy as np
import pytest
from trace_scenes import INTRINSICS, BlockOnTable, camera_in_base

from ik_controller.lifting import LiftingError, back_projection_error, lift_traces, measured_starts
from ik_controller.robot_model import RobotModel
from tracegen_model.camera import CameraIntrinsics
from tracegen_model.trace_grid import TraceGrid

ROBOT = RobotModel.fr3()
SCENE = BlockOnTable(ROBOT, np.array([0.50, 0.0, 0.15]))
DOWN = np.linspace(SCENE.tcp, SCENE.tcp - [0.0, 0.0, 0.1], 9)


def scaled(traces: TraceGrid, factor: float) -> TraceGrid:
    """The traces of a network whose depth is ``factor`` times too large: the same pixels, farther along their rays."""
    return TraceGrid(traces.points_in_camera * np.float32(factor), traces.pixels)


@pytest.mark.parametrize("factor", [0.3, 0.5, 0.9, 1.0, 1.4, 3.0])
def test_depth_off_scale_is_put_right_in_starts_and_displacements(factor: float) -> None:
    traces = SCENE.traces(DOWN)
    lifted = lift_traces(scaled(traces, factor), camera_in_base(), SCENE.depth(), INTRINSICS)
    exact = lift_traces(traces, camera_in_base()).points_in_base
    assert lifted.scale.reliable
    assert lifted.scale.scale == pytest.approx(1.0 / factor, rel=1e-3)
    np.testing.assert_allclose(lifted.points_in_base, exact, atol=1e-3)


@pytest.mark.parametrize("factor", [0.3, 3.0])
def test_scale_survives_holes_clipping_outliers_and_noise(factor: float) -> None:
    rng = np.random.default_rng(5)
    traces = SCENE.traces(DOWN)
    depth = SCENE.depth()
    depth += rng.normal(0.0, 0.004, depth.shape).astype(np.float32)
    depth[rng.uniform(size=depth.shape) < 0.3] = 0.0
    depth[rng.uniform(size=depth.shape) < 0.1] = 65.535
    depth[rng.uniform(size=depth.shape) < 0.1] = np.nan
    depth[:, :110] = 0.35
    lifted = lift_traces(scaled(traces, factor), camera_in_base(), depth, INTRINSICS)
    assert lifted.scale.scale == pytest.approx(1.0 / factor, rel=3e-3)
    moved = lifted.points_in_base - lifted.points_in_base[0]
    exact = lift_traces(traces, camera_in_base()).points_in_base
    np.testing.assert_allclose(moved, exact - exact[0], atol=2e-3)


def test_intrinsics_may_differ_along_the_two_axes() -> None:
    squashed = CameraIntrinsics(fx=410.0, fy=231.0, cx=170.0, cy=110.0, width=320, height=240)
    pixels = np.stack(np.meshgrid(np.arange(5.0, 315.0, 31.0), np.arange(5.0, 235.0, 23.0)), axis=-1).reshape(
        -1, 2
    )
    traces = TraceGrid.from_pixels_and_depth(
        np.stack([pixels, pixels]), np.full((2, len(pixels)), 1.2), squashed
    )
    depth = np.full((240, 320), 0.8, np.float32)
    lifted = lift_traces(traces, np.eye(4), depth, squashed)
    assert lifted.scale.scale == pytest.approx(0.8 / 1.2, rel=1e-6)
    expected = np.column_stack([(pixels - [170.0, 110.0]) / [410.0, 231.0] * 0.8, np.full(len(pixels), 0.8)])
    np.testing.assert_allclose(lifted.points_in_base[0], expected, atol=1e-6)


def test_traces_keep_their_own_start_where_another_surface_or_none_is_measured() -> None:
    traces = SCENE.traces(DOWN)
    depth = SCENE.depth()
    nearest = slice(-40, None)  # the rows of the grid at the image's lower edge
    first_row = int(traces.pixels[0, nearest, 1].min()) - 3
    depth[first_row:, :160] = 0.0
    depth[first_row:, 160:] *= 0.5
    lifted = lift_traces(traces, camera_in_base(), depth, INTRINSICS)
    assert not lifted.anchored[nearest].any()
    assert np.isnan(lifted.measured_depth[nearest]).sum() == 20
    exact = lift_traces(traces, camera_in_base()).points_in_base
    np.testing.assert_allclose(lifted.points_in_base[:, nearest], exact[:, nearest], atol=1e-3)


def test_invalid_points_stay_invalid() -> None:
    traces = SCENE.traces(DOWN)
    points = traces.points_in_camera.copy()
    points[3, 7] = np.nan
    points[2, 8, 0] = np.inf
    points[4, 9] *= -1.0  # behind the camera
    lifted = lift_traces(TraceGrid(points, traces.pixels), camera_in_base(), SCENE.depth(), INTRINSICS)
    invalid = np.isnan(lifted.points_in_base).any(axis=-1)
    expected = ~traces.valid
    expected[3, 7] = expected[2, 8] = expected[4, 9] = True
    np.testing.assert_array_equal(invalid, expected)


@pytest.mark.filterwarnings("error")
def test_no_grid_and_no_depth_image_breaks_it() -> None:
    rng = np.random.default_rng(9)
    strange = np.array([0.0, -1.0, np.nan, np.inf, -np.inf, 1e-30, 3e38, -3e38], np.float32)
    for _ in range(200):
        steps, count = rng.integers(1, 5), rng.integers(1, 30)
        points = rng.choice(strange, (steps + 1, count, 3))
        pixels = rng.choice(np.append(strange, [5.0, 30.0]).astype(np.float32), (steps + 1, count, 2))
        traces = TraceGrid(points, pixels)
        depth = rng.choice(strange, (24, 32))
        lifted = lift_traces(traces, camera_in_base(), depth, INTRINSICS)
        error = back_projection_error(traces, INTRINSICS)
        assert np.isfinite(lifted.scale.scale)
        assert not error < 0.0


def test_back_projection_error_tells_another_camera_from_another_scale() -> None:
    traces = SCENE.traces(DOWN)
    assert back_projection_error(traces, INTRINSICS) < 0.01
    assert back_projection_error(scaled(traces, 3.0), INTRINSICS) < 0.01
    assert back_projection_error(traces, replace(INTRINSICS, fx=1.2 * INTRINSICS.fx)) > 5.0
    nothing = TraceGrid(np.full((2, 3, 3), np.nan), np.zeros((2, 3, 2)))
    assert np.isnan(back_projection_error(nothing, INTRINSICS))


def test_traces_start_on_the_measured_surface() -> None:
    scene = BlockOnTable(ROBOT, np.array([0.50, 0.0, 0.15]))
    traces = scene.traces(np.linspace(scene.tcp, scene.tcp - [0.0, 0.0, 0.1], 9))
    # A network whose depth is 2 cm off everywhere.
    off = TraceGrid(traces.points_in_camera + np.array([0.0, 0.0, 0.02], np.float32), traces.pixels)
    lifted = lift_traces(off, camera_in_base(), scene.depth(), INTRINSICS)
    exact = lift_traces(traces, camera_in_base())
    np.testing.assert_allclose(lifted.points_in_base[0], exact.points_in_base[0], atol=2e-3)


def test_invalid_points_stay_invalid_and_holes_are_bridged() -> None:
    depth = np.ones((240, 320), np.float32)
    depth[100, 100] = 0.0
    depth[50:60, 50:60] = 0.0
    starts = measured_starts(np.array([[100.0, 100.0], [55.0, 55.0], [np.nan, 0.0]]), depth, INTRINSICS)
    assert np.isfinite(starts).all(axis=1).tolist() == [True, False, False]


def test_a_mirrored_camera_pose_is_refused() -> None:
    scene = BlockOnTable(ROBOT, np.array([0.50, 0.0, 0.15]))
    traces = scene.traces(np.linspace(scene.tcp, scene.tcp, 3))
    with pytest.raises(LiftingError, match="orthonormal"):
        lift_traces(traces, np.diag([1.0, 1.0, -1.0, 1.0]))
