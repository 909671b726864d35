"""``camera_pose_node``: publishes a camera's calibrated pose on ``/tf_static``."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from rclpy.node import Node
from tf2_msgs.msg import TFMessage

from tracegen_ros.camera_calibration import CalibrationError, read_camera_calibration
from tracegen_ros.messages import encode_header, encode_transform
from tracegen_ros.parameters import ParameterError, declare_parameters, parameter
from tracegen_ros.qos import LATCHED
from tracegen_ros.spinning import run_node

NAME = "camera_pose_node"


@dataclass(frozen=True)
class CameraPoseParameters:
    """Where the calibration is read from."""

    calibration: str = parameter("", "Calibration file (YAML) with the pose of the camera's optical frame")


class CameraPoseNode(Node):
    """Publishes the pose once; the topic keeps it for whoever joins later."""

    def __init__(self) -> None:
        super().__init__(NAME)
        parameters = declare_parameters(self, CameraPoseParameters)
        try:
            calibration = read_camera_calibration(parameters.calibration)
        except CalibrationError as error:
            raise ParameterError(f"parameter 'calibration': {error}") from error
        header = encode_header(self.get_clock().now().nanoseconds, calibration.parent_frame)
        transform = encode_transform(calibration.camera_in_base, header, calibration.child_frame)
        self._publisher = self.create_publisher(TFMessage, "/tf_static", LATCHED)
        self._publisher.publish(TFMessage(transforms=[transform]))
        self.get_logger().info(
            f"{calibration.child_frame} in {calibration.parent_frame} from {parameters.calibration}"
        )


def main() -> None:
    """Entry point of ``ros2 run tracegen_ros camera_pose_node``."""
    sys.exit(run_node(CameraPoseNode))
