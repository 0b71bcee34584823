"""How many seeds a study runs: a fixed number, or as many as a comparison needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from superconv_ray.design.fields import SEED


@dataclass(frozen=True)
class AtLeast:
    """A number of seeds that depends on their results; see `at_least`."""

    least: int
    up_to: int

    def __post_init__(self) -> None:
        for name in ("least", "up_to"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int):
                raise TypeError(f"at_least: {name} must be an integer, got {value!r}")
        if not 2 <= self.least <= self.up_to:
            raise ValueError(
                "at_least: must be 2 <= least <= up_to, because one seed does not show any spread; "
                f"got least={self.least} and up_to={self.up_to}"
            )


def at_least(least: int, *, up_to: int) -> AtLeast:
    """Run further seeds only where it is still open which arm is better.

    Every point of the sweep starts with `least` seeds. All of its arms get one more as long as the
    sign of the gap between the first arm and any other arm is open, that is, as long as a
    sequential confidence interval of the gap contains zero. Such an interval stays valid however
    often it is looked at; see `analysis.statistics.sequential.sign_decided`.

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
    wrong_type = TypeError(f"seeds must be a count or a sequence of integers, got {seeds!r}")
    if isinstance(seeds, bool) or not isinstance(seeds, (int, Sequence)):
        raise wrong_type
    values: Sequence[int] = range(seeds) if isinstance(seeds, int) else seeds
    if not isinstance(values, range):  # which may be too long to look at each
        values = tuple(values)
        if not all(isinstance(value, int) and not isinstance(value, bool) for value in values):
            raise wrong_type
        if len(set(values)) < len(values):
            raise ValueError(f"seeds must differ from one another, got {values}")
    if not values:
        raise ValueError(f"seeds must be at least one, got {seeds!r}")
    for value in (values[0], values[-1]) if isinstance(values, range) else values:
        SEED.check("seeds: each", value)
    return values
