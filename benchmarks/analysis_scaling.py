"""Time of the scaling and speed-up tables of a large study, compared with refits one by one.

    python -m benchmarks.analysis_scaling [--settings 10] [--rounds 5]

Two studies of 10,000 made-up trials have 10 settings each. One has two arms, 10 budgets, 5 numbers
of labels and 10 seeds per setting; the other two arms, 10 numbers of labels and 50 seeds. The
tables are made in interleaved rounds. CPU time is reported as well, because wall time depends on
other work on the machine. "curve_fit" fits the same law to as many redrawn curves with scipy, one
by one; it is timed on a few curves and scaled up.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import time
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from scipy import optimize

from benchmarks.recording import Figure, add_save_flag, save
from superconv_ray.analysis import (
    arm_summary,
    compare_scaling,
    label_worth,
    scaling_fits,
    speedup,
)
from superconv_ray.analysis.scaling.fits import DRAWS
from superconv_ray.design.text import text_table

LABELS = tuple(100 * 2**i for i in range(10))
BUDGETS = tuple(100 * 2**i for i in range(10))
ARMS = ("one_cycle", "piecewise")
SAMPLE = 20
TARGET_SECONDS = 2.0


def make_trials(
    settings: int, labels: Sequence[int], budgets: Sequence[int], seeds: int
) -> pd.DataFrame:
    """Make errors that follow a law of labels and budget, with relative noise that arms share."""
    axes = (ARMS, range(settings), labels, budgets, range(seeds))
    columns = ["arm", "batch_size", "data_count", "steps", "seed"]
    trials = pd.DataFrame(list(itertools.product(*axes)), columns=columns)
    random = np.random.default_rng(0)
    shared = np.tile(random.normal(size=len(trials) // len(ARMS)), len(ARMS))
    noise = shared + random.normal(size=len(trials))
    gain = np.where(trials["arm"] == "one_cycle", 0.8, 1.0)
    law = 1.5 * trials["data_count"] ** -0.35 + 0.5 * trials["steps"] ** -0.5 + 0.03
    return trials.assign(
        trial_id=trials.index,
        role="training",
        status="completed",
        subset_seed=trials["seed"],
        test_accuracy=1 - gain * law * (1 + 0.02 * noise),
    )


def one_by_one(curves: int) -> float:
    """Return the seconds that scipy takes for this many fits of the law."""
    labels = np.array(LABELS, dtype=np.float64)
    errors = 1.5 * labels**-0.35 + 0.03
    random = np.random.default_rng(0)

    def law(n: np.ndarray, a: float, b: float, c: float) -> np.ndarray:
        return np.asarray(a * n**-b + c)

    started = time.perf_counter()
    for _ in range(SAMPLE):
        noisy = errors * (1 + 0.02 * random.normal(size=len(labels)))
        optimize.curve_fit(law, labels, noisy, (1.0, 0.3, 0.01), noisy, bounds=(0, [1e4, 3, 1]))
    return (time.perf_counter() - started) * curves / SAMPLE


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--settings", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=5)
    add_save_flag(parser)
    arguments = parser.parse_args()
    budgets = make_trials(arguments.settings, LABELS[:5], BUDGETS, seeds=10)
    labels = make_trials(arguments.settings, LABELS, BUDGETS[-1:], seeds=50)
    tables: dict[str, Callable[[], pd.DataFrame]] = {
        "arm_summary": lambda: arm_summary(budgets, ["batch_size", "data_count", "steps"]),
        "speedup": lambda: speedup(budgets, *ARMS, ["batch_size", "data_count"]),
        "label_worth": lambda: label_worth(budgets, *ARMS, ["batch_size", "steps"]),
        "scaling_fits": lambda: scaling_fits(labels, ["batch_size"]),
        "compare_scaling": lambda: compare_scaling(labels, *ARMS, ["batch_size"]),
    }
    seconds: dict[str, list[float]] = {name: [] for name in tables}
    cpu: dict[str, list[float]] = {name: [] for name in tables}
    counts = {}
    for _ in range(arguments.rounds):
        for name, make in tables.items():
            started, worked = time.perf_counter(), time.process_time()
            counts[name] = len(make())
            seconds[name].append(time.perf_counter() - started)
            cpu[name].append(time.process_time() - worked)
    lines = []
    for name, times in seconds.items():
        median = statistics.median(times)
        verdict = "ok" if median < TARGET_SECONDS else "MISSED"
        worked = statistics.median(cpu[name])
        figures = [f"{counts[name]:,}", f"{worked:.2f}", f"{min(times):.2f}", f"{median:.2f}"]
        lines.append([name, *figures, f"< {TARGET_SECONDS:g}", verdict])
    print(f"{len(budgets):,} and {len(labels):,} trials, {arguments.rounds} rounds")
    print(text_table(["", "rows", "CPU s", "best s", "median s", "target", ""], lines))
    curves = counts["scaling_fits"] * (1 + DRAWS)
    slow, fast = one_by_one(curves), statistics.median(seconds["scaling_fits"])
    print(f"curve_fit, {curves:,} fits one by one: {slow:.0f} s, {slow / fast:.0f}x scaling_fits")
    if arguments.save:
        what = f"`scaling_fits` with intervals, {len(labels):,} trials"
        one_by_one_label = "time of `curve_fit`, one curve after the other"
        measured = [
            Figure(what, round(fast, 2), "s"),
            Figure(one_by_one_label, round(slow / fast), "x", "`scaling_fits`"),
        ]
        save("analysis_scaling", measured)


if __name__ == "__main__":
    main()
