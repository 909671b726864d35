"""Where every link of a robot is: forward kinematics of a whole URDF, in numpy alone."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tracegen_ros.calibration.rigid_motion import motion, rotation_from_vector

FloatArray = NDArray[np.float64]

_KINDS = ("fixed", "revolute", "continuous", "prismatic")


class RobotDescriptionError(ValueError):
    """A file that is not the URDF of one robot made of fixed, turning and sliding joints."""


@dataclass(frozen=True)
class Shape:
    """A primitive that a link is made of.

    Attributes:
        kind: ``box`` or ``cylinder`` (along z).
        size: Edges of a box, or radius and length [m].
        pose_in_link: (4, 4).
        colour: (3,) RGB, 0 to 255.
    """

    kind: str
    size: tuple[float, ...]
    pose_in_link: FloatArray
    colour: tuple[int, int, int]


@dataclass(frozen=True)
class Link:
    """A link and the joint that it hangs on.

    Attributes:
        name: Of the link.
        parent: Name of the link it hangs on; None for the base.
        joint: Name of that joint; a joint that mimics another has the other's name.
        kind: Type of the joint.
        origin: (4, 4) pose in the parent at joint position zero.
        axis: (3,) along which, or about which, it moves.
        shapes: What it looks like.
    """

    name: str
    parent: str | None
    joint: str
    kind: str
    origin: FloatArray
    axis: FloatArray
    shapes: tuple[Shape, ...]

    def in_parent(self, position: float) -> FloatArray:
        """(4, 4) pose in the parent at joint ``position`` [rad or m]."""
        if self.kind == "fixed":
            return self.origin
        if self.kind == "prismatic":
            return self.origin @ motion(np.eye(3), self.axis * position)
        return self.origin @ motion(rotation_from_vector(self.axis * position), np.zeros(3))


@dataclass(frozen=True)
class RobotTree:
    """The links of a robot, each after the one it hangs on.

    Attributes:
        links: The base first.
    """

    links: tuple[Link, ...]

    @classmethod
    def read(cls, urdf: str | Path) -> RobotTree:
        """The robot in the file ``urdf``.

        Raises:
            RobotDescriptionError: It cannot be read, or is not one tree of links.
        """
        try:
            robot = ElementTree.parse(urdf).getroot()
            joints = {_named(joint, "child"): joint for joint in robot.findall("joint")}
            colours = _colours(robot)
            waiting = [_link(element, joints, colours) for element in robot.findall("link")]
        except (OSError, ElementTree.ParseError, ValueError) as error:
            raise RobotDescriptionError(f"cannot read the robot description {urdf}: {error}") from error
        if not waiting:
            raise RobotDescriptionError(f"the robot description {urdf} has no links")
        sorted_links: list[Link] = []
        known: set[str | None] = {None}
        while waiting:
            ready = [link for link in waiting if link.parent in known]
            if not ready or (not sorted_links and len(ready) > 1):
                raise RobotDescriptionError(
                    f"the links of {urdf} are not one tree; look at {waiting[0].name!r}"
                )
            sorted_links += ready
            known |= {link.name for link in ready}
            waiting = [link for link in waiting if link.name not in known]
        return cls(tuple(sorted_links))

    @property
    def base(self) -> str:
        """Name of the link that everything hangs on."""
        return self.links[0].name

    def poses_in_base(self, positions: Mapping[str, float]) -> dict[str, FloatArray]:
        """(4, 4) pose of every link for joint ``positions`` [rad or m]; a joint that is not named is at zero."""
        poses: dict[str, FloatArray] = {}
        for link in self.links:
            in_parent = link.in_parent(positions.get(link.joint, 0.0))
            poses[link.name] = in_parent if link.parent is None else poses[link.parent] @ in_parent
        return poses


def _link(
    element: ElementTree.Element,
    joints: Mapping[str, ElementTree.Element],
    colours: Mapping[str, tuple[int, int, int]],
) -> Link:
    name = element.get("name", "")
    shapes = tuple(
        shape for visual in element.findall("visual") if (shape := _shape(visual, colours)) is not None
    )
    joint = joints.get(name)
    if joint is None:
        return Link(name, None, "", "fixed", np.eye(4), np.zeros(3), shapes)
    kind = joint.get("type", "")
    if kind not in _KINDS:
        raise ValueError(
            f"joint {joint.get('name')!r} is {kind or 'of no type'}; expected {', '.join(_KINDS)}"
        )
    mimicked = joint.find("mimic")
    moved_by = joint.get("name", "") if mimicked is None else mimicked.get("joint", "")
    axis = _numbers(joint.find("axis"), "xyz", "1 0 0", 3)
    return Link(
        name,
        _named(joint, "parent"),
        moved_by,
        kind,
        _origin(joint),
        axis / max(float(np.linalg.norm(axis)), 1e-12),
        shapes,
    )


def _shape(visual: ElementTree.Element, colours: Mapping[str, tuple[int, int, int]]) -> Shape | None:
    """The primitive of ``visual``; None for other geometry, which is not drawn."""
    material = visual.find("material")
    colour = colours.get("" if material is None else material.get("name", ""), (200, 200, 200))
    box, cylinder = visual.find("geometry/box"), visual.find("geometry/cylinder")
    if box is not None:
        return Shape("box", tuple(_numbers(box, "size", "", 3).tolist()), _origin(visual), colour)
    if cylinder is not None:
        size = (
            float(_numbers(cylinder, "radius", "", 1)[0]),
            float(_numbers(cylinder, "length", "", 1)[0]),
        )
        return Shape("cylinder", size, _origin(visual), colour)
    return None


def _colours(robot: ElementTree.Element) -> dict[str, tuple[int, int, int]]:
    colours = {}
    for material in robot.findall("material"):
        red, green, blue, _ = np.rint(255.0 * _numbers(material.find("color"), "rgba", "1 1 1 1", 4)).astype(
            int
        )
        colours[material.get("name", "")] = (int(red), int(green), int(blue))
    return colours


def _origin(element: ElementTree.Element) -> FloatArray:
    """(4, 4) pose of the ``origin`` below ``element``; URDF turns about fixed axes, roll first."""
    origin = element.find("origin")
    roll, pitch, yaw = _numbers(origin, "rpy", "0 0 0", 3)
    rotation = (
        rotation_from_vector([0.0, 0.0, yaw])
        @ rotation_from_vector([0.0, pitch, 0.0])
        @ rotation_from_vector([roll, 0.0, 0.0])
    )
    return motion(rotation, _numbers(origin, "xyz", "0 0 0", 3))


def _named(joint: ElementTree.Element, role: str) -> str:
    element = joint.find(role)
    return "" if element is None else element.get("link", "")


def _numbers(element: ElementTree.Element | None, attribute: str, default: str, count: int) -> FloatArray:
    text = default if element is None else element.get(attribute, default)
    numbers = np.array([float(word) for word in text.split()])
    if numbers.shape != (count,):
        raise ValueError(f"{attribute}={text!r} must be {count} number(s)")
    return numbers
