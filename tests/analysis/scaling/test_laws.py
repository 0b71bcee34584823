"""Laws compared by how well they predict the largest number of labels."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from superconv_ray.analysis.scaling.fits import scaling_fits
from superconv_ray.analysis.scaling.laws import compare_laws
from tests.analysis.made import curve, noisy, power_law, run

N = (100, 200, 400, 800, 1600, 3200)
TRUE: dict[str, Callable[[float], float]] = {
    "POW3": power_law(1.5, 0.35, 0.05),
    "EXP3": lambda n: 0.4 * math.exp(-0.002 * n) + 0.1,
    "POW4": lambda n: 8 * (n + 300) ** -0.5 + 0.02,
    "MMF4": lambda n: 0.7 / (1 + (n / 500) ** 1.2) + 0.05,
}
LAWS = [*TRUE, "last value"]


def exact(name: str, points: tuple[int, ...] = N) -> pd.DataFrame:
    return curve(name, "data_count", {n: (1 - TRUE[name](n),) * 3 for n in points})


def test_every_law_predicts_what_follows_it_and_the_others_do_not() -> None:
    table = compare_laws(pd.concat(map(exact, TRUE)))
    assert table["law"].tolist() == LAWS * 4
    own = table[table["arm"] == table["law"]]
    assert own["extrapolation"].abs().max() < 5e-3
    assert own["predicted"].tolist() == pytest.approx(
        [TRUE[name](3200) for name in own["arm"]], rel=5e-3
    )
    wrong = table[(table["law"] == "EXP3") & (table["arm"] != "EXP3")]
    assert (wrong["extrapolation"] > 0.15).all()  # it levels off too early


def test_without_a_law_the_last_error_stays() -> None:
    row = compare_laws(exact("POW3")).iloc[-1]
    error = TRUE["POW3"]
    assert (row["law"], row["data_count"], row["points"]) == ("last value", 3200, 5)
    assert row["predicted"] == pytest.approx(error(1600))
    assert row["measured"] == pytest.approx(error(3200))
    assert row["extrapolation"] == pytest.approx(error(1600) / error(3200) - 1)


def test_intervals_hold_the_noise_of_the_seeds() -> None:
    found = []
    for seed in range(8):
        random = np.random.default_rng(seed)
        trials = noisy({"a": TRUE["POW3"]}, "data_count", N, 5, 0.03, random)
        found.append(compare_laws(trials).set_index("law"))
    inside = {law: sum(t["low"][law] <= 0 <= t["high"][law] for t in found) for law in LAWS}
    assert inside["POW3"] >= 7
    assert inside["EXP3"] == 0


def test_laws_with_too_few_points_are_not_fitted() -> None:
    table = compare_laws(exact("POW3", N[:4])).set_index("law")
    assert table["predicted"].isna().tolist() == [False, False, True, True, False]
    assert table.loc["POW4", "note"] == "4 parameters need as many points besides the largest n"
    one = compare_laws(exact("POW3", N[:1])).set_index("law")
    assert one["predicted"].isna().all()
    assert one.loc["last value", "note"] == "one number of labels"


def test_one_seed_has_a_prediction_without_an_interval() -> None:
    trials = curve("a", "data_count", {n: 1 - TRUE["POW3"](n) for n in N})
    table = compare_laws(trials)
    assert table["extrapolation"].notna().all()
    assert table["low"].isna().all()


def test_a_point_at_which_all_diverged_is_no_law() -> None:
    trials = pd.concat([exact("POW3", N[:5]), pd.DataFrame([run("POW3", 0, 0.1, data_count=3200)])])
    trials.loc[trials["data_count"] == 3200, "status"] = "diverged"
    table = compare_laws(trials).set_index("law")
    assert table.loc["POW3", "note"] == "every training diverged at n = 3,200"


def test_a_fit_shows_how_well_it_extrapolates() -> None:
    trials = noisy({"a": TRUE["POW3"]}, "data_count", N, 5, 0.03, np.random.default_rng(1))
    (fit,), law = scaling_fits(trials).to_dict("records"), compare_laws(trials).iloc[0]
    ends = ("extrapolation", "extrapolation_low", "extrapolation_high")
    expected = law[["extrapolation", "low", "high"]].tolist()
    assert [fit[name] for name in ends] == pytest.approx(expected, abs=0.03)
    assert fit["extrapolation_low"] < fit["extrapolation"] < fit["extrapolation_high"]
