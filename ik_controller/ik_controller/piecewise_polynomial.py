"""Polynomials between the knots of a joint trajectory, as ``joint_trajectory_controller`` draws them.

Knots with accelerations are joined by quintics, knots with velocities by cubics, positions alone by straight lines.
Coefficients are (6, segments, J), lowest power first, each segment in its own time [s].
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def segment_coefficients(
    durations: FloatArray, q: FloatArray, v: FloatArray | None = None, a: FloatArray | None = None
) -> FloatArray:
    """Coefficients (6, T - 1, J) of the curve through T knots.

    Args:
        durations: (T - 1,) length of each segment [s].
        q: (T, J) positions [rad].
        v: (T, J) velocities [rad/s], or None for straight lines.
        a: (T, J) accelerations [rad/s²], or None for cubics; needs velocities.
    """
    h = durations[:, None]
    zero = np.zeros_like(q[:-1])
    step = np.diff(q, axis=0)
    if v is None:
        return np.stack([q[:-1], step / h, zero, zero, zero, zero])
    v0, v1 = v[:-1], v[1:]
    if a is None:
        cubic = [(3 * step / h - 2 * v0 - v1) / h, (-2 * step / h + v0 + v1) / h**2]
        return np.stack([q[:-1], v0, *cubic, zero, zero])
    a0, a1 = a[:-1], a[1:]
    dq = step - v0 * h - a0 * h**2 / 2
    dv = (v1 - v0 - a0 * h) * h
    da = (a1 - a0) * h**2
    quintic = [
        (10 * dq - 4 * dv + da / 2) / h**3,
        (-15 * dq + 7 * dv - da) / h**4,
        (6 * dq - 3 * dv + da / 2) / h**5,
    ]
    return np.stack([q[:-1], v0, a0 / 2, *quintic])


def derivatives(c: FloatArray, u: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Value and three derivatives of polynomials with coefficients ``c`` (6, ...) at ``u`` [s] into their segments."""
    q = c[0] + u * (c[1] + u * (c[2] + u * (c[3] + u * (c[4] + u * c[5]))))
    v = c[1] + u * (2 * c[2] + u * (3 * c[3] + u * (4 * c[4] + u * 5 * c[5])))
    a = 2 * c[2] + u * (6 * c[3] + u * (12 * c[4] + u * 20 * c[5]))
    j = 6 * c[3] + u * (24 * c[4] + u * 60 * c[5])
    return q, v, a, j


def derivatives_at_shares(
    c: FloatArray, durations: FloatArray, shares: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Value and three derivatives, S * (T - 1) rows of J each, at ``shares`` (S,) in 0..1 of every segment.

    All segments are looked at in the same places, so each of the four is one product of matrices. The rows are those
    of all segments at the first share, then at the second, and so on.

    Args:
        c: (6, T - 1, J) coefficients.
        durations: (T - 1,) length of each segment [s].
        shares: Where in each segment; 0 = its start, 1 = its end.
    """
    _, segments, joints = c.shape
    powers = np.arange(6)
    in_shares = (c * (durations ** powers[:, None])[:, :, None]).reshape(6, -1)
    factor = np.ones(6)
    rows = []
    for order in range(4):
        basis = factor * shares[:, None] ** np.maximum(powers - order, 0)
        values = (basis @ in_shares).reshape(len(shares), segments, joints)
        rows.append((values / durations[:, None] ** order).reshape(-1, joints))
        factor = factor * np.maximum(powers - order, 0)
    q, v, a, j = rows
    return q, v, a, j
