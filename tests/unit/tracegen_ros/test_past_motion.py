"""Points are followed on the image, and where they came from is drawn."""

from __future__ import annotations

import cv2
import numpy as np

from tracegen_ros.overlay import draw_past
from tracegen_ros.past_motion import LEAST_GAP_NS, LONGEST_GAP_NS, PastMotion

PERIOD_NS = 133_333_334
STEP = 4.0
"""How far the square moves to the right from image to image [px]."""

TEXTURE = cv2.GaussianBlur(
    np.random.default_rng(7).integers(0, 256, (240, 640, 3), dtype=np.uint8), (7, 7), 2.0
)
SQUARE = np.random.default_rng(8).integers(0, 256, (60, 60, 3), dtype=np.uint8)
SQUARE = cv2.GaussianBlur(SQUARE, (5, 5), 1.5)


def image(index: int, shift: int = 0) -> np.ndarray:
    """A square in front of a background that rests."""
    picture = TEXTURE[:, shift : shift + 480].copy()
    left = 60 + round(STEP * index)
    picture[90:150, left : left + 60] = SQUARE
    return picture


def watched(images: int, window_s: float = 1.5) -> PastMotion:
    past = PastMotion(window_s)
    for index in range(images):
        past.observe(image(index), index * PERIOD_NS)
    return past


def on_square(paths: np.ndarray, index: int) -> np.ndarray:
    """Points well inside the square in the last image."""
    u, v = paths[-1].T
    left = 60 + STEP * index
    return (u > left + 8) & (u < left + 52) & (v > 98) & (v < 142)


def test_points_on_a_moving_thing_have_come_the_way_it_came_and_others_rest() -> None:
    paths = watched(9).paths(8 * PERIOD_NS)
    mask = on_square(paths, 8)
    came = paths[-1, mask, 0] - paths[0, mask, 0]
    followed = np.isfinite(came)
    assert followed.sum() >= 4
    assert np.abs(np.nanmedian(came) - 8 * STEP) < 1.0
    assert (np.abs(came[followed] - 8 * STEP) < 1.5).mean() > 0.7
    far = np.abs(paths[-1, :, 1] - 120.0) > 60.0
    assert far.sum() > 100
    assert np.nanmax(np.abs(paths[:, far] - paths[-1, far])) < 1.0


def test_paths_end_at_the_image_they_are_asked_for_and_reach_back_a_window() -> None:
    past = watched(12, window_s=0.6)
    assert past.paths(11 * PERIOD_NS).shape[0] == 5
    paths = past.paths(9 * PERIOD_NS)
    assert paths.shape[0] == 3
    np.testing.assert_array_equal(paths, past.paths(11 * PERIOD_NS)[:3])
    assert past.paths(0).shape[0] == 0


def test_a_pause_a_clock_set_back_or_another_size_begin_anew() -> None:
    for stamp_ns, picture in (
        (2 * PERIOD_NS + LONGEST_GAP_NS + 1, image(3)),
        (0, image(3)),
        (3 * PERIOD_NS, image(3)[::2, ::2]),
    ):
        past = watched(3)
        past.observe(picture, stamp_ns)
        assert past.paths(10 * PERIOD_NS + LONGEST_GAP_NS).shape[0] == 1


def test_an_image_that_follows_too_soon_is_left_out() -> None:
    past = watched(3)
    past.observe(image(3), 2 * PERIOD_NS + LEAST_GAP_NS - 1)
    past.observe(image(3), 2 * PERIOD_NS)
    assert past.paths(10 * PERIOD_NS).shape[0] == 3
    past.observe(image(3), 2 * PERIOD_NS + LEAST_GAP_NS)
    assert past.paths(10 * PERIOD_NS).shape[0] == 4


def test_the_number_of_points_stays_bounded_while_everything_moves() -> None:
    past = PastMotion()
    for index in range(30):
        past.observe(image(index, shift=5 * index), index * PERIOD_NS)
        assert past.paths(index * PERIOD_NS).shape[1] <= 800


def test_only_paths_of_moving_points_are_drawn_dark_to_white() -> None:
    canvas = np.full((240, 480, 3), 30, np.uint8)
    paths = np.full((5, 2, 2), 100.0)
    paths[:, 1, 0] = [200.0, 220.0, 240.0, 260.0, 280.0]
    drawn = draw_past(canvas, paths)
    assert (canvas == 30).all(), "the image given stays as it was"
    assert (drawn[:, :150] == 30).all()
    assert drawn[100, 210, 0] < drawn[100, 270, 0]
    assert (draw_past(canvas, paths[:1]) == canvas).all()
    assert (draw_past(canvas, np.zeros((0, 0, 2))) == canvas).all()
