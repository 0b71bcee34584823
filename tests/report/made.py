"""A report with made-up numbers, and its hostile and its empty sister."""

from __future__ import annotations

import dataclasses

import altair as alt
import numpy as np
import pandas as pd

from superconv_ray.report.content import Failure, Report, Section
from superconv_ray.report.tables import Table

HOSTILE = "<img src=x onerror=alert(1)></script><!--<script>alert(2)</script> & {{ 7 * 7 }}"
ARMS = ("one_cycle", "piecewise", "cosine", "linear")
LABELS = (300, 1200, 6000, 18000, 60000)


def report(trials: int = 40) -> Report:
    """A finished study's, with a chart of each kind that the page lays out."""
    return Report(
        study="limited_data",
        question="What does 1cycle gain over tuned schedules as labels become scarce?",
        state="340 of 340 trials are done, 2 of them diverged; 1 failed.",
        headline="At 1,200 labels one_cycle has 2.6 points more than piecewise [+1.4, +3.8].",
        findings=("With one seed there are no intervals.",),
        verdicts=Table(
            "verdicts",
            "Verdicts on one_cycle against each baseline, with the number of points.",
            ("baseline", "at equal budgets"),
            (("piecewise", "better at 2 of 5 points and undecided at 3"),),
        ),
        sections=(_accuracy(), _curves(), _tuning(), _effort()),
        code="trials = ...",
        provenance={
            "package": "superconv_ray 0.1.0, commit 5ed0938",
            "hardware": "AMD EPYC, 2 cores; bf16",
            "effort": "one_cycle: 6,000 steps in 20 trainings + 2,000 in 20 range tests\n"
            "piecewise: 6,000 steps in 20 trainings, settings given",
        },
        settings={"dataset": "fashion_mnist", "model": "small_cnn", "batch_size": "128"},
        failures=(
            Failure(
                "cifar10 n=300 small_cnn cosine max_lr=0.1 seed=3",
                "RuntimeError: out of memory",
                "Traceback\nRuntimeError: out of memory\ntrial c0ffee",
            ),
        ),
        trials=trial_frame(trials),
    )


def hostile() -> Report:
    """All that users write is markup."""
    frame = pd.DataFrame({HOSTILE: [HOSTILE, "&" + HOSTILE], "y": [1.0, 2.0]})
    chart = alt.Chart(frame.rename(columns={HOSTILE: "x"})).mark_bar().encode(x="x:N", y="y:Q")
    section = Section("hostile", HOSTILE, HOSTILE, frame, HOSTILE, chart)
    return dataclasses.replace(
        report(),
        study=HOSTILE,
        question=HOSTILE,
        state=HOSTILE,
        headline=HOSTILE,
        findings=(HOSTILE,),
        verdicts=Table(HOSTILE, HOSTILE, (HOSTILE, HOSTILE), ((HOSTILE, HOSTILE),)),
        sections=(section,),
        code=HOSTILE,
        provenance={HOSTILE: HOSTILE},
        settings={HOSTILE: HOSTILE},
        failures=(Failure(HOSTILE, HOSTILE, HOSTILE),),
        trials=frame,
    )


def empty() -> Report:
    """Of a study that has only been planned."""
    return Report(
        study="planned",
        question="",
        state="0 of 60 trials are done.",
        headline="",
        findings=(),
        verdicts=None,
        sections=(),
        code="",
        provenance={},
        settings={},
        failures=(),
        trials=pd.DataFrame(),
    )


def with_trials(trials: pd.DataFrame) -> Report:
    """Of a study with just these trials."""
    return dataclasses.replace(empty(), study="made_up", trials=trials)


def trial_frame(count: int) -> pd.DataFrame:
    """As many columns as a study's trials have, of all types that they have."""
    random = np.random.default_rng(0)
    index = np.arange(count)
    frame = pd.DataFrame(
        {
            "id": [f"{number:016x}" for number in random.integers(0, 2**63, count)],
            "arm": [ARMS[i % 4] for i in index],
            "status": ["diverged" if i % 50 == 49 else "done" for i in index],
            "seed": index // 4,
            "test_accuracy": np.where(index % 50 == 49, np.nan, random.random(count)),
            "finished": pd.Timestamp("2026-11-22T08:00", tz="UTC") + pd.to_timedelta(index, "min"),
            "milestones": [[250, 375] if i % 4 == 1 else None for i in index],
            "nesterov": index % 2 == 0,
            "hash": random.integers(2**60, 2**62, count),
        }
    )
    return frame.assign(**{f"loss_{i}": random.random(count) for i in range(21)})


def _accuracy() -> Section:
    random = np.random.default_rng(1)
    frame = pd.DataFrame([{"labels": n, "arm": arm} for arm in ARMS for n in LABELS])
    frame["mean"] = 70 + 3 * np.log10(frame["labels"]) + random.normal(0, 1, len(frame))
    frame["low"], frame["high"] = frame["mean"] - 1.5, frame["mean"] + 1.5
    base = alt.Chart(frame).encode(
        x=alt.X("labels:Q", scale=alt.Scale(type="log"), title="labels (log scale)"),
        color=alt.Color(
            "arm:N", scale=alt.Scale(range=["#0072B2", "#D55E00", "#009E73", "#CC79A7"])
        ),
    )
    points = base.mark_point(filled=True, size=60).encode(
        y=alt.Y("mean:Q", scale=alt.Scale(zero=False), title="test accuracy (%)"),
        tooltip=["arm:N", "labels:Q", "mean:Q"],
    )
    rules = base.mark_rule().encode(y=alt.Y("low:Q"), y2="high:Q")
    return Section(
        name="accuracy",
        title="Accuracy against the number of labels",
        text="Means over five seeds with 95 % t intervals. 1cycle wins nowhere but at 1,200.",
        frame=frame,
        code="from superconv_ray.analysis import summarize\n\nsummarize(trials)",
        chart=(rules + points).properties(height=280),
    )


def _curves() -> Section:
    step = np.arange(0, 500, 10)
    frame = pd.concat(
        pd.DataFrame(
            {
                "labels": n,
                "arm": arm,
                "step": step,
                "accuracy": 90 - (60 + place) * np.exp(-step / 90),
            }
        )
        for n in LABELS[:4]
        for place, arm in enumerate(ARMS)
    )
    chart = (
        alt.Chart(frame)
        .mark_line()
        .encode(x="step:Q", y=alt.Y("accuracy:Q", title="validation accuracy (%)"), color="arm:N")
        .properties(height=160, width=200)
        .facet("labels:O", columns=2)
    )
    return Section("curves", "Learning curves", "Bands are left out.", frame, "curves", chart)


def _tuning() -> Section:
    rate = np.logspace(-2, 1, 30)
    frame = pd.DataFrame({"lr": rate, "accuracy": 80 - 5 * np.log10(rate) ** 2, "loss": 0.5 / rate})
    base = alt.Chart(frame).encode(
        x=alt.X("lr:Q", scale=alt.Scale(type="log"), title="learning rate")
    )
    chart = alt.vconcat(
        base.mark_line().encode(y="accuracy:Q").properties(height=160),
        base.mark_line().encode(y=alt.Y("loss:Q", title="cross-entropy")).properties(height=120),
    )
    return Section("tuning", "LR range test", "", frame, "range_test_table(trials)", chart)


def _effort() -> Section:
    frame = pd.DataFrame({"arm": ARMS, "steps": [8000, 6000, 6000, 6000], "note": "text " * 40})
    return Section("effort", "What the tuning cost", "In steps.", frame, "effort(trials)")
