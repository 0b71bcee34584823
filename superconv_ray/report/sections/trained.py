"""Sections on the trainings themselves: their schedules, curves and BN statistics."""

from __future__ import annotations

from collections.abc import Iterator

from superconv_ray.analysis.learning import learning_curves
from superconv_ray.report import charts
from superconv_ray.report.content import Section
from superconv_ray.report.sections.layout import FACET, MOST_FACETS, with_setting
from superconv_ray.results import StudyResults


def learning(results: StudyResults) -> Iterator[Section]:
    """Learning curves of every arm with bands over seeds."""
    axes = results.axes
    frame = learning_curves(results.trainings, results.curves, axes)
    if frame.empty:
        return
    told = with_setting(frame, axes) if axes else frame
    drawn = not axes or told[FACET].nunique() <= MOST_FACETS
    yield Section(
        name="learning_curves",
        title="Learning curves",
        text="Means over seeds with 95 % t intervals.",
        frame=frame,
        code="from superconv_ray.analysis.learning import learning_curves\n"
        f"learning_curves(trainings, curves, {axes})",
        chart=charts.learning_curves(
            told, list(results.definition["arms"]), facet=FACET if axes else None
        )
        if drawn
        else None,
    )
