"""``sensor_msgs/Image`` <-> numpy: colour as RGB bytes, depth as metres.

``cv_bridge`` unpacks the pixels where ROS provides it; elsewhere a numpy twin does, for the encodings used here.
The fields that describe the data are checked before either is asked.
"""

from __future__ import annotations

import sys

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from tracegen_ros.messages.buffers import encode_bytes
from tracegen_ros.messages.errors import EncodingError, ImageSizeError

try:
    from cv_bridge import CvBridge
except ImportError:
    CvBridge = None

COLOUR_ENCODINGS = ("rgb8", "bgr8")
DEPTH_ENCODINGS = ("16UC1", "32FC1")

_PIXEL_TYPES: dict[str, tuple[np.dtype, int]] = {
    "rgb8": (np.dtype(np.uint8), 3),
    "bgr8": (np.dtype(np.uint8), 3),
    "16UC1": (np.dtype(np.uint16), 1),
    "32FC1": (np.dtype(np.float32), 1),
}

_MILLIMETRE = np.float32(1e-3)
_LARGEST_MILLIMETRES = np.iinfo(np.uint16).max


def decode_colour(image: Image) -> NDArray[np.uint8]:
    """RGB pixels (H, W, 3) uint8 of an rgb8 (no copy) or bgr8 image.

    Raises:
        EncodingError: The encoding is neither rgb8 nor bgr8.
        ImageSizeError: Width, height, step and data disagree.
    """
    pixels = _decode(image, COLOUR_ENCODINGS, "colour")
    return pixels if image.encoding == "rgb8" else np.ascontiguousarray(pixels[..., ::-1])


def decode_depth(image: Image) -> NDArray[np.float32]:
    """Depth (H, W) float32 [m along the optical axis]; 0 = no reading, also where the image says NaN, inf or < 0.

    16UC1 is millimetres, 32FC1 metres (REP-118).

    Raises:
        EncodingError: The encoding is neither 16UC1 nor 32FC1.
        ImageSizeError: Width, height, step and data disagree.
    """
    pixels = _decode(image, DEPTH_ENCODINGS, "depth")
    if image.encoding == "16UC1":
        return pixels.astype(np.float32) * _MILLIMETRE
    return np.where(np.isfinite(pixels) & (pixels > 0.0), pixels, np.float32(0.0)).astype(np.float32)


def encode_colour(rgb: ArrayLike, header: Header, encoding: str = "rgb8") -> Image:
    """Image message of RGB pixels (H, W, 3) uint8, as rgb8 or bgr8."""
    _check_encoding(encoding, COLOUR_ENCODINGS, "colour")
    pixels = np.asarray(rgb)
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8:
        raise ImageSizeError(f"a colour image is (H, W, 3) uint8, got {pixels.shape} {pixels.dtype}")
    return _encode(pixels if encoding == "rgb8" else pixels[..., ::-1], header, encoding)


def encode_depth(depth_m: ArrayLike, header: Header, encoding: str = "16UC1") -> Image:
    """Image message of depth (H, W) [m]; 16UC1 rounds to millimetres, and what it cannot express becomes 0."""
    _check_encoding(encoding, DEPTH_ENCODINGS, "depth")
    if encoding == "32FC1":
        return _encode(_check_depth(depth_m), header, encoding)
    return _encode(millimetres_from_depth(depth_m), header, encoding)


def millimetres_from_depth(depth_m: ArrayLike) -> NDArray[np.uint16]:
    """Depth (H, W) [m] in whole millimetres; 0 where that is not a number or does not fit into 16 bits.

    Raises:
        ImageSizeError: ``depth_m`` is not (H, W).
    """
    millimetres = np.rint(_check_depth(depth_m) / _MILLIMETRE)
    expressible = np.isfinite(millimetres) & (millimetres >= 0.0) & (millimetres <= _LARGEST_MILLIMETRES)
    return np.where(expressible, millimetres, 0.0).astype(np.uint16)


def check_same_size(colour: NDArray[np.uint8], depth: NDArray[np.float32]) -> None:
    """Refuse a depth image that is not aligned to the colour image.

    Raises:
        ImageSizeError: The two differ in width or height.
    """
    if colour.shape[:2] != depth.shape[:2]:
        raise ImageSizeError(
            f"the depth image is {depth.shape[1]}x{depth.shape[0]} px but the colour image is "
            f"{colour.shape[1]}x{colour.shape[0]} px; subscribe to depth that is aligned to colour"
        )


def _check_depth(depth_m: ArrayLike) -> NDArray[np.float32]:
    depth = np.asarray(depth_m, dtype=np.float32)
    if depth.ndim != 2:
        raise ImageSizeError(f"a depth image is (H, W), got {depth.shape}")
    return depth


def _check_encoding(encoding: str, understood: tuple[str, ...], kind: str) -> None:
    if encoding not in understood:
        raise EncodingError(
            f"the {kind} image has encoding {encoding!r}, expected one of {', '.join(understood)}; "
            "set the camera driver to one of these"
        )


def _decode(image: Image, understood: tuple[str, ...], kind: str) -> NDArray:
    """Pixels (H, W) or (H, W, 3) in native byte order, in the message's own channel order and unit."""
    _check_encoding(image.encoding, understood, kind)
    pixel_type, channels = _PIXEL_TYPES[image.encoding]
    row_bytes = image.width * channels * pixel_type.itemsize
    if image.width == 0 or image.height == 0:
        raise ImageSizeError(f"the {kind} image is empty ({image.width}x{image.height} px)")
    if image.step < row_bytes or len(image.data) != image.step * image.height:
        raise ImageSizeError(
            f"the {kind} image claims {image.width}x{image.height} px of {image.encoding} in rows of "
            f"{image.step} bytes but carries {len(image.data)} bytes; "
            f"expected a step of at least {row_bytes} and step x height bytes"
        )
    if CvBridge is not None:
        return np.asarray(CvBridge().imgmsg_to_cv2(image, desired_encoding="passthrough"))
    shape = (image.height, image.width, channels) if channels > 1 else (image.height, image.width)
    strides = (image.step, channels * pixel_type.itemsize, pixel_type.itemsize)[: len(shape)]
    stored_type = pixel_type.newbyteorder(">" if image.is_bigendian else "<")
    pixels = np.ndarray(shape, stored_type, buffer=image.data, strides=strides)
    return pixels.astype(pixel_type, copy=False)


def _encode(pixels: NDArray, header: Header, encoding: str) -> Image:
    height, width = pixels.shape[:2]
    return Image(
        header=header,
        height=height,
        width=width,
        encoding=encoding,
        is_bigendian=int(sys.byteorder == "big"),
        step=pixels[0].nbytes,
        data=encode_bytes(pixels),
    )
