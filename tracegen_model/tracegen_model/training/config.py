"""Settings of a training run."""

from __future__ import annotations

from dataclasses import dataclass


class TrainingConfigError(ValueError):
    """The settings given do not describe a training run."""


@dataclass(frozen=True)
class TrainingConfig:
    """How a network is trained. The defaults are the recipe of the shipped checkpoint.

    Attributes:
        minutes: Wall-clock budget [min]; None when ``steps`` is given.
        steps: Optimiser steps; None when ``minutes`` is given. Only this budget makes a run repeatable to the bit.
        seed: Seed of everything that is drawn.
        batch: Samples of a step.
        learning_rate: Peak learning rate of AdamW.
        warm_up_steps: Steps over which the learning rate rises.
        constant_share: Share of the run before the cosine decay starts.
        weight_decay: Of matrices; vectors have none.
        clip: Largest norm of the gradient.
        ema: Decay of the averaged weights, which are the ones that are kept.
        regression_share: Share of the run over which the pure-noise share falls from 1: a start as plain regression.
        pure_noise_share: Share of samples at pure noise afterwards.
        position_weight: Weight of the position error beside the increments' error.
        heat_weight: Weight of the heat-maps' cross-entropy, summed over object, zone and hand.
        point_weight: Weight of the error of the query points' places.
        hand_weight: Weight of the hand's points in the trace loss; background counts 1.
        arm_weight: Weight of the arm's points.
        object_weight: Weight of objects' points.
        held_out_scenes: Scenes at the end of the dataset that are only evaluated on.
        evaluate_every_s: Wall-clock time between evaluations and snapshots [s].
        evaluation_images: Images of the evaluations on the way.
        threads: Threads of torch; 0 = its own choice.
        device: "auto", "cpu" or "cuda".
        compile: Compile transformer and conditioner; takes a minute or two, then saves a quarter of the time.
    """

    minutes: float | None = 54.0
    steps: int | None = None
    seed: int = 0
    batch: int = 48
    learning_rate: float = 1.2e-3
    warm_up_steps: int = 200
    constant_share: float = 0.3
    weight_decay: float = 0.02
    clip: float = 1.0
    ema: float = 0.999
    regression_share: float = 0.3
    pure_noise_share: float = 0.2
    position_weight: float = 0.05
    heat_weight: float = 0.1
    point_weight: float = 1.0
    hand_weight: float = 6.0
    arm_weight: float = 2.0
    object_weight: float = 12.0
    held_out_scenes: int = 100
    evaluate_every_s: float = 240.0
    evaluation_images: int = 150
    threads: int = 0
    device: str = "auto"
    compile: bool = True

    def __post_init__(self) -> None:
        if (self.minutes is None) == (self.steps is None):
            raise TrainingConfigError("give either minutes or steps as the budget, not both and not neither")
        budget = self.minutes if self.minutes is not None else self.steps
        for name, value in (("budget", budget), ("batch", self.batch), ("learning_rate", self.learning_rate)):
            if value is None or not value > 0:
                raise TrainingConfigError(f"{name} must be positive, got {value}")
        for name in ("constant_share", "regression_share", "pure_noise_share", "ema"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise TrainingConfigError(f"{name} must lie between 0 and 1, got {getattr(self, name)}")
        if self.held_out_scenes < 1:
            raise TrainingConfigError(f"held_out_scenes must be at least 1, got {self.held_out_scenes}")
        if self.device not in ("auto", "cpu", "cuda"):
            raise TrainingConfigError(f"device must be auto, cpu or cuda, got {self.device!r}")
