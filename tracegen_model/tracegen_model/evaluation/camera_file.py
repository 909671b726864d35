"""Camera intrinsics from a file: this project's own six numbers, or what ROS writes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tracegen_model.camera import CameraIntrinsics

FIELDS = ("fx", "fy", "cx", "cy", "width", "height")


class CameraFileError(ValueError):
    """A file that does not hold a camera's intrinsics."""


def read_camera(path: Path) -> CameraIntrinsics:
    """Intrinsics from a YAML or JSON file.

    It holds fx, fy, cx, cy, width and height [px]; or image_width, image_height and camera_matrix, as ROS's
    ``camera_calibration`` writes them; or width, height and k, as ``ros2 topic echo --once .../camera_info`` prints.

    Raises:
        CameraFileError: There is no such file, or it holds something else.
        IntrinsicsError: The numbers are not those of a pinhole camera.
    """
    try:
        values = next(iter(yaml.safe_load_all(path.read_text(encoding="utf-8"))), None)
    except OSError as error:
        raise CameraFileError(
            f"{path}: expected a file with camera intrinsics, found {error.strerror}"
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise CameraFileError(f"{path}: expected YAML or JSON, found something else") from error
    if isinstance(values, Mapping):
        for read in (_own, _calibration, _camera_info):
            try:
                return read(values)
            except (KeyError, TypeError):
                continue
    raise CameraFileError(
        f"{path}: expected {', '.join(FIELDS)}, or image_width, image_height and camera_matrix.data, or width, height "
        f"and k; found {', '.join(map(str, values)) if isinstance(values, Mapping) else type(values).__name__}"
    )


def _own(values: Mapping[str, Any]) -> CameraIntrinsics:
    return CameraIntrinsics(**{name: values[name] for name in FIELDS})


def _calibration(values: Mapping[str, Any]) -> CameraIntrinsics:
    return CameraIntrinsics.from_matrix(
        values["camera_matrix"]["data"], values["image_width"], values["image_height"]
    )


def _camera_info(values: Mapping[str, Any]) -> CameraIntrinsics:
    return CameraIntrinsics.from_matrix(values["k"], values["width"], values["height"])
