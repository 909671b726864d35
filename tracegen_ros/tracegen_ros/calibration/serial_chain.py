"""Where the hand is for given joints: forward kinematics of one chain of a URDF, in numpy alone."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tracegen_ros.calibration.errors import CalibrationDataError
from tracegen_ros.calibration.rigid_motion import motion, rotation_from_vector

FloatArray = NDArray[np.float64]

_MOVING = ("revolute", "continuous")


@dataclass(frozen=True)
class _Joint:
    name: str
    origin: FloatArray
    axis: FloatArray | None


@dataclass(frozen=True)
class SerialChain:
    """The joints from one link of a robot to another.

    Attributes:
        joints: From base to tip.
    """

    joints: tuple[_Joint, ...]

    @classmethod
    def read(cls, urdf: str | Path, base: str, tip: str) -> SerialChain:
        """The chain from link ``base`` to link ``tip`` in the file ``urdf``.

        Raises:
            CalibrationDataError: The file is no URDF, or has no such chain of revolute and fixed joints.
        """
        try:
            robot = ElementTree.parse(urdf).getroot()
        except (OSError, ElementTree.ParseError) as error:
            raise CalibrationDataError(f"cannot read the robot description {urdf}: {error}") from error
        by_child = {_link(element, "child"): element for element in robot.findall("joint")}
        joints: list[_Joint] = []
        link = tip
        while link != base:
            if link not in by_child:
                raise CalibrationDataError(f"{urdf} has no chain from link {base!r} to link {tip!r}")
            element = by_child[link]
            joints.append(_joint(element))
            link = _link(element, "parent")
        return cls(tuple(reversed(joints)))

    @property
    def joint_names(self) -> tuple[str, ...]:
        """The joints that move, from base to tip."""
        return tuple(joint.name for joint in self.joints if joint.axis is not None)

    def tip_in_base(self, positions: Mapping[str, float] | FloatArray) -> FloatArray:
        """(4, 4) pose of the tip for joint ``positions`` [rad], by name or (J,) in the order of ``joint_names``."""
        if not isinstance(positions, Mapping):
            positions = dict(zip(self.joint_names, np.asarray(positions, dtype=float).tolist(), strict=True))
        pose = np.eye(4)
        for joint in self.joints:
            pose = pose @ joint.origin
            if joint.axis is not None:
                pose[:3, :3] = pose[:3, :3] @ rotation_from_vector(joint.axis * positions[joint.name])
        return pose


def _link(joint: ElementTree.Element, role: str) -> str:
    element = joint.find(role)
    return "" if element is None else element.get("link", "")


def _joint(element: ElementTree.Element) -> _Joint:
    name, kind = element.get("name", ""), element.get("type", "")
    if kind not in (*_MOVING, "fixed"):
        raise CalibrationDataError(f"joint {name!r} is {kind or 'of no type'}; expected revolute or fixed")
    origin, axis = element.find("origin"), element.find("axis")
    roll, pitch, yaw = _numbers(origin, "rpy", "0 0 0")
    # URDF: fixed axes, roll first.
    rotation = (
        rotation_from_vector([0.0, 0.0, yaw])
        @ rotation_from_vector([0.0, pitch, 0.0])
        @ rotation_from_vector([roll, 0.0, 0.0])
    )
    along = _numbers(axis, "xyz", "1 0 0")
    return _Joint(
        name,
        motion(rotation, _numbers(origin, "xyz", "0 0 0")),
        along / np.linalg.norm(along) if kind in _MOVING else None,
    )


def _numbers(element: ElementTree.Element | None, attribute: str, default: str) -> FloatArray:
    text = default if element is None else element.get(attribute, default)
    return np.array([float(word) for word in text.split()])
