"""What a calibration found, in words and figures for people."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tracegen_ros.calibration.board import MILLIMETRES_PER_METRE
from tracegen_ros.calibration.pose_advice import Diversity, SuggestedPose
from tracegen_ros.calibration.solution import REFINED, Residual, Solution

UNKNOWN_ACCURACY = 0.02
"""An expected accuracy above this only says that there are too few poses [m]."""


def summary(solution: Solution) -> list[str]:
    """The few lines that go into the calibration file."""
    across = [residual.across for residual in solution.hold_out]
    angles = [residual.angle for residual in solution.hold_out]
    pixels = [residual.pixels for residual in solution.residuals]
    lines = [
        f"{len(solution.residuals)} poses, {REFINED}: {_rms(pixels):.2f} px",
        f"held-out poses: board missed by {_mm(np.median(across))} and {_deg(np.median(angles))} in the median, "
        f"{_mm(np.max(across))} and {_deg(np.max(angles))} at worst",
        f"standard deviation: camera {_mm(solution.position_error)}, {_deg(solution.rotation_error)}; "
        f"points seen where the board was {_mm(solution.workspace_error)}",
        f"the board's size by the robot's motion: {100.0 * solution.board_scale.ratio:.2f} % of the one given, "
        f"standard deviation {100.0 * solution.board_scale.error:.2f} %",
    ]
    if solution.outliers:
        lines.append(f"left out: {', '.join(residual.name for residual in solution.outliers)}")
    return lines


def report(solution: Solution) -> str:
    """Everything: methods compared, residuals of every pose, outliers, what to think of it."""
    lines = [f"{'method':<18}{'error':>9}{'held-out poses':>20}", ""]
    lines[1] = f"{'':<18}{'[px]':>9}{'[mm]':>11}{'[deg]':>9}"
    for method in solution.methods:
        lines.append(
            f"{method.name:<18}{method.pixels:>9.2f}{MILLIMETRES_PER_METRE * method.hold_out:>11.2f}"
            f"{np.degrees(method.hold_out_angle):>9.3f}"
        )
    lines += ["", f"{'pose':<8}{'[px]':>9}{'[mm]':>9}{'[deg]':>9}    ({REFINED})"]
    lines += [_residual_line(residual) for residual in solution.residuals]
    lines += [
        f"{_residual_line(residual)}  left out: it contradicts the others; did the arm or the board move?"
        for residual in solution.outliers
    ]
    lines += ["", *summary(solution)]
    x, y, z = solution.camera_in_base[:3, 3]
    lines.append(f"the camera stands at ({x:.4f}, {y:.4f}, {z:.4f}) m")
    if solution.problem:
        lines.append(f"NOT USABLE: {solution.problem}")
    return "\n".join(lines)


def advice(found: Diversity, suggestions: Sequence[SuggestedPose]) -> str:
    """What the poses lack, and where to hold the board next."""
    poses = "1 pose" if found.count == 1 else f"{found.count} poses"
    lines = [
        f"{poses}, tilt {np.degrees(found.tilt):.0f} deg about the second axis, {found.cells} of 9 parts of the image, "
        f"{found.nearest:.2f} to {found.farthest:.2f} m away, expected accuracy {_accuracy(found.accuracy)}"
    ]
    lines.append(
        "still lacking: " + "; ".join(found.lacks) if found.lacks else "these poses do; more do no harm"
    )
    for number, suggestion in enumerate(suggestions, start=1):
        lines.append(
            f"  {'next' if number == 1 else 'or'}: {suggestion.words} (then {_accuracy(suggestion.accuracy)})"
        )
    return "\n".join(lines)


def _accuracy(metres: float) -> str:
    return _mm(metres) if metres < UNKNOWN_ACCURACY else "not known yet"


def _residual_line(residual: Residual) -> str:
    return (
        f"{residual.name:<8}{residual.pixels:>9.2f}{MILLIMETRES_PER_METRE * residual.across:>9.2f}"
        f"{np.degrees(residual.angle):>9.3f}"
    )


def _mm(metres: float) -> str:
    return f"{MILLIMETRES_PER_METRE * float(metres):.2f} mm"


def _deg(radians: float) -> str:
    return f"{np.degrees(float(radians)):.3f} deg"


def _rms(values: Sequence[float]) -> float:
    return float(np.sqrt(np.mean(np.square(values))))
