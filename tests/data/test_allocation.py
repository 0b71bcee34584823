import random
import subprocess
import sys
import time
import timeit
from collections.abc import Callable
from fractions import Fraction
from math import floor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import superconv_ray.data
from superconv_ray.data.allocation import (
    class_order,
    split_counts,
    validation_ranks,
)

REPOSITORY = Path(superconv_ray.data.__path__[0]).parents[1]

sizes = st.lists(st.integers(1, 40), min_size=2, max_size=12).map(tuple)
fractions = st.sampled_from([0.0, 0.1, 0.2, 0.25, 1 / 3, 0.5, 0.9, 1e-5])


@st.composite
def splits(draw: st.DrawFn) -> tuple[tuple[int, ...], int, float]:
    class_counts = draw(sizes)
    return class_counts, draw(st.integers(1, sum(class_counts))), draw(fractions)


def test_order_of_two_classes_is_the_one_worked_out_by_hand() -> None:
    # keys of class 0: 1/8 3/8 5/8 7/8; of class 1: 1/4 3/4
    assert class_order((4, 2)) == (0, 1, 0, 0, 1, 0)


def test_equal_keys_are_ordered_by_class() -> None:
    assert class_order((2, 2, 2)) == (0, 1, 2, 0, 1, 2)
    # 3 * 0.5 / 3 and 0.5 / 1 are the same key, 1/2
    assert class_order((1, 3)) == (1, 0, 1, 1)


@settings(deadline=None)
@given(splits())
def test_parts_follow_the_law_term_by_term(case: tuple[tuple[int, ...], int, float]) -> None:
    class_counts, count, v = case
    keyed = sorted(
        (Fraction(2 * i + 1, 2 * n), c, i) for c, n in enumerate(class_counts) for i in range(n)
    )
    exact = Fraction(str(v))
    training, validation = [0] * len(class_counts), [0] * len(class_counts)
    for _, c, i in keyed[:count]:
        held_out = floor((i + 1) * exact) > floor(i * exact)
        (validation if held_out else training)[c] += 1
    counts = split_counts(class_counts, count, v)
    assert counts.training == tuple(training)
    assert counts.validation == tuple(validation)


@settings(deadline=None)
@given(splits())
def test_each_class_is_near_its_fair_share(case: tuple[tuple[int, ...], int, float]) -> None:
    class_counts, count, _ = case
    n, classes = sum(class_counts), len(class_counts)
    for got, size in zip(
        split_counts(class_counts, count, 0.0).training, class_counts, strict=True
    ):
        share = Fraction(size, n)
        assert abs(got - count * share) <= (1 + share * (classes - 2)) / 2


@settings(deadline=None)
@given(st.integers(2, 12), st.integers(1, 40), st.data())
def test_balanced_classes_are_within_one_of_their_fair_share(
    classes: int, size: int, data: st.DataObject
) -> None:
    count = data.draw(st.integers(1, classes * size))
    assert all(
        abs(got - count / classes) < 1
        for got in split_counts((size,) * classes, count, 0.0).training
    )


@settings(deadline=None)
@given(splits())
def test_a_larger_subset_holds_no_fewer_of_any_class_and_part(
    case: tuple[tuple[int, ...], int, float],
) -> None:
    class_counts, count, v = case
    if count == 1:
        return
    larger, smaller = split_counts(class_counts, count, v), split_counts(class_counts, count - 1, v)
    grown = [
        a - b
        for a, b in zip(
            larger.training + larger.validation, smaller.training + smaller.validation, strict=True
        )
    ]
    assert min(grown) == 0
    assert sum(grown) == 1


def test_decimal_fractions_suffer_no_binary_accident() -> None:
    # In floats 30 * 0.1 > 3 and 3 * 0.1 > 0.3; the 10th, 20th and 30th sample validate.
    assert validation_ranks(30, 0.1) == [9, 19, 29]
    assert validation_ranks(10, 0.2) == [4, 9]
    assert validation_ranks(29, 0.1) == [9, 19]
    assert split_counts((100, 100), 200, 0.29).validation == (29, 29)


@settings(deadline=None)
@given(st.integers(0, 200), fractions)
def test_validation_ranks_are_those_at_which_the_floor_grows(size: int, v: float) -> None:
    exact = Fraction(str(v))
    expected = [i for i in range(size) if floor((i + 1) * exact) > floor(i * exact)]
    assert validation_ranks(size, v) == expected


@pytest.mark.parametrize("count", [0, -1, 7])
def test_a_count_outside_the_data_is_rejected(count: int) -> None:
    with pytest.raises(ValueError, match=rf"count must be in \[1, 6\].*got {count}"):
        split_counts((3, 3), count, 0.0)


@pytest.mark.parametrize("fraction", [-0.1, 1.0, float("nan")])
def test_a_validation_fraction_outside_its_range_is_rejected(fraction: float) -> None:
    with pytest.raises(ValueError, match=r"validation_fraction must be in \[0, 1\), got"):
        split_counts((3, 3), 2, fraction)


def test_sixty_thousand_samples_are_allocated_fast() -> None:
    def allocate() -> None:
        for cached in (class_order, split_counts):
            cached.cache_clear()
        split_counts((6_001,) * 10, 30_000, 0.1)

    def seconds(work: Callable[[], object]) -> float:
        return min(timeit.repeat(work, timer=time.thread_time, number=1, repeat=3))

    numbers = random.Random(0).choices(range(10**9), k=60_010)
    # It takes twice as long as sorting so many numbers does, also where everything takes longer
    assert seconds(allocate) < 20 * seconds(lambda: sorted(numbers))


@pytest.mark.parametrize("module", ["allocation", "catalog"])
def test_modules_used_for_planning_import_neither_numpy_nor_torch_nor_ray(module: str) -> None:
    code = (
        f"import sys, superconv_ray.data.{module}; "
        "print({'numpy', 'torch', 'torchvision', 'sklearn', 'ray'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"
