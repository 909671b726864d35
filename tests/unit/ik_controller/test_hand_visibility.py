"""What the depth image shows of the hand, which grid points ride it, and how sure that is."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from trace_scenes import INTRINSICS, BlockOnTable, camera_in_base

from ik_controller.hand_points import HandPoints, find_hand_points, read_hand_points
from ik_controller.hand_visibility import HandView, Sight, depth_along, look_at_hand, share_at_least
from ik_controller.lifting import lift_traces
from ik_controller.robot_model import RobotModel
from tracegen_model.trace_grid import TraceGrid, grid_pixels

ROBOT = RobotModel.fr3()
SCENE = BlockOnTable(ROBOT, np.array([0.50, 0.05, 0.20]))
HAND = ROBOT.hand_in_base(SCENE.joints)
BOXES = ROBOT.hand.boxes(SCENE.width)
DEPTH = SCENE.depth()
FEW, MANY = 10, 60
"""Sides of grids with a handful and with more than a hundred points on the hand."""


def on_hand(pixels: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Truth: without its hand the scene would be farther away there."""
    rays = INTRINSICS.back_project(pixels, np.ones(len(pixels)))
    to_hand = np.linalg.inv(HAND) @ camera_in_base()
    expected = depth_along(rays @ to_hand[:3, :3].T, to_hand[:3, 3], BOXES)
    return np.abs(depth_at(DEPTH, pixels) - expected) < 0.03


def depth_at(depth: NDArray[np.float32], pixels: NDArray[np.float64]) -> NDArray[np.float64]:
    column, row = np.rint(pixels).astype(int).T
    read = depth[row, column].astype(float)
    return np.where(read > 0.0, read, np.nan)


def grid(side: int) -> NDArray[np.float64]:
    return grid_pixels(INTRINSICS.width, INTRINSICS.height, side)


def look(
    depth: NDArray[np.float32], pixels: NDArray[np.float64], hand: NDArray[np.float64] = HAND
) -> HandView:
    return look_at_hand(pixels, depth_at(depth, pixels), INTRINSICS, camera_in_base(), hand, BOXES)


def points_on_hand(
    depth: NDArray[np.float32] | None, side: int, hand: NDArray[np.float64] = HAND, error: float = 0.0
) -> tuple[HandPoints, NDArray[np.float64]]:
    """Hand points found in ``depth``, from predicted starts whose depth is off by ``error`` [m]; and the pixels."""
    pixels = grid(side)
    start = INTRINSICS.back_project(pixels, depth_at(DEPTH, pixels) + error)
    traces = TraceGrid(np.stack([start, start]), np.stack([pixels, pixels]))
    lifted = lift_traces(traces, camera_in_base(), depth, INTRINSICS)
    found = read_hand_points(traces, lifted, INTRINSICS, camera_in_base(), hand, ROBOT.hand, SCENE.width)
    return found, pixels


@pytest.mark.parametrize("side", [FEW, MANY])
def test_points_on_the_hand_are_found_whether_few_or_many(side: int) -> None:
    found, pixels = points_on_hand(DEPTH, side)
    truth = on_hand(pixels)
    assert (3 <= truth.sum() <= 6) if side == FEW else (truth.sum() > 60)
    assert found.mask[truth].all()
    assert found.mask[~truth].mean() < 0.002
    assert found.expected == pytest.approx(truth.sum(), rel=0.1)
    assert found.start_distance < 1e-3


def test_more_points_make_it_surer_and_contradictions_less_sure() -> None:
    few, many = look(DEPTH, grid(FEW)), look(DEPTH, grid(MANY))
    assert 0.6 < few.confidence < many.confidence
    assert many.confidence > 0.98
    assert share_at_least(3, 3) == pytest.approx(0.75)
    assert share_at_least(60, 60) == pytest.approx(60 / 61)
    assert share_at_least(30, 60) == pytest.approx(0.436, abs=1e-3)
    assert share_at_least(0, 60) == share_at_least(0, 0) == 0.0


