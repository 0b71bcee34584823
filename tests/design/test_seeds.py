from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from superconv_ray.design.seeds import at_least, seed_values


def test_seeds_are_given_by_count_or_by_value() -> None:
    assert tuple(seed_values(2)) == (0, 1)
    assert seed_values([5, 3]) == (5, 3)
    assert tuple(seed_values(range(10, 12))) == (10, 11)
    assert tuple(seed_values(np.int64(2))) == (0, 1)  # type: ignore[arg-type]
    assert seed_values(np.arange(5, 7)) == (5, 6)  # type: ignore[arg-type]


@pytest.mark.parametrize("seeds", [0, -1, ()])
def test_at_least_one_seed_is_needed(seeds: Any) -> None:
    with pytest.raises(ValueError, match="seeds must be at least one, got"):
        seed_values(seeds)


def test_seeds_differ() -> None:
    with pytest.raises(ValueError, match=r"seeds must differ from one another, got \(1, 2, 1\)"):
        seed_values((1, 2, 1))


@pytest.mark.parametrize("seeds", [[3, -1], range(2**31 + 1), [2**31]])
def test_seeds_are_in_their_range(seeds: Any) -> None:
    with pytest.raises(ValueError, match=r"seeds: each must be an integer in \[0, 2\*\*31\), got"):
        seed_values(seeds)


@pytest.mark.parametrize("seeds", [True, 2.0, "12", None, {1, 2}, (1, 2.5), (True,), ["1"]])
def test_seeds_are_integers(seeds: Any) -> None:
    message = r"^seeds(: each must be of type int| must be a count or a sequence of integers), got"
    with pytest.raises(TypeError, match=message):
        seed_values(seeds)


def test_seeds_of_a_comparison_are_all_that_it_may_need() -> None:
    assert tuple(seed_values(at_least(3, up_to=12))) == tuple(range(12))


@pytest.mark.parametrize(("least", "up_to"), [(1, 5), (5, 3)])
def test_an_impossible_number_of_seeds_is_rejected(least: int, up_to: int) -> None:
    with pytest.raises(ValueError, match="at_least: must be 2 <= least <= up_to"):
        at_least(least, up_to=up_to)
