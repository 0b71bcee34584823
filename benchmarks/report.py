"""Size of a study's report and the time to write it, at 500 and at 10,000 made-up trials.

python -m benchmarks.report [--save]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from benchmarks.made_study import write_made_study
from benchmarks.recording import Figure, add_save_flag, save
from superconv_ray import Arm, Study, Trial, from_range_test, grid, iterations
from superconv_ray.design.text import text_table
from superconv_ray.report.build import build_report
from superconv_ray.report.page import render
from superconv_ray.report.study_results import StudyResults

FRACTIONS = (0.01, 0.03, 0.1, 0.3, 1.0)
SEEDS = {500: 25, 10_000: 500}
"""Trials -> seeds; each seed has 5 numbers of labels with 3 trainings and a range test."""


def study(seeds: int) -> Study:
    """Return a study of 20 trials per seed."""
    return Study(
        name=f"made_up_{seeds}",
        question="How large is a report?",
        base=Trial(dataset="fashion_mnist", model="small_cnn", batch_size=64),
        sweep=grid(data_fraction=FRACTIONS),
        arms={
            "one_cycle": Arm(policy="one_cycle", max_lr=from_range_test()),
            "piecewise": Arm(policy="piecewise", max_lr=0.1),
            "cosine": Arm(policy="cosine", max_lr=0.1),
        },
        budget=iterations(1000),
        seeds=seeds,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    add_save_flag(parser)
    arguments = parser.parse_args()
    rows, figures = [], []
    for trials, seeds in SEEDS.items():
        with tempfile.TemporaryDirectory() as folder:
            given = study(seeds)
            store = write_made_study(given, str(Path(folder) / "store"))
            began = time.perf_counter()
            report = build_report(StudyResults(store, given.name))
            built = time.perf_counter() - began
            page = render(report)
            written = time.perf_counter() - began - built
        size = len(page.encode()) / 2**20
        rows.append([f"{trials:,}", f"{size:.1f} MB", f"{built:.1f} s", f"{written:.1f} s"])
        figures.append(Figure(f"report of {trials:,} trials", round(size, 1), "MB"))
        figures.append(
            Figure(f"time to write it, {trials:,} trials", round(built + written, 1), "s")
        )
    print(text_table(["trials", "page", "tables and charts", "page made of them"], rows))
    if arguments.save:
        save("report", figures)


if __name__ == "__main__":
    main()
