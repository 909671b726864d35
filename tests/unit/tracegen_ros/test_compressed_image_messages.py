"""Compressed images come back as they were, or are refused with a reason."""

from __future__ import annotations

import struct

import cv2
import numpy as np
import pytest
from sensor_msgs.msg import CompressedImage

from tracegen_ros.messages import (
    CompressionError,
    EncodingError,
    ImageSizeError,
    MessageError,
    decode_compressed_colour,
    decode_compressed_depth,
    encode_compressed_colour,
    encode_compressed_depth,
    encode_header,
)

HEADER = encode_header(1_500_000_000, "camera_color_optical_frame")


@pytest.fixture
def rgb() -> np.ndarray:
    """A smooth image whose channels differ."""
    rows, columns = np.mgrid[:48, :64]
    return np.stack([4 * columns, 5 * rows, 255 - 2 * columns - 2 * rows], axis=-1).astype(np.uint8)


@pytest.fixture
def depth() -> np.ndarray:
    """Whole millimetres of all 16 bits, among them none."""
    return np.random.default_rng(3).integers(0, 65536, (48, 64)).astype(np.float32) * np.float32(1e-3)


def test_a_jpeg_keeps_colours_in_their_channels_and_the_header(rgb: np.ndarray) -> None:
    message = encode_compressed_colour(rgb, HEADER)
    assert message.header == HEADER
    assert message.format == "rgb8; jpeg compressed bgr8"
    assert len(message.data) < rgb.nbytes / 3
    np.testing.assert_allclose(decode_compressed_colour(message), rgb.astype(float), atol=12.0)


def test_a_png_gives_back_every_colour_exactly(rgb: np.ndarray) -> None:
    np.testing.assert_array_equal(decode_compressed_colour(encode_compressed_colour(rgb, HEADER, "png")), rgb)


def test_depth_comes_back_exactly(depth: np.ndarray) -> None:
    message = encode_compressed_depth(depth, HEADER)
    assert message.format == "16UC1; png compressed"
    np.testing.assert_array_equal(decode_compressed_depth(message), depth)


def test_depth_of_image_transports_own_depth_plugin_is_read() -> None:
    inverse = np.array([[0, 1000, 2000]], np.uint16)
    png = cv2.imencode(".png", inverse)[1].tobytes()
    header = struct.pack("<iff", 0, 3000.0, -500.0)
    metres = CompressedImage(format="32FC1; compressedDepth png", data=header + png)
    np.testing.assert_allclose(decode_compressed_depth(metres), [[0.0, 2.0, 1.2]])
    millimetres = CompressedImage(format="16UC1; compressedDepth png", data=header + png)
    np.testing.assert_allclose(decode_compressed_depth(millimetres), [[0.0, 1.0, 2.0]])


def test_damaged_data_of_any_kind_are_refused_never_decoded_in_part(
    rgb: np.ndarray, depth: np.ndarray
) -> None:
    for message, decode in (
        (encode_compressed_colour(rgb, HEADER), decode_compressed_colour),
        (encode_compressed_colour(rgb, HEADER, "png"), decode_compressed_colour),
        (encode_compressed_depth(depth, HEADER), decode_compressed_depth),
    ):
        whole = bytes(message.data)
        for length in (0, 1, 8, 30, len(whole) // 2, len(whole) - 1):
            with pytest.raises(CompressionError):
                decode(CompressedImage(format=message.format, data=whole[:length]))
    with pytest.raises(
        CompressionError, match="begins with '6e 6f 74 20 61 6e 20 69', which is no jpeg or png"
    ):
        decode_compressed_colour(CompressedImage(format="jpeg", data=b"not an image"))
    with pytest.raises(CompressionError, match="less than its header"):
        decode_compressed_depth(CompressedImage(format="16UC1; compressedDepth png", data=b"short"))


def test_colour_where_depth_is_expected_and_the_reverse_are_refused(
    rgb: np.ndarray, depth: np.ndarray
) -> None:
    with pytest.raises(EncodingError, match="1 channel of 16 bits, expected three channels of 8 bits"):
        decode_compressed_colour(encode_compressed_depth(depth, HEADER))
    with pytest.raises(EncodingError, match="3 channels of 8 bits, expected one channel of 16 bits"):
        decode_compressed_depth(encode_compressed_colour(rgb, HEADER, "png"))
    with pytest.raises(MessageError, match="no png"):
        decode_compressed_depth(encode_compressed_colour(rgb, HEADER))


def test_what_is_no_image_is_not_compressed(rgb: np.ndarray) -> None:
    with pytest.raises(ImageSizeError):
        encode_compressed_colour(rgb.astype(float), HEADER)
    with pytest.raises(ImageSizeError):
        encode_compressed_depth(rgb, HEADER)
    with pytest.raises(EncodingError, match="jpeg, png, not 'webp'"):
        encode_compressed_colour(rgb, HEADER, "webp")
