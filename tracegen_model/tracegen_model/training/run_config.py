"""Settings of a training run; ``docs/config_reference.md`` is made from these classes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tracegen_model.data.augmentation import AugmentationConfig
from tracegen_model.network.presets import PRESETS


class TrainingConfigError(ValueError):
    """The settings given do not describe a training run."""


@dataclass(frozen=True)
class EncodersConfig:
    """Where the pretrained encoders of a published network come from; the nano network has none.

    Attributes:
        dinov3: Folder or file of the DINOv3 weights; null = the network config's name, from the local cache or the hub.
        siglip: The same for SigLIP.
        t5: The same for T5 and its tokeniser.
        random: Random encoders instead: for tests and timing, when there are no weights.
        seed: Seed of random encoders.
    """

    dinov3: str | None = None
    siglip: str | None = None
    t5: str | None = None
    random: bool = False
    seed: int = 0


@dataclass(frozen=True)
class DataConfig:
    """What a run learns from.

    Attributes:
        folders: Folders of episodes (TraceForge layout), or one packed dataset.
        split_by: What validation never shares with training: whole episodes (``episode``), or what has the same
            stem but for the last ``_`` part (``stem``), for demonstrations whose episodes share scenes.
        validation_share: Share of the episodes (scenes) that is only validated on; above 0, one at least.
        validation_last: This many episodes (scenes), the last ones by name, instead of a share; null = the share.
        split_seed: Seed of the split; two runs on the same data with the same one hold out the same episodes.
        fewest_valid_steps: Samples whose traces have fewer valid steps are left out; 4 as published.
        moving_only: Leave out samples in which no point moves, as published.
        skip_broken: Leave out broken files, with a warning each, instead of stopping at the first.
        index_cache: Folder for the index of the episodes; null = index again at each start.
        feature_cache: Folder for the outputs of the frozen encoders; changes nothing but speed, and needs
            ``augmentation`` to leave images alone. Null = none.
        workers: Processes that load and augment; 0 = the training process itself. The batches are the same for any.
        prefetch: Micro-batches that each worker prepares ahead.
    """

    folders: list[str] = field(default_factory=list)
    split_by: Literal["episode", "stem"] = "episode"
    validation_share: float = 0.01
    validation_last: int | None = None
    split_seed: int = 42
    fewest_valid_steps: int = 4
    moving_only: bool = True
    skip_broken: bool = False
    index_cache: str | None = None
    feature_cache: str | None = None
    workers: int = 0
    prefetch: int = 2

    def __post_init__(self) -> None:
        _require_share("data.validation_share", self.validation_share)
        _require_at_least("data.validation_last", self.validation_last, 1)
        _require_at_least("data.fewest_valid_steps", self.fewest_valid_steps, 0)
        _require_at_least("data.workers", self.workers, 0)
        _require_at_least("data.prefetch", self.prefetch, 1)


@dataclass(frozen=True)
class FlowObjectiveConfig:
    """How a network that predicts velocities is trained: the published ones.

    Attributes:
        times: Which times of the flow are trained: ``original`` = the authors' hundred, uniformly; ``uniform`` = all;
            ``shifted`` = uniform, then shifted by the network's ``time_shift``; ``logit_normal`` = sigmoid of a normal
            with deviation 1.3 around -ln(time_shift).
        normalise: What the squared error is divided by: ``all`` increments, as published (unknown ones count as right),
            or only the ``known`` ones, so that short traces weigh as much as long ones.
    """

    times: Literal["original", "uniform", "shifted", "logit_normal"] = "original"
    normalise: Literal["all", "known"] = "all"


@dataclass(frozen=True)
class NanoObjectiveConfig:
    """How the nano network, which predicts the data and places of object, zone and hand, is trained.

    Attributes:
        regression_share: Share of the run over which the pure-noise share falls from 1: a start as plain regression.
        pure_noise_share: Share of samples at pure noise afterwards.
        position_weight: Weight of the position error beside the increments' error.
        heat_weight: Weight of the heat-maps' cross-entropy, summed over object, zone and hand.
        point_weight: Weight of the error of the query points' places.
        hand_weight: Weight of the hand's points in the trace loss; background counts 1.
        arm_weight: Weight of the arm's points.
        object_weight: Weight of objects' points.
    """

    regression_share: float = 0.3
    pure_noise_share: float = 0.2
    position_weight: float = 0.05
    heat_weight: float = 0.1
    point_weight: float = 1.0
    hand_weight: float = 6.0
    arm_weight: float = 2.0
    object_weight: float = 12.0

    def __post_init__(self) -> None:
        for name in ("regression_share", "pure_noise_share"):
            _require_share(f"objective.nano.{name}", getattr(self, name))
        for name in ("position_weight", "heat_weight", "point_weight"):
            _require_at_least(f"objective.nano.{name}", getattr(self, name), 0.0)
        for name in ("hand_weight", "arm_weight", "object_weight"):
            _require_positive(f"objective.nano.{name}", getattr(self, name))


@dataclass(frozen=True)
class DistillationConfig:
    """How a network learns to reach in few steps the traces to which its teacher's flow leads in many.

    The student starts as a copy of the teacher, and only its trace transformer is trained: what the teacher makes of
    image and sentence stays.

    Attributes:
        teacher: Checkpoint whose flow is learnt: a folder, or the name of a shipped one. null = no distillation.
        steps: Numbers of Euler steps that the student is trained for; each adds its error to the loss.
        method: How the teacher's flow is followed: ``euler``, ``midpoint``, ``heun`` or ``adams_bashforth``.
        teacher_steps: Steps in which it is followed, shifted by the teacher's ``time_shift``.
        until: Time of the flow at which following ends; the teacher's guess of the traces there is the target. Flows
            are hardly trained close to t = 1, and what they add there can be mere error.
        position_weight: Weight of the position error beside the increments' error.
    """

    teacher: str | None = None
    steps: list[int] = field(default_factory=lambda: [1, 2])
    method: Literal["euler", "midpoint", "heun", "adams_bashforth"] = "adams_bashforth"
    teacher_steps: int = 5
    until: float = 0.5
    position_weight: float = 0.05

    def __post_init__(self) -> None:
        if self.teacher == "":
            raise TrainingConfigError(
                "objective.distillation.teacher: expected a checkpoint's folder or name, or null, found an empty text"
            )
        if not self.steps or min(self.steps) < 1 or len(set(self.steps)) < len(self.steps):
            raise TrainingConfigError(
                f"objective.distillation.steps: expected different numbers from 1 up, found {self.steps}"
            )
        _require_at_least("objective.distillation.teacher_steps", self.teacher_steps, 1)
        if not 0.0 < self.until < 1.0:
            raise TrainingConfigError(
                f"objective.distillation.until: expected a time between 0 and 1, found {self.until}"
            )
        _require_at_least("objective.distillation.position_weight", self.position_weight, 0.0)


@dataclass(frozen=True)
class ObjectiveConfig:
    """What training minimises. ``distillation`` counts where it names a teacher; else the network's architecture says
    which of ``flow`` and ``nano`` does.

    Attributes:
        increment_scale: What increments (du, dv in fractions of the image, dz in the depth's unit) are divided by:
            three numbers; ``published`` = 0.05, 0.05, 0.04; ``measured`` = the deviation of moving points in the
            training data; null = the checkpoint's in fine-tuning, else ``published`` for the published networks and
            ``measured`` for nano.
        clip_increments: Scaled increments are clamped to plus or minus this; 1.0 as published, 0 = not clamped;
            null = as the checkpoint in fine-tuning, else not clamped.
        condition_dropout: Share of samples whose sentence is replaced by the empty one, which guidance needs;
            null = as the checkpoint in fine-tuning, else 0.
        flow: Of the published networks.
        nano: Of the nano network.
        distillation: Of a teacher's few-step student.
    """

    increment_scale: str | list[float] | None = None
    clip_increments: float | None = None
    condition_dropout: float | None = None
    flow: FlowObjectiveConfig = field(default_factory=FlowObjectiveConfig)
    nano: NanoObjectiveConfig = field(default_factory=NanoObjectiveConfig)
    distillation: DistillationConfig = field(default_factory=DistillationConfig)

    def __post_init__(self) -> None:
        scale = self.increment_scale
        if isinstance(scale, str) and scale not in ("published", "measured"):
            raise TrainingConfigError(
                f"objective.increment_scale: expected published, measured, three numbers or null, found {scale!r}"
            )
        if isinstance(scale, list) and (len(scale) != 3 or not all(number > 0.0 for number in scale)):
            raise TrainingConfigError(
                f"objective.increment_scale: expected three positive numbers, found {scale}"
            )
        _require_at_least("objective.clip_increments", self.clip_increments, 0.0)
        if self.condition_dropout is not None and not 0.0 <= self.condition_dropout < 1.0:
            raise TrainingConfigError(
                f"objective.condition_dropout: expected a share in [0, 1), found {self.condition_dropout}"
            )


@dataclass(frozen=True)
class OptimisationConfig:
    """How the weights move. Give one budget: ``steps``, ``epochs`` or ``minutes``.

    Attributes:
        steps: Optimiser steps of the run.
        epochs: Passes over the training samples.
        minutes: Wall-clock time of the run [min]; the one budget that does not make a run repeatable to the bit.
        batch: Samples of an optimiser step, over all processes and micro-batches.
        micro_batch: Samples that a process takes through the network at once; null = all its samples of a step.
            Changes memory and speed, not the result.
        group_images: Draw samples image by image, so that one encode serves all sentences given for an image.
        learning_rate: Peak learning rate of AdamW.
        conditioning_rate: Learning rate of what is trained outside the trace transformer (fusion, depth stem, norms,
            mask token), relative to ``learning_rate``. The nano network is trained as one.
        beta1: Memory of AdamW's mean of gradients.
        beta2: Memory of AdamW's mean of squared gradients.
        epsilon: AdamW's guard against division by zero.
        weight_decay: Of weight matrices.
        decay_vectors: Also decay norms, biases and tokens, as published.
        warm_up_steps: Steps over which the learning rate rises.
        constant_share: Share of the run before the cosine decay starts; 1 = no decay.
        final_rate: Learning rate at the end of the cosine decay, relative to the peak.
        clip: Largest norm of the gradient.
        ema: Decay of the averaged weights, which are the ones that are validated and exported; 0 = the last weights.
        non_finite: What to do when a loss or a gradient is not finite: ``stop`` with the names of the samples, or
            ``skip`` the step with a warning.
    """

    steps: int | None = None
    epochs: float | None = None
    minutes: float | None = None
    batch: int = 32
    micro_batch: int | None = None
    group_images: bool = False
    learning_rate: float = 2e-4
    conditioning_rate: float = 1.0
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    weight_decay: float = 0.05
    decay_vectors: bool = False
    warm_up_steps: int = 0
    constant_share: float = 1.0
    final_rate: float = 0.005
    clip: float = 1.0
    ema: float = 0.999
    non_finite: Literal["stop", "skip"] = "stop"

    def __post_init__(self) -> None:
        given = {name: getattr(self, name) for name in BUDGETS if getattr(self, name) is not None}
        if len(given) != 1:
            found = ", ".join(f"{name}={value}" for name, value in given.items()) or "none"
            raise TrainingConfigError(
                f"optimisation: expected one budget of {', '.join(BUDGETS)}, found {found}; "
                "give for example optimisation.steps=10000"
            )
        for name in (*given, "batch", "micro_batch", "learning_rate", "conditioning_rate", "epsilon", "clip"):
            if getattr(self, name) is not None:
                _require_positive(f"optimisation.{name}", getattr(self, name))
        for name in ("constant_share", "final_rate"):
            _require_share(f"optimisation.{name}", getattr(self, name))
        for name in ("beta1", "beta2", "ema"):
            if not 0.0 <= getattr(self, name) < 1.0:
                raise TrainingConfigError(
                    f"optimisation.{name}: expected a number in [0, 1), found {getattr(self, name)}"
                )
        _require_at_least("optimisation.weight_decay", self.weight_decay, 0.0)
        _require_at_least("optimisation.warm_up_steps", self.warm_up_steps, 0)


@dataclass(frozen=True)
class CheckpointsConfig:
    """When a run is saved, and what it starts from.

    Attributes:
        every_steps: Steps between saves; null = by time only.
        every_minutes: Wall-clock time between saves [min]; null = by steps only.
        keep: Saves that are kept, the latest ones.
        init_from: Checkpoint to fine-tune: its weights, network and increment scale, with a fresh optimiser; null =
            start from random weights.
    """

    every_steps: int | None = None
    every_minutes: float | None = 15.0
    keep: int = 2
    init_from: str | None = None

    def __post_init__(self) -> None:
        _require_at_least("checkpoints.every_steps", self.every_steps, 1)
        if self.every_minutes is not None:
            _require_positive("checkpoints.every_minutes", self.every_minutes)
        _require_at_least("checkpoints.keep", self.keep, 1)


@dataclass(frozen=True)
class ValidationConfig:
    """How a run is measured on the way, with averaged weights on episodes that it is not trained on.

    Attributes:
        every_steps: Steps between validations; null = by time only.
        every_minutes: Wall-clock time between validations [min]; null = by steps only.
        at_start: Also validate before the first step: what goes wrong there, goes wrong at once.
        samples: Validation samples measured on the way, spread evenly; the end of a run measures as many.
        sampler_steps: Steps of the sampler; also what the checkpoint recommends.
        batch: Samples that are sampled at once.
        overlays: Samples drawn as images, true and predicted traces side by side.
    """

    every_steps: int | None = None
    every_minutes: float | None = 15.0
    at_start: bool = True
    samples: int = 256
    sampler_steps: int = 10
    batch: int = 32
    overlays: int = 8

    def __post_init__(self) -> None:
        _require_at_least("validation.every_steps", self.every_steps, 1)
        if self.every_minutes is not None:
            _require_positive("validation.every_minutes", self.every_minutes)
        for name in ("samples", "sampler_steps", "batch"):
            _require_at_least(f"validation.{name}", getattr(self, name), 1)
        _require_at_least("validation.overlays", self.overlays, 0)


@dataclass(frozen=True)
class LoggingConfig:
    """Where a run says how it goes; ``log.jsonl`` and TensorBoard always have all of it.

    Attributes:
        every_steps: Steps between entries.
        progress_bar: Show one.
        wandb_project: Weights & Biases project that gets the entries, too; null = none.
    """

    every_steps: int = 50
    progress_bar: bool = True
    wandb_project: str | None = None

    def __post_init__(self) -> None:
        _require_at_least("logging.every_steps", self.every_steps, 1)


@dataclass(frozen=True)
class HardwareConfig:
    """What a run computes on.

    Attributes:
        device: ``auto`` is CUDA where there is one.
        precision: Of the forward and backward pass; weights stay float32. ``float16`` scales the loss.
        tf32: Multiply float32 matrices with TensorFloat-32 on GPUs: faster, less exact.
        compile: Compile the network; takes a minute or two at the start.
        channels_last: Memory order of the nano network's convolutions; faster on most CPUs and GPUs.
        threads: Threads of torch; 0 = its own choice.
        parallel: How several processes share the work: ``ddp`` = each has all weights; ``fsdp`` = trained weights,
            their gradients and moments are spread over the processes. That saves memory, which the published sizes
            (0.1 to 0.3 billion trained weights) rarely need, and costs time. Not for nano.
    """

    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    tf32: bool = False
    compile: bool = False
    channels_last: bool = True
    threads: int = 0
    parallel: Literal["ddp", "fsdp"] = "ddp"

    def __post_init__(self) -> None:
        _require_at_least("hardware.threads", self.threads, 0)
        if self.parallel == "fsdp" and self.precision == "float16":
            raise TrainingConfigError(
                "hardware: expected precision bfloat16 or float32 with parallel=fsdp, found float16, whose loss "
                "scaling does not know of spread gradients"
            )


@dataclass(frozen=True)
class RunConfig:
    """A training run.

    Attributes:
        name: Name of the run; its checkpoint carries it.
        preset: Network preset; null in fine-tuning and distillation, where the checkpoint says what its network is.
        output: Folder of the run; null = runs/NAME.
        seed: Seed of everything that is drawn.
        network: Changes to the preset, by the name of the network config's field.
        description: What the data are, for the checkpoint's config; empty = the names of the data folders.
        step_length_m: Hand motion that a step of the traces stands for [m of arc length]; null = not known.
        encoders: Pretrained encoders.
        data: What it learns from.
        augmentation: How samples are varied.
        objective: What is minimised.
        optimisation: How.
        checkpoints: When it is saved, and what it starts from.
        validation: How it is measured.
        logging: Where it says how it goes.
        hardware: What it computes on.
    """

    name: str = "run"
    preset: str | None = "base"
    output: str | None = None
    seed: int = 0
    network: Mapping[str, Any] = field(default_factory=dict)
    description: str = ""
    step_length_m: float | None = None
    encoders: EncodersConfig = field(default_factory=EncodersConfig)
    data: DataConfig = field(default_factory=DataConfig)
    augmentation: AugmentationConfig = field(default_factory=AugmentationConfig)
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    optimisation: OptimisationConfig = field(default_factory=lambda: OptimisationConfig(epochs=100.0))
    checkpoints: CheckpointsConfig = field(default_factory=CheckpointsConfig)
    validation: ValidationConfig = field(default_factory=ValidationConfig)
    logging: LoggingConfig = field(default_factory=LoggingConfig)
    hardware: HardwareConfig = field(default_factory=HardwareConfig)

    def __post_init__(self) -> None:
        if not self.name or "/" in self.name:
            raise TrainingConfigError(f"name: expected a name without slashes, found {self.name!r}")
        start, teacher = self.checkpoints.init_from, self.objective.distillation.teacher
        if start is not None and teacher is not None:
            raise TrainingConfigError(
                f"checkpoints.init_from: a student starts from its teacher, {teacher}: expected null, found {start}"
            )
        if self.preset is None and start is None and teacher is None:
            raise TrainingConfigError(
                f"preset: expected one of {', '.join(sorted(PRESETS))}, or checkpoints.init_from to fine-tune, or "
                "objective.distillation.teacher; found none"
            )
        if self.preset is not None and (start or teacher) is not None:
            raise TrainingConfigError(
                f"{'distillation' if teacher else 'fine-tuning'} from {start or teacher} takes the network from there: "
                f"set preset=null, found preset={self.preset}"
            )
        if self.preset is not None and self.preset not in PRESETS:
            raise TrainingConfigError(
                f"preset: expected one of {', '.join(sorted(PRESETS))}, found {self.preset!r}"
            )
        if self.step_length_m is not None:
            _require_positive("step_length_m", self.step_length_m)

    def as_dict(self) -> dict[str, Any]:
        """Plain values that ``read_run_config`` takes back."""
        return dataclasses.asdict(self)


BUDGETS = ("steps", "epochs", "minutes")
"""The fields of :class:`OptimisationConfig` of which exactly one is given."""


def _require_share(name: str, value: float) -> None:
    if not 0.0 <= value <= 1.0:
        raise TrainingConfigError(f"{name}: expected a share between 0 and 1, found {value}")


def _require_positive(name: str, value: float) -> None:
    if not value > 0:
        raise TrainingConfigError(f"{name}: expected a positive number, found {value}")


def _require_at_least(name: str, value: float | None, least: float) -> None:
    if value is not None and not value >= least:
        raise TrainingConfigError(f"{name}: expected at least {least:g}, found {value}")
