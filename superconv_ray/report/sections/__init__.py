"""The sections of a report, in reading order.

The function of a section yields nothing for a study that the section does not apply to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from superconv_ray.report.content import Section
from superconv_ray.report.sections import chosen, compared, swept, trained
from superconv_ray.report.study_results import StudyResults

SECTIONS: tuple[Callable[[StudyResults], Iterator[Section]], ...] = (
    swept.super_convergence,
    swept.balance_first,
    compared.gaps,
    compared.trend,
    compared.accuracy,
    swept.speed,
    compared.undecided,
    trained.minima,
    swept.scaling,
    swept.balance,
    swept.batch_size,
    trained.batch_norm,
    trained.hessian_free,
    trained.learning,
    trained.schedules,
    chosen.range_tests,
    chosen.rules,
    chosen.searches,
    chosen.expected,
    compared.cost,
)
OF_TRAININGS = frozenset(SECTIONS) - {chosen.range_tests, compared.cost}
"""Sections that need a finished training."""


def sections(results: StudyResults) -> Iterator[Section]:
    """All sections that apply to the finished trials of a study; each is made when asked for."""
    if results.trials.empty:
        return
    trained = not results.trainings.empty
    for make in SECTIONS:
        if trained or make not in OF_TRAININGS:
            yield from make(results)


def answer(results: StudyResults) -> Section | None:
    """The section whose chart shows the answer: the first one with a chart, if there is one."""
    return next((section for section in sections(results) if section.chart is not None), None)
