"""How far the arm is from itself and from the table, and how that changes with the joints.

Links are capsules, the hand's palm and each finger a box, the table everything below a height: the distances are
closed-form or a few steps of coal's solver. For the nearest points a and b of two shapes, with the unit normal n from
the first to the second and d their distance (negative where the shapes overlap),

    d = n^T (b - a),    dd/dq = n^T (J_b - J_a),

where J_p is the Jacobian of the point p moving with its link. n does not enter: to first order the points slide on
surfaces that n is normal to. ``test_collision_model`` compares with differences.

Fingers are the part that is meant to come near the scene. Their distance to the table is kept apart from the rest,
and they count as open as far as they go.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import coal
import numpy as np
import pinocchio as pin
from numpy.typing import NDArray

from ik_controller.hand_geometry import HandGeometry
from ik_controller.robot_description import FINGERS, Capsule, CollisionShapes, RobotModelError

FloatArray = NDArray[np.float64]

TABLE = "table"
"""Name of the table in pairs."""

Pair = tuple[str, str]


@dataclass(frozen=True)
class Clearance:
    """Smallest distances of the arm.

    Attributes:
        self_m: Between two of its parts [m], negative where they overlap; inf where no pair is watched.
        self_pair: Which two.
        scene_m: Between the table and any part but the fingers [m]; inf without a table.
        scene_pair: Which part, and the table.
        fingers_m: Between the table and the fingers, open as far as they go [m]; inf without a table.
    """

    self_m: float
    self_pair: Pair | None
    scene_m: float
    scene_pair: Pair | None
    fingers_m: float


@dataclass(frozen=True)
class CollisionMargins:
    """Distances to keep.

    Attributes:
        self_m: Between two parts of the arm [m].
        scene_m: Between the table and any part but the fingers [m].
        fingers_m: Between the table and the fingers [m]. Below 0, since fingers are there to touch: open and leaning
            as the hand does near the base, one of them reaches 14 mm lower than the tool centre point's lowest place.
    """

    self_m: float = 0.01
    scene_m: float = 0.02
    fingers_m: float = -0.015


@dataclass(frozen=True)
class NearPair:
    """Two parts near each other.

    Attributes:
        pair: Which.
        shapes: Indices of their shapes: a part may have several.
        distance: [m], negative where they overlap.
        margin: What they shall keep [m].
        gradient: (J,) its derivative by the joints [m/rad].
    """

    pair: Pair
    shapes: tuple[int, int]
    distance: float
    margin: float
    gradient: FloatArray


class CollisionModel:
    """Distances of one arm.

    Args:
        model: Kinematics of the arm's joints alone.
        shapes: Capsules of its links.
        hand: Boxes of its hand.
        hand_frame: Frame of the hand.
    """

    def __init__(
        self, model: pin.Model, shapes: CollisionShapes, hand: HandGeometry, hand_frame: str
    ) -> None:
        self._model = model
        self._data = model.createData()
        self._parts: list[str] = []
        every = pin.GeometryModel()
        for link, capsules in shapes.capsules.items():
            for capsule in capsules:
                self._add(every, link, link, *_coal_capsule(capsule))
        palm, *fingers = _hand_boxes(hand)
        self._add(every, hand_frame, hand_frame, *palm)
        for box in fingers:
            self._add(every, hand_frame, FINGERS, *box)
        unknown = {part for pair in shapes.apart for part in pair} | shapes.mounting
        unknown -= set(self._parts)
        if unknown:
            raise RobotModelError(f"collision names {sorted(unknown)}, which have no shape")
        self._table = every.addGeometryObject(
            pin.GeometryObject(TABLE, 0, pin.SE3.Identity(), coal.Halfspace(np.array([0.0, 0.0, 1.0]), 0.0))
        )
        self._parts.append(TABLE)
        self._table_z = 0.0
        self._self = _Distances(every, self._self_pairs(every, shapes.apart))
        over_table = [i for i, part in enumerate(self._parts[:-1]) if part not in shapes.mounting]
        self._scene = _Distances(every, [(i, self._table) for i in over_table if self._parts[i] != FINGERS])
        self._fingers = _Distances(every, [(i, self._table) for i in over_table if self._parts[i] == FINGERS])

    def clearance(self, joints: FloatArray, table_z: float | None = None) -> Clearance:
        """Smallest distances at ``joints`` (J,) [rad], to a table at height ``table_z`` [m, base frame] where given."""
        pin.forwardKinematics(self._model, self._data, joints)
        self_m, self_pair = self._self.smallest(self._model, self._data)
        if table_z is None:
            return Clearance(self_m, self._names(self_pair), np.inf, None, np.inf)
        self._place_table(table_z)
        scene_m, scene_pair = self._scene.smallest(self._model, self._data)
        fingers_m, _ = self._fingers.smallest(self._model, self._data)
        return Clearance(self_m, self._names(self_pair), scene_m, self._names(scene_pair), fingers_m)

    def near(
        self, joints: FloatArray, table_z: float | None, margins: CollisionMargins, within: float
    ) -> list[NearPair]:
        """Pairs nearer than their margin and ``within`` [m], with their gradients.

        Args:
            joints: (J,) [rad].
            table_z: Height of the table [m, base frame]; None for no table.
            margins: Distances to keep.
            within: How much more than the margin counts as near [m].
        """
        pin.computeJointJacobians(self._model, self._data, joints)
        groups = [(self._self, margins.self_m)]
        if table_z is not None:
            self._place_table(table_z)
            groups += [(self._scene, margins.scene_m), (self._fingers, margins.fingers_m)]
        found = []
        for distances, margin in groups:
            for (first, second), distance, start, end, normal in distances.nearer_than(
                self._model, self._data, margin + within
            ):
                gradient = normal @ (self._point_jacobian(second, end) - self._point_jacobian(first, start))
                names = (self._parts[first], self._parts[second])
                found.append(NearPair(names, (first, second), distance, margin, gradient))
        return found

    def _add(
        self, every: pin.GeometryModel, frame: str, part: str, shape: coal.ShapeBase, placement: pin.SE3
    ) -> None:
        if not self._model.existFrame(frame):
            raise RobotModelError(f"collision shapes name the link '{frame}', which the URDF does not have")
        index = self._model.getFrameId(frame)
        parent = self._model.frames[index]
        name = f"{part}.{len(self._parts)}"
        every.addGeometryObject(
            pin.GeometryObject(name, parent.parentJoint, index, parent.placement * placement, shape)
        )
        self._parts.append(part)

    def _self_pairs(
        self, every: pin.GeometryModel, apart: frozenset[frozenset[str]]
    ) -> list[tuple[int, int]]:
        """Shapes of different parts that no single joint separates, and that are not known to stay apart."""
        joint = [shape.parentJoint for shape in every.geometryObjects]
        parents = self._model.parents
        return [
            (i, k)
            for i in range(len(self._parts) - 1)
            for k in range(i + 1, len(self._parts) - 1)
            if joint[i] != joint[k]
            and parents[joint[k]] != joint[i]
            and parents[joint[i]] != joint[k]
            and frozenset((self._parts[i], self._parts[k])) not in apart
        ]

    def _place_table(self, height: float) -> None:
        if height == self._table_z:
            return
        self._table_z = height
        placement = pin.SE3(np.eye(3), np.array([0.0, 0.0, height]))
        for distances in (self._scene, self._fingers):
            distances.place(self._table, placement)

    def _point_jacobian(self, shape: int, point: FloatArray) -> FloatArray:
        """(3, J) Jacobian of ``point`` (3,) [m] that moves with ``shape``."""
        joint = self._self.joint_of(shape)
        if joint == 0:
            return np.zeros((3, self._model.nv))
        jacobian = pin.getJointJacobian(
            self._model, self._data, joint, pin.ReferenceFrame.LOCAL_WORLD_ALIGNED
        )
        x, y, z = point - self._data.oMi[joint].translation
        lever = np.array([[0.0, z, -y], [-z, 0.0, x], [y, -x, 0.0]])
        return jacobian[:3] + lever @ jacobian[3:]

    def _names(self, pair: tuple[int, int] | None) -> Pair | None:
        return None if pair is None else (self._parts[pair[0]], self._parts[pair[1]])


class _Distances:
    """The distances of some pairs of shapes."""

    def __init__(self, every: pin.GeometryModel, pairs: list[tuple[int, int]]) -> None:
        self._geometry = every.copy()
        for first, second in pairs:
            self._geometry.addCollisionPair(pin.CollisionPair(first, second))
        self._pairs = pairs
        self._data = self._geometry.createData()
        self._results = self._data.distanceResults

    def joint_of(self, shape: int) -> int:
        """Joint that ``shape`` moves with."""
        return int(self._geometry.geometryObjects[shape].parentJoint)

    def place(self, shape: int, placement: pin.SE3) -> None:
        """Put a shape that does not move with a joint somewhere else."""
        self._geometry.geometryObjects[shape].placement = placement

    def smallest(self, model: pin.Model, data: pin.Data) -> tuple[float, tuple[int, int] | None]:
        """Smallest distance [m] and its pair, at the joint placements of ``data``."""
        nearest = self._compute(model, data)
        if nearest is None:
            return float("inf"), None
        return float(self._results[nearest].min_distance), self._pairs[nearest]

    def nearer_than(
        self, model: pin.Model, data: pin.Data, limit: float
    ) -> Iterator[tuple[tuple[int, int], float, FloatArray, FloatArray, FloatArray]]:
        """Pairs nearer than ``limit`` [m]: their distance [m], nearest points (3,) [m] and the normal between them."""
        nearest = self._compute(model, data)
        if nearest is None or self._results[nearest].min_distance >= limit:
            return
        for pair, result in zip(self._pairs, self._results, strict=True):
            if result.min_distance < limit:
                yield (
                    pair,
                    float(result.min_distance),
                    result.getNearestPoint1(),
                    result.getNearestPoint2(),
                    result.normal,
                )

    def _compute(self, model: pin.Model, data: pin.Data) -> int | None:
        if not self._pairs:
            return None
        pin.updateGeometryPlacements(model, data, self._geometry, self._data)
        return int(pin.computeDistances(self._geometry, self._data))


def _coal_capsule(capsule: Capsule) -> tuple[coal.ShapeBase, pin.SE3]:
    """coal's capsule lies along z about its origin."""
    along = capsule.end - capsule.start
    length = float(np.linalg.norm(along))
    turn = np.eye(3)
    if length > 0.0:
        turn = pin.Quaternion.FromTwoVectors(np.array([0.0, 0.0, 1.0]), along / length).toRotationMatrix()
    return coal.Capsule(capsule.radius, length), pin.SE3(turn, (capsule.start + capsule.end) / 2)


def _hand_boxes(hand: HandGeometry) -> list[tuple[coal.ShapeBase, pin.SE3]]:
    """A box around the palm, and one around each finger, which are open as far as they go."""
    boxes = []
    for parts in (hand.palm, *hand.fingers(hand.max_width)):
        lower, upper = parts[:, 0].min(axis=0), parts[:, 1].max(axis=0)
        boxes.append((coal.Box(*(upper - lower)), pin.SE3(np.eye(3), (lower + upper) / 2)))
    return boxes
