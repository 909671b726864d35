"""``sensor_msgs/CompressedImage`` <-> numpy: colour as JPEG or PNG, depth as PNG of 16 bits, which loses nothing.

Messages written here are those of image_transport's ``compressed`` plugin: on the topic ``<image topic>/compressed``,
with a ``format`` that names the encoding of the raw image before the semicolon. What is read is judged by the bytes
themselves, since drivers write ``format`` as they like. Depth of the plugin ``compressedDepth`` is read as well
(PNG behind twelve bytes of header: int32, and two float32 that give inverse depth its scale, for 32FC1).
"""

from __future__ import annotations

import struct

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import Header

from tracegen_ros.messages.buffers import encode_bytes
from tracegen_ros.messages.errors import CompressionError, EncodingError, ImageSizeError
from tracegen_ros.messages.images import millimetres_from_depth

COMPRESSED_SUFFIX = "/compressed"
"""What image_transport appends to the name of an image topic."""

COLOUR_COMPRESSIONS = ("jpeg", "png")

JPEG_QUALITY = 90
"""Of 1 to 100: traces are still thin lines, and a 640x480 image is some 50 kB."""

_PNG_EFFORT = 1
"""zlib level: deeper levels take longer and gain little on images of a camera."""

_BEGIN_AND_END = {
    "jpeg": (b"\xff\xd8\xff", b"\xff\xd9"),
    "png": (b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"),
}

_INVERSE_DEPTH_HEADER = struct.Struct("<iff")
_MILLIMETRE = np.float32(1e-3)


def encode_compressed_colour(
    rgb: ArrayLike, header: Header, compression: str = "jpeg", quality: int = JPEG_QUALITY
) -> CompressedImage:
    """Compressed message of RGB pixels (H, W, 3) uint8.

    Args:
        rgb: The pixels.
        header: Header of the raw image.
        compression: ``jpeg``, or ``png``, which loses nothing and takes many times longer.
        quality: Of a JPEG, 1 to 100.

    Raises:
        EncodingError: ``compression`` is neither.
        ImageSizeError: ``rgb`` is not such an image.
    """
    pixels = np.asarray(rgb)
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8 or pixels.size == 0:
        raise ImageSizeError(f"a colour image is (H, W, 3) uint8, got {pixels.shape} {pixels.dtype}")
    if compression not in COLOUR_COMPRESSIONS:
        raise EncodingError(
            f"a colour image is compressed as one of {', '.join(COLOUR_COMPRESSIONS)}, not {compression!r}"
        )
    settings = (
        [cv2.IMWRITE_JPEG_QUALITY, quality]
        if compression == "jpeg"
        else [cv2.IMWRITE_PNG_COMPRESSION, _PNG_EFFORT]
    )
    return _encode(
        cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR),
        header,
        compression,
        f"rgb8; {compression} compressed bgr8",
        settings,
    )


def encode_compressed_depth(depth_m: ArrayLike, header: Header) -> CompressedImage:
    """Compressed message of depth (H, W) [m]: a PNG of whole millimetres; what it cannot express becomes 0.

    Raises:
        ImageSizeError: ``depth_m`` is not (H, W).
    """
    millimetres = millimetres_from_depth(depth_m)
    if millimetres.size == 0:
        raise ImageSizeError(f"a depth image is (H, W), got {millimetres.shape}")
    return _encode(
        millimetres, header, "png", "16UC1; png compressed", [cv2.IMWRITE_PNG_COMPRESSION, _PNG_EFFORT]
    )


def decode_compressed_colour(image: CompressedImage) -> NDArray[np.uint8]:
    """RGB pixels (H, W, 3) uint8 of a JPEG or PNG.

    Raises:
        CompressionError: The data are neither, or are damaged or cut off.
        EncodingError: The image holds something else than three channels of 8 bits.
    """
    pixels = _decode(image, bytes(image.data), COLOUR_COMPRESSIONS, "colour")
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8:
        raise EncodingError(
            f"the compressed colour image ({image.format!r}) decodes to {_kind(pixels)}, "
            "expected three channels of 8 bits; is this another camera's topic?"
        )
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)


def decode_compressed_depth(image: CompressedImage) -> NDArray[np.float32]:
    """Depth (H, W) float32 [m along the optical axis] of a PNG of 16 bits; 0 = no reading.

    Millimetres, except where the format says 32FC1 of compressedDepth: those PNGs hold inverse depth.

    Raises:
        CompressionError: The data are no PNG, or are damaged or cut off.
        EncodingError: The image holds something else than one channel of 16 bits.
    """
    data, scale = bytes(image.data), None
    if "compressedDepth" in image.format:
        if len(data) < _INVERSE_DEPTH_HEADER.size:
            raise CompressionError(
                f"the compressed depth image ({image.format!r}) has {len(data)} bytes, less than its header"
            )
        _, *scale = _INVERSE_DEPTH_HEADER.unpack_from(data)
        data = data[_INVERSE_DEPTH_HEADER.size :]
    pixels = _decode(image, data, ("png",), "depth")
    if pixels.ndim != 2 or pixels.dtype != np.uint16:
        raise EncodingError(
            f"the compressed depth image ({image.format!r}) decodes to {_kind(pixels)}, "
            "expected one channel of 16 bits; is this a colour camera's topic?"
        )
    if scale is None or not image.format.startswith("32FC1"):
        return pixels.astype(np.float32) * _MILLIMETRE
    with np.errstate(divide="ignore"):
        depth = np.float32(scale[0]) / (pixels.astype(np.float32) - np.float32(scale[1]))
    return np.where((pixels > 0) & np.isfinite(depth) & (depth > 0.0), depth, 0.0).astype(np.float32)


def _encode(
    pixels: NDArray, header: Header, compression: str, format_: str, settings: list[int]
) -> CompressedImage:
    done, data = cv2.imencode(f".{compression}", pixels, settings)
    if not done:
        raise CompressionError(f"OpenCV cannot compress {_kind(pixels)} as {compression}")
    return CompressedImage(header=header, format=format_, data=encode_bytes(data))


def _decode(image: CompressedImage, data: bytes, understood: tuple[str, ...], kind: str) -> NDArray:
    """Pixels as OpenCV orders them."""
    found = [name for name in understood if data.startswith(_BEGIN_AND_END[name][0])]
    if not found:
        raise CompressionError(
            f"the compressed {kind} image ({image.format!r}, {len(data)} bytes) begins with {data[:8].hex(' ')!r}, "
            f"which is no {' or '.join(understood)}; have the camera's driver compress it as {understood[0]}"
        )
    pixels = None
    if data.rstrip(b"\0").endswith(_BEGIN_AND_END[found[0]][1]):
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise CompressionError(
            f"the compressed {kind} image ({image.format!r}) is a damaged or incomplete {found[0]} "
            f"of {len(data)} bytes"
        )
    return np.asarray(pixels)


def _kind(pixels: NDArray) -> str:
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    return f"{channels} channel{'s' if channels > 1 else ''} of {8 * pixels.dtype.itemsize} bits"
