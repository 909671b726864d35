"""Points on the arm above the hand: recognised, so that they are left out; the links' exact shape is not known here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ik_controller.evaluation.recording import FloatArray
from ik_controller.link_poses import LinkPoses
from ik_controller.resources import resource_path

SHOULDER_RADIUS_M = 0.20
"""The first of the links below lies within this of its line [m] ..."""

LINK_RADIUS_M = 0.14
"""... the others within this ..."""

WRIST_RADIUS_M = 0.095
"""... and the last within this, and not beyond the flange: what the fingers hold begins there."""

LINK_NAMES = tuple(f"fr3_link{number}" for number in range(2, 9))
"""Links whose frames are the corners of that line; the base stands on the table and does not move."""


class ArmShape:
    """The arm as a chain of capsules around the lines between its joints.

    Args:
        urdf: The robot's description; the FR3's if None.
        joint_names: The arm's joints, in the order of all arrays.
    """

    def __init__(self, joint_names: tuple[str, ...], urdf: str | Path | None = None) -> None:
        self._links = LinkPoses(urdf or resource_path("fr3.urdf"))
        self._names = joint_names
        self._chain = [self._links.links.index(name) for name in LINK_NAMES]

    def holds(self, points_in_base: FloatArray, joints: FloatArray) -> NDArray[np.bool_]:
        """(N,) which of ``points_in_base`` (N, 3) [m] may lie on the arm for ``joints`` (7,) [rad]."""
        poses = self._links.in_base(dict(zip(self._names, joints.tolist(), strict=True)))
        corners = np.array([poses[index][:3, 3] for index in self._chain])
        starts, along = corners[:-1], np.diff(corners, axis=0)
        square = np.maximum(np.square(along).sum(axis=1), 1e-12)
        offset = points_in_base[:, None] - starts
        share = np.clip((offset * along).sum(axis=-1) / square, 0.0, 1.0)
        distance = np.nan_to_num(np.linalg.norm(offset - share[..., None] * along, axis=-1), nan=np.inf)
        distance[share[:, -1] >= 1.0, -1] = np.inf
        radius = np.full(len(along), LINK_RADIUS_M)
        radius[0], radius[-1] = SHOULDER_RADIUS_M, WRIST_RADIUS_M
        return np.asarray((distance <= radius).any(axis=1))
