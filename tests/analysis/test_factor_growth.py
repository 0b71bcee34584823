"""Growth of the factor as labels become scarce, on curves whose answers are known."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd
import pytest

from superconv_ray.analysis import factor_trend
from tests.analysis.made import curve, frame, rows, run

LONG = {100: 0.5, 800: 0.9}
"""Accuracies of the baseline by steps, at every number of labels."""


def trials(
    arms: Mapping[int, Mapping[int, float]], spread: float = 0.0, seeds: int = 3
) -> pd.DataFrame:
    """The arm's accuracies by labels and steps, and the baseline's; seeds differ by the spread."""
    offsets = spread * np.linspace(-1, 1, seeds)
    return pd.concat(
        curve(name, "steps", {at: tuple(a + offsets) for at, a in points.items()}).assign(
            data_count=labels
        )
        for labels, own in arms.items()
        for name, points in (("short", own), ("long", LONG))
    )


def reaches_after(steps: int) -> dict[int, float]:
    """Accuracies of an arm that gets to the baseline's 0.9 after so many steps."""
    return {steps // 2: 0.6, steps: 0.9, 2 * steps: 0.95}


NEVER = {100: 0.5, 400: 0.7}  # the factor is 2 or less
AT_ONCE = {100: 0.95, 400: 0.97}  # the factor is 8 or more


def test_the_growth_is_the_slope_of_log_factors_over_log_labels() -> None:
    # Factors 8, 4 and 2 at 100, 1,000 and 10,000 labels.
    made = trials({n: reaches_after(s) for n, s in ((100, 100), (1000, 200), (10_000, 400))})
    (row,) = rows(factor_trend(made, "short", "long"))
    assert [row.low, row.growth, row.high] == pytest.approx([2, 2, 2])
    assert (row.censored, row.verdict, row.points, row.seeds, row.note) == ("", "grows", 3, 3, "")


def test_a_factor_that_shrinks_falls() -> None:
    made = trials({100: reaches_after(400), 1000: reaches_after(100)})
    (row,) = rows(factor_trend(made, "short", "long"))
    assert (row.growth, row.verdict) == (pytest.approx(1 / 4), "falls")


@pytest.mark.parametrize(
    ("few", "many", "growth", "censored", "ends", "verdict"),
    [
        (AT_ONCE, reaches_after(200), 2, ">", (2, math.inf), "grows"),  # 8 or more over 4
        (reaches_after(100), NEVER, 4, ">", (4, math.inf), "grows"),  # 8 over 2 or less
        (NEVER, reaches_after(200), 1 / 2, "<", (0, 1 / 2), "falls"),
        (reaches_after(50), AT_ONCE, 2, "<", (0, 2), "undecided"),  # 16 over 8 or more
        (AT_ONCE, AT_ONCE, math.nan, "<>", (0, math.inf), "undecided"),
        (NEVER, NEVER, math.nan, "<>", (0, math.inf), "undecided"),
    ],
)
def test_a_factor_beyond_the_budgets_gives_a_bound(
    few: Mapping[int, float],
    many: Mapping[int, float],
    growth: float,
    censored: str,
    ends: tuple[float, float],
    verdict: str,
) -> None:
    (row,) = rows(factor_trend(trials({100: few, 1000: many}), "short", "long"))
    assert row.growth == pytest.approx(growth, nan_ok=True)
    assert (row.censored, row.verdict) == (censored, verdict)
    assert (row.low, row.high) == pytest.approx(ends)
    assert "labels" in row.note


def test_a_point_that_the_line_does_not_depend_on_censors_nothing() -> None:
    made = trials({100: reaches_after(100), 1000: NEVER, 10_000: reaches_after(400)})
    (row,) = rows(factor_trend(made, "short", "long"))
    assert (row.growth, row.censored) == (pytest.approx(2), "")
    assert row.note == "does not get there at 1,000 labels"


def test_a_draw_beyond_the_budgets_opens_the_interval() -> None:
    """The mean just gets there; those of other seeds might not."""
    random = np.random.default_rng(0)
    made = trials({100: {100: 0.6, 200: 0.905}, 1000: reaches_after(200)})
    made["test_accuracy"] += 0.01 * random.standard_normal(len(made))
    (row,) = rows(factor_trend(made, "short", "long"))
    assert (row.low, row.verdict) == (0, "undecided")


def test_what_seeds_share_at_all_points_does_not_widen_the_interval() -> None:
    points = {100: reaches_after(100), 1000: reaches_after(200)}
    alike = trials(points, spread=0.02)  # both arms, all budgets and labels move together
    (row,) = rows(factor_trend(alike, "short", "long"))
    assert [row.low, row.growth, row.high] == pytest.approx([2, 2, 2])
    turned = alike.copy()
    few = turned["data_count"].eq(100) & turned["arm"].eq("short")
    turned.loc[few, "test_accuracy"] -= 0.02 * (turned.loc[few, "seed"] - 1)
    (row,) = rows(factor_trend(turned, "short", "long"))
    assert row.low < 1.9 < 2.1 < row.high


def test_intervals_of_several_arms_hold_together() -> None:
    random = np.random.default_rng(0)
    made = trials({100: reaches_after(100), 1000: reaches_after(200)}, seeds=5)
    made["test_accuracy"] += 0.01 * random.standard_normal(len(made))
    (alone,) = rows(factor_trend(made, "short", "long"))
    other = made[made["arm"] == "short"].assign(arm="other")
    both = rows(factor_trend(pd.concat([made, other]), ["short", "other"], "long"))
    assert both[0].low < alone.low < alone.high < both[0].high


def test_other_test_samples_widen_the_interval() -> None:
    random = np.random.default_rng(0)
    difficulty = random.normal(size=400)
    made = []
    for labels, times in ((100, 4), (1000, 2)):
        for steps in (50, 100, 200, 400, 800):
            for arm, own in (("short", times), ("long", 1)):
                suits = random.normal(size=400) / 2
                for seed in range(4):
                    level = np.log10(own * steps / 400) + difficulty + suits
                    right = level + random.normal(size=400) / 4 > 0
                    made.append(
                        run(
                            *(arm, seed, right.mean()),
                            steps=steps,
                            data_count=labels,
                            test_correct=np.packbits(right).tobytes(),
                            test_count=400,
                        )
                    )
    known = frame(made)
    (crossed,) = rows(factor_trend(known, "short", "long"))
    (seeds,) = rows(factor_trend(known.drop(columns="test_correct"), "short", "long"))
    assert crossed.growth == seeds.growth
    assert crossed.high / crossed.low > 1.2 * seeds.high / seeds.low


def test_a_seed_that_lacks_a_point_is_left_out() -> None:
    made = trials({100: reaches_after(100), 1000: reaches_after(200)})
    lacks = made["seed"].eq(2) & made["data_count"].eq(1000) & made["steps"].eq(200)
    (row,) = rows(factor_trend(made[~lacks], "short", "long"))
    assert (row.seeds, row.growth) == (2, pytest.approx(2))
    assert row.note == "1 of the seeds left out, because they lack a point"


@pytest.mark.parametrize(
    ("made", "note"),
    [
        (trials({100: reaches_after(100)}), "one number of labels has no trend"),
        (
            trials({100: reaches_after(100), 1000: reaches_after(200)}, seeds=1),
            "one seed: no interval",
        ),
        (
            trials({100: reaches_after(100), 1000: reaches_after(200)}).assign(
                status=lambda found: np.where(
                    found["arm"].eq("long") & found["data_count"].eq(100), "diverged", "completed"
                )
            ),
            "every long training of the baseline diverged at 100 labels",
        ),
    ],
)
def test_without_an_interval_there_is_no_verdict_and_a_reason(
    made: pd.DataFrame, note: str
) -> None:
    (row,) = rows(factor_trend(made, "short", "long"))
    assert np.isnan([row.low, row.high]).all()
    assert (row.verdict, row.note) == ("undecided", note)


def test_other_axes_have_trends_of_their_own() -> None:
    made = trials({100: reaches_after(100), 1000: reaches_after(200)})
    found = factor_trend(
        pd.concat([made.assign(model=model) for model in ("a", "b")]), "short", "long", ["model"]
    )
    assert found["model"].tolist() == ["a", "b"]
