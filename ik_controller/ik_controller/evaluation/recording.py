"""What a recording is to the evaluation: joints over time, RGB-D frames, and windows of them that are judged whole."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tracegen_model.camera import CameraIntrinsics

FloatArray = NDArray[np.float64]

FASTEST_JOINT = 3.5
"""No joint of the arm turns faster [rad/s]; what does was put elsewhere: another scene, or a clock that jumped."""

SHORTEST_TRACK_STEP_S = 0.002
"""Two joint samples nearer than this count as one moment when speeds are looked at [s]."""


class RecordingError(ValueError):
    """A recording that cannot be evaluated."""


@dataclass(frozen=True)
class JointTrack:
    """The robot's joints over a recording.

    Attributes:
        times_s: (M,) increasing [s, the recording's clock].
        positions: (M, 7) arm joints [rad].
        finger_times_s: (F,) increasing [s]; may be empty.
        fingers: (F, 2) how far the finger on the +y side of the hand, and the other one, are from the middle [m].
        longest_gap_s: Between samples further apart than this nothing is known [s].
    """

    times_s: FloatArray
    positions: FloatArray
    finger_times_s: FloatArray = field(default_factory=lambda: np.empty(0))
    fingers: FloatArray = field(default_factory=lambda: np.empty((0, 2)))
    longest_gap_s: float = 0.2

    def __post_init__(self) -> None:
        if len(self.times_s) < 2 or (np.diff(self.times_s) <= 0.0).any():
            raise RecordingError(
                f"a joint track needs two samples at least, at times that increase; got {len(self.times_s)} samples"
            )
        if self.positions.shape[0] != len(self.times_s) or not np.isfinite(self.positions).all():
            raise RecordingError(
                f"expected {len(self.times_s)} finite joint positions, got {self.positions.shape}"
            )

    def knows(self, time_s: float) -> bool:
        """``time_s`` [s] lies between two samples that are near to each other."""
        after = int(np.searchsorted(self.times_s, time_s))
        if after == len(self.times_s):
            return False
        if self.times_s[after] == time_s:
            return True
        return after > 0 and self.times_s[after] - self.times_s[after - 1] <= self.longest_gap_s

    def at(self, times_s: FloatArray) -> FloatArray:
        """(K, 7) joints at ``times_s`` (K,) [s], linear between samples, NaN where the time is NaN."""
        return np.stack([np.interp(times_s, self.times_s, joint) for joint in self.positions.T], axis=-1)

    def velocity_at(self, time_s: float) -> FloatArray:
        """(7,) joint velocities at ``time_s`` [s]: slope across the neighbouring samples [rad/s]."""
        after = int(np.clip(np.searchsorted(self.times_s, time_s), 1, len(self.times_s) - 1))
        first, last = max(0, after - 2), min(len(self.times_s) - 1, after + 1)
        span = max(self.times_s[last] - self.times_s[first], SHORTEST_TRACK_STEP_S)
        return (self.positions[last] - self.positions[first]) / span

    def fingers_at(self, times_s: FloatArray) -> FloatArray:
        """(K, 2) places of the fingers [m] at ``times_s`` (K,); NaN where nothing is recorded of them."""
        if not len(self.finger_times_s):
            return np.full((len(times_s), 2), np.nan)
        return np.stack(
            [np.interp(times_s, self.finger_times_s, finger) for finger in self.fingers.T], axis=-1
        )

    def widths_at(self, times_s: FloatArray) -> FloatArray:
        """(K,) opening between the fingers [m] at ``times_s`` (K,); NaN where nothing is recorded of them."""
        return self.fingers_at(times_s).sum(axis=1)

    def between(self, start_s: float, end_s: float) -> NDArray[np.bool_]:
        """(M,) samples within [``start_s``, ``end_s``]."""
        return (self.times_s >= start_s) & (self.times_s <= end_s)

    def first_break(self, start_s: float, end_s: float) -> float:
        """The time [s] up to which the joints are known without a gap or a jump, at most ``end_s``."""
        inside = self.between(start_s - self.longest_gap_s, end_s + self.longest_gap_s)
        times, positions = self.times_s[inside], self.positions[inside]
        if len(times) < 2:
            return start_s
        steps = np.diff(times)
        speed = np.abs(np.diff(positions, axis=0)).max(axis=1) / np.maximum(steps, SHORTEST_TRACK_STEP_S)
        broken = (steps > self.longest_gap_s) | (speed > FASTEST_JOINT)
        broken &= times[1:] > start_s
        return min(float(times[:-1][broken][0]) if broken.any() else float(times[-1]), end_s)


@dataclass(frozen=True)
class RecordedFrame:
    """One RGB-D image.

    Attributes:
        time_s: When it was taken [s, the recording's clock].
        stamp_ns: The stamp that it was recorded with [ns].
        colour: (H, W, 3) uint8 RGB.
        depth_m: (H, W) float32 [m], aligned to ``colour``; 0 = no reading.
        instruction: What was asked for at that time; empty = nothing.
    """

    time_s: float
    stamp_ns: int
    colour: NDArray[np.uint8]
    depth_m: NDArray[np.float32]
    instruction: str


@dataclass(frozen=True)
class Camera:
    """The static camera.

    Attributes:
        in_base: (4, 4) pose of the optical frame in the robot's base frame [m].
        intrinsics: Of colour and depth image.
    """

    in_base: FloatArray
    intrinsics: CameraIntrinsics

    def to_base(self, points_in_camera: FloatArray) -> FloatArray:
        """(..., 3) points [m] in the base frame."""
        return points_in_camera @ self.in_base[:3, :3].T + self.in_base[:3, 3]

    def to_camera(self, points_in_base: FloatArray) -> FloatArray:
        """(..., 3) points [m] in the camera's frame."""
        return (points_in_base - self.in_base[:3, 3]) @ self.in_base[:3, :3]


@dataclass(frozen=True)
class Window:
    """A frame that is predicted from, and what happened after it under the same instruction.

    Attributes:
        bag: Name of the recording.
        frames: The first is predicted from; times increase.
        joints: Of the whole recording.
        end_s: Nothing after this is known [s].
    """

    bag: str
    frames: tuple[RecordedFrame, ...]
    joints: JointTrack
    end_s: float

    @property
    def start(self) -> RecordedFrame:
        """The frame that is predicted from."""
        return self.frames[0]


@dataclass(frozen=True)
class WindowConfig:
    """How a recording is cut into windows.

    Attributes:
        every_s: A window starts this long after the one before [s].
        horizon_s: ... and looks so far ahead [s].
        frame_period_s: Frames nearer to each other than this are left out when points are tracked [s].
        longest_gap_s: A longer time without a frame ends a window [s].
    """

    every_s: float = 1.0
    horizon_s: float = 8.0
    frame_period_s: float = 0.09
    longest_gap_s: float = 1.0

    def __post_init__(self) -> None:
        for name in ("every_s", "horizon_s", "longest_gap_s"):
            if getattr(self, name) <= 0.0:
                raise RecordingError(f"{name} must be positive seconds, got {getattr(self, name)}")


def windows(
    bag: str, frames: Iterable[RecordedFrame], joints: JointTrack, config: WindowConfig
) -> Iterator[Window]:
    """Windows of a recording, in order; memory holds the frames of one horizon.

    A window ends at its horizon, at a new instruction, at a gap between frames, at a clock that was set back, and
    where the joints are not known or jump. Frames without an instruction or without joints start none.

    Args:
        bag: Name of the recording.
        frames: In the order of their times.
        joints: Of the recording.
        config: How to cut.
    """
    kept: deque[RecordedFrame] = deque()
    starts: deque[float] = deque()
    next_start_s = float("-inf")

    def made() -> Window | None:
        start_s = starts.popleft()
        inside = [frame for frame in kept if frame.time_s >= start_s]
        cut = joints.first_break(start_s, start_s + config.horizon_s)
        inside = [frame for frame in inside if frame.time_s <= cut + 1e-9]
        while kept and (not starts or kept[0].time_s < starts[0]):
            kept.popleft()
        return Window(bag, tuple(inside), joints, min(cut, inside[-1].time_s)) if len(inside) > 1 else None

    def flushed() -> Iterator[Window]:
        while starts:
            window = made()
            if window is not None:
                yield window
        kept.clear()

    last: RecordedFrame | None = None
    for frame in frames:
        if last is not None:
            step_s = frame.time_s - last.time_s
            if step_s < 0.0 or step_s > config.longest_gap_s or frame.instruction != last.instruction:
                yield from flushed()
                next_start_s = float("-inf")
            elif step_s == 0.0:
                continue
        last = frame
        while starts and frame.time_s > starts[0] + config.horizon_s:
            window = made()
            if window is not None:
                yield window
        is_start = (
            bool(frame.instruction) and joints.knows(frame.time_s) and frame.time_s >= next_start_s - 1e-9
        )
        if is_start:
            starts.append(frame.time_s)
            next_start_s = frame.time_s + config.every_s
        # The second frame of a window is kept whatever its time: the next prediction starts there.
        follows_start = bool(starts) and bool(kept) and kept[-1].time_s == starts[-1]
        if starts and (
            is_start or follows_start or frame.time_s - kept[-1].time_s >= config.frame_period_s - 1e-9
        ):
            kept.append(frame)
    yield from flushed()
