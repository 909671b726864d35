"""Errors of traces are those that their definitions say, known values only."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tracegen_model.camera import CameraIntrinsics
from tracegen_model.evaluation import intervals, metrics
from tracegen_model.evaluation.intervals import bootstrap_interval, wilson_interval

CAMERA = CameraIntrinsics(600.0, 500.0, 310.0, 250.0, 640, 480)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def drawn(rng: np.random.Generator, *shape: int) -> torch.Tensor:
    return torch.from_numpy(rng.normal(size=shape).astype(np.float32)) * 0.02


def benchmark_restated(
    predicted: np.ndarray, start: np.ndarray, true: np.ndarray, mask: np.ndarray
) -> tuple[float, float, float]:
    """The benchmark's figures over a whole dataset, as the specification words them.

    Args:
        predicted: (B, N, S, 3) predicted increments.
        start: (B, N, 3) true start.
        true: (B, N, S + 1, 3) start, then true increments.
        mask: (B, N, S + 1, 3) whether each position is valid.
    """
    with_start = np.concatenate([start[:, :, None], predicted], axis=2)
    apart = np.cumsum(with_start, axis=2) - np.cumsum(true, axis=2)
    squared = mask * apart**2
    ends = []
    for sample in range(len(mask)):
        for point in range(mask.shape[1]):
            valid = np.flatnonzero(mask[sample, point].any(axis=-1))
            if len(valid):
                ends.append(squared[sample, point, valid[-1]])
    return squared.sum() / mask.sum(), (mask * np.abs(apart)).sum() / mask.sum(), float(np.mean(ends))


def test_benchmark_errors_are_those_of_a_restatement_with_padding_and_flat_samples(
    rng: np.random.Generator,
) -> None:
    batch, points, steps = 3, 5, 6
    predicted, true = drawn(rng, batch, points, steps, 3), drawn(rng, batch, points, steps, 3)
    start = rng.normal(size=(batch, points, 3))
    mask = np.ones((batch, points, steps + 1, 3), bool)
    mask[0, :, 4:] = False  # a short sample
    mask[1, 2, :] = False  # a point that was never seen
    mask[2, ..., 2] = False  # no depth
    known = torch.from_numpy(mask[:, :, 1:])
    true = torch.where(known, true, 0.0)
    with_start = np.concatenate([start[:, :, None], true.numpy()], axis=2)
    expected = benchmark_restated(predicted.numpy(), start, with_start, mask)
    found = metrics.benchmark_errors(predicted, true, known)
    means = [float(part.total.sum() / part.weight.sum()) for part in found.values()]
    assert list(found) == ["trace_mse", "trace_mae", "endpoint_mse"]
    assert means == pytest.approx(expected, rel=1e-5)


def test_increment_errors_are_plain_means_over_everything(rng: np.random.Generator) -> None:
    predicted, true = drawn(rng, 2, 4, 5, 3), drawn(rng, 2, 4, 5, 3)
    found = {
        name: float(part.total.sum() / part.weight.sum())
        for name, part in metrics.increment_errors(predicted, true).items()
    }
    assert found["increment_mse"] == pytest.approx(float(torch.nn.functional.mse_loss(predicted, true)))
    assert found["increment_mae"] == pytest.approx(float(torch.nn.functional.l1_loss(predicted, true)))
    last, first = predicted[:, :, -1] - true[:, :, -1], predicted[:, :, 0] - true[:, :, 0]
    assert found["last_increment_mse"] == pytest.approx(float(last.square().mean()))
    assert found["first_increment_mse"] == pytest.approx(float(first.square().mean()))


def test_a_position_behind_a_gap_is_not_known() -> None:
    known = torch.tensor([True, False, True]).view(1, 1, 3, 1)
    assert metrics.known_positions(known).flatten().tolist() == [True, False, False]


def test_pixel_distances_are_in_pixels_of_the_source_image() -> None:
    predicted = torch.zeros(1, 1, 2, 3)
    predicted[0, 0, :, 0] = 0.01  # right by 1 % of the width a step
    predicted[0, 0, 1, 1] = 0.02
    distances = metrics.pixel_distances(predicted, torch.zeros_like(predicted), torch.tensor([[640, 480]]))
    assert distances.flatten().tolist() == pytest.approx([6.4, np.hypot(12.8, 9.6)], rel=1e-5)


def test_lifting_agrees_with_the_camera_and_does_not_mind_the_images_size() -> None:
    rng = np.random.default_rng(0)
    pixels, depth = rng.uniform(0, 480, (10, 2)), rng.uniform(0.5, 1.5, 10)
    uvz = np.concatenate([(pixels + 0.5) / [640, 480], depth[:, None]], axis=1)
    lifted = metrics.lift(torch.from_numpy(uvz), CAMERA).numpy()
    np.testing.assert_allclose(lifted, CAMERA.back_project(pixels, depth), atol=1e-12)
    squashed = metrics.lift(torch.from_numpy(uvz), CAMERA.resized(192, 192)).numpy()
    np.testing.assert_allclose(squashed, lifted, atol=1e-12)


def test_lifted_displacement_is_unknown_where_the_start_is() -> None:
    start = torch.tensor([[[0.5, 0.5, 1.0], [0.5, 0.5, float("nan")]]])
    increments = torch.zeros(1, 2, 1, 3)
    increments[..., 0] = 6.0 / 640
    moved = metrics.lifted_displacement(increments, start, CAMERA)
    assert moved[0, 0, 0].tolist() == pytest.approx([0.01, 0.0, 0.0])
    assert moved[0, 1].isnan().all()


def test_displacement_errors_average_steps_then_points_and_leave_out_what_is_unknown() -> None:
    distances = torch.tensor([[[1.0, 3.0, 100.0], [4.0, 4.0, 4.0], [9.0, 9.0, 9.0]], [[5.0] * 3] * 3])
    known = torch.ones(2, 3, 3, dtype=torch.bool)
    known[0, 0, 2] = False
    points = torch.tensor([[True, True, False], [False] * 3])
    ade = metrics.average_displacement_error(distances, known, points)
    fde = metrics.final_displacement_error(distances, known, points)
    assert ade.values[0] == pytest.approx(3.0)  # mean of 2 and 4
    assert fde.values[0] == pytest.approx(3.5)  # mean of 3 and 4
    assert ade.weight.tolist() == fde.weight.tolist() == [1.0, 0.0]
    assert ade.values[1].isnan()


def test_nan_in_unknown_places_does_not_spread() -> None:
    distances = torch.tensor([[[1.0, float("nan")], [float("nan"), float("nan")]]])
    known = torch.tensor([[[True, False], [False, False]]])
    every = torch.ones(1, 2, dtype=torch.bool)
    assert metrics.average_displacement_error(distances, known, every).values.tolist() == [1.0]
    assert metrics.final_displacement_error(distances, known, every).values.tolist() == [1.0]
    steps = metrics.step_errors(distances, known, every)
    assert steps[0, 0] == 1.0 and steps[0, 1].isnan()


def test_bootstrap_intervals_hold_the_true_mean_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(200):
        scene_means = rng.normal(2.0, 1.0, 40)
        values = np.repeat(scene_means, 5) + rng.normal(0, 0.2, 200)
        low, high = bootstrap_interval(values, np.ones(200), np.repeat(np.arange(40), 5)) or (0.0, 0.0)
        held += low <= 2.0 <= high
    assert 0.88 <= held / 200 <= 0.98


def test_resampling_samples_instead_of_scenes_would_be_too_sure() -> None:
    values = np.repeat(np.random.default_rng(2).normal(size=20), 10)
    scenes = np.repeat(np.arange(20), 10)
    by_scene = bootstrap_interval(values, np.ones(200), scenes)
    by_sample = bootstrap_interval(values, np.ones(200), np.arange(200))
    assert by_scene and by_sample
    assert np.ptp(by_scene) > 2.0 * np.ptp(by_sample)


def test_many_scenes_give_the_interval_that_resampling_would(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    weights = rng.integers(1, 5, 1500).astype(float)
    totals = rng.exponential(1.0, 1500) * weights
    quick = bootstrap_interval(totals, weights, np.arange(1500))
    monkeypatch.setattr(intervals, "MANY_CLUSTERS", 10_000)
    resampled = bootstrap_interval(totals, weights, np.arange(1500))
    assert quick != resampled
    assert quick == pytest.approx(resampled, rel=0.01)


def test_an_interval_needs_two_scenes_that_count() -> None:
    assert bootstrap_interval([1.0, 2.0], [1.0, 1.0], ["a", "a"]) is None
    assert bootstrap_interval([1.0, 2.0], [1.0, 0.0], ["a", "b"]) is None
    assert bootstrap_interval([], [], []) is None


def test_wilson_intervals_are_those_of_the_textbook_and_stay_shares() -> None:
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)  # Newcombe 1998, table I
    assert wilson_interval(20, 20) == pytest.approx((0.8389, 1.0), abs=1e-4)
    assert wilson_interval(0, 0) is None
