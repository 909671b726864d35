"""What a run was made with: revision of the sources, versions, model, limits, calibration, parameters."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from ament_index_python.packages import PackageNotFoundError, get_package_share_directory
from rclpy.utilities import get_rmw_implementation_identifier

_PACKAGES = ("numpy", "onnxruntime", "mcap", "opencv-python-headless", "pin", "mujoco")
_GIT_S = 5.0
"""How long git may take to answer [s]."""

_LARGEST_FILE = 1 << 16
"""Files of at most this size are kept with their contents [bytes]."""


def software_provenance() -> dict[str, Any]:
    """Revision of these sources, versions of what they stand on, and when this was asked."""
    return {
        "recorded_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "git": _git_revision(Path(__file__).resolve().parent),
        "software": {
            "python": platform.python_version(),
            "ros_distro": os.environ.get("ROS_DISTRO", ""),
            "rmw": get_rmw_implementation_identifier(),
            "machine": platform.machine(),
            "packages": {name: version for name in _PACKAGES if (version := _version(name))},
        },
    }


def files_in_force(parameters: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The files that nodes were given by their parameters: limits of the joints and the camera's calibration.

    Args:
        parameters: By node, by name.

    Returns:
        ``limits`` and ``calibration``, each with path, SHA-256 and text; without those that are not known.
    """
    found: dict[str, Any] = {}
    for values in parameters.values():
        limits, calibration = values.get("limits"), values.get("calibration")
        if isinstance(limits, str) and limits:
            found |= _described("limits", _limits_file(limits))
        if isinstance(calibration, str) and calibration:
            found |= _described("calibration", Path(calibration))
    return found


def _limits_file(name_or_path: str) -> Path:
    if not name_or_path.endswith(".yaml"):
        try:
            share = Path(get_package_share_directory("ik_controller"))
        except PackageNotFoundError:
            return Path(name_or_path)
        return share / "urdf" / "limits" / f"{name_or_path}.yaml"
    return Path(name_or_path)


def _described(name: str, path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _LARGEST_FILE:
            return {}
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return {}
    return {name: {"path": str(path), "sha256": hashlib.sha256(text.encode()).hexdigest(), "text": text}}


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def _git_revision(folder: Path) -> dict[str, Any]:
    """Commit and whether files differ from it; empty where the sources are not in a git checkout."""
    try:
        revision = _git(folder, "rev-parse", "HEAD")
        changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return {}
    return {"revision": revision, "modified": bool(changed)}


def _git(folder: Path, *words: str) -> str:
    answer = subprocess.run(
        ["git", "-C", str(folder), *words], capture_output=True, text=True, check=True, timeout=_GIT_S
    )
    return answer.stdout.strip()
