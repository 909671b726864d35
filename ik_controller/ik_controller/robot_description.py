"""Which robot it is: one file that names everything else, so that another arm is another file.

A description (``urdf/robots/fr3.yaml`` is the one of the Franka Research 3) is a mapping:

    name: fr3
    urdf: ../fr3.urdf                     # a path beside this file, or package://<package>/<path>
    limits: fr3_rectangular               # a shipped set, or a file beside this one
    hand: ../hand_geometry.yaml           # the hand's boxes
    frames: {base: fr3_link0, hand: fr3_hand, tcp: fr3_hand_tcp}
    fingers:                              # joints that the gripper reports, each with what it adds to the opening
      joints: {fr3_finger_joint1: 1.0, fr3_finger_joint2: 1.0}
      opening_at_zero: 0.0                # m; ``finger_joints`` has the mathematics
    posture: [0.0, 0.1, ...]              # rad: where the arm is at ease
    collision:
      capsules:                           # in the frame of their link, m
        fr3_link0: [{from: [0, 0, 0], to: [0, 0, 0.1], radius: 0.1}]
      apart: [[fr3_link0, fr3_link2], ...]   # pairs of links that nobody need watch
      mounting: [fr3_link0, fr3_link1]    # links that stand on the table and cannot reach it

Without ``tcp`` the tool centre point lies at the hand's ``tcp_offset`` along the z axis of its frame.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from ik_controller.finger_joints import FingerJoints
from ik_controller.resources import package_path, resource_path

FloatArray = NDArray[np.float64]

HAND = "hand"
"""Name of the hand's palm in pairs of shapes."""

FINGERS = "fingers"
"""Name of both fingers in pairs of shapes."""


class RobotModelError(ValueError):
    """Description, URDF, limits and hand geometry do not describe one robot."""


@dataclass(frozen=True)
class Capsule:
    """All points within ``radius`` of a line segment.

    Attributes:
        start: (3,) one end of the segment in the link's frame [m].
        end: (3,) the other end [m].
        radius: [m].
    """

    start: FloatArray
    end: FloatArray
    radius: float

    def distance(self, points: FloatArray) -> FloatArray:
        """(N,) signed distance [m] of ``points`` (N, 3) in the link's frame, negative inside."""
        along = self.end - self.start
        share = np.clip((points - self.start) @ along / max(float(along @ along), 1e-12), 0.0, 1.0)
        return np.linalg.norm(points - self.start - share[:, None] * along, axis=1) - self.radius


@dataclass(frozen=True)
class CollisionShapes:
    """The arm's shape in capsules, and what need not be watched.

    Attributes:
        capsules: Of each link that has a shape. The hand's shape is its geometry's boxes.
        apart: Pairs of links, the hand and its fingers included, that touch always or never.
        mounting: Links that stand on the table or cannot reach it.
    """

    capsules: Mapping[str, tuple[Capsule, ...]]
    apart: frozenset[frozenset[str]]
    mounting: frozenset[str]


@dataclass(frozen=True)
class RobotDescription:
    """What a robot's description file says, its paths resolved.

    Attributes:
        name: Of the robot.
        urdf: Kinematics.
        limits: Name of a shipped set of joint limits, or the path of a file.
        hand: Geometry of the hand.
        base_frame: Frame of all poses.
        hand_frame: Frame of the hand's geometry.
        tcp_frame: Frame of the tool centre point; None where the hand's geometry says where it is.
        fingers: Joints that the gripper reports.
        posture: (J,) joint positions at which the arm is at ease [rad].
        collision: Shapes.
    """

    name: str
    urdf: Path
    limits: str | Path
    hand: Path
    base_frame: str
    hand_frame: str
    tcp_frame: str | None
    fingers: FingerJoints
    posture: FloatArray
    collision: CollisionShapes

    @classmethod
    def load(cls, name_or_path: str | Path) -> RobotDescription:
        """Read a description: the path of a file, or the name of a shipped robot such as ``fr3``.

        Raises:
            RobotModelError: where the file lacks or garbles a field, or names a file that is not there.
        """
        path = Path(name_or_path)
        if path.suffix not in (".yaml", ".yml"):
            path = resource_path(f"robots/{name_or_path}.yaml")
        try:
            content = yaml.safe_load(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise RobotModelError(f"cannot read the robot description {path}: {error}") from error
        except yaml.YAMLError as error:
            raise RobotModelError(f"robot description {path} is not YAML: {error}") from error
        try:
            frames = content["frames"]
            return cls(
                name=str(content["name"]),
                urdf=_file(content["urdf"], path),
                limits=_limits(content["limits"], path),
                hand=_file(content["hand"], path),
                base_frame=str(frames["base"]),
                hand_frame=str(frames["hand"]),
                tcp_frame=frames.get("tcp"),
                fingers=_fingers(content["fingers"]),
                posture=np.array(content["posture"], dtype=float),
                collision=_collision(content["collision"]),
            )
        except RobotModelError:
            raise
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise RobotModelError(
                f"robot description {path} lacks or garbles {error}; urdf/robots/fr3.yaml shows all fields"
            ) from error


def _file(name: str, description: Path) -> Path:
    path = package_path(name) if name.startswith("package://") else (description.parent / name).resolve()
    if not path.is_file():
        raise RobotModelError(f"robot description {description} names {path}, which is not there")
    return path


def _limits(name: str, description: Path) -> str | Path:
    return _file(name, description) if name.endswith((".yaml", ".yml")) else name


def _fingers(content: dict[str, Any]) -> FingerJoints:
    names = tuple(str(name) for name in content["joints"])
    gains = np.array([float(gain) for gain in content["joints"].values()])
    at_zero = float(content["opening_at_zero"])
    if not names or not np.isfinite([*gains, at_zero]).all() or not gains.any():
        raise RobotModelError(
            f"fingers need joints, each with what it adds to the opening, and the opening at zero [m], got {content}"
        )
    return FingerJoints(names, gains, at_zero)


def _collision(content: dict[str, Any]) -> CollisionShapes:
    return CollisionShapes(
        capsules={
            link: tuple(_capsule(link, entry) for entry in entries)
            for link, entries in content["capsules"].items()
        },
        apart=frozenset(frozenset(pair) for pair in content["apart"]),
        mounting=frozenset(content["mounting"]),
    )


def _capsule(link: str, entry: dict[str, Any]) -> Capsule:
    start, end = np.array(entry["from"], dtype=float), np.array(entry["to"], dtype=float)
    radius = float(entry["radius"])
    if (
        start.shape != (3,)
        or end.shape != (3,)
        or radius <= 0.0
        or not np.isfinite([*start, *end, radius]).all()
    ):
        raise RobotModelError(f"a capsule of {link} needs two points [m] and a radius [m], got {entry}")
    return Capsule(start, end, radius)
