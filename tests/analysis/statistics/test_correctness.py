"""Intervals over seeds and test samples, where the trials tell which samples are right."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from superconv_ray.analysis.comparison.arms import arm_summary
from superconv_ray.analysis.comparison.further_seeds import further_seeds
from superconv_ray.analysis.comparison.gaps import compare
from superconv_ray.analysis.comparison.notes import note
from superconv_ray.analysis.comparison.verdicts import gaps_decide
from superconv_ray.analysis.statistics.correctness import correctness
from superconv_ray.analysis.statistics.crossed import crossed_error, crossed_half_widths, crossed_p
from superconv_ray.analysis.statistics.intervals import share_ends
from tests.analysis.comparison.made import DECIDED, frame, run

SAMPLES = 200


def right(seeds: int = 5) -> dict[str, np.ndarray[Any, Any]]:
    """Which samples two arms classify correctly, shape [seeds, samples]; a is better by chance."""
    random = np.random.default_rng(0)
    difficulty = random.standard_normal(SAMPLES)
    return {
        arm: level + difficulty + suits + 0.2 * random.standard_normal((seeds, SAMPLES)) > 0
        for arm, level in (("a", 1.1), ("b", 1.0))
        for suits in [0.4 * random.standard_normal(SAMPLES)]
    }


def packed(samples: np.ndarray[Any, Any], column: str = "test_correct") -> dict[str, Any]:
    return {"test_count": len(samples), column: np.packbits(samples).tobytes()}


def trials(seeds: int = 5) -> pd.DataFrame:
    return frame(
        *(
            run(arm, seed, own.mean(), **packed(own))
            for arm, every in right(seeds).items()
            for seed, own in enumerate(every)
        )
    )


def test_a_gap_has_the_interval_over_seeds_and_test_samples() -> None:
    (row,) = compare(trials(), "a", "b").to_dict("records")
    table = right()["a"].astype(float) - right()["b"]
    of_seeds, of_samples = crossed_error(table)
    half = crossed_half_widths(of_seeds, 4, of_samples, 0.05)
    assert (row["mean"], row["low"], row["high"]) == pytest.approx(
        (table.mean(), table.mean() - half, table.mean() + half)
    )
    assert row["p"] == pytest.approx(crossed_p(table.mean(), of_seeds, 4, of_samples))
    assert row["interval_over"] == "seeds and test samples"


def test_what_the_seeds_alone_would_decide_stays_open_on_few_samples() -> None:
    whole, seeds_only = (
        compare(found, "a", "b").to_dict("records")[0]
        for found in (trials(12), trials(12).drop(columns="test_correct"))
    )
    assert (whole["verdict"], seeds_only["verdict"]) == ("undecided", "arm better")
    assert seeds_only["interval_over"] == "seeds"
    table = right(12)["a"].astype(float) - right(12)["b"]
    assert gaps_decide(table.mean(axis=1), 0.05, 0.005)
    assert not gaps_decide(table.mean(axis=1), 0.05, 0.005, table)


def test_one_run_without_correctness_leaves_the_interval_over_seeds() -> None:
    found = trials()
    found.loc[3, "test_correct"] = None
    assert compare(found, "a", "b")["interval_over"].tolist() == ["seeds"]


def test_correctness_is_of_the_measurement_that_is_compared() -> None:
    samples = np.arange(10) < 7
    again = np.arange(10) < 6
    row = run("a", 0, 0.7, test_accuracy_reestimated=0.6, validation_accuracy=0.9)
    found = frame({**row, **packed(samples), **packed(again, "test_correct_reestimated")})
    assert correctness(found, "test_accuracy")[0].tolist() == samples.tolist()
    assert correctness(found, "test_accuracy_reestimated")[0].tolist() == again.tolist()
    assert correctness(found, "validation_accuracy")[0] is None
    same = frame({**row, **packed(samples), "test_correct_reestimated": None})
    same["test_accuracy_reestimated"] = 0.7
    assert correctness(same, "test_accuracy_reestimated")[0].tolist() == samples.tolist()


def test_an_arm_has_an_interval_over_seeds_and_test_samples() -> None:
    table = arm_summary(trials()).set_index("arm")
    for arm, samples in right().items():
        of_seeds, of_samples = crossed_error(samples)
        ends = share_ends(samples.mean(), crossed_half_widths(of_seeds, 4, of_samples, 0.05))
        found = [table["low"][arm], table["high"][arm]]
        assert found == pytest.approx(list(map(float, ends)))


def test_no_number_of_seeds_makes_up_for_a_small_test_set() -> None:
    open_row = {**DECIDED, "mean": 0.01, "sd": 0.01, "n": 8, "verdict": "undecided"}
    rows = pd.DataFrame([open_row, {**open_row, "of_samples": 0.01}])
    enough, never = further_seeds(rows, 0.005, 0.025)
    assert enough < 20
    assert never is pd.NA
    said = note({**rows.iloc[1], "further_seeds": never})
    assert said == "it would take more than 1,000 seeds or a larger test set to decide"
