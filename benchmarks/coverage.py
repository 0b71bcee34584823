"""How often 95 % intervals hold the truth: few seeds, unequal variances, heavy tails, collapses.

    python -m benchmarks.coverage [--draws 500] [--save]

Intervals of comparisons are computed from made-up runs whose truth is known, with the package's own
functions. In % of the draws, or of four times as many where they are cheap: with 500 draws, 95 %
are uncertain by 1.9, with 2,000 by 1.

Every number is kept in `PART` as soon as it is known. An interrupted run goes on from there, unless
the number of draws, the benchmark or the analyses have changed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks import covering
from benchmarks.covering import CASES, SAMPLES
from benchmarks.recording import FOLDER, Figure, add_save_flag, save
from superconv_ray.design.text import text_table

SEEDS = (3, 5, 8, 12)
PART = FOLDER / "coverage.part.json"
"""Numbers of a run that has not saved yet; not in the repository."""
CHEAP = 4
"""How many times as many draws of intervals with a formula."""


def intervals() -> Iterator[tuple[tuple[str, ...], Callable[..., Iterable[object]], int]]:
    """Yield the names of what a simulation counts, the simulation, and its draws per asked one."""
    yield ("`compare`: gap on the same test set, over seeds",), covering.gaps, CHEAP
    yield ("`gap_trend`: points", "`gap_trend`: ratio"), covering.trends, CHEAP
    yield ("`arm_summary`: mean of 97 %, over seeds",), covering.means, CHEAP
    yield ("`compare`: bootstrap interval",), covering.bootstrapped, 1
    for held, growth, factor in (
        ("a constant factor of 3", 1.0, 3.0),
        ("a factor of 3 that grows 1.5 times", 1.5, 3.0),
        ("a constant factor of 30, often beyond the budgets", 1.0, 30.0),
    ):
        names = (f"`factor_trend`: {held}", f"`factor_trend`: {held}, called growing")
        yield names, partial(covering.factor_trends, growth=growth, factor=factor), 1
    for samples in SAMPLES:
        gap = f"`compare`: gap in the population, {samples:,} test samples"
        simulation = partial(covering.gaps_in_population, samples=samples)
        yield (f"{gap}, over seeds", f"{gap}, over seeds and test samples"), simulation, 1
    reached = f"`time_to_accuracy`: factor in the population, {SAMPLES[0]} test samples"
    simulation = partial(covering.factors_in_population, samples=SAMPLES[0])
    yield (f"{reached}, over seeds", f"{reached}, over seeds and test samples"), simulation, 1


class KeptRates:
    """Shares of draws in %, kept in a file until they are saved, for one version of the code.

    Args:
        path: The file; it is removed by `remove`.
        draws: Made-up comparisons per number.
    """

    def __init__(self, path: Path, draws: int) -> None:
        self._path = path
        self._version = _digest(draws)
        self._rates: dict[str, list[float]] = {}
        if path.exists():
            content = json.loads(path.read_text(encoding="utf-8"))
            if content["version"] == self._version:
                self._rates = content["rates"]

    def of(self, key: str, compute: Callable[[], list[float]]) -> list[float]:
        """Return the shares of a key; compute and keep them if they are not known."""
        if key not in self._rates:
            self._rates[key] = compute()
            print(key, *self._rates[key], sep=" | ", flush=True)
            content = json.dumps({"version": self._version, "rates": self._rates})
            self._path.with_suffix(".tmp").write_text(content, encoding="utf-8")
            self._path.with_suffix(".tmp").replace(self._path)
        return self._rates[key]

    def remove(self) -> None:
        """Forget all."""
        self._path.unlink(missing_ok=True)


def _digest(draws: int) -> str:
    """Identify what the numbers depend on: draws, and the code that is loaded."""
    found = hashlib.sha256(f"{draws} {SEEDS}".encode())
    for name in sorted(sys.modules):
        file = getattr(sys.modules[name], "__file__", None)
        if file and name.startswith((covering.__name__, "superconv_ray.analysis")):
            found.update(Path(file).read_bytes())
    return found.hexdigest()


def rates(draws: int, kept: KeptRates) -> Iterator[tuple[str, str, list[float]]]:
    """Yield interval, case, and coverage in % for `SEEDS`.

    Args:
        draws: Made-up comparisons per number.
        kept: Numbers that are known already.
    """
    for names, simulation, times in intervals():
        found = {
            case: [
                kept.of(
                    f"{names[0]}; {case}; {seeds} seeds",
                    partial(_rates, simulation, times * draws, case, seeds),
                )
                for seeds in SEEDS
            ]
            for case in CASES
        }
        for place, name in enumerate(names):
            for case, shares in found.items():
                yield name, case, [share[place] for share in shares]


def _rates(
    simulation: Callable[..., Iterable[object]], draws: int, case: str, seeds: int
) -> list[float]:
    """% of the draws for which each answer is true."""
    random = np.random.default_rng([0, seeds])
    answers = np.array(list(simulation(draws, seeds, CASES[case], random)), dtype=float)
    return [round(100 * share, 1) for share in answers.mean(axis=0).tolist()]


def main() -> None:
    """Print the table, and save it if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=500, help="made-up comparisons per number")
    add_save_flag(parser)
    arguments = parser.parse_args()
    kept = KeptRates(PART, arguments.draws)
    found = list(rates(arguments.draws, kept))
    rows = [
        (interval, case, *(f"{rate:.1f}" for rate in shares)) for interval, case, shares in found
    ]
    print(text_table(("interval", "runs", *(f"{n} seeds" for n in SEEDS)), rows))
    if arguments.save:
        figures = [Figure(f"{interval}; {case}", shares, "%") for interval, case, shares in found]
        save("coverage", figures)
        kept.remove()


if __name__ == "__main__":
    main()
