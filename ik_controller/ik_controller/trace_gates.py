"""Gates on what traces say: whether they belong to this camera and this hand, agree, and lead somewhere sensible.

The measures are those by which a back-projected trace is found to make sense at all: how far its pixels are from the
projection of its points, how far from the hand it starts, and how far apart the traces of one hand end.
"""

from __future__ import annotations

import numpy as np

from ik_controller.follower_interface import FollowerInput
from ik_controller.gates import Gate, Shut
from ik_controller.lifting import back_projection_error
from ik_controller.safety import SafetyConfig
from ik_controller.trace_reading import TraceReading
from ik_controller.workspace import Workspace


def back_projection_gate(inputs: FollowerInput, config: SafetyConfig) -> Shut | None:
    """Shut where the traces' start points do not project onto their pixels: they belong to another camera."""
    traces, intrinsics = inputs.traces, inputs.intrinsics
    if traces is None or intrinsics is None:
        return None
    error = back_projection_error(traces, intrinsics)
    if np.isnan(error) or error <= config.max_back_projection_error:
        return None
    reason = (
        f"the traces' points project {error:.0f} px beside their pixels (limit {config.max_back_projection_error:.0f}"
        " px): do CameraInfo and traces belong to one camera?"
    )
    return Shut(Gate.BACK_PROJECTION, reason)


def reading_gate(reading: TraceReading, workspace: Workspace, config: SafetyConfig) -> Shut | None:
    """Shut where the traces that ride the hand cannot be followed."""
    positions = reading.motion.positions
    if len(positions) < 2:
        nearest = float(np.min(reading.hand.distances, initial=np.inf))
        where = f" (the nearest starts {1000 * nearest:.0f} mm from it)" if np.isfinite(nearest) else ""
        reason = f"no trace rides the hand{where}: is the hand in view, is the calibration right?"
        return Shut(Gate.START_OFF_HAND, reason)
    if reading.hand.start_distance > config.max_start_distance:
        reason = (
            f"the traces of the pixels that show the hand start {1000 * reading.hand.start_distance:.0f} mm from it "
            f"(limit {1000 * config.max_start_distance:.0f} mm)"
        )
        return Shut(Gate.START_OFF_HAND, reason)
    spread = float(reading.motion.residual[-1])
    if spread > config.max_endpoint_spread:
        reason = (
            f"the traces on the hand end {1000 * spread:.0f} mm apart (limit "
            f"{1000 * config.max_endpoint_spread:.0f} mm)"
        )
        return Shut(Gate.ENDPOINT_SPREAD, reason)
    steps = np.linalg.norm(np.diff(positions, axis=0), axis=1)
    worst = int(np.argmax(steps))
    if steps[worst] > config.max_path_step:
        reason = (
            f"the hand's path leaps by {1000 * steps[worst]:.0f} mm at step {worst + 1} (limit "
            f"{1000 * config.max_path_step:.0f} mm)"
        )
        return Shut(Gate.PATH_JUMP, reason)
    inside = workspace.clamp_from(positions[0], positions)
    left = float(np.linalg.norm(inside - inside[0], axis=1).max())
    beyond = float(np.linalg.norm(positions - inside, axis=1).max())
    if left < config.edge_distance and beyond > config.edge_overshoot:
        reason = f"the traces lead {beyond:.2f} m out of the workspace, whose edge the hand has reached"
        return Shut(Gate.OUT_OF_WORKSPACE, reason)
    return None
