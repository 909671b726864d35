"""Shows the calibration gate what the camera sees, until it is open."""

from __future__ import annotations

from ik_controller.calibration_gate import CalibrationGate
from ik_controller.nodes.instant_inputs import InstantInputs


class CalibrationLook:
    """Each look takes the newest depth image whose joints are known.

    Args:
        gate: Judges what it is shown.
        inputs: Where images, joints and the camera's pose come from.
    """

    def __init__(self, gate: CalibrationGate, inputs: InstantInputs) -> None:
        self._gate = gate
        self._inputs = inputs
        self._seen_ns = 0

    def look(self) -> bool:
        """Whether there was anything new to show to the gate; never once it is open."""
        inputs = self._inputs
        if self._gate.is_open or inputs.intrinsics is None:
            return False
        newest = inputs.newest_depth_with_joints(self._seen_ns)
        if newest is None:
            return False
        self._seen_ns, frame_id = newest
        joints, depth = inputs.joints.positions_at(self._seen_ns), inputs.depth_at(self._seen_ns)
        camera_in_base = inputs.camera_pose(frame_id, self._seen_ns)
        if depth is None or joints is None or camera_in_base is None:
            return False
        width_m = inputs.opening_m(inputs.fingers.newest)
        self._gate.look(depth, inputs.intrinsics, camera_in_base, joints, width_m or 0.0)
        return True
