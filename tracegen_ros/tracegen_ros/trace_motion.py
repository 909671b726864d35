"""Which traces move: the rest of the grid lies on the table and would hide what matters."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tracegen_model.trace_grid import TraceGrid


def travelled(traces: TraceGrid) -> NDArray[np.float64]:
    """(N,) how far each point gets from its start [m]; 0 for a trace without a valid start."""
    points = traces.points_in_camera.astype(float)
    distances = np.linalg.norm(points - points[:1], axis=-1)
    return np.where(np.isfinite(distances), distances, 0.0).max(axis=0)
