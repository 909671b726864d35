"""``sensor_msgs/PointCloud2`` <-> ``TraceGrid``.

The cloud is organised: one row per step (row 0 is the start), one column per point. Fields x, y, z [m, camera
optical frame] and u, v [px of the source image] are float32; NaN marks what is invalid. Where several samples were
drawn there is a sixth field, spread [m]; who looks fields up by name, as PointCloud2 wants it, need not know it.
"""

from __future__ import annotations

import itertools
import sys

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import PointCloud2, PointField
from std_msgs.msg import Header

from tracegen_model.trace_grid import TraceGrid, TraceGridError
from tracegen_ros.messages.buffers import encode_bytes
from tracegen_ros.messages.errors import TraceCloudError

FIELDS = ("x", "y", "z", "u", "v")
SPREAD_FIELD = "spread"
_FLOAT_BYTES = 4
_NATIVE_BIG_ENDIAN = sys.byteorder == "big"


def encode_trace_grid(traces: TraceGrid, header: Header) -> PointCloud2:
    """Cloud of ``traces``; ``header`` is that of the colour image they were predicted from."""
    parts, names = [traces.points_in_camera, traces.pixels], FIELDS
    if traces.spread is not None:
        parts, names = [*parts, traces.spread[..., None]], (*FIELDS, SPREAD_FIELD)
    values = np.concatenate(parts, axis=-1)
    rows, columns = values.shape[:2]
    point_bytes = _FLOAT_BYTES * len(names)
    return PointCloud2(
        header=header,
        height=rows,
        width=columns,
        fields=[
            PointField(name=name, offset=index * _FLOAT_BYTES, datatype=PointField.FLOAT32, count=1)
            for index, name in enumerate(names)
        ],
        is_bigendian=_NATIVE_BIG_ENDIAN,
        point_step=point_bytes,
        row_step=point_bytes * columns,
        data=encode_bytes(values),
        is_dense=bool(np.isfinite(values).all()),
    )


def decode_trace_grid(cloud: PointCloud2) -> TraceGrid:
    """Traces of an organised cloud; the arrays are views of the message when its layout is the one written here.

    Raises:
        TraceCloudError: A field is missing or not one float32, the cloud is not organised, or sizes and data disagree.
    """
    rows, columns = int(cloud.height), int(cloud.width)
    if rows < 2 or columns < 1:
        raise TraceCloudError(
            f"a trace cloud has a row per step and two rows at least, got {rows} rows of {columns} points"
        )
    if cloud.row_step < cloud.point_step * columns or len(cloud.data) != cloud.row_step * rows:
        raise TraceCloudError(
            f"the trace cloud claims {rows} rows of {cloud.row_step} bytes with {columns} points of "
            f"{cloud.point_step} bytes but carries {len(cloud.data)} bytes"
        )
    offsets = [_offset(cloud, name) for name in FIELDS]
    has_spread = any(field.name == SPREAD_FIELD for field in cloud.fields)
    spread = _columns(cloud, [_offset(cloud, SPREAD_FIELD)])[..., 0] if has_spread else None
    try:
        return TraceGrid(_columns(cloud, offsets[:3]), _columns(cloud, offsets[3:]), spread)
    except TraceGridError as error:
        raise TraceCloudError(str(error)) from error


def _offset(cloud: PointCloud2, name: str) -> int:
    """Byte offset of the field ``name`` inside a point."""
    for field in cloud.fields:
        if field.name == name:
            if field.datatype != PointField.FLOAT32 or field.count != 1:
                raise TraceCloudError(
                    f"field {name!r} of the trace cloud must be one float32, "
                    f"got {field.count} of datatype {field.datatype}"
                )
            if field.offset + _FLOAT_BYTES > cloud.point_step:
                raise TraceCloudError(
                    f"field {name!r} of the trace cloud ends beyond its point of {cloud.point_step} bytes"
                )
            return int(field.offset)
    found = ", ".join(field.name for field in cloud.fields) or "none"
    raise TraceCloudError(
        f"the trace cloud has no field {name!r}; expected {', '.join(FIELDS)}, found {found}"
    )


def _columns(cloud: PointCloud2, offsets: list[int]) -> NDArray[np.float32]:
    """(rows, columns, len(offsets)) values of the fields at ``offsets``, a view where they lie side by side."""
    shape = (int(cloud.height), int(cloud.width))
    stored_type = np.dtype(np.float32).newbyteorder(">" if cloud.is_bigendian else "<")
    strides = (int(cloud.row_step), int(cloud.point_step))
    if all(after - before == _FLOAT_BYTES for before, after in itertools.pairwise(offsets)):
        values = np.ndarray(
            (*shape, len(offsets)),
            stored_type,
            cloud.data,
            offset=offsets[0],
            strides=(*strides, _FLOAT_BYTES),
        )
        return values.astype(np.float32, copy=False)
    columns = [
        np.ndarray(shape, stored_type, cloud.data, offset=offset, strides=strides) for offset in offsets
    ]
    return np.stack(columns, axis=-1).astype(np.float32)
