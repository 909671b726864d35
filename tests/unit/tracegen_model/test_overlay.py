"""Drawings show traces where they are, and leave out what is unknown."""

from __future__ import annotations

import numpy as np
import pytest

from tracegen_model.overlay import (
    CAPTION_SIZE,
    DRAWING_SIDE,
    draw_depth,
    draw_traces,
    grid_of_images,
    side_by_side,
    step_colours,
)

GREY = np.full((64, 64, 3), 120, np.uint8)


def changed(drawing: np.ndarray, image: np.ndarray = GREY) -> np.ndarray:
    """(H, W) where a drawing differs from its plain image."""
    plain = draw_traces(image, np.zeros((2, 0, 2)), static_dots=False)
    return (drawing != plain).any(axis=-1)


def test_small_images_are_enlarged_and_the_given_one_is_left_alone() -> None:
    image = GREY.copy()
    drawing = draw_traces(image, np.array([[[10.0, 10.0]], [[50.0, 50.0]]]))
    assert drawing.shape == (DRAWING_SIDE, DRAWING_SIDE, 3)
    np.testing.assert_array_equal(image, GREY)
    assert draw_traces(np.zeros((600, 800, 3), np.uint8), np.zeros((2, 0, 2))).shape == (600, 800, 3)


def test_a_trace_is_drawn_along_its_way_and_nowhere_else() -> None:
    drawing = draw_traces(GREY, np.array([[[8.0, 32.0]], [[56.0, 32.0]]]))
    rows, columns = np.nonzero(changed(drawing))
    scale = DRAWING_SIDE / 64
    assert abs(rows.mean() - (32.5 * scale - 0.5)) < 1.0
    assert rows.max() - rows.min() < 12
    assert abs(columns.min() - 8.5 * scale) < 8
    assert abs(columns.max() - 56.5 * scale) < 8


def test_steps_go_from_dark_to_bright() -> None:
    path = np.stack([np.linspace(4, 60, 9), np.full(9, 32.0)], axis=-1)[:, None]
    drawing = draw_traces(GREY, path, thickness=4).astype(float)
    middle = drawing[int(32.5 * 8)].sum(axis=-1)
    assert middle[100] < middle[300] < middle[440]
    brightness = step_colours(32).astype(float) @ [0.299, 0.587, 0.114]
    assert (np.diff(brightness) > -3.0).all()


def test_unknown_positions_interrupt_a_trace_and_far_ones_do_no_harm() -> None:
    path = np.stack([np.linspace(4, 60, 9), np.full(9, 32.0)], axis=-1)[:, None]
    path[4] = np.nan
    columns = np.nonzero(changed(draw_traces(GREY, path)).any(axis=0))[0]
    assert not ((columns > 27 * 8) & (columns < 37 * 8)).any()
    path[5:] = np.inf
    draw_traces(GREY, path)
    path[5:] = 1e12
    draw_traces(GREY, path)
    draw_traces(GREY, np.full((3, 2, 2), np.nan))


def test_only_moving_points_have_traces_and_the_others_faint_dots() -> None:
    path = np.zeros((2, 2, 2))
    path[0], path[1] = [[10.0, 10.0], [10.0, 50.0]], [[50.0, 10.0], [50.0, 50.0]]
    drawn = changed(draw_traces(GREY, path, moving=[True, False]))
    assert drawn[:256].sum() > 20 * drawn[256:].sum() > 0
    assert not changed(draw_traces(GREY, path, moving=[True, False], static_dots=False))[256:].any()


def test_traces_can_be_coloured_by_depth() -> None:
    path = np.zeros((2, 2, 2))
    path[0], path[1] = [[10.0, 10.0], [10.0, 50.0]], [[50.0, 10.0], [50.0, 50.0]]
    drawing = draw_traces(GREY, path, depth=[[1.0, 2.0], [1.0, 2.0]], thickness=4).astype(float)
    near, far = drawing[84, 240].sum(), drawing[404, 240].sum()
    assert near > far + 100


def test_depth_without_a_reading_is_black() -> None:
    depth = np.linspace(0.5, 2.0, 64).reshape(8, 8)
    depth[0, 0], depth[0, 1] = 0.0, np.nan
    drawing = draw_depth(depth)
    assert not drawing[0, :2].any()
    assert drawing[1:].any(axis=-1).all()
    assert not draw_depth(np.zeros((4, 4))).any()


@pytest.mark.parametrize(
    ("image", "pixels", "options", "message"),
    [
        (GREY[..., 0], np.zeros((2, 1, 2)), {}, "RGB image"),
        (GREY.astype(float), np.zeros((2, 1, 2)), {}, "uint8"),
        (GREY, np.zeros((2, 1, 3)), {}, r"\(S \+ 1, N, 2\), found \(2, 1, 3\)"),
        (GREY, np.zeros((2, 1, 2)), {"moving": [True, True]}, r"moving of shape \(1,\)"),
        (GREY, np.zeros((2, 1, 2)), {"depth": [[1.0]]}, r"depth of shape \(2, 1\)"),
    ],
)
def test_arrays_that_do_not_fit_are_named(image, pixels, options, message) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=message):
        draw_traces(image, pixels, **options)


def test_a_sheet_has_room_for_all_images_and_captions() -> None:
    images = [GREY, np.zeros((100, 50, 3), np.uint8), GREY]
    plain = grid_of_images(images, columns=2, cell_width=100)
    assert plain.shape[1] == 2 * 110 + 10
    captioned = grid_of_images(images, ["kurz", "größer · 日本 " * 8, ""], columns=2, cell_width=100)
    assert captioned.shape[0] > plain.shape[0] + 2 * CAPTION_SIZE
    assert captioned.dtype == np.uint8
    with pytest.raises(ValueError, match="at least one image"):
        grid_of_images([])
    with pytest.raises(ValueError, match="caption for each of 3 images, found 1"):
        grid_of_images(images, ["one"])


def test_images_side_by_side_have_one_height() -> None:
    assert side_by_side([GREY, np.zeros((32, 64, 3), np.uint8)], gap=4).shape == (64, 64 + 4 + 128, 3)
