from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from superconv_ray.analysis.range_tests import lr_rules
from superconv_ray.analysis.range_tests.reading import accuracy_peak
from superconv_ray.analysis.range_tests.tables import (
    RULES,
    Verdict,
    join_range_tests,
    mean_curves,
    range_test_table,
    suggestions,
)

POINTS = 60
RATES = np.geomspace(1e-3, 10, POINTS)
MIDDLE = 30


def hill(top: int = MIDDLE, width: float = 8.0) -> npt.NDArray[np.float64]:
    """An accuracy of 0.1 to 0.9 with its peak at a point."""
    return 0.1 + 0.8 * np.exp(-(((np.arange(POINTS) - top) / width) ** 2))


def curve(
    accuracy: npt.ArrayLike,
    seed: int = 0,
    *,
    labels: str = "validation",
    status: str = "completed",
    rates: npt.NDArray[np.float64] = RATES,
    **columns: Any,
) -> pd.DataFrame:
    """The rows of one range test; its losses mirror its accuracy."""
    accuracies = np.asarray(accuracy, dtype=np.float64)
    count = len(accuracies)
    held_out = {f"{labels}_loss": 3 - 2 * accuracies, f"{labels}_accuracy_reestimated": accuracies}
    fields = {
        "trial_id": f"{labels}{seed}",
        "seed": seed,
        "step": np.arange(1, count + 1),
        "lr": rates[:count],
        "train_loss": 2.5 - 2 * accuracies,
        "status": status,
    }
    return pd.DataFrame({**fields, **held_out, **columns})


def replicates(*accuracies: npt.ArrayLike, **settings: Any) -> pd.DataFrame:
    rows = [curve(accuracy, seed, **settings) for seed, accuracy in enumerate(accuracies)]
    return pd.concat(rows, ignore_index=True)


def only_row(curves: pd.DataFrame) -> Any:
    table = range_test_table(curves)
    assert len(table) == 1
    return table.iloc[0]


# Numbers


def test_a_row_tells_peak_interval_and_plateau() -> None:
    row = only_row(replicates(hill(), hill(), hill()))
    peak = float(f"{RATES[MIDDLE]:.3g}")
    assert (row.labels, row.seeds, row.verdict) == ("validation", 3, "peak")
    assert (row.peak_lr, row.low, row.high) == (peak, peak, peak)
    # Of seven: 0.1 + 0.8 * (1 + 2 * (e^(-1/64) + e^(-4/64) + e^(-9/64))) / 7
    assert row.peak_accuracy == pytest.approx(0.8526, abs=1e-4)
    assert row.plateau_low < peak < row.plateau_high
    assert row.plateau_decades == pytest.approx(
        math.log10(row.plateau_high / row.plateau_low), abs=0.01
    )
    assert row.diverged == 0
    assert math.isnan(row.divergence_lr)


@given(st.lists(st.integers(0, 100), min_size=POINTS, max_size=POINTS), st.integers(0, 20))
def test_the_peak_is_the_one_that_the_planner_reads(hits: list[int], end: int) -> None:
    first, second = np.array(hits) / 100 + 0.01, np.array(hits[::-1])[: POINTS - end] / 100
    row = only_row(pd.concat([curve(first, 0), curve(second, 1)]))
    assert row.peak_lr == accuracy_peak([(RATES, first), (RATES[: len(second)], second)])


def test_groups_are_told_apart_by_columns() -> None:
    curves = pd.concat(
        [replicates(hill(20), dataset="a"), replicates(hill(40), hill(40), dataset="b")]
    )
    table = range_test_table(curves, ["dataset"])
    assert table["dataset"].tolist() == ["a", "b"]
    assert table["seeds"].tolist() == [1, 2]
    assert table["peak_lr"].tolist() == [float(f"{RATES[p]:.3g}") for p in (20, 40)]
    assert suggestions(curves, ["dataset"]).groupby("dataset").size().tolist() == [len(RULES)] * 2


def test_a_test_that_two_arms_share_counts_once() -> None:
    shared = replicates(hill(), hill())
    row = only_row(pd.concat([shared.assign(arm="a"), shared.assign(arm="b")]))
    assert row.seeds == 2


def test_one_seed_has_no_interval_and_the_advice_says_so() -> None:
    row = only_row(curve(hill()))
    assert math.isnan(row.low)
    assert math.isnan(row.high)
    assert "One seed has no interval" in row.advice


def test_the_interval_repeats_with_its_seed() -> None:
    curves = replicates(hill(20, 30), hill(30, 30), hill(40, 30))
    pd.testing.assert_frame_equal(
        range_test_table(curves, seed=3), range_test_table(curves, seed=np.random.default_rng(3))
    )


# Verdicts


