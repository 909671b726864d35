"""Settings: overrides win, nothing wrong gets through, and the reference page says what the classes say."""

from __future__ import annotations

from pathlib import Path

import pytest

from tracegen_model.data.augmentation import NANO_AUGMENTATION
from tracegen_model.training.config_reference import config_reference, meanings
from tracegen_model.training.overrides import (
    all_settings,
    read_run_config,
    run_config_from_dict,
    shipped_configs,
)
from tracegen_model.training.run_config import OptimisationConfig, RunConfig, TrainingConfigError
from tracegen_model.training.schedules import average_decay, learning_rate, pure_noise_share

REFERENCE = Path(__file__).parents[3] / "docs" / "config_reference.md"


def test_overrides_win_over_the_file_and_the_file_over_defaults(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("optimisation: {batch: 4, steps: 10}\nname: mine\n", encoding="utf-8")
    config = read_run_config(path, ["optimisation.batch=8", "data.folders=[a,b c]", "seed=7"])
    assert (config.name, config.seed, config.optimisation.batch) == ("mine", 7, 8)
    assert config.optimisation.clip == OptimisationConfig(steps=1).clip
    assert config.data.folders == ["a", "b c"]


def test_values_are_typed_as_yaml_and_never_evaluated() -> None:
    config = read_run_config(
        "base",
        [
            "optimisation.learning_rate=1e-3",
            "checkpoints.every_minutes=null",
            "validation.at_start=false",
            "name=__import__('os').getcwd()",
        ],
    )
    assert config.optimisation.learning_rate == 1e-3
    assert config.checkpoints.every_minutes is None
    assert not config.validation.at_start
    assert config.name == "__import__('os').getcwd()"


@pytest.mark.parametrize("budget", ["steps=5", "epochs=2", "minutes=1.5"])
def test_a_budget_given_replaces_the_configs_budget(budget: str) -> None:
    name, value = budget.split("=")
    optimisation = read_run_config("base", [f"optimisation.{budget}"]).optimisation
    given = {unit: getattr(optimisation, unit) for unit in ("steps", "epochs", "minutes")}
    assert given == {"steps": None, "epochs": None, "minutes": None, name: float(value)}


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("optimisation.batchh=3", "unknown setting optimisation.batchh; did you mean optimisation.batch?"),
        ("learning_rate=1e-3", "did you mean optimisation.learning_rate?"),
        ("augmentation.exposure.gian=1", "did you mean augmentation.exposure.gain?"),
        ("optimisation.batch=three", "optimisation.batch: expected a whole number, found 'three'"),
        ("optimisation.batch=1.5", "optimisation.batch: expected a whole number"),
        ("optimisation.batch=true", "optimisation.batch: expected a whole number"),
        ("hardware.precision=fp16", "expected one of float32, bfloat16, float16, found 'fp16'"),
        ("data.folders=episodes", r"data.folders: expected a list, .*; write data.folders=\[episodes\]"),
        ("data.folders=[episodes,3]", r"data.folders\[1\]: expected a text, found 3"),
        ("optimisation=3", "optimisation: expected keys and values, found 3"),
        ("optimisation.batch", "expected key=value"),
        ("optimisation.batch=[1", "while parsing"),
        ("name=${nothing}", "Interpolation key 'nothing' not found"),
        ("optimisation.batch=0", "optimisation.batch: expected a positive number, found 0"),
        ("optimisation.ema=1", r"optimisation.ema: expected a number in \[0, 1\)"),
        ("data.validation_share=2", "expected a share between 0 and 1, found 2.0"),
        ("objective.increment_scale=[1,2]", "expected three positive numbers"),
        ("objective.increment_scale=metric", "expected published, measured"),
        ("objective.condition_dropout=1", "objective.condition_dropout"),
        ("augmentation.hue=2", "augmentation.hue: expected 0 to 0.5"),
        ("preset=huge", "expected one of base, large, nano, found 'huge'"),
        ("preset=null", "or objective.distillation.teacher; found none"),
        ("checkpoints.init_from=x", "set preset=null, found preset=base"),
        ("name=a/b", "without slashes"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(override: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        read_run_config("base", [override])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [("optimisation: [", "not a readable YAML file"), ("- a\n- b\n", "expected keys and values, found list")],
)
def test_a_file_that_is_no_config_is_refused(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(TrainingConfigError, match=message):
        read_run_config(path)


def test_a_config_that_is_not_there_is_answered_with_those_that_are() -> None:
    with pytest.raises(TrainingConfigError, match=r"no config 'bse'.*base, large"):
        read_run_config("bse")


def test_two_budgets_or_none_are_refused() -> None:
    with pytest.raises(TrainingConfigError, match="found steps=1, minutes=2"):
        OptimisationConfig(steps=1, minutes=2)
    with pytest.raises(TrainingConfigError, match="found none"):
        OptimisationConfig()


@pytest.mark.parametrize("name", shipped_configs())
def test_shipped_configs_are_whole_and_survive_being_written(name: str) -> None:
    overrides = ["checkpoints.init_from=checkpoint"] if name.startswith("warm_up") else []
    config = read_run_config(name, overrides)
    assert run_config_from_dict(config.as_dict()) == config


def test_the_demos_config_is_the_recipe_of_the_shipped_checkpoint() -> None:
    config = read_run_config("nano_demo")
    optimisation, nano = config.optimisation, config.objective.nano
    assert (optimisation.minutes, optimisation.batch, optimisation.group_images) == (54.0, 48, True)
    assert (optimisation.learning_rate, optimisation.beta1, optimisation.beta2) == (1.2e-3, 0.9, 0.97)
    assert (optimisation.weight_decay, optimisation.clip, optimisation.ema) == (0.02, 1.0, 0.999)
    assert (nano.hand_weight, nano.arm_weight, nano.object_weight) == (6.0, 2.0, 12.0)
    assert (nano.position_weight, nano.heat_weight, nano.point_weight) == (0.05, 0.1, 1.0)
    assert config.augmentation == NANO_AUGMENTATION
    assert config.data.validation_last == 100


def test_the_demos_schedule_starts_as_regression_and_ends_as_flow() -> None:
    config = read_run_config("nano_demo")
    optimisation = config.optimisation
    assert pure_noise_share(config.objective.nano, 0.0) == 1.0
    assert pure_noise_share(config.objective.nano, 0.9) == 0.2
    assert learning_rate(optimisation, 0, 0.0) < learning_rate(optimisation, 1000, 0.1) == 1.2e-3
    assert learning_rate(optimisation, 9000, 1.0) < 0.01 * optimisation.learning_rate
    assert average_decay(optimisation, 0) < average_decay(optimisation, 100) < 0.999
    assert average_decay(optimisation, 10**6) == 0.999


def test_without_a_schedule_the_learning_rate_stays() -> None:
    optimisation = read_run_config("published").optimisation
    assert {learning_rate(optimisation, step, step / 100) for step in range(101)} == {2e-4}


def test_the_reference_page_is_current() -> None:
    command = "python -m tracegen_model.training.config_reference > docs/config_reference.md"
    assert REFERENCE.read_text(encoding="utf-8") == config_reference(), f"write it again: {command}"


def test_every_setting_is_explained() -> None:
    page = config_reference()
    assert all(f"| `{key}` |" in page for key in all_settings())
    assert "wall-clock" in meanings(OptimisationConfig)["minutes"].lower()
    assert set(meanings(RunConfig)) >= {key for key in all_settings() if "." not in key}
