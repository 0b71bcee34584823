"""Reservations about the rows of a comparison, and why values are missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

import pandas as pd

from superconv_ray.analysis.comparison.choices import SHARED_CHOICE
from superconv_ray.analysis.comparison.further_seeds import MAX_SEEDS
from superconv_ray.analysis.comparison.verdicts import UNDECIDED, comparable
from superconv_ray.design.text import counted


def note(row: Mapping[Any, Any]) -> str:
    """Reservations about a row, and reasons for missing values; often none.

    Args:
        row: A row of `verdicts` and `further_seeds`, with arm and baseline.
    """
    parts = (_on_pairs(row), _on_divergence(row), _on_choices(row), _on_decision(row))
    return "; ".join(chain.from_iterable(parts))


def _on_pairs(row: Mapping[Any, Any]) -> Iterator[str]:
    n, sides = row["n"], [(row["arm"], row["runs"]), (row["baseline"], row["runs_baseline"])]
    lacking = [repr(name) for name, runs in sides if not runs]
    if lacking:
        yield f"no finished training of {lacking[0]} here"
    elif not n:
        yield "no pair: the arms share no seed and subset"
    else:
        for name, runs in sides:
            if runs > n:
                yield f"{counted(runs - n, 'run')} of {name!r} without a partner left out"
    if n == 1:
        yield "one pair has no spread: no interval, and no estimate of further seeds"
    elif n > 1 and row["sd"] == 0:
        yield f"all {n} gaps are equal: no spread to judge by"
    elif n == 2:
        yield "two pairs are too few for an effect size"


def _on_divergence(row: Mapping[Any, Any]) -> Iterator[str]:
    for side in ("arm", "baseline"):
        suffix = "_baseline" if side == "baseline" else ""
        runs, diverged = row[f"runs{suffix}"], row[f"diverged{suffix}"]
        if runs and diverged == runs:
            yield f"{row[side]!r} diverged in all of {counted(runs, 'run')}"
        elif diverged:
            of = counted(runs, "run")
            yield f"{row[side]!r} diverged in {diverged} of {of}, counted as measured"


def _on_choices(row: Mapping[Any, Any]) -> Iterator[str]:
    if any(row[f"choices{side}"] < row[f"chosen{side}"] for side in ("", "_baseline")):
        yield SHARED_CHOICE


def _on_decision(row: Mapping[Any, Any]) -> Iterator[str]:
    tried = row["n"] > 1 and row["verdict"] == UNDECIDED and comparable(row)
    if tried and pd.isna(row["further_seeds"]):
        larger = " or a larger test set" if row["of_samples"] > 0 else ""
        yield f"it would take more than {MAX_SEEDS:,} seeds{larger} to decide"
