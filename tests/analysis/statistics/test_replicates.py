from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from superconv_ray.analysis.frames import finished_trainings
from superconv_ray.analysis.statistics.crossed import crossed_interval
from superconv_ray.analysis.statistics.intervals import mean_interval
from superconv_ray.analysis.statistics.replicates import ReplicateCurve, arm_curves, redrawn_means
from tests.analysis.made import curve, frame, run


def curves_of(trials: pd.DataFrame) -> dict[str, ReplicateCurve]:
    ((_, curves),) = arm_curves(trials, [], "steps", [], "test_accuracy")
    return curves


def test_trainings_count_once_and_range_tests_not_at_all() -> None:
    one, other = run("a", 0, 0.5), run("a", 1, 0.6)
    trials = frame([one, {**one, "cell": 3}, other, run("a", 2, np.nan, role="range_test")])
    assert finished_trainings(trials, [], "test_accuracy")["seed"].tolist() == [0, 1]


def test_arms_share_the_columns_of_their_replicates() -> None:
    trials = frame(
        [
            *(run("a", seed, 0.1 * seed, steps=20) for seed in (3, 1)),
            run("a", 1, 0.5, steps=10, status="diverged"),
            run("b", 2, 0.7, steps=10),
            run("b", 1, 0.6, steps=10, subset_seed=9),
        ]
    )
    a, b = curves_of(trials).values()
    # replicates (seed, subset_seed): (1, 1), (1, 9), (2, 2), (3, 3)
    nan = np.nan
    np.testing.assert_allclose(a.values, [[0.5, nan, nan, nan], [0.1, nan, nan, 0.3]])
    np.testing.assert_allclose(b.values, [[nan, 0.6, 0.7, nan]])
    assert (a.axis.tolist(), b.axis.tolist()) == ([10, 20], [10])
    assert (a.counts.tolist(), b.counts.tolist()) == ([1, 2], [2])
    assert a.means.tolist() == pytest.approx([0.5, 0.2])
    assert (a.diverged.tolist(), a.lost.tolist()) == ([1, 0], [True, False])


@pytest.mark.parametrize("at", [0, None])
def test_an_axis_is_a_number_above_zero(at: int | None) -> None:
    trials = frame([run("a", 0, 0.5, steps=at)])
    with pytest.raises(ValueError, match="steps must be a number > 0 in every training, got"):
        curves_of(trials)


def test_a_redrawn_mean_has_students_percentiles() -> None:
    values = (0.5, 0.52, 0.58, 0.61, 0.7)
    curves = list(curves_of(curve("a", "steps", {100: values, 200: values[:3]})).values())
    (means,) = redrawn_means(curves, 200_000)
    for point, sample in enumerate((values, values[:3])):
        low, high = stats.t.interval(0.95, len(sample) - 1, np.mean(sample), stats.sem(sample))
        found = np.quantile(means[:, point], [0.025, 0.975])
        assert found == pytest.approx([low, high], abs=0.02 * (high - low))


def test_what_a_pair_shares_is_redrawn_alike() -> None:
    own = curve("a", "steps", {100: (0.5, 0.6, 0.8)})
    both = pd.concat([own, own.assign(arm="b", test_accuracy=own["test_accuracy"] + 0.1)])
    a, b = redrawn_means(list(curves_of(both).values()), 50)
    np.testing.assert_allclose(b - a, 0.1)


def test_a_single_replicate_does_not_move() -> None:
    (means,) = redrawn_means(list(curves_of(curve("a", "steps", {100: 0.5})).values()), 50)
    np.testing.assert_allclose(means, 0.5)


def test_a_redrawn_mean_has_the_percentiles_of_the_interval_over_seeds_and_samples() -> None:
    random = np.random.default_rng(0)
    right = random.normal(size=(5, 1)) / 10 + random.normal(size=200) > -1 - np.zeros((5, 1))
    trials = frame(
        run("a", seed, own.mean(), test_correct=np.packbits(own).tobytes(), test_count=200)
        for seed, own in enumerate(right)
    )
    (means,) = redrawn_means(list(curves_of(trials).values()), 200_000)
    _, low, high, _ = crossed_interval(right)
    over_seeds = mean_interval(right.mean(axis=1))
    assert np.quantile(means, [0.025, 0.975]) == pytest.approx([low, high], abs=0.002)
    assert high - low > 1.2 * (over_seeds.high - over_seeds.low)


def test_a_run_without_known_samples_leaves_the_interval_over_seeds() -> None:
    right = np.arange(200) < 150
    runs = [
        run("a", seed, 0.75, test_correct=np.packbits(right).tobytes(), test_count=200)
        for seed in range(3)
    ]
    (known,) = redrawn_means(list(curves_of(frame(runs)).values()), 50)
    assert known.std() > 0
    unknown = frame([*runs[:2], {**runs[2], "test_correct": None}])
    (means,) = redrawn_means(list(curves_of(unknown).values()), 50)
    np.testing.assert_allclose(means, 0.75)