def step(rise: int, fall: int = POINTS) -> npt.NDArray[np.float64]:
    """An accuracy that rises slowly to 0.9, stays there nearly, and falls to 0.1."""
    rising = np.interp(np.arange(POINTS), [0, rise, POINTS], [0.1, 0.9, 0.88])
    return np.where(np.arange(POINTS) < fall, rising, 0.1)


@pytest.mark.parametrize(
    ("accuracy", "verdict", "advice"),
    [
        (hill(), "peak", "Use max_lr=0.108; for one cycle min_lr=0.0054 to 0.011 (max_lr/20 to"),
        (step(20, 50), "plateau", "Use max_lr=0.0363"),
        (step(20), "plateau", "goes on to the end of the test"),
        (step(59), "not bracketed", "the upper end of the test, 10: it must go higher"),
        (hill(0), "not bracketed", "the lower end of the test, 0.001: it must start lower"),
        ([0.1] * POINTS, "too noisy", "cannot be told from noise"),
        ([0.1, 0.5] * (POINTS // 2), "too noisy", "cannot be told from noise"),
    ],
)
def test_a_verdict_says_what_the_test_shows(
    accuracy: npt.ArrayLike, verdict: str, advice: str
) -> None:
    row = only_row(replicates(accuracy, accuracy))
    assert row.verdict == verdict
    assert advice in row.advice


def test_seeds_whose_peaks_lie_decades_apart_are_too_noisy() -> None:
    assert only_row(replicates(hill(15, 5), hill(45, 5))).verdict == "too noisy"


# Divergence


def cut(accuracy: Sequence[float], points: int, noticed_at: float, seed: int) -> pd.DataFrame:
    """A run that diverged after so many points, which a last row tells."""
    rates = np.append(RATES[:points], noticed_at)
    rows = curve([*accuracy[:points], 0.1], seed, status="diverged", rates=rates)
    rows.loc[points, ["train_loss", "validation_loss"]] = math.nan
    return rows


def test_a_lost_seed_makes_a_rate_of_divergence_and_counts_as_accuracy_zero() -> None:
    rising = step(35).tolist()
    row = only_row(pd.concat([curve(rising, 0), cut(rising, 40, 1.03, 1)]))
    assert (row.diverged, row.divergence_lr, row.verdict) == (1, 1.03, "diverges")
    assert row.peak_lr < RATES[40]
    assert "The first seed diverges at 1.03: stay well below." in row.advice


def test_a_seed_that_diverges_below_the_peak_leaves_it_unknown() -> None:
    row = only_row(pd.concat([cut(hill().tolist(), 20, 0.02, 0), curve(hill(), 1)]))
    assert (row.diverged, row.divergence_lr, row.verdict) == (1, 0.02, "too noisy")
    assert "a seed diverged below the peak" in row.advice


def test_seeds_that_all_diverge_are_read_up_to_there() -> None:
    rising = step(59).tolist()
    row = only_row(pd.concat([cut(rising, 40, 1.03, 0), cut(rising, 42, 1.4, 1)]))
    assert (row.diverged, row.divergence_lr, row.verdict) == (2, 1.03, "diverges")


def test_a_loss_that_leaves_its_best_is_divergence_too() -> None:
    loss = np.where(np.arange(POINTS) < 50, np.linspace(2.3, 0.1, POINTS), 3.0)
    row = only_row(curve(step(45), train_loss=loss))
    assert row.diverged == 1
    assert RATES[46] < row.divergence_lr < RATES[53]


def test_runs_that_diverge_at_once_say_that_nothing_was_measured() -> None:
    curves = pd.concat([cut([], 0, 0.1, 0), cut([], 0, 0.2, 1)])
    row = only_row(curves)
    assert (row.verdict, row.diverged, row.divergence_lr) == ("nothing measured", 2, 0.1)
    assert math.isnan(row.peak_lr)
    assert "every run diverged at once" in row.advice
    found = suggestions(curves)
    assert found["lr"].isna().all()
    assert set(found["note"]) == {"nothing was measured"}
    assert mean_curves(curves).empty


# Labels


def test_test_labels_are_for_comparison_only() -> None:
    row = only_row(replicates(hill(), hill(), labels="test"))
    assert row.labels == "test"
    assert "do not choose by it" in row.advice


def test_validation_and_test_labels_are_not_mixed() -> None:
    mixed = pd.concat([curve(hill()), curve(hill(), labels="test")])
    with pytest.raises(ValueError, match=r"validation labels or on test labels, got validation an"):
        range_test_table(mixed)


# Suggestions


def test_every_rule_is_told_with_its_source() -> None:
    found = suggestions(replicates(hill(), hill()))
    assert found["rule"].tolist() == list(RULES)
    assert found["source"].tolist() == list(RULES.values())
    assert found["lr"].notna().all()
    assert found.loc[found["sets"] == "min_lr", "rule"].tolist() == ["accuracy_rises"]


def test_fastais_rules_read_the_mean_training_loss_without_the_ends_fastai_leaves_out() -> None:
    accuracies = hill(20), hill(40)
    found = suggestions(replicates(*accuracies)).set_index("rule")["lr"]
    loss = np.mean([2.5 - 2 * accuracy for accuracy in accuracies], axis=0)
    kept = slice(6, -5)  # a tenth of 60 points, and five
    for rule in (lr_rules.valley, lr_rules.slide, lr_rules.steep, lr_rules.minimum):
        assert found[rule.__name__] == rule(RATES[kept], loss[kept])
    kept = slice(10, -1)
    expected = lr_rules.steepest_gradient(RATES[kept], loss[kept])
    assert found["steepest_gradient"] == expected


def test_a_short_curve_says_which_rules_it_is_too_short_for() -> None:
    found = suggestions(curve(hill(5, 3)[:10], rates=np.geomspace(0.01, 1, 10)))
    short = found[found["lr"].isna()]
    assert short["rule"].tolist() == ["slide", "steepest_gradient"]
    assert set(short["note"]) == {"the curve is too short"}


def test_losses_are_read_up_to_where_a_seed_is_lost() -> None:
    rising = step(59).tolist()
    curves = pd.concat([curve(rising, 0), cut(rising, 40, 1.03, 1)])
    found = suggestions(curves).set_index("rule")["lr"]
    assert found["minimum"] == RATES[34] / 10  # the last of the 40 but five, falling all along
    means = mean_curves(curves)
    assert means["train_loss"].notna().sum() == 40
    assert means["accuracy"].iloc[40] == pytest.approx(rising[40] / 2)


def test_a_rate_of_zero_is_no_point_of_a_log_scale() -> None:
    rates = np.linspace(0, 3, POINTS)
    curves = replicates(hill(), hill(), rates=rates)
    assert mean_curves(curves)["lr"].tolist() == rates[1:].tolist()
    assert suggestions(curves)["lr"].notna().all()


@given(
    st.lists(st.lists(st.floats(0, 1), min_size=1, max_size=30), min_size=1, max_size=4),
    st.lists(st.booleans(), min_size=4, max_size=4),
)
def test_any_curve_gets_a_verdict_and_its_rates_lie_in_the_test(
    accuracies: list[list[float]], diverged: list[bool]
) -> None:
    rates = np.linspace(0, 3, POINTS)
    curves = pd.concat(
        [
            curve(accuracy, seed, rates=rates, status="diverged" if lost else "completed")
            for seed, (accuracy, lost) in enumerate(zip(accuracies, diverged, strict=False))
        ]
    )
    row = only_row(curves)
    assert row.verdict in get_args(Verdict)
    if row.verdict == "nothing measured":
        assert suggestions(curves)["lr"].isna().all()
    else:
        assert 0 < row.plateau_low <= row.peak_lr <= row.plateau_high <= 3
        assert suggestions(curves)["lr"].dropna().between(0, 3).all()


# Frames


def test_curves_are_joined_with_the_settings_of_range_tests_alone() -> None:
    curves = pd.DataFrame(
        {"trial_id": pd.Categorical(["a", "a", "b"]), "lr": [0.1, 0.2, 0.1], "train_loss": 1.0}
    )
    trials = pd.DataFrame(
        {
            "trial_id": ["a", "b"],
            "kind": ["range_test", "training"],
            "train_loss": [7.0, 8.0],
            "data_count": [10, 20],
        }
    )
    joined = join_range_tests(trials, curves)
    assert joined["train_loss"].tolist() == [1.0, 1.0]
    assert joined["data_count"].tolist() == [10, 10]


@pytest.mark.parametrize("read", [range_test_table, suggestions, mean_curves])
def test_frames_that_cannot_be_read_are_rejected(read: Any) -> None:
    good = curve(hill())
    with pytest.raises(ValueError, match="at least one row of a range test, got none"):
        read(good.iloc[:0])
    with pytest.raises(ValueError, match="'status' is missing"):
        read(good.drop(columns="status"))
    with pytest.raises(ValueError, match="on test labels, got neither"):
        read(good.assign(validation_accuracy_reestimated=math.nan))
    other = curve(hill(), 1, rates=RATES * 2)
    with pytest.raises(ValueError, match="must share their learning rates; name the columns"):
        read(pd.concat([good, other]))
    with pytest.raises(ValueError, match="model=m: replicates"):
        read(pd.concat([good, other]).assign(model="m"), ["model"])
