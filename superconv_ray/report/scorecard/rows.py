"""The rows of a scorecard, from the studies of a store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from superconv_ray.analysis.scorecard.claims import CLAIMS, SCALES, Claim, Scale
from superconv_ray.analysis.scorecard.judgement import (
    CANNOT_TELL,
    DOES_NOT_HOLD,
    HOLDS,
    Judge,
    Judgement,
    Verdict,
)
from superconv_ray.analysis.scorecard.judges import JUDGES
from superconv_ray.design.definition import Provenance
from superconv_ray.design.text import counted, in_words, value_text
from superconv_ray.report.study_results import StudyResults
from superconv_ray.storage.store import Store

NOT_RUN: Literal["not run"] = "not run"
VERDICTS = (HOLDS, DOES_NOT_HOLD, CANNOT_TELL, NOT_RUN)


@dataclass(frozen=True)
class Row:
    """What a store says of one claim.

    Attributes:
        claim: The claim.
        verdict: A judge's verdict, or "not run".
        ours: The measured numbers with their intervals; or what a run needs.
        study: Name of the study in the store; empty if it was not run.
        at: Its scale, data set, network, labels and seeds, in words.
    """

    claim: Claim
    verdict: Verdict | Literal["not run"]
    ours: str
    study: str = ""
    at: str = ""


@dataclass(frozen=True)
class Run:
    """Where, when and with what a study of the scorecard was run."""

    study: str
    provenance: Provenance
    devices: Sequence[str]

    @property
    def where(self) -> str:
        """Hardware and date: "Intel Xeon Processor, 2026-11-27"."""
        date = self.provenance.written_at.partition("T")[0]
        return ", ".join([*self.devices, date])


@dataclass(frozen=True)
class Scorecard:
    """Every claim, in the order of `CLAIMS`, and the runs behind the rows."""

    place: str
    rows: Sequence[Row]
    runs: Sequence[Run]

    @property
    def counts(self) -> Mapping[str, int]:
        """Number of rows by verdict, for all verdicts."""
        found = Counter(row.verdict for row in self.rows)
        return {verdict: found[verdict] for verdict in VERDICTS}

    @property
    def summary(self) -> str:
        """The counts in words: "3 hold, 5 do not hold, 2 cannot be told, 20 not run"."""
        holds, fails, open_ones, not_run = self.counts.values()
        return (
            f"{holds} {'holds' if holds == 1 else 'hold'}, "
            f"{fails} {'does' if fails == 1 else 'do'} not hold, "
            f"{open_ones} cannot be told, {not_run} not run"
        )


def scorecard(
    store: Store, claims: Sequence[Claim] = CLAIMS, judges: Mapping[str, Judge] = JUDGES
) -> Scorecard:
    """Judge every claim by the study that tests it, at the largest scale that the store has.

    A finished study goes before an unfinished one. A claim whose study the store does not have is
    listed as not run.

    Raises:
        StoreError: The store cannot be read.
    """
    known, found = set(store.studies()), {}
    for claim in claims:
        if claim.study not in found and claim.id in judges:
            found[claim.study] = _best_run(store, claim, known)
    rows = [_row(claim, judges.get(claim.id), found.get(claim.study)) for claim in claims]
    runs = [_run(results) for _, results in filter(None, found.values())]
    return Scorecard(store.files.place, rows, runs)


def _best_run(
    store: Store, claim: Claim, known: Collection[str]
) -> tuple[Scale, StudyResults] | None:
    """The study of a claim at the best scale of which the store has trainings."""
    run = [
        (scale, results)
        for scale in SCALES
        if claim.study_name(scale) in known
        for results in [StudyResults(store, claim.study_name(scale))]
        if not _trainings(results).empty
    ]
    return min(run, key=lambda one: one[1].open_trials > 0, default=None)


def _row(claim: Claim, judge: Judge | None, run: tuple[Scale, StudyResults] | None) -> Row:
    not_run = Row(claim, NOT_RUN, f"needs {claim.needs or 'a run of its study'}")
    if judge is None or run is None:
        return not_run
    scale, results = run
    try:
        found = judge(results.trials, results.curves)
    except ValueError as reason:
        found = Judgement(f"no number: {reason}", CANNOT_TELL)
    except LookupError as missing:  # an arm or a point that has no finished training yet
        if claim.needs and scale == "laptop":  # that scale does not have it
            return not_run
        found = Judgement(f"no number: no finished training at {missing}", CANNOT_TELL)
    return Row(claim, found.verdict, found.ours, results.name, _setting(scale, results))


def _setting(scale: Scale, results: StudyResults) -> str:
    """Scale, data, network, labels and seeds: "laptop scale: digits, small_cnn, 300 labels"."""
    trainings = _trainings(results)
    labels = sorted(set(trainings["data_count"]))
    span = labels if len(labels) < 3 else [f"{labels[0]:,} to {labels[-1]:,}"]
    words = [
        *(in_words(sorted(set(trainings[name]))) for name in ("dataset", "model")),
        f"{in_words(map(value_text, span))} labels",
        counted(trainings["seed"].nunique(), "seed"),
    ]
    if results.open_trials:
        words.append(f"unfinished: {counted(results.open_trials, 'trial')} left")
    return f"{scale} scale: {', '.join(words)}"


def _trainings(results: StudyResults) -> pd.DataFrame:
    """The measured runs; a study may measure range tests."""
    return results.trials[results.trials["role"] == "training"]


def _run(results: StudyResults) -> Run:
    devices = sorted(set(_trainings(results)["device"].dropna()))
    return Run(results.name, results.definition.provenance, devices)
