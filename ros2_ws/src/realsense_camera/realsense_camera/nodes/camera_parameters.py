"""Parameters of the camera node."""

from __future__ import annotations

from dataclasses import dataclass

from realsense_camera.camera_settings import (
    CameraSettings,
    CameraSettingsError,
    FilterSettings,
    HoleFilling,
    StreamProfile,
)
from realsense_camera.camera_supervisor import Patience
from tracegen_ros.parameters import ParameterError, parameter

LIVE = "live"
SOFTWARE = "software"


@dataclass(frozen=True)
class CameraParameters:
    """What the camera node can be told."""

    source: str = parameter(
        LIVE,
        "Where images come from: 'live' (USB), 'software' (a synthetic scene), or the path of a .db3 recording",
    )
    serial: str = parameter(
        "",
        "Serial number of the camera, with '_' in front where it would read as a number; empty takes the first found",
    )
    colour_profile: str = parameter("640x480x30", "Colour stream: width x height [px] x rate [Hz]")
    depth_profile: str = parameter(
        "640x480x30", "Depth stream before alignment: width x height [px] x rate [Hz]"
    )
    colour_exposure: float = parameter(
        0.0, "Exposure of the colour sensor [its own unit: 100 us]; 0 = automatic", minimum=0.0, maximum=1e6
    )
    depth_exposure: float = parameter(
        0.0, "Exposure of the depth sensor [its own unit: us]; 0 = automatic", minimum=0.0, maximum=1e6
    )
    depth_units_m: float = parameter(
        0.0, "Length of one count of the depth sensor [m]; 0 = leave it", minimum=0.0, maximum=0.01
    )
    decimation: int = parameter(
        1, "Decimation filter: side of the blocks that become a pixel [px]; 1 = off", minimum=1, maximum=8
    )
    spatial_filter: bool = parameter(False, "Smooth depth over neighbours, preserving edges")
    temporal_filter: bool = parameter(False, "Smooth depth over time")
    hole_filling: str = parameter(
        HoleFilling.NONE.value,
        "From which neighbour a pixel without depth takes its own",
        choices=[mode.value for mode in HoleFilling],
    )
    repeat: bool = parameter(True, "Play a recording again when it has ended")
    frame_id: str = parameter("camera_color_optical_frame", "Frame of all images")
    image_qos: str = parameter(
        "SYSTEM_DEFAULT",
        "Delivery of images; SYSTEM_DEFAULT is realsense2_camera's",
        choices=("SYSTEM_DEFAULT", "SENSOR_DATA"),
    )
    stall_s: float = parameter(
        0.5, "No pair of images for this long [s] is a stall", minimum=0.1, maximum=60.0
    )
    restart_s: float = parameter(
        5.0, "After a stall of this length [s] the camera is started anew", minimum=0.1, maximum=600.0
    )
    retry_s: float = parameter(
        1.0, "Pause between two attempts to open the camera [s]", minimum=0.05, maximum=60.0
    )
    diagnostics_rate_hz: float = parameter(
        1.0, "How often health is published [Hz of wall time]", minimum=0.1, maximum=50.0
    )

    @property
    def serial_number(self) -> str:
        """The serial number without the ``_`` that keeps the command line from reading it as a number."""
        return self.serial.removeprefix("_")

    def settings(self) -> CameraSettings:
        """What is asked of the camera.

        Raises:
            ParameterError: No camera could follow it.
        """
        try:
            return CameraSettings(
                colour=StreamProfile.parse(self.colour_profile),
                depth=StreamProfile.parse(self.depth_profile),
                colour_exposure=self.colour_exposure,
                depth_exposure=self.depth_exposure,
                depth_units_m=self.depth_units_m,
                filters=FilterSettings(
                    self.decimation, self.spatial_filter, self.temporal_filter, HoleFilling(self.hole_filling)
                ),
            )
        except CameraSettingsError as error:
            raise ParameterError(f"parameters colour_profile, depth_profile: {error}") from error

    def patience(self) -> Patience:
        """How long to wait for what."""
        return Patience(stall_s=self.stall_s, restart_s=self.restart_s, retry_s=self.retry_s)
