"""What a search gains against all steps that it takes, as if it had tried fewer settings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import special

from superconv_ray.analysis.frames import metric_in
from superconv_ray.analysis.settings.search import SCORE, SCORE_OF_METRIC, searched
from superconv_ray.analysis.statistics.intervals import Floats, Interval, mean_interval


def expected_best(trials: pd.DataFrame, by: Sequence[str] = ("data_count",)) -> pd.DataFrame:
    """Expected best score of k tried settings, against the steps of the search and one training.

    Arms that are compared after the same number of steps need not have cost the same: one may do
    well with any setting, another only after a long search. An arm whose curve lies higher at the
    same total number of steps is the better use of them (Dodge et al. 2019, EMNLP, "Show your
    work").

    The expectation is over the k settings that a search might have tried first, drawn without
    replacement from those that it tried (Tang et al. 2020, ACL): the best of k is without bias
    then, unless the search learned from its scores. Scores are on validation labels, and the best
    of several is flattered by their noise: compare arms with each other, not with test accuracies.

    Args:
        trials: As from ``open_store(...).trials(study)``.
        by: Columns that a cell's trials share and that identify the cell.

    Returns:
        One row per arm, point and k. Columns: `by`, arm, k, total_steps (of k settings and one
        training, mean over searches), mean, low, high (95 % t interval over searches, which are
        those of different seeds), n (searches). Arms without a search have no rows.

    Raises:
        TypeError: `trials` is no frame.
        ValueError: A column is missing.
    """
    table = searched(trials, by)
    place = [*by, "arm"]
    # A search of several settings has a row for each of them.
    table = table[
        table["setting"]
        == table.groupby([*place, "cell", "seed"], dropna=False)["setting"].transform("first")
    ]
    sign = metric_in(trials, SCORE_OF_METRIC if SCORE_OF_METRIC in trials else SCORE).sign
    trainings = trials[trials["role"] == "training"]
    training_steps = {
        key: own["steps_done"].mean() for key, own in trainings.groupby(place, dropna=False)
    }
    rows: list[tuple[object, ...]] = []
    for key, own in table.groupby(place, dropna=False):
        searches = [group for _, group in own.groupby(["cell", "seed"], dropna=False)]
        curves = [sign * _best_of(sign * group["score"].to_numpy(float)) for group in searches]
        each = np.mean([group["search_steps"].mean() for group in searches])
        for k in range(1, min(map(len, curves)) + 1):
            steps = k * each + training_steps[key]
            rows.append((*key, k, steps, *mean_interval([curve[k - 1] for curve in curves])))
    return pd.DataFrame(rows, columns=[*place, "k", "total_steps", *Interval._fields])


def _best_of(scores: Floats) -> Floats:
    """Expected maximum of k scores drawn without replacement, for k from 1 to all of them.

    The i-th smallest of m is the best of k draws in C(i - 1, k - 1) of C(m, k) cases.
    """
    m = len(scores)
    i, k = np.arange(1, m + 1), np.arange(1, m + 1)[:, np.newaxis]
    chances = special.comb(i - 1, k - 1) / special.comb(m, k)
    return np.asarray(chances @ np.sort(scores))
