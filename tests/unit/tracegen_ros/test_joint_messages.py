"""Joint messages are read by name, never by position."""

from __future__ import annotations

import numpy as np
import pytest
from sensor_msgs.msg import JointState

from tracegen_ros.messages import (
    JointMessageError,
    MissingJointError,
    decode_joint_state,
    decode_joint_trajectory,
    decode_stamp,
    encode_header,
    encode_joint_state,
    encode_joint_trajectory,
)

ARM = [f"fr3_joint{index}" for index in range(1, 8)]


def test_joint_order_in_the_message_does_not_matter() -> None:
    positions, velocities = np.arange(7.0), np.arange(7.0) / 10
    shuffled = np.random.default_rng(4).permutation(7)
    header = encode_header(2_000_000_001, "")
    message = encode_joint_state(
        ["fr3_finger_joint1", *(ARM[i] for i in shuffled)],
        [0.04, *positions[shuffled]],
        [0.0, *velocities[shuffled]],
        header,
    )
    sample = decode_joint_state(message, ARM)
    assert sample.stamp_ns == 2_000_000_001
    np.testing.assert_array_equal(sample.positions, positions)
    np.testing.assert_array_equal(sample.velocities, velocities)


def test_missing_joints_are_named() -> None:
    with pytest.raises(MissingJointError, match="lacks fr3_joint7; it names fr3_joint1"):
        decode_joint_state(JointState(name=ARM[:6], position=[0.0] * 6), ARM)


def test_velocities_may_be_absent_and_are_then_unknown_but_positions_may_not() -> None:
    sample = decode_joint_state(JointState(name=ARM, position=[1.0] * 7), ARM)
    np.testing.assert_array_equal(sample.velocities, np.full(7, np.nan))
    with pytest.raises(JointMessageError, match="position has 0 numbers for 7 joint names"):
        decode_joint_state(JointState(name=ARM), ARM)


def test_non_finite_joint_positions_are_refused() -> None:
    with pytest.raises(JointMessageError, match="not finite"):
        decode_joint_state(JointState(name=ARM, position=[0.0] * 6 + [float("nan")]), ARM)


def test_trajectory_round_trip_is_exact_to_the_nanosecond() -> None:
    rng = np.random.default_rng(5)
    times_s = np.array([0.0, 0.0123456789, 0.5, 1.25])
    positions, velocities, accelerations = rng.normal(size=(3, 4, 7))
    start_ns = 1_700_000_000_123_456_789
    message = encode_joint_trajectory(
        ARM, times_s, positions, velocities, accelerations, encode_header(start_ns, "fr3_link0")
    )
    assert decode_stamp(message.header.stamp) == start_ns
    samples = decode_joint_trajectory(message, ARM)
    assert samples.start_ns == start_ns
    np.testing.assert_allclose(samples.times_s, times_s, atol=1e-9)
    np.testing.assert_array_equal(samples.positions, positions)
    np.testing.assert_array_equal(samples.velocities, velocities)
    np.testing.assert_array_equal(samples.accelerations, accelerations)


def test_a_trajectory_is_read_in_the_order_asked_for() -> None:
    positions = np.arange(7.0)[None]
    zeros = np.zeros((1, 7))
    message = encode_joint_trajectory(
        ARM[::-1], [0.1], positions[:, ::-1], zeros, zeros, encode_header(0, "")
    )
    np.testing.assert_array_equal(decode_joint_trajectory(message, ARM).positions, positions)


def test_trajectory_times_must_increase() -> None:
    zeros = np.zeros((2, 7))
    message = encode_joint_trajectory(ARM, [0.2, 0.2], zeros, zeros, zeros, encode_header(0, ""))
    with pytest.raises(JointMessageError, match="increase"):
        decode_joint_trajectory(message, ARM)


def test_a_trajectory_without_points_is_refused() -> None:
    empty = np.zeros((0, 7))
    with pytest.raises(JointMessageError, match="no points"):
        decode_joint_trajectory(
            encode_joint_trajectory(ARM, [], empty, empty, empty, encode_header(0, "")), ARM
        )
