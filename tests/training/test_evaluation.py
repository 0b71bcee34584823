"""Which test samples a trained model classifies correctly."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from superconv_ray.data.batches import prepare
from tests.training.made import SoftmaxRegression, digits, make_trial, norms, trained


def bits(measurements: Any, name: str = "test_correct") -> Any:
    packed = np.frombuffer(measurements[name], np.uint8)
    return np.unpackbits(packed, count=measurements["test_count"]).astype(bool)


def test_correctness_is_that_of_the_final_model_in_the_order_of_the_data_set() -> None:
    run, data = trained(make_trial()), digits()
    measurements = run.outcome().measurements
    run.model.eval()
    with torch.no_grad():
        x = prepare(data.test_inputs, run._samples.statistics)
        expected = (run.model(x).argmax(1) == data.test_labels).numpy()
    assert 0 < expected.sum() < len(expected)
    assert (bits(measurements) == expected).all()
    assert len(measurements["test_correct"]) == len(expected) // 8 == 45


def test_each_accuracy_has_its_own_correctness_where_batch_norm_lags() -> None:
    run = trained(make_trial(bn_momentum=0.001))
    assert norms(run.model)
    measurements = run.outcome().measurements
    for kind in ("", "_reestimated"):
        share = bits(measurements, f"test_correct{kind}").mean()
        assert share == pytest.approx(measurements[f"test_accuracy{kind}"])
    assert measurements["test_accuracy"] != measurements["test_accuracy_reestimated"]


def test_equal_correctness_is_kept_once() -> None:
    measurements = trained(make_trial(), SoftmaxRegression).outcome().measurements
    assert bits(measurements).mean() == pytest.approx(measurements["test_accuracy"])
    assert "test_correct_reestimated" not in measurements


def test_the_correctness_of_a_diverged_run_is_of_the_whole_test_set() -> None:
    run = trained(make_trial(max_lr=1e6))
    measurements = run.outcome().measurements
    assert run.diverged
    assert bits(measurements).mean() == pytest.approx(measurements["test_accuracy"])


def test_validation_samples_have_no_correctness() -> None:
    """They change with the subset, so that no two seeds share them."""
    measurements = trained(make_trial(validation_fraction=0.2)).outcome().measurements
    assert not [name for name in measurements if "correct" in name]
