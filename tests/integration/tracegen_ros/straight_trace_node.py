"""``trace_node`` with a predictor that needs no network: every point goes 1 cm a step, where the instruction says.

"left", "right"   along the image's columns
"behind PATH …"   waits until the file PATH is there, like a very slow network; PATH.began says that it waits
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path

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
POLL_S = 0.01


def wait_for_gate(gate: Path) -> None:
    Path(f"{gate}.began").touch()
    while not gate.exists():
        threading.Event().wait(POLL_S)


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
        if instruction.startswith("behind "):
            wait_for_gate(Path(instruction.split()[1]))
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
