"""Options of commands that compare an engine with the network itself, and what follows from them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tracegen_model.runtime.engines.accuracy_record import Verdict

DEFAULT_TASKS = 8


def add_agreement_options(parser: argparse.ArgumentParser) -> None:
    """Add them to ``parser``."""
    parser.add_argument(
        "--data",
        type=Path,
        nargs="+",
        default=[],
        metavar="DIR",
        help="folders of episodes, or one packed dataset, to compare on (default: drawn scenes)",
    )
    parser.add_argument("--camera", type=Path, help="YAML or JSON file with the camera's intrinsics")
    parser.add_argument(
        "--tasks",
        type=int,
        default=DEFAULT_TASKS,
        help="images and sentences to compare on (default: %(default)s)",
    )
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default: %(default)s)")


def compare(options: argparse.Namespace, folder: Path, engine: str, precision: str) -> Verdict:
    """Load the engine and PyTorch, compare them as ``options`` say, and remember the verdict.

    Raises:
        CheckpointError: The engine does not run here, or not this checkpoint.
        EngineError: An engine broke.
    """
    from tracegen_model.evaluation.agreement_tasks import agreement_tasks
    from tracegen_model.evaluation.camera_file import read_camera
    from tracegen_model.evaluation.engine_agreement import AgreementGate
    from tracegen_model.evaluation.evaluation import ASSUMED_CAMERA
    from tracegen_model.network.checkpoint_config import CheckpointConfig
    from tracegen_model.runtime.engines import EngineRequest, load_engine
    from tracegen_model.runtime.engines.accuracy_record import AccuracyRecord

    config = CheckpointConfig.load(folder)
    plan = config.default_plan
    request = EngineRequest(folder, config, plan, options.threads, precision)
    judged = load_engine(engine, request).engine
    reference = load_engine("torch", EngineRequest(folder, config, plan, options.threads, "float32")).engine
    camera = read_camera(options.camera) if options.camera else ASSUMED_CAMERA.intrinsics
    items = agreement_tasks(options.data, config.network, options.tasks)
    verdict = AgreementGate(reference, config, plan, items, camera).verdict(judged)
    description = judged.description
    AccuracyRecord(config).write(description.name, description.precision, description.library, verdict)
    print(f"{description}, against PyTorch in float32, {verdict.tasks} tasks:")
    print(f"  smallest cosine     {verdict.cosine:.6f}")
    print(
        f"  mean difference     {verdict.difference_mm:.3f} mm, {verdict.difference_share:.3%} of the motion"
    )
    print(f"  {'passed' if verdict.passed else 'FAILED'}")
    return verdict
