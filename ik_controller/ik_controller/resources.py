"""Where the robot's description lies: URDF, limits, hand geometry and camera calibration.

Descriptions of other robots are found by ``package://`` names, as in ROS.

The files live in the repository's ``urdf/`` folder and are installed to ``share/ik_controller/urdf``. Both are found
without ROS.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

PACKAGE = "ik_controller"
FOLDER = "urdf"

PACKAGE_SCHEME = "package://"


class ResourceError(FileNotFoundError):
    """A robot description file is not where this package looks for it."""


def resource_path(name: str) -> Path:
    """Path of the description file ``name``, relative to ``urdf/`` (for example ``limits/fr3_full.yaml``).

    The source tree wins over installed copies, so that an edit is seen at once.

    Raises:
        ResourceError: if no candidate folder holds it.
    """
    candidates = [folder / name for folder in _folders()]
    for path in candidates:
        if path.is_file():
            return path
    raise ResourceError(
        f"robot description file '{name}' not found; looked at {', '.join(map(str, candidates))}; "
        f"build the workspace and source it, or run from the source tree"
    )


def package_path(name: str) -> Path:
    """Path of the file that ``package://<package>/<path>`` names.

    Packages are sought in ``share`` of the prefixes in AMENT_PREFIX_PATH, in the folders of ROS_PACKAGE_PATH, and
    where pip puts robot descriptions (``example-robot-data``).

    Raises:
        ResourceError: if no candidate folder holds it.
    """
    relative = name.removeprefix(PACKAGE_SCHEME)
    candidates = [folder / relative for folder in _package_folders()]
    for path in candidates:
        if path.is_file():
            return path
    raise ResourceError(f"{name} not found; looked at {', '.join(map(str, candidates))}")


def _package_folders() -> Iterator[Path]:
    for prefix in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep):
        if prefix:
            yield Path(prefix) / "share"
    for folder in os.environ.get("ROS_PACKAGE_PATH", "").split(os.pathsep):
        if folder:
            yield Path(folder)
    yield Path(sysconfig.get_path("purelib")) / "cmeel.prefix" / "share"


def _folders() -> Iterator[Path]:
    yield Path(__file__).resolve().parents[2] / FOLDER
    for prefix in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep):
        if prefix:
            yield Path(prefix) / "share" / PACKAGE / FOLDER
    yield Path(sys.prefix) / "share" / PACKAGE / FOLDER
