"""Time stamps: ``builtin_interfaces/Time`` <-> integer nanoseconds (exact) and seconds (for the core)."""

from __future__ import annotations

from builtin_interfaces.msg import Duration, Time
from std_msgs.msg import Header

NANOSECONDS = 1_000_000_000
"""Nanoseconds in a second."""


def decode_stamp(stamp: Time | Duration) -> int:
    """Nanoseconds [ns], exact, so that two stamps can be compared for equality."""
    return int(stamp.sec) * NANOSECONDS + int(stamp.nanosec)


def encode_stamp(nanoseconds: int) -> Time:
    """Time message of ``nanoseconds`` [ns] since the clock's epoch."""
    seconds, rest = divmod(int(nanoseconds), NANOSECONDS)
    return Time(sec=seconds, nanosec=rest)


def encode_duration(seconds: float) -> Duration:
    """Duration message of ``seconds`` [s], rounded to the nanosecond."""
    whole, rest = divmod(nanoseconds_from(seconds), NANOSECONDS)
    return Duration(sec=whole, nanosec=rest)


def seconds_from(nanoseconds: int) -> float:
    """Seconds [s] of an integer stamp [ns]."""
    return nanoseconds / NANOSECONDS


def nanoseconds_from(seconds: float) -> int:
    """Integer nanoseconds [ns] nearest to ``seconds`` [s]."""
    return round(seconds * NANOSECONDS)


def encode_header(nanoseconds: int, frame_id: str) -> Header:
    """Header with a stamp [ns] and the frame its data is given in."""
    return Header(stamp=encode_stamp(nanoseconds), frame_id=frame_id)
