"""Where the camera stands, from a calibration file.

parent_frame: fr3_link0
child_frame: camera_color_optical_frame
translation: [1.05, 0.22, 0.62]        # m
rotation: [0.0, 0.0, 0.0, 1.0]         # unit quaternion x, y, z, w
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray

from tracegen_model.atomic_write import write_atomically
from tracegen_ros.messages import TransformError, quaternion_from_rotation, rotation_from_quaternion

_KEYS = ("parent_frame", "child_frame", "translation", "rotation")


class CalibrationError(ValueError):
    """A calibration file that cannot be used."""


@dataclass(frozen=True)
class CameraCalibration:
    """Pose of a camera's optical frame.

    Attributes:
        parent_frame: Frame the pose is given in, the robot's base.
        child_frame: The camera's optical frame (REP-103).
        camera_in_base: (4, 4) homogeneous matrix [m].
    """

    parent_frame: str
    child_frame: str
    camera_in_base: NDArray[np.float64]


def read_camera_calibration(path: str | Path) -> CameraCalibration:
    """The calibration in the YAML file ``path``.

    Raises:
        CalibrationError: No such file, not YAML, a key missing, or numbers that are no rigid transform.
    """
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise CalibrationError(f"cannot read the camera calibration {path}: {error}") from error
    if not isinstance(content, dict) or any(key not in content for key in _KEYS):
        raise CalibrationError(f"the camera calibration {path} must hold the keys {', '.join(_KEYS)}")
    try:
        camera_in_base = np.eye(4)
        camera_in_base[:3, 3] = np.array(content["translation"], dtype=float).reshape(3)
        camera_in_base[:3, :3] = rotation_from_quaternion(
            *np.array(content["rotation"], dtype=float).reshape(4)
        )
    except (TransformError, TypeError, ValueError) as error:
        raise CalibrationError(f"the camera calibration {path} is no rigid transform: {error}") from error
    return CameraCalibration(str(content["parent_frame"]), str(content["child_frame"]), camera_in_base)


def write_camera_calibration(
    path: str | Path, calibration: CameraCalibration, remarks: Sequence[str] = ()
) -> None:
    """Write ``calibration`` to the YAML file ``path``, with ``remarks`` as comments above it.

    Raises:
        CalibrationError: The file cannot be written, or the pose is no rigid transform.
    """
    target = Path(path)
    x, y, z = calibration.camera_in_base[:3, 3].tolist()
    try:
        quaternion = quaternion_from_rotation(calibration.camera_in_base[:3, :3]).tolist()
        lines = [
            *(f"# {remark}" for remark in remarks),
            f"parent_frame: {calibration.parent_frame}",
            f"child_frame: {calibration.child_frame}",
            f"translation: [{x:.6f}, {y:.6f}, {z:.6f}]  # x, y, z [m]",
            f"rotation: [{', '.join(f'{number:.9f}' for number in quaternion)}]  # quaternion x, y, z, w",
        ]
        target.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(target, "\n".join(lines) + "\n")
    except (OSError, TransformError) as error:
        raise CalibrationError(f"cannot write the camera calibration {path}: {error}") from error
