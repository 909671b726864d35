"""The shape of a two-finger hand, in boxes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray

from ik_controller.robot_description import RobotModelError

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class HandGeometry:
    """A two-finger hand as boxes in the hand's frame (z towards the fingertips, fingers move along y).

    Attributes:
        palm: (P, 2, 3) min and max corners [m].
        wrist: (W, 2, 3) corners [m] of what lies behind the hand, flange and wrist, whose shape is not known here.
        finger: (F, 2, 3) boxes of the finger on the +y side at opening 0 [m]; the other one is its mirror.
        tcp_offset: Distance of the tool centre point along z [m].
        max_width: Largest opening between the fingertips [m].
    """

    palm: FloatArray
    wrist: FloatArray
    finger: FloatArray
    tcp_offset: float
    max_width: float

    @classmethod
    def load(cls, path: str | Path) -> HandGeometry:
        """Read a hand geometry file (see ``urdf/hand_geometry.yaml``).

        Raises:
            RobotModelError: where the file lacks or garbles a field.
        """
        try:
            content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
            return cls(
                palm=_boxes(content["palm"]),
                wrist=_boxes(content["wrist"]),
                finger=_boxes(content["finger"]),
                tcp_offset=float(content["tcp_offset"]),
                max_width=float(content["max_width"]),
            )
        except (KeyError, TypeError, ValueError, yaml.YAMLError) as error:
            raise RobotModelError(
                f"hand geometry {path} lacks or garbles {error}; urdf/hand_geometry.yaml shows all fields"
            ) from error

    def boxes(self, width: float) -> FloatArray:
        """(P + 2F, 2, 3) all boxes [m] when the fingers are ``width`` [m] apart; palm first."""
        return np.concatenate([self.palm, *self.fingers(width)])

    def fingers(self, width: float) -> tuple[FloatArray, FloatArray]:
        """(F, 2, 3) boxes of the finger on the +y side and of the other one [m] when they are ``width`` [m] apart."""
        left = self.finger + np.array([0.0, width / 2, 0.0])
        right = left.copy()
        right[:, 0, 1], right[:, 1, 1] = -left[:, 1, 1], -left[:, 0, 1]
        return left, right


def _boxes(entries: list[dict[str, list[float]]]) -> FloatArray:
    boxes = np.array([[entry["min"], entry["max"]] for entry in entries], dtype=float)
    if boxes.shape != (len(boxes), 2, 3) or not (boxes[:, 0] < boxes[:, 1]).all():
        raise ValueError("boxes, each with a min corner below its max corner on x, y and z")
    return boxes
