"""Depth as the colour camera sees it.

librealsense's ``align`` moves each depth pixel to where the colour camera sees its point, nearest point first, and
copies its value. That value is the distance along the *depth* camera's axis. The two axes are not quite parallel:
half a degree makes 4 mm at a point 0.5 m off the axis. So the value is corrected to the distance along the colour
camera's axis, in closed form: with ``R``, ``t`` taking points from the depth to the colour camera, a point at depth
``z`` on the colour camera's ray ``(x, y, 1)`` lies at ``r·(z (x, y, 1) - t)`` along the depth camera's axis, ``r``
being the third column of ``R``; solved for ``z``.
"""

from __future__ import annotations

import numpy as np
import pyrealsense2 as rs
from numpy.typing import NDArray

from realsense_camera.rgbd_frame import ColourCamera
from tracegen_model.camera import CameraIntrinsics

_NEGLIGIBLE = 1e-7


class DepthAlignment:
    """Aligns depth to colour for one pair of streams.

    Args:
        depth_stream: Profile of the depth stream.
        colour_stream: Profile of the colour stream.
    """

    def __init__(self, depth_stream: rs.stream_profile, colour_stream: rs.stream_profile) -> None:
        self._align = rs.align(rs.stream.color)
        extrinsics = depth_stream.get_extrinsics_to(colour_stream)
        # librealsense stores rotations column by column.
        axis_in_colour = np.array(extrinsics.rotation).reshape(3, 3)[2]
        camera = colour_camera(colour_stream).intrinsics
        columns = (np.arange(camera.width) - camera.cx) / camera.fx
        rows = (np.arange(camera.height) - camera.cy) / camera.fy
        # Lens distortion moves a ray by a few pixels, which matters for where, not for how far.
        along_axis = axis_in_colour[0] * columns + axis_in_colour[1] * rows[:, None] + axis_in_colour[2]
        self._scale = (1.0 / along_axis).astype(np.float32)
        self._shift_m = np.float32(axis_in_colour @ np.array(extrinsics.translation))
        self._is_parallel = bool(np.abs(along_axis - 1.0).max() < _NEGLIGIBLE) and self._shift_m == 0.0

    def process(self, frames: rs.composite_frame) -> NDArray[np.float32]:
        """Depth (H, W) [m] on the colour image's pixels; 0 = no reading."""
        aligned = self._align.process(frames).get_depth_frame()
        counts = np.asanyarray(aligned.get_data())
        depth_m = counts * np.float32(aligned.get_units())
        if self._is_parallel:
            return depth_m
        corrected = (depth_m + self._shift_m) * self._scale
        corrected[counts == 0] = 0.0
        return corrected


def colour_camera(stream: rs.stream_profile) -> ColourCamera:
    """Optics of a colour stream."""
    optics = stream.as_video_stream_profile().get_intrinsics()
    k1, k2, p1, p2, k3 = optics.coeffs
    return ColourCamera(
        CameraIntrinsics(optics.fx, optics.fy, optics.ppx, optics.ppy, optics.width, optics.height),
        (k1, k2, p1, p2, k3),
    )
