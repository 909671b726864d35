"""Time of the flow: t = 0 is noise, t = 1 is data, and a shift spends more steps where the noise is strong.

Source: the resolution-dependent shift of Esser et al. 2024 (Stable Diffusion 3), t = u / (u + s (1 - u)) in this
direction of time; s = 1 is no shift.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def shifted_times(steps: int, shift: float) -> NDArray[np.float64]:
    """(steps + 1,) times from 0 to 1 at which an Euler sampler evaluates the flow; equidistant before the shift."""
    if steps < 1:
        raise ValueError(f"a sampler takes at least 1 step, got {steps}")
    u = np.linspace(0.0, 1.0, steps + 1)
    return u / (u + shift * (1.0 - u))
