"""Sections on how settings were chosen: range tests, their rules, searches."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from superconv_ray.analysis import (
    expected_best,
    join_range_tests,
    mean_curves,
    range_test_table,
    rule_costs,
    searched,
    suggestions,
)
from superconv_ray.design.text import counted, point_text
from superconv_ray.report import charts
from superconv_ray.report.content import Section
from superconv_ray.report.readable import PERCENT, Quantity, count, difference, measured
from superconv_ray.report.sections.layout import code_of, drawn
from superconv_ray.report.study_results import StudyResults

MOST_RANGE_TESTS = 6
"""Largest number of cells whose range tests are drawn; the table has all."""
READINGS = (
    Quantity("peak LR", ("peak_lr", "low", "high")),
    Quantity("plateau LR", ("plateau_low", "plateau_high")),
    Quantity("share inside (%)", ("share_inside",), PERCENT),
    Quantity("raggedness (points)", ("raggedness",), PERCENT),
    Quantity("regularization LR", ("regularization_low", "regularization_high")),
)
"""Columns of `range_test_table` with units."""
FEWEST_RATES = 3
"""Smallest number of trained max_lr to judge the rules of range tests by."""


def range_tests(results: StudyResults) -> Iterator[Section]:
    """Range tests of every cell, and the learning rates that each rule suggests."""
    metric = results.metric
    titles = _titles(results)
    tests = results.range_test_points
    if tests.empty:
        return
    table, suggested = results.range_test_readings, suggestions(tests, ["cell"])
    cells = _with_the_same_tests(tests)
    distinct = table[table["peak_lr"].notna() & table["cell"].isin(cells)]
    measured = distinct.head(MOST_RANGE_TESTS)
    left = len(distinct) - len(measured)
    headings = {
        cell: titles[cell] + (f" and {counted(number, 'other cell')}" if number else "")
        for cell, number in cells.items()
    }
    joined = code_of(join_range_tests, "trials, curves", result="tests")
    yield Section(
        name="range_tests",
        title="LR range tests",
        text=(
            f"{metric.title}, losses and the rate that each rule suggests over the learning rate, "
            "averaged over seeds. The vertical line is the recommended max_lr. Shaded: "
            f"{metric.in_range_tests} is at least 95 % of its best."
            + (f" The table has {counted(left, 'further cell')}." if left else "")
        ),
        frame=table,
        code=f"{joined}\n{code_of(range_test_table, 'tests', ['cell'])}",
        quantities=READINGS,
        words={"cell": titles},
        chart=None
        if measured.empty
        else charts.range_tests(
            measured, suggested, mean_curves(tests, ["cell"]), headings, metric
        ),
    )
    yield Section(
        name="suggestions",
        title="Learning rates that each rule suggests",
        text="The rules are Smith's, fastai's and Lightning's.",
        frame=suggested,
        code=f"{joined}\n{code_of(suggestions, 'tests', ['cell'])}",
        words={"cell": titles},
    )


def rules(results: StudyResults) -> Iterator[Section]:
    """Cost of following each rule, if trainings with several max_lr show it."""
    trainings = results.trainings
    seeds = trainings.groupby("max_lr")["seed"].nunique()  # a search has rates of one seed each
    is_grid = len(seeds) >= FEWEST_RATES and seeds.eq(trainings["seed"].nunique()).all()
    if results.axes or not is_grid or "range_test" not in set(results.trials["kind"]):
        return
    frame = rule_costs(results.trials, results.curves, results.value)
    yield Section(
        name="lr_rules",
        title="Cost of following a rule",
        text=(
            "Cost of each rule's rate against the best max_lr, in "
            f"{results.metric.differences}, with 95 % bootstrap intervals over seeds."
        ),
        frame=frame,
        code=code_of(rule_costs, "trials, curves", results.value),
        quantities=(difference(results.metric, "cost", ("cost", "low", "high")),),
        chart=charts.lr_rules(frame, results.metric),
    )


def searches(results: StudyResults) -> Iterator[Section]:
    """Settings that the searches tried and chose."""
    by = results.axes
    frame = searched(results.trials, by)
    if frame.empty:
        return
    yield Section(
        name="searched",
        title="Tuning",
        text=(
            f"Setting and validation {results.metric.label} of every tuning trial. Lines mark the "
            "settings that the trainings use. Validation labels are part of the limited labels."
        ),
        frame=frame,
        code=code_of(searched, "trials", by),
        quantities=(measured(results.metric, "validation", ("score",)),),
        chart=drawn(charts.searched, frame, results.all_arms, facet=by, metric=results.metric),
    )


def expected(results: StudyResults) -> Iterator[Section]:
    """Score against total steps, search included, of the arms with a search."""
    by = results.axes
    frame = expected_best(results.trials, by)
    if frame.empty:
        return
    yield Section(
        name="expected_best",
        title="Accuracy against total steps, search included",
        text=(
            f"Expected best validation {results.metric.label} of k tried settings, mean and 95 % t "
            "interval over searches, and the steps of these k trials and one training. At the same "
            "total number of steps, the arm with the better score makes better use of them. The "
            "best of several scores is flattered: compare arms with each other, not with test "
            "labels."
        ),
        frame=frame,
        code=code_of(expected_best, "trials", by),
        quantities=(
            measured(results.metric, "validation"),
            count("searches"),
            count("steps", "total_steps"),
        ),
    )


def _with_the_same_tests(tests: pd.DataFrame) -> dict[int, int]:
    """The first cell of those that share their range tests, and the number of the others.

    Cells that differ in their budget only share short tests.
    """
    ids = tests.groupby("cell")["trial_id"].agg(frozenset)
    alike = ids.index.to_series().groupby(ids.to_numpy(), sort=False)
    return {int(own.iloc[0]): len(own) - 1 for _, own in alike}


def _titles(results: StudyResults) -> dict[int, str]:
    """Arm, labels and point of every cell with a trial; tests alone have no arm to name."""
    trials, definition = results.trials, results.definition
    first = trials.drop_duplicates("cell").set_index("cell")
    titles = {}
    for cell in definition.cells:
        if cell.cell not in first.index:
            continue
        row = first.loc[cell.cell]
        alone = definition.purpose == "lr_find"
        point = {name: value for name, value in cell.point.items() if name != "data_fraction"}
        name = f"{row['model']} on {row['dataset']}" if alone else cell.arm
        titles[cell.cell] = f"{name}, {point_text({'data_count': row['data_count'], **point})}"
    return titles
