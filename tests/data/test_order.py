from __future__ import annotations

import pytest
import torch
from torch import Tensor

from superconv_ray.data.order import SampleOrder


def order(size: int = 10, batch: int = 4, seed: int = 0) -> SampleOrder:
    indices = 100 + torch.arange(size)
    return SampleOrder(indices, batch_size=batch, seed=seed, device=torch.device("cpu"))


def steps(given: SampleOrder, count: int) -> Tensor:
    return torch.cat([given.batch(step) for step in range(count)])


def test_every_epoch_shows_every_sample_once_and_batches_span_epochs() -> None:
    seen = steps(order(), 5)
    assert sorted(seen[:10].tolist()) == sorted(seen[10:].tolist()) == list(range(100, 110))
    assert seen[:10].tolist() != seen[10:].tolist()


def test_a_step_has_the_same_samples_in_any_order_of_calls() -> None:
    given = order()
    assert torch.equal(given.batch(7), given.batch(7))
    given.batch(0)
    assert torch.equal(given.batch(7), order().batch(7))
    assert not torch.equal(given.batch(7), order(seed=1).batch(7))


def test_a_batch_may_be_larger_than_the_subset() -> None:
    seen = order(size=3, batch=8).batch(0).tolist()
    assert {seen.count(sample) for sample in (100, 101, 102)} == {2, 3}


def test_what_cannot_be_ordered_is_refused() -> None:
    with pytest.raises(ValueError, match="batch_size must be >= 1, got 0"):
        order(batch=0)
    with pytest.raises(ValueError, match="indices must not be empty"):
        order(size=0)
    with pytest.raises(ValueError, match="step must be >= 0, got -1"):
        order().batch(-1)
