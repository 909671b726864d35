"""librealsense's depth filters, in the order its authors advise.

decimation → [depth to disparity] → spatial → temporal → [disparity to depth] → hole filling
"""

from __future__ import annotations

import pyrealsense2 as rs

from realsense_camera.camera_settings import FilterSettings, HoleFilling

_HOLE_FILLING_MODES = {HoleFilling.LEFT: 0, HoleFilling.FARTHEST: 1, HoleFilling.NEAREST: 2}


class DepthFilters:
    """The filters that are switched on.

    Args:
        settings: Which.
        in_disparity: Smooth in disparity, where the noise of a stereo camera is the same near and far.
    """

    def __init__(self, settings: FilterSettings, in_disparity: bool) -> None:
        smoothing: list[rs.filter] = []
        if settings.spatial:
            smoothing.append(rs.spatial_filter())
        if settings.temporal:
            smoothing.append(rs.temporal_filter())
        if smoothing and in_disparity:
            smoothing = [rs.disparity_transform(True), *smoothing, rs.disparity_transform(False)]
        self._blocks: list[rs.filter] = []
        if settings.decimation > 1:
            # The filter itself knows 2 to 8; 1 is its absence.
            decimation = rs.decimation_filter()
            decimation.set_option(rs.option.filter_magnitude, settings.decimation)
            self._blocks.append(decimation)
        self._blocks.extend(smoothing)
        if settings.hole_filling is not HoleFilling.NONE:
            filling = rs.hole_filling_filter()
            filling.set_option(rs.option.holes_fill, _HOLE_FILLING_MODES[settings.hole_filling])
            self._blocks.append(filling)

    def process(self, frames: rs.composite_frame) -> rs.composite_frame:
        """The same frames with depth filtered; colour is left alone."""
        for block in self._blocks:
            frames = block.process(frames).as_frameset()
        return frames
