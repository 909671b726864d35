"""Joint positions at an image's stamp."""

from __future__ import annotations

import numpy as np
import pytest

from ik_controller.nodes.joint_state_buffer import JointStateBuffer
from tracegen_ros.messages import JointSample

MS = 1_000_000


def sample(stamp_ms: float, position: float, velocity: float = 0.0) -> JointSample:
    return JointSample(int(stamp_ms * MS), np.full(7, position), np.full(7, velocity))


@pytest.fixture
def joints() -> JointStateBuffer:
    buffer = JointStateBuffer(longest_gap_ns=100 * MS)
    for stamp_ms, position in ((100, 1.0), (120, 2.0), (400, 3.0)):
        buffer.add(sample(stamp_ms, position))
    return buffer


@pytest.mark.parametrize(("stamp_ms", "expected"), [(100, 1.0), (105, 1.25), (120, 2.0), (400, 3.0)])
def test_positions_are_linear_between_neighbours(
    joints: JointStateBuffer, stamp_ms: int, expected: float
) -> None:
    positions = joints.positions_at(stamp_ms * MS)
    assert positions is not None
    np.testing.assert_allclose(positions, expected)


@pytest.mark.parametrize("stamp_ms", [99, 401, 200])
def test_outside_the_samples_and_inside_a_gap_nothing_is_made_up(
    joints: JointStateBuffer, stamp_ms: int
) -> None:
    assert joints.positions_at(stamp_ms * MS) is None


def test_it_knows_how_far_it_reaches(joints: JointStateBuffer) -> None:
    assert joints.reaches(400 * MS)
    assert not joints.reaches(401 * MS)
    assert joints.newest is not None and joints.newest.stamp_ns == 400 * MS


def test_a_sample_published_again_replaces_the_first(joints: JointStateBuffer) -> None:
    joints.add(sample(400, 5.0))
    positions = joints.positions_at(400 * MS)
    assert positions is not None and positions[0] == 5.0


def test_a_clock_that_is_set_back_starts_afresh(joints: JointStateBuffer) -> None:
    joints.add(sample(5000, 7.0))
    joints.add(sample(4000, 7.0))
    assert joints.positions_at(400 * MS) is None
    assert joints.positions_at(4000 * MS) is not None


def test_a_sample_that_is_late_is_left_out_and_the_past_stays(joints: JointStateBuffer) -> None:
    joints.add(sample(399, 7.0))
    assert joints.newest is not None and joints.newest.stamp_ns == 400 * MS
    assert joints.positions_at(110 * MS) is not None
    joints.add(sample(420, 5.0))
    np.testing.assert_allclose(joints.positions_at(410 * MS), 4.0)


def test_velocities_that_a_message_lacks_are_told_from_the_positions(joints: JointStateBuffer) -> None:
    joints.add(sample(420, 3.1, np.nan))
    assert joints.newest is not None
    np.testing.assert_allclose(joints.newest.velocities, 5.0)
    joints.add(sample(421, 3.2, np.nan))  # stamps that jitter: told over 21 ms, not over one
    np.testing.assert_allclose(joints.newest.velocities, 0.2 / 0.021)
    joints.add(sample(421, 3.1, 0.25))
    np.testing.assert_array_equal(joints.newest.velocities, 0.25)


def test_velocities_that_nothing_tells_are_not_taken_for_standing_still(joints: JointStateBuffer) -> None:
    joints.add(sample(501, 3.1, np.nan))  # across a long gap
    assert joints.newest is not None and np.isnan(joints.newest.velocities).all()
    first = JointStateBuffer(longest_gap_ns=100 * MS)
    first.add(sample(1, 3.0, np.nan))
    assert first.newest is not None and np.isnan(first.newest.velocities).all()


@pytest.mark.parametrize(
    ("stamp_ms", "first", "last"),
    [(99, 1.0, None), (100, 1.0, 1.0), (110, 2.0, 1.0), (400, 3.0, 3.0), (401, None, 3.0)],
)
def test_the_sample_of_an_instant_is_the_same_whatever_came_since(
    joints: JointStateBuffer, stamp_ms: int, first: float | None, last: float | None
) -> None:
    from_there, until_there = joints.first_from(stamp_ms * MS), joints.last_until(stamp_ms * MS)
    assert (None if from_there is None else from_there.positions[0]) == first
    assert (None if until_there is None else until_there.positions[0]) == last
