"""``tracegen-eval-bag``: how good are the traces, on recordings, without any annotation and without a ROS graph.

    tracegen-eval-bag BAG... --model A --model B --out report

Exit code: 0; 1 where a threshold is not kept; 2 where something cannot be read.
"""

# ruff: noqa: T201 - a command line talks to people.

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rclpy.utilities import remove_ros_args

from ik_controller.evaluation.calibration_flag import CalibrationFlag
from ik_controller.evaluation.cotracker_tracker import CoTrackerError, load_cotracker
from ik_controller.evaluation.evaluation import (
    Evaluation,
    Row,
    Threshold,
    ThresholdError,
    WindowJudge,
)
from ik_controller.evaluation.executability import MotionProbe
from ik_controller.evaluation.measures import HEADLINES, definition, format_value
from ik_controller.evaluation.pictures import Album
from ik_controller.evaluation.point_tracking import LucasKanadeTracker, PointTracker
from ik_controller.evaluation.recording import RecordingError, WindowConfig, windows
from ik_controller.evaluation.report import BagSummary, Report
from ik_controller.evaluation.stretches import HORIZONS_PER_STRETCH
from ik_controller.evaluation.sure_means import FEWEST_STRETCHES
from ik_controller.evaluation.truth import TruthFinder
from ik_controller.joint_limits import LimitsError
from ik_controller.nodes.evaluated_bag import EvaluatedBag
from ik_controller.nodes.evaluated_models import (
    RECORDED,
    ModelOptionError,
    NetworkModel,
    RecordedModel,
    parse_model,
)
from ik_controller.nodes.recorded_step import recorded_step
from ik_controller.resources import ResourceError
from ik_controller.robot_model import RobotModel, RobotModelError
from tracegen_model.runtime import CheckpointError, TracePredictor
from tracegen_model.runtime.engines import EngineError
from tracegen_ros.bags.bag_reader import open_bag
from tracegen_ros.bags.recorded import BagError
from tracegen_ros.bags.topic_map import TopicMap, TopicMapError
from tracegen_ros.overlay import draw_traces

DEFAULT_MODEL = "fr3_blocks_nano"

SCRUBBED_WINDOWS = 120
"""Windows of a report that can be scrubbed through; with two models that are about 6 MB."""

LINE_WIDTH = 2
"""Of traces in pictures [px]."""

LONG_FACTS = ("parameters", "packages")
LONGEST_FACT = 120
"""Values of a bag's provenance that a report leaves out: these, and longer ones [characters]."""

EXIT_KEPT, EXIT_NOT_KEPT, EXIT_UNREADABLE = 0, 1, 2

BAD_INPUT = (
    BagError,
    CheckpointError,
    CoTrackerError,
    EngineError,
    LimitsError,
    ModelOptionError,
    RecordingError,
    ResourceError,
    RobotModelError,
    ThresholdError,
    TopicMapError,
)
"""What bad input raises; each says what was expected."""


@dataclass(frozen=True)
class _Network:
    name: str
    predictor: TracePredictor


