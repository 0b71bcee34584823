"""Claims on LR range tests, for networks with and without super-convergence.

The study sweeps the network and the budget. Of each network the longest range test is read.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from superconv_ray.analysis.long_runs import (
    DOES_NOT,
    SUPER_CONVERGES,
    time_to_accuracy,
)
from superconv_ray.analysis.range_tests.frames import join_range_tests
from superconv_ray.analysis.range_tests.tables import range_test_table
from superconv_ray.analysis.scorecard.judgement import (
    CANNOT_TELL,
    DOES_NOT_HOLD,
    HOLDS,
    Judgement,
    Verdict,
    all_of,
)
from superconv_ray.design.text import interval_text

NEGATIVE = ("bottleneck", "resnext")
"""How the names begin of networks for which the paper found no super-convergence."""
TOLD = {"plateau": True, "peak": False, "collapse": False}
"""Verdicts of a range test that say whether its plateau is wide; the others are in doubt."""

FAST = {SUPER_CONVERGES: True, DOES_NOT: False}
"""Verdicts of `time_to_accuracy` that say whether 1cycle needs a third of the steps, or fewer."""


def range_plateau(trials: pd.DataFrame, curves: pd.DataFrame) -> Judgement:
    """Whether the usual ResNet has a wide plateau."""
    ((_, row),) = [found for found in _readings(trials, curves) if not _is_negative(found[0])]
    return Judgement(_said(row), _of(TOLD.get(row["verdict"])))


def range_negative(trials: pd.DataFrame, curves: pd.DataFrame) -> Judgement:
    """Whether the other networks peak at a lower rate than the usual ResNet, and collapse."""
    readings = dict(_readings(trials, curves))
    usual = next(row for model, row in readings.items() if not _is_negative(model))
    others = {model: row for model, row in readings.items() if _is_negative(model)}
    verdicts = [
        all_of(
            [
                _of(None if row["verdict"] not in TOLD else row["verdict"] == "collapse"),
                _of(_is_lower(row, usual)),
            ]
        )
        for row in others.values()
    ]
    said = "; ".join(f"{model}: {_said(row)}" for model, row in others.items())
    return Judgement(f"{said}; usual ResNet: peak at {usual['peak_lr']:g}", all_of(verdicts))


def range_predicts(trials: pd.DataFrame, curves: pd.DataFrame) -> Judgement:
    """Whether exactly the networks with a wide plateau need a third of the steps, or fewer."""
    table = time_to_accuracy(trials, "one_cycle", "step", ["model"])
    factors = {row["model"]: row for row in table.to_dict("records")}
    verdicts, said = [], []
    for model, row in _readings(trials, curves):
        found = factors[model]
        wide, fast = TOLD.get(row["verdict"]), FAST.get(found["verdict"])
        verdicts.append(_of(None if wide is None or fast is None else wide == fast))
        factor = interval_text(found["factor"], found["low"], found["high"], ".1f")
        said.append(f"{model}: {row['verdict']}, {factor} times fewer steps")
    return Judgement("; ".join(said), all_of(verdicts))


def _readings(trials: pd.DataFrame, curves: pd.DataFrame) -> list[tuple[str, dict[str, Any]]]:
    """Every network's name, and what its longest range test shows."""
    table = range_test_table(join_range_tests(trials, curves), ["model", "steps"])
    longest = table.loc[table.groupby("model")["steps"].idxmax()]
    rows: list[dict[Any, Any]] = longest.to_dict("records")
    return [(str(row["model"]), row) for row in rows]


def _is_negative(model: str) -> bool:
    return model.startswith(NEGATIVE)


def _said(row: dict[str, Any]) -> str:
    collapse = f", collapse at {row['collapse_lr']:g}" if row["collapsed"] else ""
    return (
        f"{row['verdict']}, peak {100 * row['peak_accuracy']:.1f} % at rate {row['peak_lr']:g}, "
        f"95 % of it up to {row['plateau_high']:g}{collapse}"
    )


def _is_lower(row: dict[str, Any], usual: dict[str, Any]) -> bool | None:
    """Whether a test peaks at a lower rate than another; None if their intervals overlap."""
    if row["high"] < usual["low"]:
        return True
    return False if row["low"] > usual["high"] else None


def _of(answer: bool | None) -> Verdict:
    return CANNOT_TELL if answer is None else HOLDS if answer else DOES_NOT_HOLD
