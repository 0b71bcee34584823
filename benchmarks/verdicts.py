"""How often verdicts are wrong, how often they are reached, and what advice on seeds achieves.

    python -m benchmarks.verdicts --save

A simulated study has five points and three baselines, 15 rows. Baselines share the arm's runs, so
that the rows of a point depend on each other. Gaps are in points of accuracy, and the smallest gap
that counts is 0.5. The rule is that of the package: `level_per_row`, `verdicts`, `further_seeds`.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from benchmarks.recording import Figure, add_save_flag, save
from superconv_ray.analysis.comparison.further_seeds import further_seeds
from superconv_ray.analysis.comparison.verdicts import (
    ARM_BETTER,
    BASELINE_BETTER,
    EQUIVALENT,
    UNDECIDED,
    level_per_row,
    verdicts,
)
from superconv_ray.analysis.statistics.paired import paired_t, standard_errors
from superconv_ray.design.text import text_table

Floats = npt.NDArray[np.float64]
POINTS, BASELINES = 5, 3
ROWS = POINTS * BASELINES
SEEDS = (3, 5, 8, 12)
LOOKS = range(3, 13)
MARGIN = 0.5
NARROW, WIDE = 0.3, 2.0
"""Deviations of gaps in points, as with many labels and as with few."""
ROUNDS = (5, 9, 13, 17, 21)
"""Numbers of seeds of someone who adds four by hand as long as a row is undecided."""
EFFECTS = (0.0, 0.25, 0.5, 1.0, 2.0)
"""True gaps in deviations, for the advice on further seeds."""
Noise = Callable[[np.random.Generator, Sequence[int]], Floats]
"""Draws deviations of runs with mean 0 and variance 1, of a shape whose first axis is tables."""


def normal(generator: np.random.Generator, shape: Sequence[int]) -> Floats:
    """Normal deviations."""
    return generator.standard_normal(shape)


def unequal(generator: np.random.Generator, shape: Sequence[int]) -> Floats:
    """Normal deviations, those of every second seed three times as large."""
    scale = np.where(np.arange(shape[-1]) % 2, 1.0, 3.0) / math.sqrt(5)
    return np.asarray(generator.standard_normal(shape) * scale)


def heavy(generator: np.random.Generator, shape: Sequence[int]) -> Floats:
    """Student's t with three degrees of freedom."""
    return np.asarray(generator.standard_t(3, shape) / math.sqrt(3))


NOISES: Mapping[str, Noise] = {"normal": normal, "unequal": unequal, "t3": heavy}


def gaps_of(noise: Noise, tables: int, gap: float, deviation: float) -> Floats:
    """Gaps of shape [tables, points, baselines, seeds]."""
    seeds = LOOKS[-1]
    generator = np.random.default_rng(0)
    arm = noise(generator, (tables, POINTS, 1, seeds))
    baselines = noise(generator, (tables, POINTS, BASELINES, seeds))
    return gap + deviation * (arm - baselines) / math.sqrt(2)


def summaries(gaps: Floats) -> pd.DataFrame:
    """A row for each comparison [..., seeds]: what `compare` computes of its gaps."""
    flat = gaps.reshape(-1, gaps.shape[-1])
    mean, sd = flat.mean(axis=1), flat.std(axis=1, ddof=1)
    trained = {"runs": 1, "runs_baseline": 1, "diverged": 0, "diverged_baseline": 0}
    return pd.DataFrame({"mean": mean, "sd": sd, "n": gaps.shape[-1], **trained})


def judged(table: pd.DataFrame, level: float) -> pd.DataFrame:
    """The rows with their intervals of 1 - level and their verdicts."""
    half, _ = paired_t(table["mean"], standard_errors(table["sd"], table["n"]), level)
    table = table.assign(low=table["mean"] - half, high=table["mean"] + half)
    return table.assign(verdict=verdicts(table, MARGIN))


def words(gaps: Floats, level: float) -> npt.NDArray[np.object_]:
    """Verdicts of shape [tables, points, baselines]."""
    found = judged(summaries(gaps), level)["verdict"].to_numpy(object)
    return np.asarray(found.reshape(gaps.shape[:-1]))


