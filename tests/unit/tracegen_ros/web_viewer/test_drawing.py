"""What is drawn of traces and images, and where."""

from __future__ import annotations

import numpy as np

from tracegen_model.camera import CameraIntrinsics
from tracegen_model.trace_grid import TraceGrid
from tracegen_ros.web_viewer.drawing import (
    coloured_cloud,
    moving_traces,
    path_lines,
    smaller,
    trace_heads,
    trace_lines,
)

STEPS = 8
CAMERA_IN_BASE = np.array(
    [[0.0, -1.0, 0.0, 0.5], [1.0, 0.0, 0.0, 0.1], [0.0, 0.0, 1.0, 0.2], [0.0, 0.0, 0.0, 1.0]]
)


def traces_going(*distances: float) -> TraceGrid:
    """One trace per distance [m], along the camera's x axis at a depth of 1 m."""
    points = np.zeros((STEPS + 1, len(distances), 3), np.float32)
    points[..., 2] = 1.0
    points[..., 0] = np.linspace(0.0, 1.0, STEPS + 1)[:, None] * np.array(distances)
    return TraceGrid(points, np.zeros((STEPS + 1, len(distances), 2), np.float32))


def drawn_of(traces: TraceGrid, most: int = 100):
    return moving_traces(traces, CAMERA_IN_BASE, least_travel=0.02, leading_fraction=0.6, most=most)


def test_moving_traces_are_drawn_in_the_base_frame_and_the_farthest_lead() -> None:
    drawn = drawn_of(traces_going(0.001, 0.1, 0.3, 0.05))
    assert drawn.paths.shape == (STEPS + 1, 3, 3)
    assert drawn.leading.tolist() == [True, False, False]
    np.testing.assert_allclose(drawn.paths[0, 0], [0.5, 0.1, 1.2], atol=1e-6)
    np.testing.assert_allclose(drawn.paths[-1, 0], [0.5, 0.4, 1.2], atol=1e-6)


def test_no_more_traces_than_allowed_and_those_that_go_far() -> None:
    drawn = drawn_of(traces_going(0.1, 0.4, 0.2, 0.3), most=2)
    np.testing.assert_allclose(drawn.paths[-1, :, 1] - 0.1, [0.4, 0.3], atol=1e-6)


def test_nothing_moving_draws_nothing() -> None:
    drawn = drawn_of(traces_going(0.0, 0.001))
    for leading in (True, False):
        assert len(trace_lines(drawn, 1.0, leading=leading).points) == 0
    assert len(trace_heads(drawn, 1.0).points) == 0


def test_the_slider_decides_how_far_the_lines_go_and_where_their_heads_are() -> None:
    drawn = drawn_of(traces_going(0.3))
    for until, segments in ((0.0, 0), (0.5, STEPS // 2), (1.0, STEPS), (7.0, STEPS)):
        lines = trace_lines(drawn, until, leading=True)
        assert len(lines.points) == len(lines.colours) == segments
        np.testing.assert_array_equal(trace_heads(drawn, until).points[0], drawn.paths[segments, 0])
    assert (lines.points[1:, 0] == lines.points[:-1, 1]).all()


def test_invalid_steps_are_left_out_and_the_rest_is_drawn() -> None:
    traces = traces_going(0.3)
    traces.points_in_camera[3] = np.nan
    lines = trace_lines(drawn_of(traces), 1.0, leading=True)
    assert len(lines.points) == STEPS - 2
    assert np.isfinite(lines.points).all()


def test_the_cloud_has_the_image_s_colours_where_the_depth_says() -> None:
    intrinsics = CameraIntrinsics(100.0, 100.0, 31.5, 23.5, 64, 48)
    depth = np.full((48, 64), 1.0, np.float32)
    depth[:, 32:] = 0.0
    rgb = np.zeros((48, 64, 3), np.uint8)
    rgb[..., 0] = np.arange(64)
    cloud = coloured_cloud(rgb, depth, intrinsics, CAMERA_IN_BASE, most=10_000, farthest=10.0)
    assert cloud.points.shape == cloud.colours.shape == (48 * 32, 3)
    columns = (cloud.points[:, 1] - 0.1) * 100.0 + 31.5
    np.testing.assert_allclose(columns, cloud.colours[:, 0], atol=1e-3)
    np.testing.assert_allclose(cloud.points[:, 2], 1.2, atol=1e-6)


def test_the_cloud_keeps_to_its_number_of_points_and_its_radius() -> None:
    intrinsics = CameraIntrinsics(100.0, 100.0, 31.5, 23.5, 64, 48)
    depth, rgb = np.full((48, 64), 1.0, np.float32), np.zeros((48, 64, 3), np.uint8)
    few = coloured_cloud(rgb, depth, intrinsics, CAMERA_IN_BASE, most=200, farthest=10.0)
    assert 100 < len(few.points) <= 200
    near = coloured_cloud(rgb, depth, intrinsics, CAMERA_IN_BASE, most=10_000, farthest=0.5)
    assert 0 < len(near.points) < 48 * 64
    assert np.hypot(near.points[:, 0], near.points[:, 1]).max() < 0.5


def test_small_things() -> None:
    assert smaller(np.zeros((480, 640, 3), np.uint8), 320).shape == (240, 320, 3)
    assert smaller(np.zeros((48, 64, 3), np.uint8), 320).shape == (48, 64, 3)
    assert path_lines(np.zeros((4, 3)), (255, 255, 255)).points.shape == (3, 2, 3)
    assert len(path_lines(np.zeros((1, 3)), (255, 255, 255)).points) == 0
