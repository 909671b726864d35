"""What really happened to the points that a trace predicts: hand by kinematics, scene by tracking, the rest unknown."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from ik_controller.evaluation.arm_points import ArmShape
from ik_controller.evaluation.hand_truth import HandPart, find_hand_parts, hand_point_paths
from ik_controller.evaluation.point_tracking import LucasKanadeTracker, PointTracker
from ik_controller.evaluation.recording import Camera, FloatArray, Window
from ik_controller.evaluation.scene_truth import RobotPose, SceneTruthConfig, scene_paths
from ik_controller.lifting import measured_starts
from ik_controller.robot_model import RobotModel


class PointKind(IntEnum):
    """What a point lies on, as far as the truth knows."""

    LEFT_OUT = 0
    """No depth, on the arm, or too near to the hand to tell: no truth."""
    SCENE = 1
    HAND = 2


@dataclass(frozen=True)
class PointTruth:
    """The points of one window.

    Attributes:
        kinds: (N,) ``PointKind``.
        starts_in_camera: (N, 3) measured at the window's first frame [m], NaN where depth has none.
        parts: (N,) ``HandPart``.
        scene_times_s: (F,) times of the frames that were tracked [s].
        scene_in_camera: (F, N, 3) [m]; NaN = unknown or no scene point.
    """

    window: Window
    camera: Camera
    robot: RobotModel = field(repr=False)
    kinds: NDArray[np.int8]
    starts_in_camera: FloatArray
    parts: NDArray[np.int8]
    scene_times_s: FloatArray
    scene_in_camera: FloatArray

    def at(self, times_s: FloatArray) -> FloatArray:
        """(K, N, 3) true places [m, camera frame] at ``times_s`` (K,); NaN = unknown.

        Hand points are exact at any time; scene points are interpolated between neighbouring frames that both show
        them.
        """
        places = self._scene_at(times_s)
        on_hand = self.kinds == PointKind.HAND
        if on_hand.any():
            in_base = self.camera.to_base(self.starts_in_camera[on_hand])
            start_s = self.window.start.time_s
            paths = hand_point_paths(
                self.robot, self.window.joints, in_base, self.parts[on_hand], start_s, times_s
            )
            places[:, on_hand] = self.camera.to_camera(paths)
        return places

    def _scene_at(self, times_s: FloatArray) -> FloatArray:
        frames = self.scene_times_s
        known = np.isfinite(times_s) & (times_s >= frames[0]) & (times_s <= frames[-1])
        wanted = np.where(known, times_s, frames[0])
        after = np.clip(np.searchsorted(frames, wanted), 1, len(frames) - 1)
        share = (wanted - frames[after - 1]) / (frames[after] - frames[after - 1])
        before, behind = self.scene_in_camera[after - 1], self.scene_in_camera[after]
        places = before + share[:, None, None] * (behind - before)
        # At a frame itself its neighbour need not show the point.
        places = np.where((share == 0.0)[:, None, None], before, places)
        places = np.where((share == 1.0)[:, None, None], behind, places)
        places[~known] = np.nan
        return places


class TruthFinder:
    """Finds the truth of windows.

    Args:
        robot: Kinematics and the hand's shape.
        camera: The static camera.
        tracker: Follows scene points; OpenCV's if None.
        config: Thresholds of the scene's truth.
    """

    def __init__(
        self,
        robot: RobotModel,
        camera: Camera,
        tracker: PointTracker | None = None,
        config: SceneTruthConfig | None = None,
    ) -> None:
        self._robot = robot
        self._camera = camera
        self._tracker = tracker or LucasKanadeTracker()
        self._config = config or SceneTruthConfig()
        self._arm = ArmShape(robot.joint_names)

    def find(self, window: Window, pixels: FloatArray, until_s: float) -> PointTruth:
        """Truth of the points at ``pixels`` (N, 2) [px] of the window's first frame, up to ``until_s`` [s]."""
        robot, camera, joints = self._robot, self._camera, window.joints
        last = next(
            (number for number, frame in enumerate(window.frames) if frame.time_s >= until_s),
            len(window.frames) - 1,
        )
        frames = list(window.frames[: max(last, 1) + 1])
        times = np.array([frame.time_s for frame in frames])
        poses = [
            RobotPose(
                positions,
                robot.hand_in_base(positions),
                robot.tcp_in_base(positions)[:3, 3],
                float(width),
            )
            for positions, width in zip(joints.at(times), joints.widths_at(times), strict=True)
        ]
        starts = measured_starts(pixels, frames[0].depth_m, camera.intrinsics)
        in_base = camera.to_base(starts)
        parts = find_hand_parts(in_base, poses[0].hand_in_base, robot.hand, poses[0].width)
        measured = np.isfinite(starts).all(axis=1)
        on_arm = self._arm.holds(in_base, joints.at(times[:1])[0])
        kinds = np.full(len(pixels), PointKind.LEFT_OUT, np.int8)
        kinds[measured & (parts == HandPart.NONE) & ~on_arm] = PointKind.SCENE
        kinds[np.isin(parts, [HandPart.PALM, HandPart.LEFT_FINGER, HandPart.RIGHT_FINGER])] = PointKind.HAND
        scene = kinds == PointKind.SCENE
        places = np.full((len(frames), len(pixels), 3), np.nan)
        if scene.any():
            places[:, scene] = scene_paths(
                frames,
                camera,
                starts[scene],
                pixels[scene],
                robot.hand,
                self._arm,
                poses,
                self._tracker,
                self._config,
            )
        return PointTruth(window, camera, robot, kinds, starts, parts, times, places)
