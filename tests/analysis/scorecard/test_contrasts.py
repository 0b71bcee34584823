"""Contrasts of accuracies, paired by seed, with what each test sample contributes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from superconv_ray.analysis.scorecard.contrasts import (
    PerSeed,
    mean_of,
    of_arm,
    per_replicate,
    short_against_long,
    slope,
)
from superconv_ray.analysis.statistics.crossed import crossed_interval
from superconv_ray.analysis.statistics.intervals import mean_interval
from tests.analysis.made import frame, run


def known(seeds: int = 3, samples: int = 200, level: float = 1.0) -> PerSeed:
    """Correctness of some runs, of which some samples are difficult for every seed."""
    random = np.random.default_rng(round(10 * level))
    difficulty = np.linspace(-2, 2, samples)
    noise = random.standard_normal((seeds, samples)) / 3 + random.standard_normal((seeds, 1)) / 10
    right = (level + difficulty + noise > 0).astype(np.float64)
    return PerSeed(right.mean(axis=1), right)


def trials(arms: dict[str, PerSeed], **other: Any) -> list[dict[str, Any]]:
    return [
        run(
            *(arm, seed, own.mean()),
            test_correct=np.packbits(own.astype(bool)).tobytes(),
            test_count=len(own),
            **other,
        )
        for arm, number in arms.items()
        if number.by_sample is not None
        for seed, own in enumerate(number.by_sample)
    ]


def test_a_gap_has_the_interval_over_seeds_and_test_samples() -> None:
    arm, baseline = known(level=1.0), known(level=0.7)
    table = per_replicate(frame(trials({"a": arm, "b": baseline})))
    gap = table["a"] - table["b"]
    assert arm.by_sample is not None
    assert baseline.by_sample is not None
    assert gap.interval() == pytest.approx(crossed_interval(arm.by_sample - baseline.by_sample))
    over_seeds = mean_interval(arm.values - baseline.values)
    assert gap.interval().low < over_seeds.low < over_seeds.high < gap.interval().high


def test_where_a_run_does_not_tell_its_samples_the_interval_is_over_seeds() -> None:
    rows = trials({"a": known(level=1.0), "b": known(level=0.7)})
    rows[0]["test_correct"] = None
    table = per_replicate(frame(rows))
    gap = table["a"] - table["b"]
    assert gap.by_sample is None
    assert gap.interval() == pytest.approx(mean_interval(gap.values))


def test_slopes_and_means_are_those_of_each_replicate_and_sample() -> None:
    numbers = [known(level=level) for level in (0.2, 0.6, 1.4)]
    found = slope(numbers, [10, 100, 1000])
    expected = np.polyfit([1, 2, 3], np.stack([number.values for number in numbers]), 1)[0]
    np.testing.assert_allclose(found.values, expected)
    for number in (found, mean_of(numbers), numbers[0] / 2):
        assert number.by_sample is not None
        np.testing.assert_allclose(number.by_sample.mean(axis=1), number.values)


def test_values_without_any_spread_have_no_interval() -> None:
    assert math.isnan(PerSeed(np.full(3, 0.1)).interval().low)
    assert math.isnan(PerSeed(np.full(1, 0.1)).interval().low)


def test_a_ratio_of_mean_errors_bears_a_run_without_errors() -> None:
    few, many = PerSeed(np.array([0.8, 0.9])), PerSeed(np.array([1.0, 0.9]))
    ratio = few.log_error() - many.log_error()
    assert math.exp(ratio.mean) == pytest.approx(0.15 / 0.05)
    # A replicate adds its error over the mean error: 4/3 and 2/3, and 0 and 2.
    assert ratio.values - ratio.mean == pytest.approx([1 / 3 + 1, -1 / 3 - 1])
    with pytest.raises(ValueError, match="an error of 0 in all seeds has no logarithm"):
        PerSeed(np.ones(2)).log_error()


def test_a_log_error_tells_what_samples_contribute() -> None:
    found = known().log_error()
    assert found.by_sample is not None
    np.testing.assert_allclose(found.by_sample.mean(axis=1), found.values)


def test_a_number_that_test_samples_do_not_change_leaves_the_error_of_the_other() -> None:
    test = known()
    assert test.by_sample is not None
    gap = PerSeed(np.array([1.0, 0.99, 0.98])).certain(200) - test
    assert gap.interval().high - gap.mean > mean_interval(gap.values).high - gap.mean


def test_replicates_that_lack_a_point_are_left_out() -> None:
    rows = [
        run(arm, seed, accuracy, data_count=count)
        for arm, seed, count, accuracy in [
            ("a", 0, 100, 0.8),
            ("a", 0, 200, 0.9),
            ("b", 0, 100, 0.7),
            ("b", 0, 200, 0.85),
            ("a", 1, 100, 0.5),
        ]
    ]
    table = per_replicate(frame(rows), ["data_count"])
    own, other = of_arm(table, "a"), of_arm(table, "b")
    assert list(own) == [100, 200]
    assert [(own[n] - other[n]).values for n in own] == [
        pytest.approx([0.1]),
        pytest.approx([0.05]),
    ]


def test_columns_of_the_same_trials_are_pairs() -> None:
    """No column leaves out a replicate that another one has: a missing value is an error."""
    rows = [run("a", seed, 0.8, curvature=float(seed), steps=n) for seed in (0, 1) for n in (1, 2)]
    whole = [*rows, run("a", 2, 0.8, curvature=2.0, steps=1)]
    for value in ("test_accuracy", "curvature"):
        found = of_arm(per_replicate(frame(whole), ["steps"], value), "a")
        assert [len(own.values) for own in found.values()] == [2, 2]
    rows[0]["curvature"] = math.nan
    with pytest.raises(ValueError, match="curvature must be finite in every training, got nan"):
        per_replicate(frame(rows), ["steps"], "curvature")


def test_no_complete_replicate_is_an_error() -> None:
    rows = [run("a", 0, 0.8), run("b", 1, 0.7)]
    with pytest.raises(ValueError, match="no seed has finished at all points"):
        per_replicate(frame(rows))


def test_an_arm_without_a_training_is_named() -> None:
    with pytest.raises(KeyError, match="cosine"):
        of_arm(per_replicate(frame([run("a", 0, 0.8)]), ["data_count"]), "cosine")


def test_the_short_cycle_is_compared_with_the_long_baseline() -> None:
    rows = [
        run(arm, 0, accuracy, data_count=n, steps=steps)
        for n in (100, 200)
        for arm, steps, accuracy in [
            ("one_cycle", 10, 0.7 + n / 1000),
            ("one_cycle", 80, 0.99),
            ("step", 10, 0.1),
            ("step", 80, 0.6),
        ]
    ]
    short, long = short_against_long(frame(rows), "step", "data_count")
    assert list(short) == [100, 200]
    assert [own.mean for own in short.values()] == pytest.approx([0.8, 0.9])
    assert {n: own.mean for n, own in long.items()} == {100: 0.6, 200: 0.6}
