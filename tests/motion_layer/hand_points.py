"""How well depth scale and hand points are found, on the simulator's depth images. Prints Markdown tables.

    python -m tests.motion_layer.hand_points
    python -m tests.motion_layer.hand_points --scenes 100 --output outputs/motion_layer

Every scene is a random state of the task (hand free, reaching, holding, letting go), seen by four cameras. Predicted
starts are the true points of the grid's pixels, at a depth that is wrong by one factor and by an error of each point's
own. *Precision*: share of the points found that move rigidly with the hand (the link that it is bolted to does).
*Recall*: share of the points on hand and fingers that are found. Seeded; no timings.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from dataclasses import asdict, dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from tests.motion_layer.hand_frames import CAMERAS, HandFrame, hand_frames

from fr3_sim.camera import INTRINSICS
from fr3_sim.camera_pose import perturbed_camera_pose
from fr3_sim.depth_noise import noisy_depth
from ik_controller.camera_bias import BiasConfig, CameraBias
from ik_controller.depth_scale import DepthScale, estimate_depth_scale
from ik_controller.hand_points import HandPoints, find_hand_points, read_hand_points
from ik_controller.lifting import lift_traces, measured_starts
from ik_controller.robot_model import RobotModel
from tracegen_model.trace_grid import GRID_SIDE, TraceGrid

SIDES = (10, GRID_SIDE, 48)
HOLE_CELLS = (15, 20)
"""Rows and columns of the cells that are lost together where holes are asked for."""
IMAGES_SEEN = 3
"""Images that the correction of the camera's calibration has learnt from."""


@dataclass(frozen=True)
class Case:
    """What is wrong with an image and with the prediction.

    Attributes:
        words: For the table.
        depth_noise: 1 is a D435; None: no depth image.
        holes: Share of the image without depth, in cells.
        translation: Error of the calibration [m] ...
        rotation_deg: ... and [deg].
        corrected: The follower's correction of the calibration has seen three images.
        factor: Predicted over true depth.
        start_error: Standard deviation of the predicted depth of each point, as a share of it.
        side: Of the grid [points].
    """

    words: str
    depth_noise: float | None = 1.0
    holes: float = 0.0
    translation: float = 0.0
    rotation_deg: float = 0.0
    corrected: bool = False
    factor: float = 1.0
    start_error: float = 0.02
    side: int = GRID_SIDE


CASES = (
    Case("exact depth", depth_noise=0.0),
    Case("D435"),
    Case("D435, grid of 10 × 10", side=10),
    Case("D435, grid of 48 × 48", side=48),
    Case("twice its noise and losses", depth_noise=2.0),
    Case("D435, predicted depth 0.4 times the true one", factor=0.4),
    Case("D435, predicted depth 2.5 times the true one", factor=2.5),
    Case("D435, 30 % of the image lost", holes=0.3),
    Case("D435, 60 % of the image lost", holes=0.6),
    Case("no depth image", depth_noise=None),
    Case("D435, calibration off by 1 cm and 1°, not corrected", translation=0.01, rotation_deg=1.0),
    Case("the same, corrected on three images", translation=0.01, rotation_deg=1.0, corrected=True),
    Case("D435, calibration off by 3 cm, not corrected", translation=0.03),
    Case("the same, corrected on three images", translation=0.03, corrected=True),
)


@dataclass
class Tally:
    """Counts over frames: of hand points found, found rightly, and there to be found."""

    found: int = 0
    right: int = 0
    there: int = 0
    there_found: int = 0
    fewest: int = 10**6
    most: int = 0
    confidence: list[float] = field(default_factory=list)

    def add(self, points: HandPoints, rides: NDArray[np.bool_], on_hand: NDArray[np.bool_]) -> None:
        """One frame more."""
        self.found += points.count
        self.right += int((points.mask & rides).sum())
        self.there += int(on_hand.sum())
        self.there_found += int((points.mask & on_hand).sum())
        self.fewest = min(self.fewest, int(on_hand.sum()))
        self.most = max(self.most, int(on_hand.sum()))
        self.confidence.append(points.confidence)

    @property
    def precision(self) -> float:
        """Of the points found."""
        return self.right / max(self.found, 1)

    @property
    def recall(self) -> float:
        """Of the points on the hand."""
        return self.there_found / max(self.there, 1)