def stopped(gaps: Floats) -> tuple[npt.NDArray[np.object_], Floats]:
    """Verdicts where each point stops once its rows are decided, and its number of seeds."""
    level = level_per_row(ROWS, LOOKS)
    verdict = words(gaps[..., : LOOKS[0]], level)
    seeds = np.full(gaps.shape[:2], float(LOOKS[0]))
    for n in LOOKS[1:]:
        going_on = (verdict == UNDECIDED).any(axis=2)
        verdict[going_on] = words(gaps[..., :n], level)[going_on]
        seeds[going_on] = n
    return verdict, seeds


def in_any_row(verdict: npt.NDArray[np.object_], *wrong: str) -> float:
    """Percent of tables in which some row has one of these verdicts."""
    return 100 * float(np.isin(verdict, wrong).any(axis=(1, 2)).mean())


def in_rows(verdict: npt.NDArray[np.object_], right: str) -> float:
    """Percent of rows with this verdict."""
    return 100 * float((verdict == right).mean())


def rates(tables: int) -> Iterator[dict[str, object]]:
    """Rates of wrong and right verdicts, by noise and number of seeds."""
    better = ARM_BETTER, BASELINE_BETTER
    for name, noise in NOISES.items():
        vague, same, least, one = (
            gaps_of(noise, tables, gap, deviation)
            for gap, deviation in ((0.0, WIDE), (0.0, NARROW), (MARGIN, NARROW), (1.0, NARROW))
        )
        for n in SEEDS:
            level = level_per_row(ROWS)
            yield {
                "noise": name,
                "seeds": f"{n}",
                "each row by itself": in_any_row(words(vague[..., :n], level_per_row(1)), *better),
                "better": in_any_row(words(vague[..., :n], level), *better),
                "equivalent": in_any_row(words(least[..., :n], level), EQUIVALENT, BASELINE_BETTER),
                "finds 1 point": in_rows(words(one[..., :n], level), ARM_BETTER),
                "finds 0": in_rows(words(same[..., :n], level), EQUIVALENT),
                "mean seeds": float(n),
            }
        (nothing, _), (equal, seeds), (edge, _), (gain, of_gain) = map(
            stopped, (vague, same, least, one)
        )
        yield {
            "noise": name,
            "seeds": f"{LOOKS[0]} to {LOOKS[-1]}",
            "each row by itself": math.nan,
            "better": in_any_row(nothing, *better),
            "equivalent": in_any_row(edge, EQUIVALENT, BASELINE_BETTER),
            "finds 1 point": in_rows(gain, ARM_BETTER),
            "finds 0": in_rows(equal, EQUIVALENT),
            "mean seeds": float(np.concatenate([seeds, of_gain]).mean()),
        }


RATES_LEGEND = """\
In % of tables, where gaps deviate by 2 points and none is real: 'each row by itself',
some row has a better arm by its own 95 % interval; 'better', the same by the package's
rule. 'equivalent': some row is called equivalent, or the baseline better, where all
gaps are 0.5 points and deviate by 0.3. In % of rows, with a deviation of 0.3: 'finds 1
point', the arm is called better where the gap is 1 point; 'finds 0', equivalent where
there is none. '3 to 12': at_least(3, up_to=12), with its mean number of seeds in the
last two cases. Noise: normal; every second seed three times as noisy; Student's t with
3 degrees of freedom."""


ADVICE_LEGEND = """\
Rows that are undecided after five pairs, by their true gap in deviations (the smallest
gap that counts is 0.25): their share, the further seeds that they are advised (median)
and, in %, how many are decided once these have been added, at the level of a second
look. 'observed': power analysis that takes the observed mean and deviation as the true
ones; 'predictive': the package's advice. Where it needs more than 1,000 seeds, it says
none; 1,000 are added here."""


def added_by_hand(studies: int) -> Iterator[tuple[str, float]]:
    """Percent of one-row studies without a gap that are called better in one of `ROUNDS`.

    Someone adds four seeds as long as the row is undecided. The looks are not counted at all, or
    as the store counts them: those there have been; or they were planned.
    """
    gaps = WIDE * np.random.default_rng(1).standard_normal((studies, ROUNDS[-1]))
    so_far = [ROUNDS[: i + 1] for i in range(len(ROUNDS))]
    for name, known in (
        ("not counted", [()] * len(ROUNDS)),
        ("counted as they come", so_far),
        ("planned", [ROUNDS] * len(ROUNDS)),
    ):
        verdict = np.full(studies, UNDECIDED, dtype=object)
        for i, n in enumerate(ROUNDS):
            going_on = verdict == UNDECIDED
            level = level_per_row(1, known[i])
            verdict[going_on] = words(gaps[going_on, None, None, :n], level)[:, 0, 0]
        yield name, 100 * float(np.isin(verdict, (ARM_BETTER, BASELINE_BETTER)).mean())