def evaluate(arguments: argparse.Namespace) -> Report:
    """Everything that the command line asks for, but for writing it down.

    Raises:
        BagError: A bag cannot be evaluated; and the rest of ``BAD_INPUT``.
    """
    thresholds = [Threshold.parse(text) for text in arguments.require]
    config = WindowConfig(arguments.every, arguments.horizon)
    topic_map = TopicMap.load(arguments.map) if arguments.map else TopicMap()
    tracker: PointTracker = (
        load_cotracker(arguments.cotracker) if arguments.cotracker else LucasKanadeTracker()
    )
    robot = RobotModel.load(arguments.robot, arguments.limits)
    networks = _load(arguments.model or [DEFAULT_MODEL])
    rows: list[Row] = []
    summaries = []
    album = Album(lambda image, traces: draw_traces(image, traces, LINE_WIDTH), _scrubbed_every(arguments))
    for path, name in zip(arguments.bags, _names(arguments.bags), strict=True):
        print(f"{name}: reading", flush=True)
        with open_bag(path) as bag:
            evaluated = EvaluatedBag(name, bag, topic_map, robot, arguments.base_frame)
            refused: Counter[str] = Counter()
            models: list[NetworkModel | RecordedModel] = [
                NetworkModel(
                    network.name,
                    network.predictor,
                    evaluated.camera.intrinsics,
                    arguments.seeds,
                    _recorded_seed(bag.provenance) if arguments.seed is None else arguments.seed,
                    refused,
                )
                for network in networks
            ]
            facts_of_bag = _facts(bag.provenance)
            if evaluated.has_traces:
                step = recorded_step(bag.provenance, [network.predictor.config for network in networks])
                models.append(RecordedModel(evaluated, step))
                if step.unknown:
                    facts_of_bag["recorded traces"] = f"errors left out: {step.unknown}"
                    print(f"{name}: errors of the recorded traces are left out: {step.unknown}")
            judge = WindowJudge(
                robot,
                TruthFinder(robot, evaluated.camera, tracker),
                MotionProbe(robot, evaluated.camera),
            )
            flag = CalibrationFlag(robot, evaluated.camera)
            judged_windows = 0
            for window in windows(name, evaluated.frames(), evaluated.joints, config):
                flag.look(window)
                judged = judge.judge(window, models)
                album.add(window, judged)
                rows += [row for row, _ in judged]
                judged_windows += bool(judged)
                if judged:
                    print(
                        f"\r{name}: {window.start.time_s:.0f} of {evaluated.length_s:.0f} s",
                        end="",
                        flush=True,
                    )
            print(f"\r{name}: {judged_windows} windows of {evaluated.length_s:.0f} s")
            problems = [
                *evaluated.problems,
                *(f"{count} times no traces: {why}" for why, count in refused.items()),
            ]
            if not judged_windows:
                problems.append("nothing could be judged: no instruction, or the hand hardly moved under one")
            summaries.append(
                BagSummary(name, evaluated.length_s, judged_windows, flag.finding(), problems, facts_of_bag)
            )
    evaluation = Evaluation(rows, config.horizon_s)
    if not rows:
        reasons = "; ".join(f"{one.name}: {', '.join(one.problems)}" for one in summaries)
        raise BagError(f"no window of the recordings could be judged: {reasons}")
    failures = [
        failure
        for network in networks
        for threshold in thresholds
        if (failure := threshold.failure(evaluation, network.name))
    ]
    stretch_s = HORIZONS_PER_STRETCH * config.horizon_s
    first_seed = "the recorded run's" if arguments.seed is None else arguments.seed
    facts = {
        "models": "; ".join(
            f"{network.name}: {network.predictor.status.digest}, {network.predictor.status.sampling}, "
            f"{_engine(network.predictor)}"
            for network in networks
        ),
        "windows": f"every {config.every_s:g} s, at most {config.horizon_s:g} s ahead, ending at a new instruction",
        "seeds": f"{arguments.seeds} from {first_seed}; measures are of the first, spread is over all",
        "truth": f"hand: forward kinematics of recorded joints; scene: {tracker.name}, depth and stillness",
        "intervals": f"95 %, by Student's t over independent stretches: whole tasks of {stretch_s:g} s or more",
        "verdicts": "at 95 % for each pair of models, over all measures that they are compared by (Holm)",
        "joint limits": robot.limits.name,
        "what it says": "how near predictions are to what was done in the recording, which need not be what was asked",
    }
    report = Report(arguments.title, evaluation, summaries, album, failures, facts)
    if arguments.strict:
        return Report(arguments.title, evaluation, summaries, album, [*failures, *report.warnings], facts)
    return report


def summary(report: Report) -> str:
    """The headlines as text."""
    evaluation = report.evaluation
    width = max(len(definition(name).title) for name in HEADLINES) + 8
    lines = ["".ljust(width) + "".join(f"{model[:24]:>26}" for model in evaluation.models)]
    for name in HEADLINES:
        what = definition(name)
        cells = []
        for model in evaluation.models:
            mean = evaluation.mean(evaluation.of(model), name)
            ends = ""
            if mean.interval is not None:
                low, high = (format_value(end, what.unit) for end in mean.interval)
                ends = f" [{low}, {high}]"
            cells.append(f"{format_value(mean.value, what.unit) + ends:>26}")
        lines.append(f"{what.title} [{what.unit}]".ljust(width) + "".join(cells))
    told = report.comparisons()
    too_few = dict.fromkeys(
        (one.first, one.second, one.stretches) for one in told if one.rows and one.too_few
    )
    lines += [
        f"{one.second} is {'better' if one.better == one.second else 'worse'} than {one.first}: "
        f"{definition(one.measure).title} {format_value(one.difference, definition(one.measure).unit)} "
        f"{definition(one.measure).unit}"
        for one in told
        if one.better
    ]
    lines += [
        f"{second} and {first}: too few independent stretches to tell "
        f"({count}, at least {FEWEST_STRETCHES} are needed)"
        for first, second, count in too_few
    ]
    lines += [f"warning: {words}" for words in report.warnings]
    lines += [f"FAILED: {words}" for words in report.failures]
    return "\n".join(lines)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(
        prog="tracegen-eval-bag", description="Measure predicted traces on recordings, without annotation."
    )
    made.add_argument("bags", nargs="+", type=_path, metavar="BAG", help="rosbag2 folder, .mcap or .db3 file")
    made.add_argument(
        "--model",
        action="append",
        metavar="MODEL",
        help=f"checkpoint, with options after commas: {DEFAULT_MODEL},steps=2; may be given several times "
        f"(default: {DEFAULT_MODEL})",
    )
    made.add_argument(
        "--out", type=_path, default=Path("outputs/eval_bag"), help="folder (default: %(default)s)"
    )
    made.add_argument("--map", type=_path, help="mapping file, for bags with other topics")
    made.add_argument(
        "--require",
        action="append",
        default=[],
        metavar="MEASURE<NUMBER",
        help="threshold that every model must keep, such as 'hand_ade_cm_arc<2.5' or 'feasible>0.95'",
    )
    made.add_argument(
        "--strict", action="store_true", help="fail on a damaged bag or a calibration that is off, too"
    )
    made.add_argument(
        "--every", type=float, default=1.0, help="time between windows [s] (default: %(default)s)"
    )
    made.add_argument(
        "--horizon", type=float, default=8.0, help="how far a window looks ahead [s] (default: %(default)s)"
    )
    made.add_argument(
        "--seeds", type=int, default=3, help="predictions of each window (default: %(default)s)"
    )
    made.add_argument(
        "--seed", type=int, help="the first seed (default: the recorded run's, where known, else 0)"
    )
    made.add_argument(
        "--cotracker", type=_path, metavar="WEIGHTS", help="track with CoTracker3 and these weights"
    )
    made.add_argument(
        "--robot", default="fr3", help="name of a shipped description, or its file (default: %(default)s)"
    )
    made.add_argument("--limits", help="joint limits (default: the robot description's own)")
    made.add_argument(
        "--base-frame",
        default="",
        help="name of the robot's base frame (default: the robot description's own)",
    )
    made.add_argument("--title", default="Traces on recordings", help="of the report")
    return made


