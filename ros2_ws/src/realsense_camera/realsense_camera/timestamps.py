"""From the camera's clock to ROS time.

A frame's time is read from one of three clocks (``ClockDomain``):

* *System* and *global* time are the host's clock already. The frame's age is the host's present time minus the
  frame's; its stamp is ROS time now minus that age. That holds on simulated time too. Where the age is no sensible one
  (negative, or more than ``LONGEST_AGE_S``: an old recording is played), the frame is treated like the next kind.
* The *hardware* clock has a zero of its own and drifts by some ten parts in a million. ``ClockOffset`` learns the
  difference to ROS time from the frames' arrivals.

Arrival = camera's time + offset + delay, and a delay varies, but only upwards: USB, scheduling and a busy machine make
frames late, nothing makes them early. So the offset is the *smallest* difference seen, allowed to rise by
``LARGEST_DRIFT`` so that it can follow a slower camera clock. One frame that was in time outweighs any number of late
ones: jitter, however large, moves a stamp by no more than the drift allowed between two punctual frames. What cannot be
known from arrivals alone is the shortest delay itself: stamps of the hardware clock are late by that constant.

Stamps only ever increase, by a nanosecond at least: a better estimate never lets them go back. The exception is ROS
time itself being set back by more than ``CLOCK_JUMP_S``.
"""

from __future__ import annotations

from realsense_camera.rgbd_frame import ClockDomain

LARGEST_DRIFT = 200e-6
"""Fastest that two quartz clocks drift apart [s/s], with a margin; 100 ppm is a poor quartz."""

LONGEST_AGE_S = 1.0
"""A frame is not older than this [s] when it arrives from a camera."""

CLOCK_JUMP_S = 1.0
"""A difference that changes by more than this [s] for good is a clock that was set, not a delay."""

LATE_FRAMES_BEFORE_RESET = 15
"""So many frames in a row, all late by more than ``CLOCK_JUMP_S``, mean a clock that was set forward."""

_NS = 1_000_000_000


class ClockOffset:
    """Difference between another clock and the camera's, learnt from arrival times."""

    def __init__(self) -> None:
        self._offset_s: float | None = None
        self._last_camera_s = 0.0
        self._late_in_a_row = 0

    def update(self, camera_s: float, arrival_s: float) -> float:
        """Offset to add to the camera's time [s], knowing that its ``camera_s`` arrived at ``arrival_s`` [s]."""
        difference_s = arrival_s - camera_s
        offset_s = self._offset_s
        elapsed_s = camera_s - self._last_camera_s
        self._last_camera_s = camera_s
        if offset_s is None or elapsed_s < 0.0:
            # The camera's clock starts anew after it was plugged in again, and when a recording is repeated.
            self._late_in_a_row = 0
            self._offset_s = difference_s
            return difference_s
        risen_s = offset_s + LARGEST_DRIFT * elapsed_s
        self._late_in_a_row = self._late_in_a_row + 1 if difference_s > risen_s + CLOCK_JUMP_S else 0
        if self._late_in_a_row >= LATE_FRAMES_BEFORE_RESET:
            self._late_in_a_row = 0
            self._offset_s = difference_s
        else:
            self._offset_s = min(risen_s, difference_s)
        return self._offset_s


class StampMapping:
    """ROS stamps of one camera's frames, in the order in which the frames come."""

    def __init__(self) -> None:
        self._offset = ClockOffset()
        self._zero_ns = 0
        self._last_stamp_ns: int | None = None
        self._last_arrival_ns = 0

    def stamp(self, camera_s: float, clock: ClockDomain, arrival_ns: int, host_s: float) -> int:
        """ROS stamp [ns] of a frame.

        Args:
            camera_s: The frame's time [s, in ``clock``].
            clock: Whose clock that is.
            arrival_ns: ROS time when the frame arrived [ns].
            host_s: The host's clock at the same moment [s since its epoch].
        """
        if self._last_stamp_ns is None or arrival_ns < self._last_arrival_ns - CLOCK_JUMP_S * _NS:
            self._offset = ClockOffset()
            self._zero_ns = arrival_ns
            self._last_stamp_ns = None
        self._last_arrival_ns = arrival_ns
        stamp_ns = min(arrival_ns, self._mapped(camera_s, clock, arrival_ns, host_s))
        if self._last_stamp_ns is not None:
            stamp_ns = max(stamp_ns, self._last_stamp_ns + 1)
        self._last_stamp_ns = stamp_ns
        return stamp_ns

    def _mapped(self, camera_s: float, clock: ClockDomain, arrival_ns: int, host_s: float) -> int:
        if clock is not ClockDomain.HARDWARE:
            age_s = host_s - camera_s
            if 0.0 <= age_s <= LONGEST_AGE_S:
                return arrival_ns - round(age_s * _NS)
        # Seconds since the first frame: a double holds nanoseconds of those, not of seconds since 1970.
        arrival_s = (arrival_ns - self._zero_ns) / _NS
        return self._zero_ns + round((camera_s + self._offset.update(camera_s, arrival_s)) * _NS)
