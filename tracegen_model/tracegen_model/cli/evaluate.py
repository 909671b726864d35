"""``tracegen eval``: measure a checkpoint, and write a report about it."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from tracegen_model.cli.encoder_options import add_encoder_options, encoder_source
from tracegen_model.runtime.checkpoints import find_checkpoint

if TYPE_CHECKING:
    import torch

    from tracegen_model.evaluation.evaluation import Evaluation, EvaluationCamera, SamplerSettings
    from tracegen_model.evaluation.measured_data import MeasuredData
    from tracegen_model.evaluation.report import Example
    from tracegen_model.network.checkpoint_config import CheckpointConfig
    from tracegen_model.network.trace_network import TraceNetwork

logger = logging.getLogger(__name__)


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add the command to ``commands``."""
    parser = commands.add_parser(
        "eval",
        help="measure a checkpoint on a dataset, and write a report",
        description="Measure a checkpoint's traces beside those of no motion and of mean motion.",
    )
    parser.add_argument("checkpoint", help="checkpoint's folder, or name of a shipped one")
    parser.add_argument("datasets", type=Path, nargs="+", help="folders of episodes, or one packed dataset")
    parser.add_argument(
        "--out", type=Path, default=None, help="write report.html and measures.json to this folder"
    )

    data = parser.add_argument_group("samples; unless said otherwise as in the checkpoint's training")
    data.add_argument(
        "--split",
        choices=("all", "validation", "training"),
        default=None,
        help="side of the split to measure (default: all, or validation where a share or a number is given)",
    )
    data.add_argument(
        "--validation-share", type=float, default=None, help="share of the scenes that is held out"
    )
    data.add_argument(
        "--validation-last", type=int, default=None, help="hold out this many scenes, the last ones"
    )
    data.add_argument(
        "--split-by", choices=("episode", "stem"), default=None, help="what no split goes through"
    )
    data.add_argument("--split-seed", type=int, default=None, help="seed of a split by share")
    data.add_argument(
        "--limit", type=int, default=None, help="measure so many samples at most, spread evenly"
    )
    data.add_argument(
        "--keep-all", action="store_true", help="measure very short and motionless samples, too"
    )
    data.add_argument("--skip-broken", action="store_true", help="go on without broken files")
    data.add_argument(
        "--index-cache", type=Path, default=None, help="folder that keeps the index of the episodes"
    )
    data.add_argument(
        "--fallback-sentence",
        default=None,
        help="instruction of episodes that have none (default: one of our own)",
    )
    data.add_argument(
        "--wordings",
        choices=("first", "all"),
        default="first",
        help="wordings to measure (default: %(default)s)",
    )

    sampling = parser.add_argument_group("sampling")
    sampling.add_argument(
        "--steps", type=int, nargs="+", default=None, help="steps (default: the checkpoint's)"
    )
    sampling.add_argument("--method", default="euler", help="sampling method (default: %(default)s)")
    sampling.add_argument(
        "--guidance", type=float, default=1.0, help="guidance; 1 = none (default: %(default)s)"
    )
    sampling.add_argument(
        "--samples", type=int, default=1, help="traces drawn for each task (default: %(default)s)"
    )
    sampling.add_argument("--seed", type=int, default=0, help="seed of the noise (default: %(default)s)")

    machine = parser.add_argument_group("camera, encoders and machine")
    machine.add_argument(
        "--camera", type=Path, default=None, help="YAML or JSON file with the camera's intrinsics"
    )
    add_encoder_options(machine)
    machine.add_argument(
        "--batch", type=int, default=16, help="traces sampled together (default: %(default)s)"
    )
    machine.add_argument("--device", default=None, help="device of torch (default: a GPU where there is one)")
    machine.add_argument("--threads", type=int, default=0, help="threads of torch (default: its own choice)")
    parser.set_defaults(run=_evaluate)


def _evaluate(options: argparse.Namespace) -> None:
    import torch

    from tracegen_model.evaluation.baselines import mean_motion
    from tracegen_model.evaluation.evaluation import SamplerSettings
    from tracegen_model.evaluation.evaluator import evaluate
    from tracegen_model.evaluation.measured_data import DataChoice, open_measured_data
    from tracegen_model.network.checkpoint import load_checkpoint
    from tracegen_model.network.checkpoint_config import CheckpointConfig
    from tracegen_model.network.integrators import sampling_method
    from tracegen_model.network.samplers import require_guidance

    if options.threads:
        torch.set_num_threads(options.threads)
    folder = find_checkpoint(options.checkpoint)
    config = CheckpointConfig.load(folder)
    sampling_method(options.method)
    require_guidance(options.guidance, config.condition_dropout)
    camera = _camera(options.camera)
    samplers = [
        SamplerSettings(options.method, steps, options.guidance)
        for steps in dict.fromkeys(options.steps or [config.sampler_steps])
    ]
    data = open_measured_data(
        DataChoice(
            folders=options.datasets,
            split=options.split,
            split_by=options.split_by,
            validation_share=options.validation_share,
            validation_last=options.validation_last,
            split_seed=options.split_seed,
            keep_all=options.keep_all,
            skip_broken=options.skip_broken,
            index_cache=options.index_cache,
            fallback_sentence=options.fallback_sentence,
            limit=options.limit,
        ),
        config,
    )
    config, network = load_checkpoint(folder, encoder_source(options))
    network = network.to(_device(options.device))
    evaluation = evaluate(
        network,
        data.dataset,
        data.indices,
        config.increment_scale,
        samplers,
        draws=options.samples,
        seed=options.seed,
        camera=camera,
        mean_motion=mean_motion(data.dataset, data.reference.tolist()),
        wordings=options.wordings,
        batch=options.batch,
        notes=[*data.notes, *_notes(options, config, network)],
        progress=True,
    )
    print(_summary(evaluation))
    if options.out is not None:
        facts = _facts(options, config, network, data, evaluation)
        path = _report(options.out, config, network, data, evaluation, facts)
        logger.info("%s", path)


