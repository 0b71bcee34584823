import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from superconv_ray.data.allocation import class_order, split_counts
from superconv_ray.data.subsets import Indices, limited_subset, stratified_order

fractions = st.sampled_from([0.0, 0.1, 0.2, 1 / 3, 0.5])


@st.composite
def labeled(draw: st.DrawFn) -> Indices:
    """Labels of up to 6 classes, each of which occurs, in any order."""
    sizes = draw(st.lists(st.integers(1, 25), min_size=2, max_size=6))
    labels = np.repeat(np.arange(len(sizes)), sizes)
    return np.random.default_rng(draw(st.integers(0, 99))).permutation(labels)


@settings(deadline=None)
@given(labeled(), st.integers(0, 2**32))
def test_the_order_visits_every_sample_once_in_the_class_order_of_the_law(
    labels: Indices, seed: int
) -> None:
    order = stratified_order(labels, seed)
    assert sorted(order) == list(range(len(labels)))
    assert tuple(labels[order]) == class_order(tuple(np.bincount(labels).tolist()))


@settings(deadline=None)
@given(labeled(), fractions, st.data())
def test_class_counts_are_those_of_the_allocation(
    labels: Indices, fraction: float, data: st.DataObject
) -> None:
    count = data.draw(st.integers(1, len(labels)))
    subset = limited_subset(labels, count=count, seed=3, validation_fraction=fraction)
    class_counts = tuple(np.bincount(labels).tolist())
    planned = split_counts(class_counts, count, fraction)
    for part, expected in (
        (subset.training, planned.training),
        (subset.validation, planned.validation),
    ):
        assert tuple(np.bincount(labels[part], minlength=len(class_counts))) == expected


@settings(deadline=None)
@given(labeled(), fractions, st.integers(0, 5), st.data())
def test_parts_are_disjoint_and_each_is_a_prefix_of_the_larger_subsets_part(
    labels: Indices, fraction: float, seed: int, data: st.DataObject
) -> None:
    small = data.draw(st.integers(1, len(labels)))
    large = data.draw(st.integers(small, len(labels)))
    a, b = (
        limited_subset(labels, count=count, seed=seed, validation_fraction=fraction)
        for count in (small, large)
    )
    assert len(np.union1d(a.training, a.validation)) == small
    assert not np.intersect1d(b.training, b.validation).size
    np.testing.assert_array_equal(a.training, b.training[: len(a.training)])
    np.testing.assert_array_equal(a.validation, b.validation[: len(a.validation)])


def test_without_validation_a_subset_is_the_start_of_the_order() -> None:
    labels = np.arange(60) % 7
    subset = limited_subset(labels, count=20, seed=1, validation_fraction=0.0)
    np.testing.assert_array_equal(subset.training, stratified_order(labels, 1)[:20])
    assert len(subset.validation) == 0


def test_the_seed_changes_the_samples_but_not_the_classes() -> None:
    labels = np.arange(1000) % 10
    one, two = (stratified_order(labels, seed) for seed in (1, 2))
    np.testing.assert_array_equal(labels[one], labels[two])
    assert (one != two).mean() > 0.9
    assert not np.array_equal(np.sort(one[:100]), np.sort(two[:100]))


def test_the_order_is_the_recorded_one_in_every_process() -> None:
    labels = np.repeat(np.arange(10), 100)
    order = stratified_order(labels, 42).astype("<i8")
    assert hashlib.sha256(order.tobytes()).hexdigest()[:16] == "417756e993241047"


def test_bad_arguments_are_rejected() -> None:
    labels = np.array([0, 1, 0, 1])
    with pytest.raises(ValueError, match=r"count must be in \[1, 4\] .*, got 5"):
        limited_subset(labels, count=5, seed=0, validation_fraction=0.0)
    with pytest.raises(ValueError, match=r"validation_fraction must be in \[0, 1\), got 1.0"):
        limited_subset(labels, count=2, seed=0, validation_fraction=1.0)
    with pytest.raises(ValueError, match="seed must be >= 0, got -1"):
        stratified_order(labels, -1)
    with pytest.raises(ValueError, match="labels must be integers"):
        stratified_order(labels / 2, 0)
