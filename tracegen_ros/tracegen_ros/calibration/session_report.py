"""A session solved and judged: what both the live tool and the offline one say and write."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from tracegen_ros.calibration.board_print import caption
from tracegen_ros.calibration.pose_advice import diversity, suggest_poses
from tracegen_ros.calibration.report import advice, report, summary
from tracegen_ros.calibration.session import CalibrationSession
from tracegen_ros.calibration.solution import Solution, solve


@dataclass(frozen=True)
class SolvedSession:
    """What came out of a session.

    Attributes:
        solution: The camera's pose, its errors, and those of other methods.
        text: All of it for people.
        remarks: The lines for the calibration file.
    """

    solution: Solution
    text: str
    remarks: tuple[str, ...]


def solve_session(session: CalibrationSession) -> SolvedSession:
    """Solve everything that ``session`` holds.

    Raises:
        CalibrationDataError: The poses do not determine the camera's pose, or contradict one another.
    """
    poses, without = session.captured()
    description = session.description
    intrinsics = description.lens.intrinsics
    solution = solve(poses, intrinsics)
    views = [pose.view for pose in poses]
    found = diversity(views, intrinsics, solution.board_in_hand)
    parts = [report(solution), ""]
    if without:
        parts.append(f"no board found in {', '.join(without)}")
    suggestions = suggest_poses(views, description.board, intrinsics, solution.board_in_hand)
    parts.append(advice(found, suggestions if found.lacks else ()))
    remarks = (
        f"Camera calibrated on {datetime.now(UTC):%Y-%m-%d %H:%M} UTC with calibrate_camera",
        *summary(solution),
        caption(description.board).split(". ")[0],
    )
    return SolvedSession(solution, "\n".join(parts), remarks)
