"""A smooth curve through joint positions: a natural cubic spline, twice continuously differentiable.

Second derivatives M at the knots s_0 < ... < s_n with values y solve, for h_i = s_(i+1) - s_i,

    h_(i-1) M_(i-1) + 2 (h_(i-1) + h_i) M_i + h_i M_(i+1) = 6 ((y_(i+1) - y_i) / h_i - (y_i - y_(i-1)) / h_(i-1)),

with M_0 = M_n = 0.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


class JointPath:
    """Joint positions as a function of arc length.

    Attributes:
        lengths: (K,) arc length of each knot [m], from 0.
        length: Arc length of the last knot [m].
    """

    def __init__(self, lengths: FloatArray, joints: FloatArray) -> None:
        """Spline through ``joints`` (K, J) [rad] at strictly increasing ``lengths`` (K,) [m] that start at 0."""
        if len(lengths) != len(joints) or len(lengths) < 2 or (np.diff(lengths) <= 0.0).any():
            raise ValueError(
                f"expected K >= 2 joint rows at increasing lengths, got {joints.shape} at {lengths.shape}"
            )
        self.lengths = lengths
        self._y = joints
        self._m = _second_derivatives(lengths, joints)
        self.length = float(lengths[-1])

    def evaluate(self, lengths: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Joints (T, J) [rad] at ``lengths`` (T,) [m], and their first and second derivatives by length."""
        at = np.clip(lengths, 0.0, self.length)
        i = np.clip(np.searchsorted(self.lengths, at, side="right") - 1, 0, len(self.lengths) - 2)
        h = (self.lengths[i + 1] - self.lengths[i])[:, None]
        b = (at - self.lengths[i])[:, None] / h
        a = 1.0 - b
        y0, y1, m0, m1 = self._y[i], self._y[i + 1], self._m[i], self._m[i + 1]
        value = a * y0 + b * y1 + ((a**3 - a) * m0 + (b**3 - b) * m1) * h**2 / 6
        slope = (y1 - y0) / h + ((3 * b**2 - 1) * m1 - (3 * a**2 - 1) * m0) * h / 6
        return value, slope, a * m0 + b * m1


def _second_derivatives(s: FloatArray, y: FloatArray) -> FloatArray:
    m = np.zeros_like(y)
    if len(s) < 3:
        return m
    h = np.diff(s)
    slopes = np.diff(y, axis=0) / h[:, None]
    system = np.diag(2 * (h[:-1] + h[1:])) + np.diag(h[1:-1], 1) + np.diag(h[1:-1], -1)
    m[1:-1] = np.linalg.solve(system, 6 * np.diff(slopes, axis=0))
    return m
