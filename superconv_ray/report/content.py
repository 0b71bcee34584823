"""Content of a report, before it becomes a page (`report.page`) or files (`report.export`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import altair as alt
import pandas as pd

from superconv_ray.report.readable import Quantity, Words
from superconv_ray.report.tables import Table


@dataclass(frozen=True)
class Section:
    """One section of a report: a finding, its frame and its chart.

    Attributes:
        name: Name of its files and anchor: lower-case letters, digits and underscores.
        title: Heading.
        text: A paragraph of plain text.
        frame: The numbers; each row is a mark of the chart.
        code: Python whose last expression is `frame`; runs after the code of the report.
        chart: Chart of the frame; None if a table is clearer.
        quantities: Columns that are shown with a unit, or with their interval.
        words: What is shown for the values of columns.
    """

    name: str
    title: str
    text: str
    frame: pd.DataFrame
    code: str
    chart: alt.TopLevelMixin | None = None
    quantities: tuple[Quantity, ...] = ()
    words: Words = field(default_factory=dict)


@dataclass(frozen=True)
class Failure:
    """A trial that failed.

    Attributes:
        trial: Its main settings.
        raised: The exception, in a line.
        error: The traceback, with the trial's id.
    """

    trial: str
    raised: str
    error: str


@dataclass(frozen=True)
class Report:
    """A study's report.

    Attributes:
        study: Name of the study.
        question: The question it asks; may be empty.
        state: Progress of the study, in a sentence.
        headline: The answer in a sentence.
        findings: What else the study finds, and what limits it, a sentence each.
        verdicts: The verdict against each baseline, if the headline counts them only.
        sections: In reading order. The first one with a chart shows the answer.
        code: Python that reads `trials`, `curves` and `trainings`, which the sections use.
        provenance: Settings, versions, machines and times: label to text.
        settings: Settings that all trials share: field to text.
        failures: The trials that failed.
        trials: One row per trial, without the columns in `settings`.
        trial_quantities: Columns of the trials that are shown with a unit.
    """

    study: str
    question: str
    state: str
    headline: str
    findings: tuple[str, ...]
    verdicts: Table | None
    sections: tuple[Section, ...]
    code: str
    provenance: Mapping[str, str]
    settings: Mapping[str, str]
    failures: tuple[Failure, ...]
    trials: pd.DataFrame
    trial_quantities: tuple[Quantity, ...] = ()

    @property
    def answer(self) -> Section | None:
        """The section whose chart shows the answer, if there is one."""
        return next((section for section in self.sections if section.chart is not None), None)


@dataclass(frozen=True)
class IndexEntry:
    """A study in the index of a store's pages.

    Attributes:
        study: Name of the study.
        file: File name of its page.
        question: The question it asks; may be empty.
        state: Progress of the study, in a sentence.
        headline: The first sentence of its verdict.
        finished: When its latest trial ended; empty before the first one.
        pictures: The chart of the answer as SVG, for a light and for a dark page, if there is one.
        pictured: What the pictures show.
    """

    study: str
    file: str
    question: str
    state: str
    headline: str
    finished: str = ""
    pictures: tuple[str, str] | None = None
    pictured: str = ""
