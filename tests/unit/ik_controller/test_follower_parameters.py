"""What the node's parameters make of the motion core's settings."""

from __future__ import annotations

import pytest

from ik_controller.follower_config import FollowerConfig
from ik_controller.hand_motion import HandMotionMethod
from ik_controller.hand_orientation import OrientationFreedom
from ik_controller.nodes.follower_parameters import FollowerParameters


def test_the_defaults_are_the_core_s_own() -> None:
    assert FollowerParameters().follower_config() == FollowerConfig()


def test_at_five_per_cent_nothing_is_faster_than_that() -> None:
    core = FollowerConfig()
    slow = FollowerParameters(speed=0.05 * core.workspace.speed).follower_config()
    assert slow.workspace.speed == pytest.approx(0.015)
    assert slow.approach_speed == pytest.approx(0.015), "an approach is part of the motion too"
    assert slow.workspace.turning_speed == pytest.approx(0.05 * core.workspace.turning_speed)


def test_a_faster_hand_turns_and_approaches_no_faster() -> None:
    core = FollowerConfig()
    fast = FollowerParameters(speed=2.0 * core.workspace.speed).follower_config()
    assert fast.approach_speed == core.approach_speed
    assert fast.workspace.turning_speed == core.workspace.turning_speed


def test_reading_and_orientation_can_be_chosen() -> None:
    chosen = FollowerParameters(hand_motion="median-displacement", orientation="held").follower_config()
    assert chosen.hand_motion.method is HandMotionMethod.MEDIAN_DISPLACEMENT
    assert chosen.orientation is OrientationFreedom.HELD
