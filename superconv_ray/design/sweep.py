"""Sweeps: the points at which a study compares its arms."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from superconv_ray.design.own_functions import named


@dataclass(frozen=True)
class Sweep:
    """Points of a design: settings under which every arm is run.

    Sweeps multiply: ``grid(...) * paired(...)`` has every point of the one with every point of the
    other.

    Attributes:
        factors: Fields that vary together, with as many values each. The points are all
            combinations of the factors; the last one varies fastest.
    """

    factors: tuple[Mapping[str, Sequence[Any]], ...]

    def __post_init__(self) -> None:
        names = [name for factor in self.factors for name in factor]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"sweep: {name!r} is swept twice")

    def __len__(self) -> int:
        """Number of points, known before they are made."""
        return math.prod(len(next(iter(factor.values()))) for factor in self.factors)

    def __mul__(self, other: Sweep) -> Sweep:
        """Combine every point of this sweep with every point of the other."""
        return Sweep(self.factors + other.factors)

    def values(self, name: str) -> Sequence[Any]:
        """Values of a field that is swept; empty if it is not."""
        return next((factor[name] for factor in self.factors if name in factor), ())

    @cached_property
    def points(self) -> tuple[Mapping[str, Any], ...]:
        """Settings of every point."""
        values = itertools.product(*(_rows(factor) for factor in self.factors))
        names = [name for factor in self.factors for name in factor]
        return tuple(dict(zip(names, itertools.chain(*rows), strict=True)) for rows in values)

    def without(self, names: Collection[str]) -> Sweep:
        """Return the sweep without these fields; points that then are equal become one."""
        factors = []
        for factor in self.factors:
            kept = {name: values for name, values in factor.items() if name not in names}
            rows: list[tuple[Any, ...]] = []
            for row in _rows(kept):
                if row not in rows:
                    rows.append(row)
            if kept:
                factors.append(dict(zip(kept, zip(*rows, strict=True), strict=True)))
        return Sweep(tuple(factors))


def grid(**values: Iterable[Any]) -> Sweep:
    """Return every combination of the fields' values; the last field varies fastest."""
    columns = _columns("grid", values)
    return Sweep(tuple({name: column} for name, column in columns.items()))


def paired(**values: Iterable[Any]) -> Sweep:
    """Return the fields' first values together, then their second values together, and so on."""
    columns = _columns("paired", values)
    if not columns:
        raise ValueError("paired: must have at least one field, got none")
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"paired: all fields must have the same number of values, got {lengths}")
    return Sweep((columns,))


def _rows(factor: Mapping[str, Sequence[Any]]) -> Iterable[tuple[Any, ...]]:
    return zip(*factor.values(), strict=True)


def _columns(where: str, values: Mapping[str, Iterable[Any]]) -> dict[str, Sequence[Any]]:
    columns: dict[str, Sequence[Any]] = {}
    for name, column in values.items():
        if isinstance(column, str) or not isinstance(column, Iterable):
            raise ValueError(f"{where}: {name} must be a sequence of values, got {column!r}")
        if not isinstance(column, range):
            column = tuple(named(f"{where}: {name}", value) for value in column)
        columns[name] = column
        if not columns[name]:
            raise ValueError(f"{where}: {name} must have at least one value, got none")
    return columns
