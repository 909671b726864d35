"""A pose is taken only from a hand at rest, at the image's own instant."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from tracegen_ros.calibration.hand_motion_record import JointRecord, NoStillHand, StillHand, still_hand
from tracegen_ros.calibration.rigid_motion import small_motion

SECOND_NS = 1_000_000_000


def moving(speed: float, turning: float = 0.0) -> Callable[[int], NDArray[np.float64]]:
    """A hand that moves at ``speed`` [m/s] and turns at ``turning`` [rad/s]."""
    return lambda stamp_ns: small_motion(
        [speed * stamp_ns / SECOND_NS, 0.0, 0.0, 0.0, turning * stamp_ns / SECOND_NS, 0.0]
    )


def test_a_hand_at_rest_gives_its_pose() -> None:
    found = still_hand(moving(0.0), SECOND_NS)
    assert isinstance(found, StillHand)
    np.testing.assert_array_equal(found.hand_in_base, np.eye(4))


@pytest.mark.parametrize(("speed", "turning"), [(0.01, 0.0), (0.0, 0.02)])
def test_a_hand_that_moves_is_refused_with_its_motion(speed: float, turning: float) -> None:
    found = still_hand(moving(speed, turning), SECOND_NS)
    assert isinstance(found, NoStillHand)
    assert "let it come to rest" in found.reason


def test_an_image_later_than_all_poses_is_refused() -> None:
    found = still_hand(lambda stamp_ns: None if stamp_ns > SECOND_NS else np.eye(4), SECOND_NS)
    assert isinstance(found, NoStillHand)
    assert "clocks" in found.reason


def test_joints_are_interpolated_but_not_over_gaps_nor_beyond_the_end() -> None:
    record = JointRecord()
    for tick in (0, 1, 2, 20):
        record.add(tick * SECOND_NS // 10, np.array([float(tick)]))
    assert record.positions_at(SECOND_NS // 20) == pytest.approx([0.5])
    assert record.positions_at(SECOND_NS) is None, "in a gap"
    assert record.positions_at(3 * SECOND_NS) is None
    assert record.newest_ns == 2 * SECOND_NS


def test_a_clock_that_is_set_back_starts_the_record_afresh() -> None:
    record = JointRecord()
    record.add(5 * SECOND_NS, np.array([5.0]))
    record.add(SECOND_NS, np.array([1.0]))
    assert record.newest_ns == SECOND_NS
    assert record.positions_at(5 * SECOND_NS) is None
