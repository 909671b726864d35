"""Which traces move: the rest of the grid lies on the table and would hide what matters."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tracegen_model.trace_grid import TraceGrid


def travelled(traces: TraceGrid) -> NDArray[np.float64]:
    """(N,) how far each point gets from its start [m]; 0 for a trace without a valid start."""
    return _farthest_from_start(traces.points_in_camera)


def travelled_on_image(traces: TraceGrid) -> NDArray[np.float64]:
    """(N,) how far each point gets from its start on the image [px]; 0 for a trace without a valid start."""
    return _farthest_from_start(traces.pixels)


def _farthest_from_start(coordinates: NDArray[np.float32]) -> NDArray[np.float64]:
    distances = np.linalg.norm(coordinates.astype(float) - coordinates[:1], axis=-1)
    return np.where(np.isfinite(distances), distances, 0.0).max(axis=0)
