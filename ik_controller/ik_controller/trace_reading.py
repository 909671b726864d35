"""What one trace grid says in the robot's terms: the hand's motion, the next grasp or release, the surface below it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ik_controller.camera_bias import BiasConfig, CameraBias
from ik_controller.depth_scale import UNKNOWN_SCALE, DepthScale
from ik_controller.follower_interface import FollowerInput
from ik_controller.grasping import HELD_OBJECT_REACH, EventKind, EventSource, GraspEvent, MovingScene
from ik_controller.hand_motion import HandMotion, HandMotionConfig, estimate_hand_motion
from ik_controller.hand_orientation import OrientationFreedom
from ik_controller.hand_points import HandPoints, read_hand_points
from ik_controller.lifting import lift_traces
from ik_controller.robot_model import RobotModel
from ik_controller.surface_height import (
    ObjectSurface,
    SurfaceConfig,
    find_object,
    points_near,
    table_height,
    without_hand,
)

FloatArray = NDArray[np.float64]

LOWEST_OBJECT_POINT = 0.006
"""Points lower than this over the table lie on the table [m]."""

HIGHEST_OBJECT_POINT = 0.10
"""Points higher than this over the table lie on the robot [m]."""

OBJECT_PASSING_DISTANCE = 0.06
"""The hand passes an object that it grasps within this distance [m]."""


@dataclass(frozen=True)
class Surroundings:
    """What the depth image shows around one place.

    Attributes:
        table: Height of the table [m, base frame], None where it is hidden.
        thing: The object that stands there, None where there is none.
    """

    table: float | None
    thing: ObjectSurface | None


@dataclass(frozen=True)
class TraceReading:
    """One trace grid, understood.

    Attributes:
        hand: Grid points on the hand.
        motion: Path of the tool centre point; a single row where no trace rides the hand.
        event: The next grasp or release, None where the traces show none.
        table: Height of the table below the path's lowest point [m].
        tcp_in_base: (4, 4) pose of the tool centre point at the image's stamp.
        thing: What the depth image shows at the place of a predicted grasp; None where nothing stands there.
        depth_scale: Of the predicted depth against the sensor.
    """

    hand: HandPoints
    motion: HandMotion
    event: GraspEvent | None
    table: float
    tcp_in_base: FloatArray
    thing: ObjectSurface | None = None
    depth_scale: DepthScale = UNKNOWN_SCALE


class TraceReader:
    """Reads trace grids; remembers the table's height, for images that hide it, and the camera's bias."""

    def __init__(
        self,
        robot: RobotModel,
        events: EventSource,
        surfaces: SurfaceConfig,
        bias: BiasConfig,
        assumed_table: float,
        motion: HandMotionConfig | None = None,
        freedom: OrientationFreedom = OrientationFreedom.HEADING,
    ) -> None:
        self._robot = robot
        self._events = events
        self._surfaces = surfaces
        self._bias = CameraBias(bias)
        self._table = assumed_table
        self._motion = motion or HandMotionConfig()
        self._freedom = freedom

    @property
    def camera_bias(self) -> FloatArray:
        """(3,) estimated error of the camera's calibration near the hand [m, base frame]."""
        return self._bias.estimate_in_base

    def read(self, inputs: FollowerInput, finger_width: float, holding: bool) -> TraceReading:
        """Understand ``inputs``, which must have passed ``safety.trace_input_gate``."""
        assert (
            inputs.traces is not None
            and inputs.camera_in_base is not None
            and inputs.joints_at_trace is not None
            and inputs.intrinsics is not None
        )
        hand_in_base = self._robot.hand_in_base(inputs.joints_at_trace)
        if inputs.depth_m is not None and inputs.intrinsics is not None and not holding:
            boxes = self._robot.hand.boxes(finger_width)
            self._bias.observe(inputs.depth_m, inputs.intrinsics, inputs.camera_in_base, hand_in_base, boxes)
        camera_in_base = self._bias.corrected(inputs.camera_in_base)
        lifted = lift_traces(inputs.traces, camera_in_base, inputs.depth_m, inputs.intrinsics)
        points = lifted.points_in_base
        tcp_in_base = self._robot.tcp_in_base(inputs.joints_at_trace)
        shape = self._robot.hand
        hand = read_hand_points(
            inputs.traces, lifted, inputs.intrinsics, camera_in_base, hand_in_base, shape, finger_width
        )
        motion = estimate_hand_motion(points[:, hand.mask], tcp_in_base, self._motion, self._freedom)
        lowest = motion.positions[int(np.argmin(motion.positions[:, 2]))]
        around = self.surroundings(inputs, lowest, finger_width, holding)
        if around.table is not None:
            self._table = around.table
        others = self._object_points(points[: len(motion.positions)], hand, motion, holding)
        heights = motion.positions[:, 2] - self._table
        stamp_s = inputs.now_s if inputs.trace_stamp_s is None else inputs.trace_stamp_s
        event = self._events.next_event(
            MovingScene(
                motion.positions, motion.rotations, others, heights, holding, stamp_s, inputs.gripper_signal
            )
        )
        thing = None
        if event is not None and event.kind is EventKind.GRASP:
            thing = self.surroundings(inputs, motion.positions[event.step], finger_width, holding).thing
        return TraceReading(hand, motion, event, self._table, tcp_in_base, thing, lifted.scale)

    def surroundings(
        self, inputs: FollowerInput, place: FloatArray, finger_width: float, holding: bool
    ) -> Surroundings:
        """Table and object around ``place`` (3,) [m] in the depth image of ``inputs``."""
        if (
            inputs.depth_m is None
            or inputs.intrinsics is None
            or inputs.camera_in_base is None
            or inputs.joints_at_trace is None
        ):
            return Surroundings(None, None)
        config = self._surfaces
        on_table = np.array([place[0], place[1], self._table])
        camera_in_base = self._bias.corrected(inputs.camera_in_base)
        points = points_near(
            inputs.depth_m, inputs.intrinsics, camera_in_base, on_table, config.search_radius
        )
        points = without_hand(
            points,
            self._robot.hand_in_base(inputs.joints_at_trace),
            self._robot.hand.boxes(finger_width),
            config.hand_clearance,
            config.held_depth if holding else None,
        )
        table = table_height(points, config)
        if table is None:
            return Surroundings(None, None)
        return Surroundings(table, find_object(points, place[:2], table, config))

    def _object_points(
        self, points: FloatArray, hand: HandPoints, motion: HandMotion, holding: bool
    ) -> FloatArray:
        """(K + 1, M, 3) traces of points that may lie on an object the hand takes or holds."""
        start = points[0]
        tcp = motion.positions[0]
        highest = tcp[2] + HELD_OBJECT_REACH if holding else self._table + HIGHEST_OBJECT_POINT
        with np.errstate(invalid="ignore"):
            candidate = (start[:, 2] > self._table + LOWEST_OBJECT_POINT) & (start[:, 2] < highest)
        candidate &= ~hand.mask
        if not holding:
            passing = np.linalg.norm(motion.positions[:, None] - start[candidate], axis=-1).min(axis=0)
            candidate[candidate] = passing < OBJECT_PASSING_DISTANCE
        return points[:, candidate]
