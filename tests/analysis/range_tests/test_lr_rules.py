"""The recorded numbers are what the original code of fastai and Lightning gave on the same arrays.

fastai: ``fastai/callback/schedule.py``, commit 0a049e8, given torch tensors of each precision;
Lightning: ``lightning/pytorch/tuner/lr_finder.py``, commit 0012782, given lists (it computes in
float32); NumPy 2 and torch 2.14, 2026-11-22.
"""

from __future__ import annotations

import math
from random import Random

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from superconv_ray.analysis.range_tests.lr_rules import (
    LIGHTNING_SKIP_BEGIN,
    LIGHTNING_SKIP_END,
    Floats,
    minimum,
    slide,
    steep,
    steepest_gradient,
    valley,
)

RULES = (valley, slide, steep, minimum)
# seed, points, precision, then what valley, slide, steep and minimum gave
FASTAI = [
    (
        0,
        16,
        "float64",
        (
            1.7579544029403025e-05,
            1.7579544029403025e-05,
            1.7579544029403025e-05,
            3.448111067560009e-06,
        ),
    ),
    (
        0,
        16,
        "float32",
        (
            1.7579544874024577e-05,
            1.7579544874024577e-05,
            1.7579544874024577e-05,
            3.4481112379580735e-06,
        ),
    ),
    (
        3,
        37,
        "float64",
        (
            6.066750134241724e-05,
            2.104799736297444e-05,
            1.8146918026536953e-05,
            4.510265091969671e-05,
        ),
    ),
    (
        3,
        37,
        "float32",
        (
            6.066750211175531e-05,
            2.1047997506684624e-05,
            1.814691859181039e-05,
            4.510265134740621e-05,
        ),
    ),
    (
        5,
        51,
        "float64",
        (0.001220298479453739, 1.7417869892607294e-05, 2.08662548089468e-05, 0.0011034264407896789),
    ),
    (
        5,
        51,
        "float32",
        (
            0.0012202984653413296,
            1.7417869457858615e-05,
            2.0866254999418743e-05,
            0.0011034264229238034,
        ),
    ),
    (
        9,
        79,
        "float64",
        (0.006820619218201086, 0.04973791190173483, 1.3733119313950423e-05, 0.04267434089985355),
    ),
    (
        9,
        79,
        "float32",
        (0.006820619106292725, 0.04973791167140007, 1.3733118976233527e-05, 0.042674341797828676),
    ),
    (
        14,
        17,
        "float64",
        (
            3.7278144791724107e-05,
            1.7025855239868556e-05,
            6.525725994897144e-05,
            1.2676962965501779e-05,
        ),
    ),
    (
        14,
        17,
        "float32",
        (
            3.727814328158274e-05,
            1.702585541352164e-05,
            6.525726348627359e-05,
            1.2676963524427266e-05,
        ),
    ),
    (
        20,
        59,
        "float64",
        (0.0019648659669967553, 0.003970416817794991, 3.016344112011465e-05, 0.0022032604725150734),
    ),
    (
        20,
        59,
        "float32",
        (0.0019648659508675337, 0.0039704167284071445, 3.016344089701306e-05, 0.0022032605484128),
    ),
    (
        27,
        108,
        "float64",
        (
            6.813177093470662e-05,
            1.701369540968675e-05,
            1.701369540968675e-05,
            4.709117949069139e-05,
        ),
    ),
    (
        27,
        108,
        "float32",
        (
            6.813176878495142e-05,
            1.7013695469358936e-05,
            1.7013695469358936e-05,
            4.709117929451168e-05,
        ),
    ),
    (
        33,
        53,
        "float64",
        (
            4.614135521981285e-05,
            1.6322329955787787e-05,
            4.614135521981285e-05,
            1.3480701365431164e-05,
        ),
    ),
    (
        33,
        53,
        "float32",
        (
            4.614135468727909e-05,
            1.632233033888042e-05,
            4.614135468727909e-05,
            1.3480700727086514e-05,
        ),
    ),
    (
        41,
        109,
        "float64",
        (0.09875075611529817, 2.4939237502743303, 0.00023145398875742596, 1.3990334087771328),
    ),
    (
        41,
        109,
        "float32",
        (0.0987507551908493, 2.4939236640930176, 0.00023145398881752044, 1.3990334510803222),
    ),
    (
        52,
        89,
        "float64",
        (0.0008821607857434527, 0.003161941468359607, 2.899655119720956e-05, 0.0004048210964582786),
    ),
    (
        52,
        89,
        "float32",
        (0.0008821607916615903, 0.003161941422149539, 2.899655191868078e-05, 0.000404821103438735),
    ),
    (
        70,
        56,
        "float64",
        (
            1.9149969139105622e-05,
            1.2940790407586787e-05,
            2.5723283496652302e-05,
            3.4474028627765524e-06,
        ),
    ),
    (
        70,
        56,
        "float32",
        (
            1.9149969375575893e-05,
            1.2940790838911198e-05,
            2.5723284124978818e-05,
            3.447402923484333e-06,
        ),
    ),
    (
        90,
        46,
        "float64",
        (
            7.39726087199168e-05,
            0.0011174032264467174,
            1.7795171494301546e-05,
            5.911237004388139e-05,
        ),
    ),
    (
        90,
        46,
        "float32",
        (
            7.397260924335569e-05,
            0.0011174032697454095,
            1.779517151589971e-05,
            5.911237094551325e-05,
        ),
    ),
]
# seed, points, what Lightning gave
LIGHTNING = [
    (0, 16, 9.142784421849198e-05),
    (3, 37, 7.290086330643148e-05),
    (5, 51, 7.536731849820749e-05),
    (9, 79, 5.160569884951775e-05),
    (14, 17, 6.525725994897144e-05),
    (20, 59, 7.896282874888218e-05),
    (27, 108, 8.481630181445605e-05),
    (33, 53, 9.674448575359274e-05),
    (41, 109, 0.00010611586109470952),
    (52, 89, 0.00010902392476058697),
    (70, 56, 0.03243837248903361),
    (90, 46, 7.39726087199168e-05),
]


