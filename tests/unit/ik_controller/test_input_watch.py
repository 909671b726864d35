"""Inputs that go silent are noticed in their own time, and those that speak only now and then are never missed."""

from __future__ import annotations

import pytest

from ik_controller.follower import Silence
from ik_controller.nodes.input_watch import InputWatch

MS = 1_000_000
LIMITS = {Silence.CAMERA: 700 * MS, Silence.FINGERS: 1000 * MS}


def watch() -> InputWatch:
    return InputWatch(LIMITS, clock_limit_s=5.0)


def test_an_input_that_stops_is_silent_after_its_limit_until_it_comes_again() -> None:
    watched = watch()
    for at_ms in (0, 100, 200):
        watched.hear(Silence.CAMERA, at_ms * MS)
    assert watched.silent(900 * MS) == ()
    assert watched.silent(901 * MS) == (Silence.CAMERA,)
    watched.hear(Silence.CAMERA, 5000 * MS)
    assert watched.silent(5001 * MS) == ()


@pytest.mark.parametrize("heard_ms", [(), (0,), (0, 5000)])
def test_what_speaks_only_now_and_then_is_not_missed(heard_ms: tuple[int, ...]) -> None:
    watched = watch()
    for at_ms in heard_ms:
        watched.hear(Silence.CAMERA, at_ms * MS)
    assert watched.silent(10**6 * MS) == ()


def test_a_clock_that_is_set_back_makes_nothing_silent() -> None:
    watched = watch()
    for at_ms in (9000, 9100):
        watched.hear(Silence.CAMERA, at_ms * MS)
    watched.hear(Silence.CAMERA, 100 * MS)
    assert watched.silent(200 * MS) == ()


def test_what_falls_silent_as_the_clock_is_set_back_is_missed_after_its_limit() -> None:
    watched = watch()
    for at_ms in (1_000_000, 1_000_100):
        watched.hear(Silence.CAMERA, at_ms * MS)
    assert watched.silent(50 * MS) == ()
    assert watched.silent(750 * MS) == ()
    assert watched.silent(751 * MS) == (Silence.CAMERA,)


def test_a_clock_that_stands_still_is_silent_until_it_goes_on() -> None:
    watched = watch()
    watched.see_clock(100 * MS, 0.0)
    watched.see_clock(100 * MS, 5.0)
    assert watched.silent(100 * MS) == ()
    watched.see_clock(100 * MS, 5.1)
    assert watched.silent(100 * MS) == (Silence.CLOCK,)
    watched.see_clock(101 * MS, 5.2)
    assert watched.silent(101 * MS) == ()


def test_what_is_known_to_be_gone_is_silent_until_it_is_back() -> None:
    watched = watch()
    watched.note_lost(Silence.TRANSFORMS, True)
    assert watched.silent(0) == (Silence.TRANSFORMS,)
    watched.note_lost(Silence.TRANSFORMS, False)
    assert watched.silent(0) == ()
