"""What a report says, before it becomes a page, charts or tables: see `report.page` and others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import altair as alt
import pandas as pd


@dataclass(frozen=True)
class Section:
    """One part of a report: a finding, the frame that it is read off, and a chart of it.

    Attributes:
        name: Of its files and its anchor: lower-case letters, digits and underscores.
        title: Its heading.
        text: A paragraph of plain text.
        frame: The numbers; a row a mark of the chart.
        code: Python whose last expression is `frame`, to be put below the report's own code.
        chart: Of the frame; None if a table says it better.
    """

    name: str
    title: str
    text: str
    frame: pd.DataFrame
    code: str
    chart: alt.TopLevelMixin | None = None


@dataclass(frozen=True)
class Report:
    """A study's report.

    Attributes:
        study: Name of the study.
        question: The question it asks; may be empty.
        state: How far the study is, in a sentence.
        verdict: The answer in plain words, a sentence each.
        sections: In reading order.
        code: Python that reads `trials`, `curves` and `trainings`, from which sections compute.
        provenance: What was run, where and with what: label to text.
        settings: Settings that all trainings share: field to text.
        failures: Trials that raised: id to what was raised and the trial's settings.
        trials: One row a trial; columns that are the same in all rows are in `settings`.
    """

    study: str
    question: str
    state: str
    verdict: tuple[str, ...]
    sections: tuple[Section, ...]
    code: str
    provenance: Mapping[str, str]
    settings: Mapping[str, str]
    failures: Mapping[str, str]
    trials: pd.DataFrame


@dataclass(frozen=True)
class IndexEntry:
    """A study in the index of a store's pages.

    Attributes:
        study: Name of the study.
        file: File name of its page.
        question: The question it asks; may be empty.
        state: How far the study is, in a sentence.
        headline: The first sentence of its verdict.
    """

    study: str
    file: str
    question: str
    state: str
    headline: str
