"""Trace grids as organised point clouds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sensor_msgs.msg import PointCloud2, PointField

from tracegen_model.trace_grid import TraceGrid, TraceGridError
from tracegen_ros.messages import TraceCloudError, decode_trace_grid, encode_header, encode_trace_grid

HEADER = encode_header(0, "camera_color_optical_frame")


def grid(steps: int = 3, points: int = 5) -> TraceGrid:
    rng = np.random.default_rng(2)
    xyz = rng.normal(size=(steps + 1, points, 3)).astype(np.float32)
    xyz[1, points // 2] = np.nan
    return TraceGrid(xyz, rng.uniform(0, 640, (steps + 1, points, 2)).astype(np.float32))


@pytest.mark.parametrize(("steps", "points"), [(1, 1), (3, 5), (32, 400)])
def test_round_trip_keeps_every_bit_and_every_nan(steps: int, points: int) -> None:
    traces = grid(steps, points)
    cloud = encode_trace_grid(traces, HEADER)
    assert (cloud.height, cloud.width, cloud.point_step) == (steps + 1, points, 20)
    decoded = decode_trace_grid(cloud)
    np.testing.assert_array_equal(decoded.points_in_camera, traces.points_in_camera)
    np.testing.assert_array_equal(decoded.pixels, traces.pixels)


def with_spread(steps: int = 3, points: int = 5) -> TraceGrid:
    spread = np.random.default_rng(3).random((steps + 1, points)).astype(np.float32)
    return replace(grid(steps, points), spread=spread)


def test_spread_is_a_sixth_field_that_comes_back_bit_for_bit() -> None:
    traces = with_spread()
    cloud = encode_trace_grid(traces, HEADER)
    assert [field.name for field in cloud.fields] == ["x", "y", "z", "u", "v", "spread"]
    decoded = decode_trace_grid(cloud)
    np.testing.assert_array_equal(decoded.spread, traces.spread)
    np.testing.assert_array_equal(decoded.points_in_camera, traces.points_in_camera)
    np.testing.assert_array_equal(decoded.pixels, traces.pixels)


def test_who_does_not_know_spread_reads_the_other_fields_where_they_were() -> None:
    plain, more = (encode_trace_grid(traces, HEADER) for traces in (grid(), with_spread()))
    assert decode_trace_grid(plain).spread is None
    assert more.fields[:5] == plain.fields
    for field in plain.fields:
        read = [
            np.ndarray(
                (cloud.height, cloud.width),
                np.float32,
                cloud.data,
                field.offset,
                (cloud.row_step, cloud.point_step),
            )
            for cloud in (plain, more)
        ]
        np.testing.assert_array_equal(*read)


def test_spread_of_another_size_is_no_part_of_a_grid() -> None:
    with pytest.raises(TraceGridError, match=r"spread must be \(4, 5\)"):
        replace(grid(), spread=np.zeros((4, 6)))


def test_decoding_copies_nothing() -> None:
    cloud = encode_trace_grid(grid(), HEADER)
    assert np.shares_memory(decode_trace_grid(cloud).points_in_camera, np.frombuffer(cloud.data, np.uint8))


def test_invalid_points_make_the_cloud_not_dense() -> None:
    assert not encode_trace_grid(grid(), HEADER).is_dense
    assert encode_trace_grid(TraceGrid(np.ones((2, 1, 3)), np.ones((2, 1, 2))), HEADER).is_dense


def test_other_field_orders_padding_and_byte_order_are_understood() -> None:
    traces = grid(2, 3)
    names = ["u", "pad", "z", "y", "x", "v"]
    values = np.zeros((3, 4, 6), dtype=">f4")
    for index, source in {
        0: traces.pixels[..., 0],
        2: traces.points_in_camera[..., 2],
        3: traces.points_in_camera[..., 1],
        4: traces.points_in_camera[..., 0],
        5: traces.pixels[..., 1],
    }.items():
        values[:, :3, index] = source
    cloud = PointCloud2(
        height=3,
        width=3,
        fields=[
            PointField(name=n, offset=4 * i, datatype=PointField.FLOAT32, count=1)
            for i, n in enumerate(names)
        ],
        is_bigendian=True,
        point_step=24,
        row_step=96,
        data=values.tobytes(),
    )
    decoded = decode_trace_grid(cloud)
    np.testing.assert_array_equal(decoded.points_in_camera, traces.points_in_camera)
    np.testing.assert_array_equal(decoded.pixels, traces.pixels)


def test_a_cloud_that_lacks_a_field_is_refused_by_name() -> None:
    cloud = encode_trace_grid(grid(), HEADER)
    cloud.fields = cloud.fields[:3]
    with pytest.raises(TraceCloudError, match="no field 'u'; expected x, y, z, u, v, found x, y, z"):
        decode_trace_grid(cloud)


def test_a_field_of_another_type_is_refused() -> None:
    cloud = encode_trace_grid(grid(), HEADER)
    cloud.fields[0].datatype = PointField.FLOAT64
    with pytest.raises(TraceCloudError, match="'x' of the trace cloud must be one float32"):
        decode_trace_grid(cloud)


def test_an_unorganised_or_truncated_cloud_is_refused() -> None:
    cloud = encode_trace_grid(grid(), HEADER)
    cloud.data = cloud.data[:-4]
    with pytest.raises(TraceCloudError, match="carries"):
        decode_trace_grid(cloud)
    cloud.height = 1
    with pytest.raises(TraceCloudError, match="two rows at least"):
        decode_trace_grid(cloud)
