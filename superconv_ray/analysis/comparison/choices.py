"""Choices of settings that several seeds share: their noise is in no interval."""

from __future__ import annotations

from typing import Any

import pandas as pd

SHARED_CHOICE = "one choice of settings for all seeds: its noise is in no interval"
"""Note on a comparison in which an arm's seeds share a range test's reading or a search."""


def choice_ids(trainings: pd.DataFrame) -> pd.Series[Any]:
    """Identify the choice behind every training; missing where its settings were given.

    Trainings share a choice if their settings were chosen from the same trials.

    Args:
        trainings: Rows of ``open_store(...).trials(study)``.
    """
    if "chosen_from" not in trainings:
        return pd.Series(None, trainings.index, dtype=object)
    return trainings["chosen_from"].map(lambda ids: ids[0] if len(ids) else None, "ignore")
