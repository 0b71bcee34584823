"""Time that the tables of `superconv_ray.analysis` take for many trials.

    python -m benchmarks.analysis [--trials 10000] [--rounds 5]

The trainings of two arms are made up, from many points with two seeds each to few points with
twenty. The worst case of every table must stay below the target.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import pandas as pd

from benchmarks.recording import Figure, add_save_flag, save
from superconv_ray.analysis import arm_summary, compare, generalization_gap
from superconv_ray.design.text import text_table

SEEDS = (2, 5, 16, 20)
"""Seeds per point: most points, the usual case, most sign patterns, sign patterns drawn."""
TARGET_SECONDS = 1.0


def make_trials(count: int, seeds: int) -> pd.DataFrame:
    """Make trainings of arms "a" and "b" at as many points as needed."""
    number = np.arange(count // (2 * seeds) * 2 * seeds)
    generator = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "trial_id": number.astype(str),
            "arm": np.where(number % 2, "a", "b"),
            "role": "training",
            "status": "completed",
            "data_count": number // (2 * seeds),
            "seed": number // 2 % seeds,
            "subset_seed": number // 2 % seeds,
            "train_accuracy": 1.0,
            "test_accuracy": generator.normal(0.7, 0.01, len(number)),
        }
    )


def time_compare(trials: pd.DataFrame) -> None:
    compare(trials, "a", "b", ["data_count"])


def time_arm_summary(trials: pd.DataFrame) -> None:
    arm_summary(trials, ["data_count"])


def time_generalization_gap(trials: pd.DataFrame) -> None:
    generalization_gap(trials, ["data_count"])


TABLES: dict[str, Callable[[pd.DataFrame], None]] = {
    "compare": time_compare,
    "arm_summary": time_arm_summary,
    "generalization_gap": time_generalization_gap,
}


def seconds(make_table: Callable[[pd.DataFrame], None], trials: pd.DataFrame) -> float:
    started = time.perf_counter()
    make_table(trials)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    add_save_flag(parser)
    arguments = parser.parse_args()
    frames = {seeds: make_trials(arguments.trials, seeds) for seeds in SEEDS}
    rows, figures = [], []
    for name, make_table in TABLES.items():
        medians = [
            statistics.median(seconds(make_table, trials) for _ in range(arguments.rounds))
            for trials in frames.values()
        ]
        verdict = "ok" if max(medians) < TARGET_SECONDS else "MISSED"
        rows.append([name, *(f"{median:.3f}" for median in medians), verdict])
        what = f"`{name}` of {arguments.trials:,} trials"
        figures.append(Figure(what, round(max(medians), 2), "s"))
    print(f"median seconds for {arguments.trials:,} trials; target: < {TARGET_SECONDS}")
    print(text_table(["table", *(f"{seeds} seeds" for seeds in SEEDS), ""], rows))
    if arguments.save:
        save("analysis", figures)


if __name__ == "__main__":
    main()
