"""From a store to the rows of a scorecard, and these as text, Markdown and a page."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pandas as pd
import pytest

from benchmarks.made_study import write_made_study
from superconv_ray import Arm, Study, Trial, iterations
from superconv_ray.analysis.scorecard.claims import CLAIMS, Claim
from superconv_ray.analysis.scorecard.judgement import CANNOT_TELL, HOLDS, Judge, Judgement
from superconv_ray.design.building import make_plan
from superconv_ray.execution.record import StudyRecord
from superconv_ray.execution.recovery import recorded_outcomes
from superconv_ray.planning.planner import Planner
from superconv_ray.report.scorecard.page import render_scorecard
from superconv_ray.report.scorecard.rows import NOT_RUN, Scorecard, scorecard
from superconv_ray.report.scorecard.text import scorecard_markdown, scorecard_text
from superconv_ray.storage.store import open_store

HOSTILE = "<script>alert(1)</script> a|b"


def claim(name: str, **other: str) -> Claim:
    facts = {"says": f"{name} is better", "published": "90 against 80", "source": "table 1"}
    return Claim(**{"id": name, "study": name, **facts, **other})


def study(name: str, seeds: int = 2) -> Study:
    return Study(
        name=name,
        base=Trial(dataset="digits", model="small_cnn", batch_size=16, data_count=100),
        arms={"one_cycle": Arm(max_lr=0.1)},
        budget=iterations(20),
        seeds=seeds,
    )


def mean_accuracy(trials: pd.DataFrame, _: pd.DataFrame) -> Judgement:
    return Judgement(f"{len(trials)} trials", HOLDS)


def judged(uri: str, judges: Mapping[str, Judge], *claims: Claim) -> Scorecard:
    return scorecard(open_store(uri), claims, judges)


def test_a_claim_whose_study_was_not_run_is_listed_with_what_it_needs(store_uri: str) -> None:
    write_made_study(study("paper_run_laptop"), store_uri)
    run, open_one, large, unjudged = judged(
        store_uri,
        {"run": mean_accuracy, "open": mean_accuracy, "large": mean_accuracy},
        claim("run"),
        claim("open"),
        claim("large", needs="a GPU"),
        claim("unjudged", study="run"),
    ).rows
    assert run.verdict == HOLDS
    assert [row.verdict for row in (open_one, large, unjudged)] == [NOT_RUN] * 3
    assert open_one.ours == "needs a run of its study"
    assert large.ours == "needs a GPU"


def test_a_row_says_at_which_scale_on_what_and_with_how_many_seeds(store_uri: str) -> None:
    write_made_study(study("paper_x_laptop"), store_uri)
    card = judged(store_uri, {"x": mean_accuracy}, claim("x"))
    assert card.rows[0].at == "laptop scale: digits, small_cnn, 100 labels, 2 seeds"
    assert [run.study for run in card.runs] == ["paper_x_laptop"]


@pytest.mark.parametrize(("trained", "shown"), [(3, "paper_x_paper"), (2, "paper_x_laptop")])
def test_the_published_scale_goes_before_a_laptops_once_it_is_finished(
    trained: int, shown: str, store_uri: str
) -> None:
    write_made_study(study("paper_x_laptop"), store_uri)
    store = write_made_study(study("paper_x_paper", seeds=trained), store_uri)
    whole = make_plan(study("paper_x_paper", seeds=3))
    StudyRecord(store, whole).write(Planner(whole, recorded_outcomes(store, whole)))
    assert judged(store_uri, {"x": mean_accuracy}, claim("x")).rows[0].study == shown


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ValueError("no seed has finished at all points"), "no number: no seed has finished"),
        (KeyError("step"), "no number: no finished training at 'step'"),
    ],
)
def test_a_judge_without_enough_trials_says_why_instead_of_failing(
    error: Exception, message: str, store_uri: str
) -> None:
    def judge(_: pd.DataFrame, __: pd.DataFrame) -> Judgement:
        raise error

    write_made_study(study("paper_x_laptop"), store_uri)
    (row,) = judged(store_uri, {"x": judge}, claim("x")).rows
    assert row.verdict == CANNOT_TELL
    assert message in row.ours


def test_what_a_laptops_scale_does_not_have_counts_as_not_run(store_uri: str) -> None:
    def judge(_: pd.DataFrame, __: pd.DataFrame) -> Judgement:
        raise KeyError("inception")

    write_made_study(study("paper_x_laptop"), store_uri)
    (row,) = judged(store_uri, {"x": judge}, claim("x", needs="a GPU")).rows
    assert (row.verdict, row.ours) == (NOT_RUN, "needs a GPU")


@pytest.fixture
def card(store_uri: str) -> Scorecard:
    """All claims, of which the two on limited labels were run; and a hostile one."""
    write_made_study(study("paper_limited_data_laptop"), store_uri)
    judge = {"limited_data": mean_accuracy}
    return judged(store_uri, judge, *CLAIMS, claim("hostile", says=HOSTILE))


def test_the_text_counts_first_lists_every_claim_and_fits_a_terminal(card: Scorecard) -> None:
    text = scorecard_text(card)
    assert text.splitlines()[1] == "1 holds, 0 do not hold, 0 cannot be told, 30 not run"
    assert all(f": {own.id}\n" in text for own in CLAIMS)
    # The place of a store may be longer than a line.
    assert max(map(len, text.splitlines()[1:])) <= 80


def test_the_page_lists_every_claim_and_needs_neither_network_nor_scripts(card: Scorecard) -> None:
    page = render_scorecard(card, lambda file: f"../{file}" if "limited" in file else None)
    assert re.findall(r'<tr id="(\w+)"', page) == [*(own.id for own in CLAIMS), "hostile"]
    assert '<a href="../studies/paper/limited_data.py">' in page
    assert "<script" not in page
    assert "http" not in re.sub(r"http-equiv", "", page)


def test_markdown_has_a_row_for_every_claim_and_escapes_what_would_break_it(
    card: Scorecard,
) -> None:
    text = scorecard_markdown(card, lambda _: None)
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert len(rows) == 1 + len(card.rows)
    assert all(len(re.findall(r"(?<!\\)\|", row)) == 5 for row in rows)
    assert "<script>" not in text
