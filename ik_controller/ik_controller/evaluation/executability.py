"""Can the robot do it? What the follower's own path, inverse kinematics and timing make of predicted traces."""

from __future__ import annotations

import numpy as np

from ik_controller.arm_motion import ArmMotion
from ik_controller.evaluation.recording import Camera, FloatArray, RecordedFrame, Window
from ik_controller.evaluation.trace_errors import CM_PER_M, WeightedValue
from ik_controller.follower_config import FollowerConfig
from ik_controller.hand_motion import HandMotion, estimate_hand_motion
from ik_controller.hand_orientation import allowed_rotations
from ik_controller.hand_path import HandPath, path_through
from ik_controller.hand_points import read_hand_points
from ik_controller.lifting import lift_traces
from ik_controller.path_timing import PathSpeed
from ik_controller.robot_model import RobotModel
from tracegen_model.trace_grid import TraceGrid

MRAD_PER_RAD = 1000.0

MEASURES = ("feasible", "limit_margin_deg", "slow_down", "replan_shift_cm", "replan_step_mrad")
"""What a probe measures, see ``measures.definition``."""


class MotionProbe:
    """Plans what the follower would, for one frame and the next.

    Args:
        robot: Kinematics and limits.
        camera: The static camera.
        config: Settings of the follower.
    """

    def __init__(self, robot: RobotModel, camera: Camera, config: FollowerConfig | None = None) -> None:
        self._robot = robot
        self._camera = camera
        self._config = config or FollowerConfig()

    def measures(self, window: Window, traces: TraceGrid, following: TraceGrid) -> dict[str, WeightedValue]:
        """What following ``traces`` of the window's first frame, and ``following`` of its second, comes to."""
        first, second = window.frames[0], window.frames[1]
        config, limits = self._config, self._robot.limits
        nothing = WeightedValue(0.0, 0.0)
        measures = dict.fromkeys(MEASURES, nothing)
        motion, path = self._path(window, first, traces)
        if len(motion.positions) < 2:
            return measures | {"feasible": WeightedValue(0.0, 1.0)}
        if path is None:
            return measures
        joints = window.joints.at(np.array([first.time_s]))[0]
        velocity = window.joints.velocity_at(first.time_s)
        arm = ArmMotion(self._robot, config.ik)
        start_s = first.time_s + config.command_lead_s
        arm.anchor(joints, velocity, first.time_s, start_s, config.reanchor_error)
        speed = PathSpeed(config.workspace.speed, config.workspace.acceleration, config.workspace.jerk)
        report = arm.follow(path, start_s, speed, 0.0, joints)
        measures["feasible"] = WeightedValue(float(not report.shortfall), 1.0)
        knots = arm.commanded.trajectory.positions
        margin = np.minimum(knots - limits.position_lower, limits.position_upper - knots).min()
        measures["limit_margin_deg"] = WeightedValue(float(np.degrees(margin)), 1.0)
        if report.slow_down is not None:
            measures["slow_down"] = WeightedValue(float(report.slow_down), 1.0)
        again, next_path = self._path(window, second, following)
        if next_path is None:
            return measures
        measures["replan_shift_cm"] = WeightedValue(CM_PER_M * path_shift(motion, again), 1.0)
        later_s = max(second.time_s, first.time_s) + config.command_lead_s
        before = arm.commanded.state_at(later_s)
        farthest = config.workspace.speed * config.command_lead_s
        joined = next_path.nearest_length(arm.hand_at(later_s)[:3, 3], farthest)
        arm.follow(next_path, later_s, speed, joined, window.joints.at(np.array([second.time_s]))[0])
        after = arm.commanded.state_at(later_s)
        step = MRAD_PER_RAD * float(np.abs(after.position - before.position).max())
        measures["replan_step_mrad"] = WeightedValue(step, 1.0)
        return measures

    def _path(
        self, window: Window, frame: RecordedFrame, traces: TraceGrid
    ) -> tuple[HandMotion, HandPath | None]:
        """Motion of the hand that ``traces`` show, and the path that the follower makes of it."""
        config, robot = self._config, self._robot
        joints = window.joints.at(np.array([frame.time_s]))[0]
        width = float(window.joints.widths_at(np.array([frame.time_s]))[0])
        width = robot.hand.max_width if np.isnan(width) else width
        tcp = robot.tcp_in_base(joints)
        camera = self._camera
        lifted = lift_traces(traces, camera.in_base, frame.depth_m, camera.intrinsics)
        points = lifted.points_in_base
        hand_in_base = robot.hand_in_base(joints)
        hand = read_hand_points(
            traces, lifted, camera.intrinsics, camera.in_base, hand_in_base, robot.hand, width
        )
        motion = estimate_hand_motion(points[:, hand.mask], tcp, config.hand_motion, config.orientation)
        positions = config.workspace.clamp_from(tcp[:3, 3], motion.positions)
        rotations = allowed_rotations(config.orientation, positions, motion.rotations @ tcp[:3, :3])
        turning = config.workspace.speed / config.workspace.turning_speed
        return motion, path_through(positions, rotations, turning)


def path_shift(first: HandMotion, second: HandMotion) -> float:
    """Mean distance [m] of the second path's points from the first path, as far as the first one reaches."""
    starts, ends = first.positions[:-1], first.positions[1:]
    along = ends - starts
    square = np.maximum(np.square(along).sum(axis=1), 1e-12)
    length = float(np.linalg.norm(along, axis=1).sum())
    travelled = np.concatenate([[0.0], np.linalg.norm(np.diff(second.positions, axis=0), axis=1).cumsum()])
    points: FloatArray = second.positions[travelled <= length]
    offset = points[:, None] - starts
    share = np.clip((offset * along).sum(axis=-1) / square, 0.0, 1.0)
    distance = np.linalg.norm(offset - share[..., None] * along, axis=-1)
    return float(distance.min(axis=1).mean())
