"""Goes over from one motion to another, or to rest, without a step in position, velocity or acceleration.

Where a trajectory does not begin as the arm moves then, what the two differ by is brought to zero by a quintic that is
added to the trajectory, inside the joints' limits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ik_controller.blending import KNOT_PERIOD
from ik_controller.joint_limits import JointLimits
from ik_controller.joint_spline import JointSpline
from ik_controller.joint_trajectory import JointState, JointTrajectory
from ik_controller.replanning import LIMIT_SHARE, PLANNING_JERK, slow_to_rest

FloatArray = NDArray[np.float64]

JOINING_TIMES_S = (0.2, 0.4, 0.8, 1.6)
"""How long a trajectory is joined for where it does not continue what runs, tried in turn [s]."""

LARGEST_DETOUR = 0.03
"""While it is joined, the arm is nowhere farther than this from its trajectory [rad]."""

_JOINING_PERIOD_S = 0.002
"""Longest time between two instants at which a joined motion is looked at [s]."""

_SAME = 1e-9
"""Positions, velocities and accelerations that differ by less are the same [rad, rad/s, rad/s²]."""


@dataclass(frozen=True)
class JoinedMotion:
    """A trajectory, and what is added to it until it is joined; ``is_brake``: it brings the arm to rest on its way."""

    spline: JointSpline
    lead: JointSpline | None = None
    is_brake: bool = False

    @property
    def start_s(self) -> float:
        """When the trajectory starts [s]."""
        return self.spline.start_s

    @property
    def end_s(self) -> float:
        """When the arm comes to rest on it [s]."""
        return self.spline.end_s if self.lead is None else max(self.spline.end_s, self.lead.end_s)

    def sample(self, now_s: float) -> JointState:
        """Where the joints shall be at ``now_s`` [s]."""
        on_spline = self.spline.sample(now_s)
        if self.lead is None:
            return on_spline
        added = self.lead.sample(now_s)
        return JointState(
            on_spline.position + added.position,
            on_spline.velocity + added.velocity,
            on_spline.acceleration + added.acceleration,
        )

    def sample_many(self, times_s: FloatArray) -> FloatArray:
        """(4, M, J) positions, velocities, accelerations and jerks at ``times_s`` (M,) [s]."""
        on_spline = self.spline.sample_many(times_s)
        return on_spline if self.lead is None else on_spline + self.lead.sample_many(times_s)


def join(
    spline: JointSpline, joined_s: float, before: JointState, limits: JointLimits
) -> JoinedMotion | None:
    """``spline`` as it can be taken up at ``joined_s`` [s] by an arm that is told ``before`` until then.

    Returns:
        None where no way tried stays inside ``limits`` and near the spline.
    """
    after = spline.sample(joined_s)
    nothing = np.zeros_like(after.position)
    # A command that says nothing about a derivative is not held to it.
    mismatch = JointState(
        before.position - after.position,
        before.velocity - after.velocity if spline.has_velocities else nothing,
        before.acceleration - after.acceleration if spline.has_accelerations else nothing,
    )
    parts = (mismatch.position, mismatch.velocity, mismatch.acceleration)
    if max(np.abs(part).max() for part in parts) < _SAME:
        return JoinedMotion(spline)
    for duration_s in JOINING_TIMES_S:
        lead = JointSpline.decaying(joined_s, duration_s, mismatch)
        if _stays_inside(spline, lead, _looked_at(spline, joined_s, duration_s), limits):
            return JoinedMotion(spline, lead)
    return None


def brake(motion: JoinedMotion, time_s: float, limits: JointLimits) -> JoinedMotion:
    """``motion`` slowed down to rest on its way, inside ``limits``, from ``time_s`` [s] on.

    Where it cannot be slowed down any more, its own end is kept.
    """
    knots = max(2, int(np.ceil((motion.end_s - time_s) / KNOT_PERIOD)) + 1)
    times_s = np.linspace(time_s, motion.end_s, knots)
    position, velocity, acceleration, _ = motion.sample_many(times_s)
    # The end may be off by rounding; there the motion rests.
    velocity[-1] = acceleration[-1] = 0.0
    way = JointTrajectory(times_s - time_s, position, velocity, acceleration)
    slowed = slow_to_rest(way, 0.0, limits)
    return JoinedMotion(
        JointSpline.through(
            time_s, slowed.times_s, slowed.positions, slowed.velocities, slowed.accelerations, way.sample(0.0)
        ),
        is_brake=True,
    )


def _looked_at(spline: JointSpline, joined_s: float, duration_s: float) -> FloatArray:
    """(M,) instants [s] at which joining is looked at: evenly, and where accelerations peak, which is at knots."""
    knots_s = spline.knots_s
    inside = (knots_s > joined_s) & (knots_s < joined_s + duration_s)
    return np.union1d(joined_s + np.arange(0.0, duration_s, _JOINING_PERIOD_S), knots_s[inside])


def _stays_inside(spline: JointSpline, lead: JointSpline, times_s: FloatArray, limits: JointLimits) -> bool:
    """Joining ``spline`` by way of ``lead`` is no detour and breaks no bound that the spline keeps by itself."""
    own_position, *own_rates = own = spline.sample_many(times_s)
    added = lead.sample_many(times_s)
    if np.abs(added[0]).max() > LARGEST_DETOUR:
        return False
    position, *rates = own + added
    # As gentle as planned motion, so that it can be braked like planned motion.
    slowest, fastest = (LIMIT_SHARE * bound for bound in limits.velocity_bounds(position))
    acceleration = LIMIT_SHARE * limits.acceleration
    jerk = np.minimum(LIMIT_SHARE * limits.jerk, PLANNING_JERK)
    bounds = (
        (limits.position_lower, limits.position_upper, position, own_position),
        (slowest, fastest, rates[0], own_rates[0]),
        (-acceleration, acceleration, rates[1], own_rates[1]),
        (-jerk, jerk, rates[2], own_rates[2]),
    )
    return all(
        bool(((joined >= np.minimum(lower, alone)) & (joined <= np.maximum(upper, alone))).all())
        for lower, upper, joined, alone in bounds
    )
