"""Sweeps: the points at which a study compares its arms."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Sweep:
    """Points of a design: settings under which every arm is run.

    Sweeps multiply: ``grid(...) * paired(...)`` has every point of the one with every point of the
    other.
    """

    points: tuple[Mapping[str, Any], ...]

    def __post_init__(self) -> None:
        if not self.points:
            raise ValueError("sweep must have at least one point, got none")

    def __mul__(self, other: Sweep) -> Sweep:
        """Combine every point of this sweep with every point of the other."""
        pairs = itertools.product(self.points, other.points)
        return Sweep(tuple(_merge_points(a, b) for a, b in pairs))


def grid(**values: Iterable[Any]) -> Sweep:
    """Return every combination of the fields' values; the last field varies fastest."""
    columns = _columns("grid", values)
    return _sweep(columns, itertools.product(*columns.values()))


def paired(**values: Iterable[Any]) -> Sweep:
    """Return the fields' first values together, then their second values together, and so on."""
    columns = _columns("paired", values)
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"paired: all fields must have the same number of values, got {lengths}")
    return _sweep(columns, zip(*columns.values(), strict=True))


def _sweep(names: Iterable[str], points: Iterable[tuple[Any, ...]]) -> Sweep:
    return Sweep(tuple(dict(zip(names, point, strict=True)) for point in points))


def _merge_points(a: Mapping[str, Any], b: Mapping[str, Any]) -> Mapping[str, Any]:
    if both := sorted(a.keys() & b.keys()):
        raise ValueError(f"sweep: {both[0]!r} is swept twice")
    return {**a, **b}


def _columns(where: str, values: Mapping[str, Iterable[Any]]) -> dict[str, tuple[Any, ...]]:
    columns = {}
    for name, column in values.items():
        if isinstance(column, str) or not isinstance(column, Iterable):
            raise ValueError(f"{where}: {name} must be a sequence of values, got {column!r}")
        columns[name] = tuple(column)
        if not columns[name]:
            raise ValueError(f"{where}: {name} must have at least one value, got none")
    return columns
