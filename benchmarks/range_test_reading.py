"""How well range tests of one seed are read: estimators of the curve, verdicts, recommended rates.

    python -m benchmarks.range_test_reading [--draws 200] [--save]

Curves are made up (`range_test_curves`): known shapes, three levels of noise, 100 to 800 rows. The
true rate is what the reader says of the curve without noise.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator

import numpy as np
import pandas as pd

from benchmarks.range_test_curves import NOISES, SHAPES, Floats, Noise, Shape, measured
from benchmarks.range_test_estimators import ESTIMATORS
from benchmarks.recording import Figure, add_save_flag, save
from superconv_ray.analysis.range_tests.advice import judge
from superconv_ray.analysis.range_tests.frames import RangeTest
from superconv_ray.analysis.range_tests.noise import read_noise
from superconv_ray.analysis.range_tests.top import plateau_middles
from superconv_ray.design.text import text_table

ROWS = (100, 800)
"""Fewest and most rows of a test; uniform over the logarithm between them."""
TOLERANCE = 0.25
"""A rate is right if it differs from the true one by at most this share of it."""
NO_RATE = ("too noisy", "not bracketed")
"""Verdicts that recommend no rate."""
COMPARED = 8
"""One draw in so many is read with every estimator."""
LEGEND = """\
told: a rate is recommended. right: within 25 % of the true one, of those told. verdict: the right
one. covered: the peak's 95 % interval holds the true peak; highest: it holds the highest measured
point, which papers call the peak; decades: its mean width. In % of the draws, but for decades."""
ESTIMATOR_LEGEND = """\
error: mean absolute error of the accuracy, in points. mid, top: the middle of the estimated
plateau, and the estimated highest point, are within 25 % of the true ones, in % of the draws with
low, medium and high noise."""


def test_of(rates: Floats, accuracy: Floats) -> RangeTest:
    """A range test of one seed, without losses."""
    unknown = np.full((1, len(rates)), math.nan)
    return RangeTest("validation", rates, accuracy[None], unknown, unknown, np.array([math.nan]))


def curves(shape: Shape, noise: Noise, draws: int) -> Iterator[tuple[Floats, Floats, Floats]]:
    """Yield rates, true and measured accuracies."""
    generator = np.random.default_rng(0)
    for _ in range(draws):
        rates = shape.rates(int(np.exp(generator.uniform(*np.log(ROWS)))))
        true = shape.accuracy(rates)
        yield rates, true, measured(true, noise, generator)


def is_right(rate: float, true: float) -> bool:
    return abs(rate / true - 1) <= TOLERANCE


def read_all(draws: int) -> pd.DataFrame:
    """Read every curve as `lr-find` does; a row for each."""
    rows = []
    for level, noise in NOISES.items():
        for name, shape in SHAPES.items():
            for rates, true, noisy in curves(shape, noise, draws):
                test, truth = test_of(rates, noisy), test_of(rates, true)
                found = read_noise(test, np.random.default_rng(0))
                verdict, _ = judge(test, found)
                low, high = found.peak
                rows.append(
                    {
                        "noise": level,
                        "shape": name,
                        "truth": shape.verdict,
                        "verdict": verdict,
                        "right": is_right(test.top.max_lr, truth.top.max_lr),
                        "covered": low <= truth.top.peak_lr <= high,
                        "highest": low <= rates[np.argmax(noisy)] <= high,
                        "decades": found.peak.decades,
                    }
                )
    frame = pd.DataFrame(rows)
    told = ~frame["verdict"].isin(NO_RATE)
    return frame.assign(told=told, has_rate=~frame["truth"].isin(NO_RATE))


def reader_rows(frame: pd.DataFrame) -> Iterator[list[str]]:
    """What is read of each shape at each level of noise."""
    for (level, name), draws in frame.groupby(["noise", "shape"], sort=False):
        told = draws["right"][draws["told"]]
        yield [
            str(name),
            str(level),
            percent(draws["told"]),
            percent(told) if len(told) else "",
            percent(draws["verdict"] == draws["truth"]),
            percent(draws["covered"]),
            percent(draws["highest"]),
            f"{draws['decades'].mean():.2f}",
        ]


def compare_estimators(count: int) -> Iterator[list[str]]:
    """How far each estimator is from the curve, and how often it leads to the right rate."""
    rows = []
    for level, noise in NOISES.items():
        for shape in SHAPES.values():
            if shape.verdict in NO_RATE:
                continue
            for rates, true, noisy in curves(shape, noise, count):
                middle, top = rates_of(rates, true)
                for name, estimate in ESTIMATORS.items():
                    curve = estimate(noisy)
                    found_middle, found_top = rates_of(rates, curve)
                    rows.append(
                        {
                            "estimator": name,
                            "noise": level,
                            "error": float(np.abs(curve - true).mean()),
                            "middle": is_right(found_middle, middle),
                            "top": is_right(found_top, top),
                        }
                    )
    for estimator, draws in pd.DataFrame(rows).groupby("estimator", sort=False):
        hits = [
            percent(draws[rule][draws["noise"] == level])
            for rule in ("middle", "top")
            for level in NOISES
        ]
        yield [str(estimator), f"{100 * draws['error'].mean():.1f}", *hits]


def rates_of(rates: Floats, curve: Floats) -> tuple[float, float]:
    """The middle of the plateau of a curve, and the rate of its highest point."""
    return float(plateau_middles(rates, curve, math.nan)), float(rates[np.argmax(curve)])


def percent(hits: pd.Series[bool]) -> str:
    return f"{100 * hits.mean():.0f}"


def figures(frame: pd.DataFrame) -> list[Figure]:
    """What all shapes show together, with low, medium and high noise."""
    rated, told = frame["has_rate"], frame["told"]
    shares = {
        "a rate is recommended, of tests that have one": (rated, told),
        "a recommended rate is within 25 % of the true one": (rated & told, frame["right"]),
        "a rate is recommended, of tests that have none": (~rated, told),
        'false "plateau", of other tests': (
            frame["truth"] != "plateau",
            frame["verdict"] == "plateau",
        ),
        'false "peak", of other tests': (frame["truth"] != "peak", frame["verdict"] == "peak"),
        "the interval of the peak holds the true peak": (rated, frame["covered"]),
        "the interval of the peak holds the highest measured point": (rated, frame["highest"]),
    }
    return [
        Figure(
            f"{what}, with low, medium and high noise",
            [
                round(100 * float(hits[of & (frame["noise"] == level)].mean()), 1)
                for level in NOISES
            ],
            "%",
        )
        for what, (of, hits) in shares.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--draws", type=int, default=200, help="curves per shape and noise")
    add_save_flag(parser)
    arguments = parser.parse_args()
    levels = ("low", "med.", "high")
    estimators = text_table(
        ["estimator", "error", *(f"{rule} {level}" for rule in ("mid", "top") for level in levels)],
        list(compare_estimators(max(1, arguments.draws // COMPARED))),
    )
    frame = read_all(arguments.draws)
    reader = text_table(
        ["shape", "noise", "told", "right", "verdict", "covered", "highest", "decades"],
        list(reader_rows(frame)),
    )
    output = "\n".join([estimators, "", ESTIMATOR_LEGEND, "", "", reader, "", LEGEND])
    print(output)
    found = figures(frame)
    for figure in found:
        print(figure.what, figure.value)
    if arguments.save:
        save("range_test_reading", found, output)


if __name__ == "__main__":
    main()
