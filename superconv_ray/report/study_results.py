"""What a store knows of one study, read once: text, report, charts and tables start from it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import pandas as pd

from superconv_ray.analysis import compare
from superconv_ray.analysis.comparison.trend import gap_trend
from superconv_ray.storage.store import Store

COLUMN_OF_SETTING = {
    "data_fraction": "data_count",
    "budget": "steps",
    "bn_momentum_steps": "bn_momentum",
}
"""The column in which trials show a setting that a study may sweep in other units."""


def default_studies(store: Store) -> list[str]:
    """Names of the studies to choose from where none is named.

    Those of ``superconv lr-find`` are among them only if there are no others.
    """
    names = store.studies()
    return [name for name in names if store.study(name).purpose == "study"] or names


class StudyResults:
    """A study's trials and curves, and what follows from its definition. Frames are read lazily.

    Args:
        store: Where to read.
        name: Name of the study.

    Raises:
        StoreError: There is no such study; the message lists those there are.
    """

    def __init__(self, store: Store, name: str) -> None:
        self.store = store
        self.name = name
        self.definition = store.study(name)

    @cached_property
    def trials(self) -> pd.DataFrame:
        """As `Store.trials` of the study, with the columns point, accuracy, accuracy_reestimated.

        point: Index in the definition's sweep. By it and not by the columns that are swept: a trial
        that another study has trained tells the data_fraction that was asked for there.
        accuracy: On the test set, or on validation labels where a trial holds some out.
        """
        trials = self.store.trials(self.name)
        sweep = self.definition.sweep
        point = {cell.cell: sweep.index(cell.point) for cell in self.definition.cells}
        trials["point"] = trials["cell"].map(point)
        for kind in ("accuracy", "accuracy_reestimated"):
            trials[kind] = trials[f"test_{kind}"].fillna(trials[f"validation_{kind}"])
        return trials

    @cached_property
    def curves(self) -> pd.DataFrame:
        """As `Store.curves` of the study."""
        return self.store.curves(self.name)

    @cached_property
    def failures(self) -> Mapping[str, Mapping[str, Any]]:
        """Trial id to error and settings, of the study's trials that raised and are not done."""
        members = set(self.store.members(self.name)["trial_id"])
        return {id_: found for id_, found in self.store.failures().items() if id_ in members}

    @cached_property
    def trainings(self) -> pd.DataFrame:
        """The trials that are measured, not those that choose settings.

        Range tests that are arms of their own are not among them: they are not full trainings.
        """
        trials = self.trials
        return trials[(trials["role"] == "training") & (trials["kind"] == "training")]

    @property
    def all_arms(self) -> list[str]:
        """Arms of the study, trained by now or not."""
        return list(self.definition.arms)

    @cached_property
    def arms(self) -> list[str]:
        """Arms that have a finished training, in the study's order; the first is compared."""
        trained = set(self.trainings["arm"])
        return [arm for arm in self.all_arms if arm in trained]

    @cached_property
    def axes(self) -> list[str]:
        """Columns of the trials that the study's sweep makes differ, in the order of its points."""
        swept = dict.fromkeys(
            COLUMN_OF_SETTING.get(name, name) for point in self.definition.sweep for name in point
        )
        return [c for c in swept if c in self.trainings and _differs(self.trainings[c])]

    @cached_property
    def comparison(self) -> pd.DataFrame:
        """The first arm's gaps to all others, at every point of the sweep; of two arms at least."""
        arm, *baselines = self.arms
        return compare(self.trainings, arm, baselines, self.axes, self.value, looks=self.looks)

    @property
    def axes_but_labels(self) -> list[str]:
        """The axes that tell curves over the number of labels apart."""
        return [axis for axis in self.axes if axis != "data_count"]

    @cached_property
    def trend(self) -> pd.DataFrame:
        """Whether these gaps grow as labels become scarce; where the sweep is over labels."""
        arm, *baselines = self.arms
        return gap_trend(self.trainings, arm, baselines, by=self.axes_but_labels, value=self.value)

    @cached_property
    def value(self) -> str:
        """The column of accuracies to compare; "accuracy" if some trainings hold labels out."""
        names = {"test": "test_accuracy", "validation": "validation_accuracy"}
        return names.get(self.measured_on, "accuracy")

    @property
    def open_trials(self) -> int:
        """Trials of the study, as far as they are known by now, that are not done."""
        return max(0, self.definition.trials - self.trials["trial_id"].nunique())

    @property
    def measured_on(self) -> str:
        """Which labels `accuracy` is of: "test", "validation", or both in words."""
        held_out = self.trainings["test_accuracy"].isna()
        if not held_out.any():
            return "test"
        return "validation" if held_out.all() else "validation (where labels are held out) or test"

    @property
    def looks(self) -> int:
        """How often the study looks at its gaps: seeds added while looking widen intervals."""
        further = self.definition.further_seeds
        return further["up_to"] - further["least"] + 1 if further else 1


def _differs(values: pd.Series[Any]) -> bool:
    """Whether a column has several values; lists come from Parquet as arrays."""
    return values.map(str).nunique() > 1
