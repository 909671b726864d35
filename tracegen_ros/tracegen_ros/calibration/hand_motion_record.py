"""Where the hand was at an image's stamp, and whether it stood still then."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tracegen_ros.calibration.rigid_motion import rotation_angle

FloatArray = NDArray[np.float64]

STILL_FOR_S = 0.15
"""The hand must not move for this long before and after an image [s]."""

STILL_DISTANCE = 5e-4
"""Less than this counts as not moving [m] ..."""

STILL_ANGLE = np.radians(0.05)
"""... together with this [rad]."""

_NANOSECONDS = 1_000_000_000
_KEPT = 3000
_LONGEST_GAP_NS = _NANOSECONDS // 5


@dataclass(frozen=True)
class StillHand:
    """Pose (4, 4) of a hand that stood still."""

    hand_in_base: FloatArray


@dataclass(frozen=True)
class NoStillHand:
    """Why there is none, in words."""

    reason: str


def still_hand(pose_at: Callable[[int], FloatArray | None], stamp_ns: int) -> StillHand | NoStillHand:
    """The hand at ``stamp_ns`` if it stood still around it.

    Args:
        pose_at: The hand's pose (4, 4) at a stamp [ns]; None where it is not known.
        stamp_ns: When the image was taken [ns].
    """
    window_ns = round(STILL_FOR_S * _NANOSECONDS)
    before, then, after = (pose_at(stamp_ns + offset) for offset in (-window_ns, 0, window_ns))
    if before is None or then is None or after is None:
        return NoStillHand("no pose of the hand at the image's stamp: do its clocks and the camera's agree?")
    for other in (before, after):
        distance = float(np.linalg.norm(other[:3, 3] - then[:3, 3]))
        angle = rotation_angle(other[:3, :3].T @ then[:3, :3])
        if distance > STILL_DISTANCE or angle > STILL_ANGLE:
            return NoStillHand(
                f"the hand moves ({1000 * distance:.1f} mm and {np.degrees(angle):.2f} deg in {STILL_FOR_S} s); "
                "let it come to rest"
            )
    return StillHand(then)


class JointRecord:
    """The joints' recent past, interpolated between samples."""

    def __init__(self) -> None:
        self._stamps: deque[int] = deque(maxlen=_KEPT)
        self._positions: deque[FloatArray] = deque(maxlen=_KEPT)

    def add(self, stamp_ns: int, positions: FloatArray) -> None:
        """Positions (J,) [rad] at ``stamp_ns``; one older than the last means that the clock was set back."""
        if self._stamps and stamp_ns <= self._stamps[-1]:
            if stamp_ns == self._stamps[-1]:
                return
            self._stamps.clear()
            self._positions.clear()
        self._stamps.append(stamp_ns)
        self._positions.append(positions)

    @property
    def newest_ns(self) -> int | None:
        """Stamp of the last sample [ns], None before the first."""
        return self._stamps[-1] if self._stamps else None

    def positions_at(self, stamp_ns: int) -> FloatArray | None:
        """(J,) positions [rad] at ``stamp_ns``; None outside the record or in a gap."""
        stamps = list(self._stamps)
        index = bisect_left(stamps, stamp_ns)
        if index == len(stamps) or (index == 0 and stamps[0] != stamp_ns):
            return None
        if stamps[index] == stamp_ns:
            return self._positions[index]
        gap_ns = stamps[index] - stamps[index - 1]
        if gap_ns > _LONGEST_GAP_NS:
            return None
        share = (stamp_ns - stamps[index - 1]) / gap_ns
        return (1.0 - share) * self._positions[index - 1] + share * self._positions[index]
