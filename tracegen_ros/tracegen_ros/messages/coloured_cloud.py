"""``sensor_msgs/PointCloud2`` of coloured points, as RViz and Foxglove show them: x, y, z [m] and rgb, float32 each."""

from __future__ import annotations

import sys

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import PointCloud2, PointField
from std_msgs.msg import Header

from tracegen_ros.messages.buffers import encode_bytes

_FIELDS = ("x", "y", "z", "rgb")
_FLOAT_BYTES = 4
_POINT_BYTES = _FLOAT_BYTES * len(_FIELDS)


def encode_coloured_cloud(
    points: NDArray[np.floating], colours: NDArray[np.uint8], header: Header
) -> PointCloud2:
    """Unorganised cloud of ``points`` (M, 3) [m] and their ``colours`` (M, 3) RGB, in the frame of ``header``."""
    values = np.empty((len(points), len(_FIELDS)), np.float32)
    values[:, :3] = points
    red, green, blue = colours.astype(np.uint32).T
    # The three bytes of a colour, in the place of a number: a convention of PCL's.
    values[:, 3] = (red << 16 | green << 8 | blue).view(np.float32)
    return PointCloud2(
        header=header,
        height=1,
        width=len(values),
        fields=[
            PointField(name=name, offset=index * _FLOAT_BYTES, datatype=PointField.FLOAT32, count=1)
            for index, name in enumerate(_FIELDS)
        ],
        is_bigendian=sys.byteorder == "big",
        point_step=_POINT_BYTES,
        row_step=_POINT_BYTES * len(values),
        data=encode_bytes(values),
        is_dense=True,
    )