def observed_effect(table: pd.DataFrame, level: float) -> npt.NDArray[np.float64]:
    """Further pairs by power analysis, which takes the observed mean and deviation as true."""
    total = np.arange(2, 1001)
    critical = stats.t.ppf(1 - level / 2, total - 1)
    power = stats.nct.sf(critical, total - 1, 1.0 * np.sqrt(total))  # of an effect of 1
    needed = total[np.argmax(power >= 0.8)]
    distance = np.maximum(table["mean"].abs(), MARGIN - table["mean"].abs())
    effect = (distance / table["sd"]).to_numpy()
    more: Floats = np.ceil(np.maximum(needed / effect**2 - table["n"].to_numpy(), 1))
    return more


def advised(studies: int) -> Iterator[dict[str, object]]:
    """Percent of undecided rows that are decided once the advice on seeds has been followed."""
    before = 5
    level, later = level_per_row(1), level_per_row(1, (before, 2 * before))
    for effect in EFFECTS:
        generator = np.random.default_rng(2)
        gaps = WIDE * (effect + generator.standard_normal((studies, before)))
        table = judged(summaries(gaps), level)
        table = table[table["verdict"] == UNDECIDED]
        row: dict[str, object] = {
            "true gap": f"{effect:g}",
            "undecided": 100 * len(table) / studies,
        }
        for name, advice in (
            ("observed", observed_effect(table, level)),
            ("predictive", further_seeds(table, MARGIN, level / 2).to_numpy(float, na_value=1000)),
        ):
            after = _followed(table, advice, WIDE * effect, generator)
            row[f"{name}: decided"] = 100 * float(
                (judged(after, later)["verdict"] != UNDECIDED).mean()
            )
            row[f"{name}: seeds"] = float(np.median(advice))
        yield row


def _followed(
    table: pd.DataFrame, more: Floats, gap: float, generator: np.random.Generator
) -> pd.DataFrame:
    """The rows with further pairs, drawn through their mean and sum of squares."""
    n, total = table["n"], table["n"] + more
    new_mean = gap + WIDE * generator.standard_normal(len(table)) / np.sqrt(more)
    rest = WIDE**2 * np.where(more > 1, generator.chisquare(np.maximum(more - 1, 1)), 0)
    between = n * more / total * (table["mean"] - new_mean) ** 2
    squares = (n - 1) * table["sd"] ** 2 + rest + between
    mean = (n * table["mean"] + more * new_mean) / total
    return table.assign(mean=mean, sd=np.sqrt(squares / (total - 1)), n=total)


def shown(rows: Sequence[Mapping[str, object]]) -> str:
    """A text table; numbers to one decimal."""
    cells = [
        ["-" if value != value else f"{value:.1f}" if isinstance(value, float) else str(value)
         for value in row.values()]
        for row in rows
    ]  # fmt: skip
    return text_table(list(rows[0]), cells)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--tables", type=int, default=4_000, help="simulated studies per case")
    add_save_flag(parser)
    arguments = parser.parse_args()
    found = list(rates(arguments.tables))
    by_hand = dict(added_by_hand(10 * arguments.tables))
    advice = list(advised(arguments.tables))
    output = "\n".join([shown(found), "", RATES_LEGEND, "", "", shown(advice), "", ADVICE_LEGEND])
    print(output)
    figures = [
        Figure(
            f"tables of {ROWS} rows with a wrong verdict, {what}, {row['noise']} noise, "
            f"{row['seeds']} seeds",
            round(float(str(row[column])), 1),
            "%",
        )
        for row in found
        for column, what in (("better", "no gap"), ("equivalent", "gaps of the margin"))
    ]
    figures += [
        Figure(
            f"false verdicts with seeds added by hand in five rounds, looks {how}",
            round(value, 1),
            "%",
        )
        for how, value in by_hand.items()
    ]
    for figure in figures[-len(by_hand) :]:
        print(figure.what, figure.value)
    if arguments.save:
        save("verdicts", figures, output)


if __name__ == "__main__":
    main()
