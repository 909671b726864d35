"""A trace cloud damaged anywhere is either traces or a named error: nothing else comes out of it."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from sensor_msgs.msg import PointField

from tracegen_model.trace_grid import TraceGrid
from tracegen_ros.messages import encode_header
from tracegen_ros.messages.trace_cloud import TraceCloudError, decode_trace_grid, encode_trace_grid

SIZES = st.one_of(st.integers(0, 40), st.integers(0, 2**32 - 1))

DAMAGES = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["height", "width", "point_step", "row_step"]), SIZES),
        st.tuples(st.just("is_bigendian"), st.booleans()),
        st.tuples(st.just("data"), st.binary(max_size=400)),
        st.tuples(
            st.just("fields"),
            st.lists(
                st.builds(
                    lambda name, offset, datatype, count: PointField(
                        name=name, offset=offset, datatype=datatype, count=count
                    ),
                    st.sampled_from(["x", "y", "z", "u", "v", "spread", "rgb", ""]),
                    SIZES,
                    st.integers(0, 9),
                    SIZES,
                ),
                max_size=8,
            ),
        ),
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(damages=DAMAGES, seed=st.integers(0, 100))
def test_a_damaged_cloud_gives_traces_or_a_named_error(damages: list[tuple[str, object]], seed: int) -> None:
    rng = np.random.default_rng(seed)
    grid = TraceGrid(rng.normal(size=(3, 4, 3)), rng.normal(size=(3, 4, 2)))
    cloud = encode_trace_grid(grid, encode_header(1, "camera"))
    for name, value in damages:
        setattr(cloud, name, value)
    try:
        decoded = decode_trace_grid(cloud)
    except TraceCloudError as error:
        assert str(error)
        return
    assert decoded.points_in_camera.shape == (cloud.height, cloud.width, 3)
