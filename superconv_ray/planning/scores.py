"""Outcomes as the planner sees them: what a study measures becomes a score; more is better.

Choices, and the decision about further seeds, read the accuracy columns of outcomes. A study with
another metric has its metric there instead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from superconv_ray.analysis.range_tests.scores import range_test_scores
from superconv_ray.design.metrics import ACCURACY, Metric
from superconv_ray.design.outcome import Outcome
from superconv_ray.planning.choice import READ_COLUMN, SCORE_COLUMN

SCORED = (SCORE_COLUMN, "test_accuracy")


def measured_in(column: str, metric: Metric) -> str:
    """Return the column that has the metric where `column` has the accuracy."""
    return column.replace("accuracy", metric.suffix)


def scored(outcome: Outcome, metric: Metric) -> Outcome:
    """Return an outcome with scores in place of accuracies, unless accuracy is the metric.

    The score of a trial is the metric, times -1 if less of it is better. The scores along a range
    test are those of `range_test_scores`.
    """
    if metric == ACCURACY:
        return outcome
    measurements = dict(outcome.measurements)
    for column in SCORED:
        value = measurements.pop(measured_in(column, metric), None)
        if value is not None:
            measurements[column] = metric.sign * value
    return replace(outcome, measurements=measurements, curve=_scored(outcome.curve, metric))


def _scored(curve: Sequence[Mapping[str, Any]], metric: Metric) -> Sequence[Mapping[str, Any]]:
    column = measured_in(READ_COLUMN, metric)
    if not all(column in row for row in curve):
        return curve  # measured on test labels, which no choice reads
    scores = range_test_scores([row[column] for row in curve], metric)
    return [{**row, READ_COLUMN: score} for row, score in zip(curve, scores.tolist(), strict=True)]
