"""``trace_node`` with a predictor that needs no network: every point goes 1 cm a step, where the instruction says.

"left", "right"   along the image's columns
"slow …"          takes a third of a second, like a network on a small machine
"""

from __future__ import annotations

import sys
import threading

import numpy as np
from numpy.typing import NDArray

from tracegen_model.camera import CameraIntrinsics
from tracegen_model.runtime import TracePrediction
from tracegen_model.runtime.engine_supervisor import EngineState
from tracegen_model.runtime.predictor import PredictorStatus
from tracegen_model.trace_grid import TraceGrid, grid_pixels
from tracegen_ros.nodes.trace_node import TraceNode
from tracegen_ros.spinning import run_node

STEPS = 4
STEP_LENGTH = 0.01
SLOW_S = 0.3


class StraightPredictor:
    """Straight traces along the camera's x axis."""

    def predict(
        self,
        colour: NDArray[np.uint8],
        depth: NDArray[np.float32],
        intrinsics: CameraIntrinsics,
        instruction: str,
        *,
        stamp_s: float,
    ) -> TracePrediction:
        if "slow" in instruction:
            threading.Event().wait(SLOW_S)
        direction = -1.0 if "left" in instruction else 1.0
        pixels = grid_pixels(intrinsics.width, intrinsics.height)
        columns, rows = np.rint(pixels).astype(int).T
        starts = intrinsics.back_project(pixels, depth[rows, columns])
        steps = np.arange(STEPS + 1)[:, None, None]
        points = starts + steps * np.array([direction * STEP_LENGTH, 0.0, 0.0])
        traces = TraceGrid(points.astype(np.float32), intrinsics.project(points).astype(np.float32))
        return TracePrediction(traces, {"sample": 0.001})

    def warm_up(self) -> None:
        pass

    def close(self) -> None:
        pass

    @property
    def status(self) -> PredictorStatus:
        return PredictorStatus("straight", "no digest", EngineState(), "")


if __name__ == "__main__":
    sys.exit(run_node(lambda: TraceNode(lambda parameters: StraightPredictor())))
