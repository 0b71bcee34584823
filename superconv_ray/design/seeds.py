"""How many seeds a study runs: a fixed number, or as many as a comparison needs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import dataclass
from numbers import Integral

from superconv_ray.design.fields import COUNT, SEED, check_attributes, checked


@dataclass(frozen=True)
class AtLeast:
    """A number of seeds that depends on their results; see `at_least`."""

    least: int
    up_to: int

    def __post_init__(self) -> None:
        check_attributes(self, dict.fromkeys(("least", "up_to"), (int, COUNT)), "at_least: ")
        if not 2 <= self.least <= self.up_to:
            raise ValueError(
                "at_least: must be 2 <= least <= up_to, because one seed does not show any spread; "
                f"got least={self.least} and up_to={self.up_to}"
            )


def at_least(least: int, *, up_to: int) -> AtLeast:
    """Run further seeds only where the comparison of the arms is undecided.

    Every point of the sweep starts with `least` seeds. All of its arms get one more as long as a
    row of `compare` at this point is undecided: one that compares the first arm with any other. The
    rule is that of the report's verdicts, with levels that hold although they are looked at after
    every seed; see `analysis.comparison.verdicts.level_per_row`.

    Raises:
        TypeError: A number of seeds is not an integer.
        ValueError: The numbers are not ordered.
    """
    return AtLeast(least, up_to)


def seed_values(seeds: int | Sequence[int] | AtLeast) -> Sequence[int]:
    """Return one seed per replicate; for `at_least`, all seeds that may be needed.

    Raises:
        TypeError: The seeds are not integers.
        ValueError: There are no seeds, a seed occurs twice, or is out of its range.
    """
    if isinstance(seeds, AtLeast):
        return range(seeds.up_to)
    if isinstance(seeds, bool | str | Mapping | Set) or not isinstance(
        seeds, Integral | Collection
    ):
        raise TypeError(f"seeds must be a count or a sequence of integers, got {seeds!r}")
    values: Sequence[int]
    if isinstance(seeds, Integral):
        values = range(int(seeds))
    elif isinstance(seeds, range):  # which may be too long to look at each
        values = seeds
    else:
        values = tuple(checked("seeds: each", value, int, SEED) for value in seeds)
        if len(set(values)) < len(values):
            raise ValueError(f"seeds must differ from one another, got {values}")
    if not values:
        raise ValueError(f"seeds must be at least one, got {seeds!r}")
    for value in (values[0], values[-1]):
        SEED.check("seeds: each", value)
    return values
