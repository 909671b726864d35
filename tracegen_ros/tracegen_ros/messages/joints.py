"""``sensor_msgs/JointState`` and ``trajectory_msgs/JointTrajectory`` <-> arrays in a fixed joint order.

Messages name their joints and may list them in any order, beside others; the arrays here follow the names asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sensor_msgs.msg import JointState
from std_msgs.msg import Header
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from tracegen_ros.messages.errors import JointMessageError, MissingJointError
from tracegen_ros.messages.stamps import decode_stamp, encode_duration, seconds_from


@dataclass(frozen=True)
class JointSample:
    """Joints at one instant.

    Attributes:
        stamp_ns: When it was measured [ns].
        positions: (J,) [rad, or m for sliding joints].
        velocities: (J,) [rad/s or m/s]; NaN where the message gives none, which is not the same as standing still.
    """

    stamp_ns: int
    positions: NDArray[np.float64]
    velocities: NDArray[np.float64]


@dataclass(frozen=True)
class TrajectorySamples:
    """A commanded joint motion as sampled points.

    Attributes:
        start_ns: When its time zero is [ns]; 0 means on arrival.
        times_s: (T,) since the start [s], increasing.
        positions: (T, J) [rad].
        velocities: (T, J) [rad/s]; zero where the message gives none.
        accelerations: (T, J) [rad/s^2]; zero where the message gives none.
    """

    start_ns: int
    times_s: NDArray[np.float64]
    positions: NDArray[np.float64]
    velocities: NDArray[np.float64]
    accelerations: NDArray[np.float64]


def decode_joint_state(message: JointState, joint_names: Sequence[str]) -> JointSample:
    """The joints ``joint_names`` of a state message, in that order.

    Raises:
        MissingJointError: A joint is not in the message.
        JointMessageError: The message's arrays have different lengths, or a number is not finite.
    """
    order = _order(message.name, joint_names, "JointState")
    positions = _pick(message.position, order, len(message.name), "position", required=True)
    velocities = (
        _pick(message.velocity, order, len(message.name), "velocity", required=False)
        if len(message.velocity)
        else np.full(len(order), np.nan)
    )
    return JointSample(decode_stamp(message.header.stamp), positions, velocities)


def encode_joint_state(
    joint_names: Sequence[str],
    positions: ArrayLike,
    velocities: ArrayLike,
    header: Header,
    efforts: ArrayLike = (),
) -> JointState:
    """State message of joints (J,) [rad, rad/s, Nm; m, m/s, N for sliding joints]; empty arrays say nothing."""
    return JointState(
        header=header,
        name=list(joint_names),
        position=np.asarray(positions, dtype=float).tolist(),
        velocity=np.asarray(velocities, dtype=float).tolist(),
        effort=np.asarray(efforts, dtype=float).tolist(),
    )


def decode_joint_trajectory(message: JointTrajectory, joint_names: Sequence[str]) -> TrajectorySamples:
    """The motion of ``joint_names``, in that order.

    Raises:
        MissingJointError: A joint is not in the message.
        JointMessageError: No points, times that do not increase, arrays of other lengths, or non-finite numbers.
    """
    order = _order(message.joint_names, joint_names, "JointTrajectory")
    if not message.points:
        raise JointMessageError("the JointTrajectory has no points; expected one at least")
    count = len(message.joint_names)
    times_s = np.array([seconds_from(decode_stamp(point.time_from_start)) for point in message.points])
    if times_s[0] < 0.0 or (np.diff(times_s) <= 0.0).any():
        raise JointMessageError(
            "time_from_start of a JointTrajectory must be >= 0 and increase from point to point"
        )
    return TrajectorySamples(
        start_ns=decode_stamp(message.header.stamp),
        times_s=times_s,
        positions=np.array(
            [_pick(p.positions, order, count, "positions", required=True) for p in message.points]
        ),
        velocities=np.array(
            [_pick(p.velocities, order, count, "velocities", required=False) for p in message.points]
        ),
        accelerations=np.array(
            [_pick(p.accelerations, order, count, "accelerations", required=False) for p in message.points]
        ),
    )


def encode_joint_trajectory(
    joint_names: Sequence[str],
    times_s: ArrayLike,
    positions: ArrayLike,
    velocities: ArrayLike,
    accelerations: ArrayLike,
    header: Header,
) -> JointTrajectory:
    """Trajectory message; ``header.stamp`` is when time zero of ``times_s`` (T,) [s] is.

    ``positions``, ``velocities`` and ``accelerations`` are (T, J) [rad, rad/s, rad/s^2].
    """
    samples = zip(
        np.asarray(times_s, dtype=float).tolist(),
        np.asarray(positions, dtype=float).tolist(),
        np.asarray(velocities, dtype=float).tolist(),
        np.asarray(accelerations, dtype=float).tolist(),
        strict=True,
    )
    return JointTrajectory(
        header=header,
        joint_names=list(joint_names),
        points=[
            JointTrajectoryPoint(
                positions=position,
                velocities=velocity,
                accelerations=acceleration,
                time_from_start=encode_duration(time_s),
            )
            for time_s, position, velocity, acceleration in samples
        ],
    )


def _order(available: Sequence[str], wanted: Sequence[str], kind: str) -> list[int]:
    """Index in the message of each joint that is wanted."""
    index = {name: position for position, name in enumerate(available)}
    missing = [name for name in wanted if name not in index]
    if missing:
        raise MissingJointError(
            f"the {kind} lacks {', '.join(missing)}; it names {', '.join(available) or 'no joints'}"
        )
    return [index[name] for name in wanted]


def _pick(
    values: Sequence[float], order: list[int], count: int, field: str, *, required: bool
) -> NDArray[np.float64]:
    """``values`` in the wanted order; zeros for an optional field that is empty."""
    if len(values) == 0 and not required:
        return np.zeros(len(order))
    if len(values) != count:
        raise JointMessageError(f"{field} has {len(values)} numbers for {count} joint names")
    picked = np.asarray(values, dtype=float)[order]
    if not np.isfinite(picked).all():
        raise JointMessageError(f"{field} holds numbers that are not finite: {picked.tolist()}")
    return picked
