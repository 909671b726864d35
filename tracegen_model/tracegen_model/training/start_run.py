"""From settings to a run: data, network, objective, and the trainer that has them all."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
import yaml

from tracegen_model.atomic_write import write_atomically
from tracegen_model.data.dataset import ItemForm, SampleFilter
from tracegen_model.data.feature_cache import FeatureCache
from tracegen_model.data.open_dataset import open_dataset
from tracegen_model.data.split import split_scenes
from tracegen_model.data.statistics import PUBLISHED_SCALE, increment_scale
from tracegen_model.data.trace_item import TraceDataset
from tracegen_model.network.checkpoint_config import WEIGHTS_FILE, CheckpointConfig, file_digest
from tracegen_model.network.images import ImageBatch
from tracegen_model.network.nano.config import NanoConfig
from tracegen_model.network.nano.nano_tracegen import NanoTraceGen
from tracegen_model.network.presets import NetworkConfig
from tracegen_model.network.trace_network import TraceNetwork
from tracegen_model.runtime.checkpoints import find_checkpoint
from tracegen_model.training.initial_network import configured_network, initial_network
from tracegen_model.training.objectives.objectives import make_objective
from tracegen_model.training.objectives.teacher import Teacher, require_same_network
from tracegen_model.training.ranks import Ranks, join_ranks
from tracegen_model.training.run_config import DataConfig, RunConfig, TrainingConfigError
from tracegen_model.training.run_folder import CONFIG_FILE, LATEST, RunFolder
from tracegen_model.training.trainer import PRECISIONS, Trainer
from tracegen_model.training.training_data import TrainingData, TrainingDataError

logger = logging.getLogger(__name__)


def run(config: RunConfig, resume: bool = False) -> CheckpointConfig:
    """Train as ``config`` says; returns the config of the checkpoint in the run's ``latest`` folder.

    Args:
        config: The run's settings.
        resume: Go on with the run in its folder.

    Raises:
        ValueError: Settings, data, encoders or checkpoints are not what they should be; the message says which.
    """
    if config.hardware.threads:
        torch.set_num_threads(config.hardware.threads)
    torch.backends.cuda.matmul.allow_tf32 = config.hardware.tf32
    torch.backends.cudnn.allow_tf32 = config.hardware.tf32
    with join_ranks(config.hardware.device) as ranks:
        return prepare(config, ranks, resume).run()


def prepare(config: RunConfig, ranks: Ranks, resume: bool = False) -> Trainer:
    """Everything of a run, ready to train; see :func:`run`."""
    if config.optimisation.batch < ranks.count:
        raise TrainingConfigError(
            f"optimisation.batch: expected a sample for each of {ranks.count} processes at least, "
            f"found {config.optimisation.batch}"
        )
    folder = RunFolder(output_folder(config))
    begins = ranks.is_main and not resume
    if begins:
        folder.begin()
    try:
        trainer = _trainer(config, ranks, folder.path, resume)
    except BaseException:
        if begins:
            folder.abandon()
        raise
    if ranks.is_main:
        write_settings(config, folder.path)
    ranks.wait()
    return trainer


def _trainer(config: RunConfig, ranks: Ranks, folder: Path, resume: bool) -> Trainer:
    torch.manual_seed(config.seed)
    start = _start(config)
    if resume and start is not None:
        start = folder / LATEST  # The checkpoint that the run came from need not be there any more.
    known = None if start is None else CheckpointConfig.load(start)
    network_config = configured_network(config, known)
    data = open_data(config.data, network_config)
    if not len(data.validation):
        logger.warning("no validation samples: nothing will say how good the run is on what it has not seen")
    network = initial_network(config, network_config, start, ranks)
    teacher = _teacher(config, network_config, ranks)
    checkpoint = _checkpoint(config, network, known, data)
    if teacher is not None:
        checkpoint = _with_teacher(config, checkpoint, known if resume else None)
    if isinstance(network, NanoTraceGen) and config.hardware.parallel == "fsdp":
        raise TrainingConfigError(
            "hardware.parallel: the nano network is too small to be spread; expected ddp, found fsdp"
        )
    precision, features = PRECISIONS[config.hardware.precision], _kept_features(config, network)
    objective = make_objective(network, checkpoint, config.objective, precision, features, teacher)
    for made in (network,) if teacher is None else (network, teacher.network):
        if isinstance(made, NanoTraceGen) and config.hardware.channels_last:
            made.encoder.to(memory_format=torch.channels_last)
        if config.hardware.compile:
            made.compile_parts()
    return Trainer(config, data, objective, checkpoint, folder, ranks, resume)


def output_folder(config: RunConfig) -> Path:
    """The run's folder."""
    return Path("runs") / config.name if config.output is None else Path(config.output)


def write_settings(config: RunConfig, folder: Path) -> None:
    """Write the run's settings beside its saves, for people and for resuming."""
    settings = yaml.safe_dump(config.as_dict(), sort_keys=False, allow_unicode=True)
    write_atomically(folder / CONFIG_FILE, settings)


