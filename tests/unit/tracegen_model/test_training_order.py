"""Which sample is drawn when depends on seed and step alone, and every epoch draws each sample once."""

from __future__ import annotations

from collections import Counter
from itertools import chain, pairwise

import numpy as np
import pytest

from tracegen_model.training.batch_plan import BatchPlan, micro_batches, slices

SAMPLES = np.arange(100, 123)
IMAGES = np.repeat(np.arange(8), 3)[:23]


def drawn(plan: BatchPlan, first_step: int, last_step: int) -> list[int]:
    return [place.sample for step in range(first_step, last_step) for place in plan.global_batch(step)]


def test_every_epoch_draws_each_sample_once_in_an_order_of_its_own() -> None:
    plan = BatchPlan(SAMPLES, 5, seed=0)
    sequence = drawn(plan, 0, 23)
    epochs = [sequence[start : start + 23] for start in range(0, 115, 23)]
    assert all(sorted(epoch) == SAMPLES.tolist() for epoch in epochs)
    assert all(one != other for one, other in pairwise(epochs))


def test_a_step_is_the_same_whatever_was_drawn_before() -> None:
    walked = BatchPlan(SAMPLES, 7, seed=4)
    for step in range(40):
        batch = walked.global_batch(step)
    assert batch == BatchPlan(SAMPLES, 7, seed=4).global_batch(39)
    assert batch != BatchPlan(SAMPLES, 7, seed=5).global_batch(39)


def test_samples_of_an_image_are_drawn_together_on_request() -> None:
    plan = BatchPlan(SAMPLES, 23, seed=0, images=IMAGES)
    image_of = dict(zip(SAMPLES.tolist(), IMAGES.tolist(), strict=True))
    for step in range(4):
        images = [image_of[sample] for sample in drawn(plan, step, step + 1)]
        changes = sum(one != other for one, other in pairwise(images))
        assert changes == len(set(images)) - 1
    assert drawn(plan, 0, 1) != drawn(plan, 1, 2)


@pytest.mark.parametrize(("ranks", "micro_batch"), [(1, None), (1, 4), (2, None), (3, 2), (5, 1)])
def test_processes_and_micro_batches_cut_the_same_batch(ranks: int, micro_batch: int | None) -> None:
    plan = BatchPlan(SAMPLES, 17, seed=0)
    parts = chain.from_iterable(micro_batches(17, rank, ranks, micro_batch) for rank in range(ranks))
    cut = [place for first, last in parts for place in plan.part(3, first, last)]
    assert cut == plan.global_batch(3)


def test_micro_batches_are_no_larger_than_asked() -> None:
    sizes = Counter(last - first for first, last in micro_batches(17, 0, 1, 4))
    assert max(sizes) <= 4
    assert sum(size * count for size, count in sizes.items()) == 17


def test_parts_are_as_equal_as_can_be() -> None:
    assert slices(10, 4) == [(0, 2), (2, 5), (5, 7), (7, 10)]


def test_a_batch_may_be_larger_than_an_epoch() -> None:
    assert Counter(drawn(BatchPlan(SAMPLES[:3], 7, seed=0), 0, 3)) == {100: 7, 101: 7, 102: 7}


def test_a_plan_without_samples_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one sample"):
        BatchPlan(np.array([], np.int64), 4, seed=0)