def _device(name: str | None) -> torch.device:
    """The device called ``name``; None = a GPU where there is one. Raises ValueError when it cannot be used."""
    import torch

    try:
        device = torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"--device {name}: {str(error).splitlines()[0]}") from error
    return device


def _camera(path: Path | None) -> EvaluationCamera:
    from tracegen_model.evaluation.camera_file import read_camera
    from tracegen_model.evaluation.evaluation import ASSUMED_CAMERA, EvaluationCamera

    if path is None:
        return ASSUMED_CAMERA
    return EvaluationCamera(read_camera(path), source=str(path))


def _notes(options: argparse.Namespace, config: CheckpointConfig, network: TraceNetwork) -> list[str]:
    if not options.random_encoders or network.encoder_digests() == dict(config.encoders):
        return []
    return ["The encoders are random: these errors say nothing about the checkpoint."]


def _summary(evaluation: Evaluation) -> str:
    """The measures as lines of text, a column for each predictor."""
    from tracegen_model.evaluation.definitions import definition, format_value

    names = evaluation.measures()
    width = max(len(name) for name in names)
    columns = [f"{name:>{max(len(name), 10)}}" for name in evaluation.tables]
    lines = [f"{'':{width}}  " + "  ".join(columns)]
    for name in names:
        values = [
            format_value(table.mean(name), definition(name).unit) if name in table.totals else ""
            for table in evaluation.tables.values()
        ]
        cells = [f"{value:>{len(column)}}" for value, column in zip(values, columns, strict=True)]
        lines.append(f"{name:{width}}  " + "  ".join(cells))
    return "\n".join([*lines, *evaluation.notes])


def _facts(
    options: argparse.Namespace,
    config: CheckpointConfig,
    network: TraceNetwork,
    data: MeasuredData,
    evaluation: Evaluation,
) -> dict[str, dict[str, str]]:
    """What was measured and how, by heading."""
    import platform

    import torch

    from tracegen_model.network.integrators import evaluations

    device = next(network.parameters()).device
    parameters = sum(parameter.numel() for parameter in network.parameters())
    camera = evaluation.camera
    checkpoint = {
        "name": config.name,
        "given as": options.checkpoint,
        "network": f"{config.preset} ({config.architecture}), {parameters:,} parameters",
        "increment scale": ", ".join(f"{part:.6g}" for part in config.increment_scale),
        **{f"SHA-256 of {name}": digest for name, digest in config.sha256.items()},
        **{f"SHA-256 of the encoder {name}": digest for name, digest in config.encoders.items()},
    }
    if options.random_encoders:
        checkpoint["encoders"] = "random"
    scenes = len({task.scene for task in evaluation.tasks})
    measured = {
        "tasks": f"{len(evaluation.tasks)} of {scenes} scenes",
        "wordings": options.wordings,
        **data.facts,
    }
    sampling = {
        name: f"the network is evaluated {evaluations(how.method, how.steps)} times, "
        f"{1000.0 * evaluation.seconds[name] / len(evaluation.tasks):.1f} ms for each task"
        for name, how in evaluation.samplers.items()
    }
    sampling |= {"traces drawn for each task": str(evaluation.draws), "seed": str(evaluation.seed)}
    k = camera.intrinsics
    numbers = f"fx {k.fx:g}, fy {k.fy:g}, cx {k.cx:g}, cy {k.cy:g} px at {k.width}x{k.height}"
    return {
        "Checkpoint": checkpoint,
        "Samples": measured,
        "Sampling": sampling,
        "Camera": {"intrinsics": numbers, "source": ("assumed: " if camera.assumed else "") + camera.source},
        "Machine": {
            "device": torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine(),
            "software": f"Python {platform.python_version()}, torch {torch.__version__}",
        },
    }


def _report(
    folder: Path,
    config: CheckpointConfig,
    network: TraceNetwork,
    data: MeasuredData,
    evaluation: Evaluation,
    facts: dict[str, dict[str, str]],
) -> Path:
    from tracegen_model.evaluation.report import choose_examples, write_report

    sampler = evaluation.samplers[evaluation.network]
    examples = {
        how: [_example(row, config, network, data, evaluation, sampler) for row in rows]
        for how, rows in choose_examples(evaluation).items()
    }
    return write_report(folder, f"{config.name}: evaluation", evaluation, examples, facts)


def _example(
    row: int,
    config: CheckpointConfig,
    network: TraceNetwork,
    data: MeasuredData,
    evaluation: Evaluation,
    sampler: SamplerSettings,
) -> Example:
    import dataclasses

    from tracegen_model.evaluation.drawings import draw_truth_and_prediction
    from tracegen_model.evaluation.evaluator import predict
    from tracegen_model.evaluation.report import Example

    task = evaluation.tasks[row]
    item = dataclasses.replace(data.dataset[task.index], sentence=task.sentence)
    increments = predict(network, [item], config.increment_scale, sampler, seed=evaluation.seed)[0]
    return Example(row, draw_truth_and_prediction(item, increments))