def open_data(config: DataConfig, network: NetworkConfig) -> TrainingData:
    """The data that ``config`` names, in the form that ``network`` wants, and their split.

    Raises:
        ValueError: A folder is missing, broken, or does not fit the network.
    """
    if not config.folders:
        raise TrainingDataError(
            "data.folders: expected at least one folder, found none; give data.folders=[FOLDER]"
        )
    dataset = _open_dataset(config, network)
    if config.validation_last is not None:
        split = split_scenes(dataset, validation_last=config.validation_last)
    else:
        split = split_scenes(dataset, validation_share=config.validation_share, seed=config.split_seed)
    return TrainingData(dataset, split.training, split.validation)


def _open_dataset(config: DataConfig, network: NetworkConfig) -> TraceDataset:
    return open_dataset(
        [Path(folder) for folder in config.folders],
        ItemForm.of(network),
        keep=SampleFilter(config.fewest_valid_steps, config.moving_only),
        skip_broken=config.skip_broken,
        cache=None if config.index_cache is None else Path(config.index_cache),
        scenes=config.split_by,
    )


def _start(config: RunConfig) -> Path | None:
    """Checkpoint whose weights the run starts from; None = random ones."""
    if config.objective.distillation.teacher is not None:
        return find_checkpoint(config.objective.distillation.teacher)
    return None if config.checkpoints.init_from is None else Path(config.checkpoints.init_from)


def _teacher(config: RunConfig, student: NetworkConfig, ranks: Ranks) -> Teacher | None:
    """The teacher of a distillation; None where there is none."""
    distillation = config.objective.distillation
    if distillation.teacher is None:
        return None
    if config.hardware.parallel == "fsdp":
        raise TrainingConfigError(
            "hardware.parallel: a student's frozen parts cannot be spread; expected ddp, found fsdp"
        )
    folder = find_checkpoint(distillation.teacher)
    checkpoint = CheckpointConfig.load(folder)
    require_same_network(checkpoint, folder, student)
    return Teacher(initial_network(config, checkpoint.network, folder, ranks), distillation)


def _with_teacher(
    config: RunConfig, checkpoint: CheckpointConfig, resumed: CheckpointConfig | None
) -> CheckpointConfig:
    """``checkpoint`` that says whose student it is; a run that goes on needs the teacher that it began with."""
    assert config.objective.distillation.teacher is not None
    folder = find_checkpoint(config.objective.distillation.teacher)
    teacher = CheckpointConfig.load(folder)
    named = {"name": teacher.name, "sha256": file_digest(folder / WEIGHTS_FILE)}
    if resumed is not None and resumed.training.get("teacher") != named:
        raise TrainingConfigError(
            f"objective.distillation.teacher: the run was started with another teacher than {folder}: expected "
            f"{resumed.training.get('teacher')}, found {named}"
        )
    return dataclasses.replace(checkpoint, training={**checkpoint.training, "teacher": named})


def _checkpoint(
    config: RunConfig, network: TraceNetwork, known: CheckpointConfig | None, data: TrainingData
) -> CheckpointConfig:
    """What the run's checkpoint will be; in fine-tuning it takes after the one that the run starts from."""
    objective = config.objective
    clip, dropout = objective.clip_increments, objective.condition_dropout
    if known is not None:
        clip = known.clip_increments if clip is None else clip
        dropout = known.condition_dropout if dropout is None else dropout
    return CheckpointConfig(
        name=config.name,
        preset=config.preset or (known.preset if known is not None else ""),
        network=network.config,
        increment_scale=_increment_scale(config, network.config, known, data),
        sampler_steps=config.validation.sampler_steps,
        clip_increments=clip or None,
        step_length_m=config.step_length_m or (known.step_length_m if known is not None else None),
        condition_dropout=dropout or 0.0,
        encoders=network.encoder_digests(),
        training={
            "data": config.description or ", ".join(Path(name).name for name in config.data.folders),
            "settings": config.as_dict(),
        },
    )


def _kept_features(config: RunConfig, network: TraceNetwork) -> Callable[[ImageBatch], ImageBatch] | None:
    """What gives images the kept outputs of the frozen encoders; None where none are to be kept."""
    folder = config.data.feature_cache
    if folder is None:
        return None
    if isinstance(network, NanoTraceGen):
        raise TrainingConfigError(
            "data.feature_cache: the nano network has no frozen encoders whose outputs could be kept; set it to null"
        )
    if config.augmentation.changes_images:
        raise TrainingConfigError(
            "data.feature_cache keeps what encoders say of images, but augmentation changes images each time: "
            "set data.feature_cache=null, or leave images alone"
        )
    from tracegen_model.network.tracegen.tracegen import TraceGen

    assert isinstance(network, TraceGen)
    identity = {
        **network.encoder_digests(),
        "precision": config.hardware.precision,
        "images": f"{network.config.preparation}, {network.config.image_side} px",
    }
    cache = FeatureCache(Path(folder), identity)
    return partial(cache.with_features, encode=network.encoder_features)


def _increment_scale(
    config: RunConfig, network: NetworkConfig, known: CheckpointConfig | None, data: TrainingData
) -> tuple[float, float, float]:
    wanted = config.objective.increment_scale
    if wanted is None and known is not None:
        return known.increment_scale
    if isinstance(wanted, list):
        u, v, z = wanted
        return u, v, z
    if wanted == "measured" or (wanted is None and isinstance(network, NanoConfig)):
        return increment_scale(data.dataset, data.training)
    return PUBLISHED_SCALE