@dataclass(frozen=True)
class Row:
    """One line of the table of hand points; "alone" is the distance of the starts to the shape without the rays."""

    words: str
    points_on_hand: tuple[int, float, int]
    precision: float
    recall: float
    precision_alone: float
    recall_alone: float
    confidence: float


@dataclass(frozen=True)
class ScaleCase:
    """What the depth scale is found from."""

    words: str
    depth_noise: float = 1.0
    holes: float = 0.0
    clipped: float = 0.0
    wrong: float = 0.0
    readings: int | None = None
    start_error: float = 0.02


SCALE_CASES = (
    ScaleCase("D435, predictions exact but for the factor", start_error=0.0),
    ScaleCase("D435"),
    ScaleCase("twice its noise and losses", depth_noise=2.0),
    ScaleCase("60 % of the image lost", holes=0.6),
    ScaleCase("30 % of the readings clipped to 65.5 m", clipped=0.3),
    ScaleCase("30 % of the readings half as far: somebody in front", wrong=0.3),
    ScaleCase("20 readings", readings=20),
    ScaleCase("8 readings", readings=8),
)
FACTORS = (0.3, 0.5, 0.8, 1.0, 1.25, 2.0, 3.0)


def cells(share: float, rng: np.random.Generator, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """(H, W) about ``share`` of the image, in rectangular cells."""
    drawn = (rng.uniform(size=HOLE_CELLS) < share).astype(np.uint8)
    return cv2.resize(drawn, shape[::-1], interpolation=cv2.INTER_NEAREST) > 0


def predicted(
    frame: HandFrame, side: int, factor: float, error: float, rng: np.random.Generator
) -> TraceGrid:
    """Traces that stand still, from starts whose depth is off."""
    pixels = frame.pixels[side]
    column, row = np.rint(pixels).astype(int).T
    depth = frame.depth[row, column] * factor * np.exp(rng.normal(0.0, error, len(pixels)))
    points = INTRINSICS.back_project(pixels, depth)
    return TraceGrid(np.stack([points, points]), np.stack([pixels, pixels]))


def find(frame: HandFrame, case: Case, robot: RobotModel, seed: int) -> tuple[HandPoints, HandPoints]:
    """Points found on the hand of ``frame``: by rays and distances, and by distances alone."""
    rng = np.random.default_rng(seed)
    depth = None
    if case.depth_noise is not None:
        depth = noisy_depth(frame.depth, INTRINSICS.fx, case.depth_noise, rng)
        depth[cells(case.holes, rng, depth.shape)] = 0.0
    calibrated = perturbed_camera_pose(
        frame.camera_in_base, case.translation, np.radians(case.rotation_deg), rng
    )
    hand_in_base, boxes = robot.hand_in_base(frame.joints), robot.hand.boxes(frame.finger_width)
    if case.corrected and depth is not None:
        bias = CameraBias(BiasConfig())
        for _ in range(IMAGES_SEEN):
            bias.observe(depth, INTRINSICS, calibrated, hand_in_base, boxes)
        calibrated = bias.corrected(calibrated)
    traces = predicted(frame, case.side, case.factor, case.start_error, rng)
    lifted = lift_traces(traces, calibrated, depth, INTRINSICS)
    hand, width = robot.hand, frame.finger_width
    with_rays = read_hand_points(traces, lifted, INTRINSICS, calibrated, hand_in_base, hand, width)
    return with_rays, find_hand_points(lifted.points_in_base[0], hand_in_base, hand, width)


def found_scale(frame: HandFrame, case: ScaleCase, factor: float, seed: int) -> DepthScale:
    """Scale found for predictions whose depth is ``factor`` times too large."""
    rng = np.random.default_rng(seed)
    depth = noisy_depth(frame.depth, INTRINSICS.fx, case.depth_noise, rng)
    depth[cells(case.holes, rng, depth.shape)] = 0.0
    depth[cells(case.clipped, rng, depth.shape)] = 65.535
    depth[cells(case.wrong, rng, depth.shape)] *= 0.5
    traces = predicted(frame, GRID_SIDE, factor, case.start_error, rng)
    read = measured_starts(traces.pixels[0], depth, INTRINSICS)[:, 2]
    if case.readings is not None:
        there = rng.permutation(np.flatnonzero(np.isfinite(read)))
        read[there[case.readings :]] = np.nan
    return estimate_depth_scale(traces.points_in_camera[0, :, 2], read)


def points_rows(frames: list[HandFrame], robot: RobotModel) -> tuple[list[Row], list[Row]]:
    """The table of cases, and that of cameras (with the depth of a D435)."""
    rows, by_camera = [], defaultdict(lambda: (Tally(), Tally()))
    for case in CASES:
        tally, alone = Tally(), Tally()
        for seed, frame in enumerate(frames):
            rides, on_hand = frame.rides[case.side], frame.on_hand[case.side]
            for counts, points in zip((tally, alone), find(frame, case, robot, seed), strict=True):
                counts.add(points, rides, on_hand)
                if case.words == "D435":
                    by_camera[frame.camera][counts is alone].add(points, rides, on_hand)
        rows.append(_row(case.words, tally, alone, len(frames)))
    share = len(frames) // len(CAMERAS)
    return rows, [_row(camera, *by_camera[camera], share) for camera in CAMERAS]


def _row(words: str, tally: Tally, alone: Tally, frames: int) -> Row:
    return Row(
        words,
        (tally.fewest, tally.there / frames, tally.most),
        tally.precision,
        tally.recall,
        alone.precision,
        alone.recall,
        float(np.mean(tally.confidence)),
    )


def scale_rows(frames: list[HandFrame]) -> list[dict[str, str | float]]:
    """The table of depth scales: over all factors, share that is told and relative errors."""
    rows: list[dict[str, str | float]] = []
    for case in SCALE_CASES:
        found = [
            (factor, found_scale(frame, case, factor, seed))
            for seed, frame in enumerate(frames)
            for factor in FACTORS
        ]
        errors = [abs(scale.scale * factor - 1.0) for factor, scale in found if scale.reliable]
        rows.append(
            {
                "words": case.words,
                "told": len(errors) / len(found),
                "median": float(np.median(errors)),
                "p95": float(np.percentile(errors, 95)),
                "largest": float(np.max(errors)),
            }
        )
    return rows


def as_markdown(rows: list[Row], title: str) -> str:
    """Lines of the table of hand points."""
    lines = [
        f"| {title} | points on the hand: fewest, mean, most | precision | recall | without rays | confidence |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        fewest, mean, most = row.points_on_hand
        lines.append(
            f"| {row.words} | {fewest}, {mean:.1f}, {most} | {row.precision:.3f} | {row.recall:.3f} | "
            f"{row.precision_alone:.3f}, {row.recall_alone:.3f} | {row.confidence:.2f} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--scenes", type=int, default=50, help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    parser.add_argument("--output", type=Path, help="folder for hand_points.json")
    arguments = parser.parse_args()
    frames = list(hand_frames(arguments.scenes, SIDES, arguments.seed))
    rows, by_camera = points_rows(frames, RobotModel.fr3())
    scales = scale_rows(frames)
    print(as_markdown(rows, "image and prediction"), end="\n\n")
    print(as_markdown(by_camera, "camera (D435)"), end="\n\n")
    print("| depth factor 0.3 to 3 | told | error: median | 95 % | largest |\n|---|---|---|---|---|")
    for row in scales:
        numbers = " | ".join(f"{100 * float(row[name]):.2f} %" for name in ("median", "p95", "largest"))
        print(f"| {row['words']} | {100 * float(row['told']):.1f} % | {numbers} |")
    if arguments.output is not None:
        arguments.output.mkdir(parents=True, exist_ok=True)
        found = {
            "cases": [asdict(row) for row in rows],
            "cameras": [asdict(row) for row in by_camera],
            "scales": scales,
        }
        (arguments.output / "hand_points.json").write_text(json.dumps(found, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
