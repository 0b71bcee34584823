"""What is said of the sample studies of the repository, each of which is computed once."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pandas as pd
import pytest

from superconv_ray.report.build import build_report
from superconv_ray.report.sections.compared import undecided
from superconv_ray.report.sections.trained import minima
from superconv_ray.report.study_results import StudyResults
from superconv_ray.report.text import study_text
from superconv_ray.report.verdict import headline
from superconv_ray.storage.store import open_store

SAMPLE = open_store(Path(__file__).parents[2] / "studies" / "results")
IN_FULL = (
    *("quickstart", "super_convergence_fashion_mnist_lenet"),
    *("paper_mnist_lenet_laptop", "paper_regularization_by_lr_laptop"),
)
"""Budgets and labels, budgets in epochs, diverged arms, and range tests alone."""


@cache
def results(name: str) -> StudyResults:
    return StudyResults(SAMPLE, name)


@pytest.mark.parametrize("name", SAMPLE.studies())
def test_its_headline_is_short_and_every_line_of_its_text_fits_a_terminal(name: str) -> None:
    assert len(headline(results(name))) <= 230
    text = study_text(results(name))
    lines = [line for line in text.splitlines() if not line.startswith("tables: ")]
    assert len(lines) > 3
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize("name", IN_FULL)
def test_it_is_reported_in_full(name: str) -> None:
    report = build_report(results(name))
    assert report.headline.endswith(".")
    done, of, all_of_them, *_ = report.state.split()
    assert (of, done) == ("of", all_of_them)


def test_a_study_of_budgets_prints_first_how_many_times_fewer_steps_were_needed() -> None:
    text = study_text(results("quickstart"))
    steps, accuracies = text.index("Steps after which one_cycle has"), text.index("Test accuracy")
    _, _, _, headings, _, *lines = text[steps:accuracies].splitlines()
    assert headings.split() == [
        *("labels", "baseline", "steps", "accuracy", "one_cycle", "factor", "super-")
    ]
    rows = results("quickstart").time_to_accuracy.to_dict("records")
    for line, row in zip(lines, rows, strict=False):
        factor = "{factor:.1f} [{low:.1f}, {high:.1f}]".format_map(row)
        assert f" {row['baseline']} " in line
        assert f" {100 * row['target']:.1f} " in line
        assert f" {row['steps']:,.0f}  {factor}  " in line
        said = {"super-converges": "yes", "does not": "no", "undecided": "undecided"}
        assert line.endswith(f"  {said[row['verdict']]}")
    assert lines[len(rows)].startswith("- It super-converges if the factor's interval begins at 3")


@pytest.mark.parametrize(
    "name", ["quickstart", "paper_flat_minima_laptop", "paper_imagenet_laptop"]
)
def test_undecided_comparisons_are_told_from_those_whose_seeds_are_unknown(name: str) -> None:
    (section,) = undecided(results(name))
    needed = section.frame["further_seeds"]
    none, some = needed.isna().all(), needed.isna().any()
    assert ("cannot be estimated" in section.text) == none
    unknown = re.search(r"For (\d+) comparisons? the number is unknown", section.text)
    assert bool(unknown) == (some and not none)
    if unknown:
        assert int(unknown[1]) == needed.isna().sum()
        assert section.frame.loc[needed.isna(), "note"].str.len().gt(0).all()


def test_a_study_that_measured_curvatures_shows_them_against_the_loss() -> None:
    found = results("paper_flat_minima_laptop")
    (section,) = minima(found)
    *imports, last = section.code.splitlines()
    names: dict[str, object] = {"trainings": found.trainings}
    exec("\n".join(imports), names)
    pd.testing.assert_frame_equal(eval(last, names), section.frame)
    assert len(section.frame) == 2 * len(found.trainings)
    assert list(minima(results("quickstart"))) == []