def run(words: Sequence[str]) -> int:
    """Evaluate as ``words`` say; the exit code."""
    arguments = parser().parse_args(words)
    try:
        if arguments.seeds < 1:
            raise ModelOptionError(f"--seeds must be at least 1, got {arguments.seeds}")
        report = evaluate(arguments)
        page = report.write(arguments.out)
    except BAD_INPUT as error:
        print(f"tracegen-eval-bag: {error}", file=sys.stderr)
        return EXIT_UNREADABLE
    except OSError as error:
        print(f"tracegen-eval-bag: cannot write the report to {arguments.out}: {error}", file=sys.stderr)
        return EXIT_UNREADABLE
    print(summary(report))
    print(f"report: {page}")
    return EXIT_NOT_KEPT if report.failures else EXIT_KEPT


def main() -> None:
    """Entry point of ``tracegen-eval-bag`` and ``ros2 run ik_controller eval_bag``."""
    sys.exit(run(remove_ros_args(sys.argv)[1:]))


def _path(text: str) -> Path:
    return Path(os.path.expanduser(text))  # noqa: PTH111 - Path's own raises for a user who is not there.


def _load(texts: Sequence[str]) -> list[_Network]:
    networks = []
    for text in texts:
        checkpoint, options = parse_model(text)
        try:
            predictor = TracePredictor(checkpoint, **options)
        except ValueError as error:
            raise ModelOptionError(f"--model {text}: {error}") from error
        predictor.warm_up()
        name = ",".join([Path(checkpoint).name, *text.split(",")[1:]])
        taken = {network.name for network in networks} | {RECORDED}
        # Two folders may have the same last name.
        while name in taken:
            name = f"{name} (again)"
        networks.append(_Network(name, predictor))
    return networks


def _engine(predictor: TracePredictor) -> str:
    running = predictor.status.engine.running
    return "no engine" if running is None else f"{running.name} on {running.device}, {running.precision}"


def _names(paths: Sequence[Path]) -> list[str]:
    """Short names that tell the bags apart."""
    short = [path.resolve().name for path in paths]
    return [str(path) if short.count(name) > 1 else name for path, name in zip(paths, short, strict=True)]


def _scrubbed_every(arguments: argparse.Namespace) -> int:
    """So that a report holds about ``SCRUBBED_WINDOWS`` pictures, however long the recordings are."""
    total_s = 0.0
    for path in arguments.bags:
        with open_bag(path) as bag:
            total_s += 1e-9 * (bag.end_ns - bag.start_ns)
    return max(1, round(total_s / arguments.every / SCRUBBED_WINDOWS))


def _recorded_seed(provenance: Mapping[str, Any]) -> int:
    """The seed that the recorded run's traces were sampled from; 0 where the bag does not say."""
    parameters = provenance.get("parameters")
    of_node = parameters.get("/trace_node") if isinstance(parameters, Mapping) else None
    seed = of_node.get("seed") if isinstance(of_node, Mapping) else None
    return seed if isinstance(seed, int) else 0


def _facts(provenance: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """The short values of a bag's provenance; parameters of nodes and texts of files stay in the bag."""
    found: dict[str, str] = {}
    for name, value in provenance.items():
        if isinstance(value, Mapping) and name not in LONG_FACTS:
            found |= _facts(value, f"{prefix}{name} ")
        elif isinstance(value, str | int | float) and 0 < len(str(value)) <= LONGEST_FACT:
            found[f"{prefix}{name}"] = str(value)
    return found


if __name__ == "__main__":
    main()
