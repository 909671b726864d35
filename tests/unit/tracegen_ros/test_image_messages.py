"""Images survive the trip through a message, and bad ones are refused with a reason."""

from __future__ import annotations

import numpy as np
import pytest
from sensor_msgs.msg import Image

from tracegen_ros.messages import (
    EncodingError,
    ImageSizeError,
    check_same_size,
    decode_colour,
    decode_depth,
    encode_colour,
    encode_depth,
    encode_header,
)

HEADER = encode_header(1_500_000_000, "camera_color_optical_frame")


@pytest.fixture
def rgb() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (5, 7, 3), dtype=np.uint8)


@pytest.mark.parametrize("encoding", ["rgb8", "bgr8"])
def test_colour_round_trip_is_exact(rgb: np.ndarray, encoding: str) -> None:
    image = encode_colour(rgb, HEADER, encoding)
    assert (image.width, image.height, image.step, image.encoding) == (7, 5, 21, encoding)
    np.testing.assert_array_equal(decode_colour(image), rgb)


def test_depth_round_trip_in_millimetres_keeps_the_unit_and_turns_the_inexpressible_into_no_reading() -> None:
    depth = np.array([[0.0, 0.5004, 70.0], [np.nan, -1.0, 65.535]], dtype=np.float32)
    decoded = decode_depth(encode_depth(depth, HEADER, "16UC1"))
    np.testing.assert_allclose(decoded, [[0.0, 0.500, 0.0], [0.0, 0.0, 65.535]], atol=1e-6)


def test_depth_round_trip_in_metres_marks_invalid_readings_as_zero() -> None:
    depth = np.array([[0.25, np.nan, np.inf, -0.5]], dtype=np.float32)
    np.testing.assert_array_equal(decode_depth(encode_depth(depth, HEADER, "32FC1")), [[0.25, 0.0, 0.0, 0.0]])


def test_padded_rows_are_honoured(rgb: np.ndarray) -> None:
    padded = np.zeros((5, 32), np.uint8)
    padded[:, :21] = rgb.reshape(5, 21)
    image = Image(header=HEADER, width=7, height=5, encoding="rgb8", step=32, data=padded.tobytes())
    np.testing.assert_array_equal(decode_colour(image), rgb)


def test_big_endian_depth_is_honoured() -> None:
    millimetres = np.array([[1, 1000, 2500]], dtype=">u2")
    image = Image(width=3, height=1, encoding="16UC1", step=6, is_bigendian=1, data=millimetres.tobytes())
    np.testing.assert_allclose(decode_depth(image), [[0.001, 1.0, 2.5]])


def test_unknown_encoding_is_named_with_what_is_understood() -> None:
    image = Image(width=2, height=1, encoding="yuv422", step=4, data=bytes(4))
    with pytest.raises(EncodingError, match=r"'yuv422', expected one of rgb8, bgr8"):
        decode_colour(image)
    with pytest.raises(EncodingError, match=r"16UC1, 32FC1"):
        decode_depth(image)


@pytest.mark.parametrize(
    ("width", "height", "step", "data"), [(2, 2, 6, 11), (2, 2, 5, 10), (0, 0, 0, 0), (2, 2, 6, 13)]
)
def test_size_fields_that_disagree_with_the_data_are_refused(
    width: int, height: int, step: int, data: int
) -> None:
    with pytest.raises(ImageSizeError):
        decode_colour(Image(width=width, height=height, encoding="rgb8", step=step, data=bytes(data)))


def test_depth_of_another_size_than_colour_is_refused() -> None:
    with pytest.raises(ImageSizeError, match="3x2 px but the colour image is 4x2 px"):
        check_same_size(np.zeros((2, 4, 3), np.uint8), np.zeros((2, 3), np.float32))
