"""The metric of a range test on the scale of accuracies, which every rule reads."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from superconv_ray.analysis.statistics.intervals import Floats
from superconv_ray.design.metrics import Metric, metric_of


def range_test_scores(values: npt.ArrayLike, metric: Metric) -> Floats:
    """Return the metric along one run of a range test as scores in [0, 1]: more is better.

    Shares, such as balanced accuracy, stay as they are. Of other metrics it is the share of the
    run's largest gain over its first row, where the network knows nothing yet; 0 is no gain at all,
    or a loss.

    Args:
        values: Shape [rows], in the order of the steps.
        metric: What was measured.
    """
    measured = np.asarray(values, dtype=np.float64)
    if metric.share or not len(measured):
        return measured
    gains = metric.sign * (measured - measured[0])
    best = np.nanmax(gains)
    return np.clip(gains / best, 0, 1) if best > 0 else np.zeros_like(gains)


def with_scores(tests: pd.DataFrame) -> pd.DataFrame:
    """Return rows of range tests with scores in the accuracy columns, where accuracy is not it."""
    if "metric" not in tests:
        return tests
    other = tests[tests["metric"].fillna("accuracy") != "accuracy"]
    for labels in ("validation", "test"):
        column, score = f"{labels}_metric_reestimated", f"{labels}_accuracy_reestimated"
        if column not in other or other[column].isna().all():
            continue
        tests = tests.copy()
        for _, run in other.sort_values("step").groupby("trial_id", sort=False):
            metric = metric_of(dict(run.iloc[0]))
            tests.loc[run.index, score] = range_test_scores(run[column], metric)
    return tests