def test_a_hand_that_is_not_there_is_seen_through() -> None:
    elsewhere = HAND.copy()
    elsewhere[:3, 3] += [0.0, -0.25, 0.0]
    view = look(DEPTH, grid(MANY), elsewhere)
    assert view.count(Sight.SEEN_THROUGH) > 20
    assert view.count(Sight.SEEN) == 0
    assert view.confidence == 0.0
    found, _ = points_on_hand(DEPTH, MANY, elsewhere)
    assert found.count == 0


def test_what_is_in_front_of_the_hand_hides_it_and_is_not_taken_for_it() -> None:
    depth = DEPTH.copy()
    pixels = grid(MANY)
    truth = on_hand(pixels)
    middle = int(np.median(pixels[truth, 0]))
    depth[:, :middle] = np.minimum(depth[:, :middle], 0.35)
    view = look(depth, pixels)
    covered = truth & (pixels[:, 0] < middle - 0.5)
    assert (view.sight[covered] == Sight.HIDDEN).all()
    assert view.expected < truth.sum() - 0.9 * covered.sum()
    assert view.confidence > 0.95
    found, _ = points_on_hand(depth, MANY)
    assert not found.mask[covered].any()
    assert found.mask[truth & ~covered].mean() > 0.95


def test_the_ray_decides_where_depth_is_not_measured() -> None:
    depth = DEPTH.copy()
    pixels = grid(MANY)
    truth = on_hand(pixels)
    low, high = pixels[truth].min(axis=0).astype(int) - 4, pixels[truth].max(axis=0).astype(int) + 5
    depth[low[1] : high[1], low[0] : high[0]] = 0.0
    found, _ = points_on_hand(depth, MANY, error=0.03)
    assert found.mask[truth].mean() > 0.98
    assert found.mask[~truth].mean() < 0.01
    blind, _ = points_on_hand(None, MANY, error=0.03)
    assert blind.mask[truth].mean() > 0.98
    assert (blind.confidence, blind.expected) == (0.0, found.expected)


def test_traces_that_start_beside_the_hand_are_told_by_their_start_distance() -> None:
    pixels = grid(MANY)
    depth = depth_at(DEPTH, pixels)
    depth[on_hand(pixels)] += 0.06
    start = INTRINSICS.back_project(pixels, depth)
    traces = TraceGrid(np.stack([start, start]), np.stack([pixels, pixels]))
    lifted = lift_traces(traces, camera_in_base(), DEPTH, INTRINSICS)
    found = read_hand_points(traces, lifted, INTRINSICS, camera_in_base(), HAND, ROBOT.hand, SCENE.width)
    assert found.start_distance == pytest.approx(0.06, rel=0.3)


def test_camera_inside_the_hand_and_strange_pixels_are_taken() -> None:
    strange = np.array([np.nan, np.inf, -np.inf, 0.0, 1e30, -1e30, 100.0])
    pixels = np.stack(np.meshgrid(strange, strange), axis=-1).reshape(-1, 2)
    measured = np.resize(np.array([np.nan, 0.3, 1e30]), len(pixels))
    for camera in (camera_in_base(), HAND):
        view = look_at_hand(pixels, measured, INTRINSICS, camera, HAND, BOXES)
        assert 0.0 <= view.confidence <= 1.0
        starts = np.full((len(pixels), 3), np.nan)
        assert find_hand_points(starts, HAND, ROBOT.hand, 0.08, view=view).count == 0


def test_intrinsics_that_differ_along_the_axes_place_the_hand_where_it_is() -> None:
    squashed = replace(INTRINSICS.resized(192, 192))
    pixels = grid(MANY)
    scale = np.array([192 / INTRINSICS.width, 192 / INTRINSICS.height])
    there = (pixels + 0.5) * scale - 0.5
    measured = depth_at(DEPTH, pixels)
    small = look_at_hand(there, measured, squashed, camera_in_base(), HAND, BOXES)
    np.testing.assert_array_equal(small.sight, look(DEPTH, pixels).sight)
