"""Where the hand slows down has to lie before where its path ends."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ik_controller.collision_model import CollisionMargins
from ik_controller.follower import FollowerConfig
from ik_controller.inverse_kinematics import IkConfig
from ik_controller.path_guard import PathGuardConfig


@pytest.mark.parametrize("margins", [CollisionMargins(self_m=0.03), CollisionMargins(scene_m=0.05)])
def test_a_margin_that_begins_before_the_hand_slows_down_is_refused(margins: CollisionMargins) -> None:
    with pytest.raises(ValueError, match="must be less than slow_"):
        replace(FollowerConfig(), ik=IkConfig(margins=margins))
    replace(
        FollowerConfig(),
        ik=IkConfig(margins=margins),
        guard=PathGuardConfig(slow_self_m=0.1, slow_scene_m=0.1),
    )


def test_a_guard_that_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="slow_condition"):
        PathGuardConfig(slow_condition=30.0, end_condition=30.0)