def curve(seed: int, points: int, precision: npt.DTypeLike) -> tuple[Floats, Floats]:
    """A loss that wanders down, then up: the same floats on every machine."""
    draw = Random(seed).random
    fall = 0.2 * draw()
    rates, losses = [1e-5 * (1 + draw())], [2.0 + draw()]
    turn = points * draw()
    for point in range(1, points):
        rates.append(rates[-1] * (1.05 + 0.2 * draw()))
        trend = -fall if point < turn else fall
        losses.append(losses[-1] * (1 + 0.5 * trend) + (draw() - 0.5) * fall)
    return np.array(rates, precision), np.array(losses, precision)


@pytest.mark.parametrize(("seed", "points", "precision", "recorded"), FASTAI)
def test_fastais_rules_give_what_fastai_gives_bit_for_bit(
    seed: int, points: int, precision: str, recorded: tuple[float, ...]
) -> None:
    rates, losses = curve(seed, points, precision)
    assert tuple(rule(rates, losses) for rule in RULES) == recorded


@pytest.mark.parametrize(("seed", "points", "recorded"), LIGHTNING)
def test_lightnings_rule_gives_what_lightning_gives(
    seed: int, points: int, recorded: float
) -> None:
    part = slice(LIGHTNING_SKIP_BEGIN, -LIGHTNING_SKIP_END)
    rates, losses = (array[part] for array in curve(seed, points, np.float32))
    assert steepest_gradient(rates, losses) == np.float32(recorded)


def test_the_rules_by_hand() -> None:
    rates = np.array([1.0, 2.0, 4.0, 8.0, 16.0, 32.0])
    losses = np.array([5.0, 6.0, 4.0, 1.0, 2.0, 3.0])
    # 5, 4, 1 fall and end at index 3: a valley of 3 points from index 0, read a third further
    assert valley(rates, losses) == 2.0
    assert steep(rates, losses) == 4.0  # from 4 to 8 the loss falls by 3
    assert minimum(rates, losses) == 0.8
    # At 4 the slopes are -1 from 2 and -3/4 to 8, weighted by the other's distance: -11/12
    assert steepest_gradient(rates, losses) == 4.0


def test_a_loss_that_never_falls_has_its_valley_at_the_beginning() -> None:
    assert valley(np.array([1.0, 2.0, 3.0]), np.array([1.0, 1.0, 2.0])) == 1.0


@pytest.mark.parametrize(
    ("rule", "least"), [(valley, 1), (slide, 16), (steep, 2), (minimum, 1), (steepest_gradient, 2)]
)
def test_a_curve_too_short_for_a_rule_gives_nan(rule: object, least: int) -> None:
    rates, losses = curve(0, least, np.float64)
    assert callable(rule)
    assert math.isfinite(rule(rates, losses))
    assert math.isnan(rule(rates[:-1], losses[:-1]))


@given(st.integers(0, 1000), st.integers(16, 60))
def test_what_is_suggested_is_a_rate_of_the_test(seed: int, points: int) -> None:
    rates, losses = curve(seed, points, np.float64)
    for rule in (valley, slide, steep, steepest_gradient):
        assert rule(rates, losses) in rates
    assert minimum(rates, losses) in rates / 10


@given(st.integers(0, 1000), st.integers(2, 40), st.sampled_from([0.25, 2.0, 64.0]))
def test_valley_steep_and_minimum_do_not_know_the_unit_of_the_loss(
    seed: int, points: int, factor: float
) -> None:
    rates, losses = curve(seed, points, np.float64)
    for rule in (valley, steep, minimum):
        assert rule(rates, factor * losses) == rule(rates, losses)
