"""How well `plan` predicts the time of a study, next to the study's real run.

    python -m benchmarks.pricing [--rounds 1] [--save]

Each study is predicted (a) by a probe of a few steps and (b) from the store of another study with
the same model, data shape and batch size, `studies/paper/tail.py`. Then it runs as users run it, in
a process of its own on Ray, one slot for each CPU. The ratio is predicted / real, start of Ray
included. On a machine that is busy with other work the real run is slower than either prediction,
so measure on a quiet one.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from benchmarks.recording import Figure, add_save_flag, save
from superconv_ray.cli.study_file import load_study, make_study
from superconv_ray.design.study import Study
from superconv_ray.design.text import duration, text_table
from superconv_ray.execution.pace import Spread

STUDIES = Path(__file__).parents[1] / "studies"
SAME_SHAPES = Path("paper/tail.py")
"""The study whose store the others are predicted from."""
PREDICTED = ("quickstart.py", "parts_of_one_cycle.py", "paper/max_lr.py", "paper/momentum.py")
TARGET = 0.2
"""Largest relative error."""


@dataclass(frozen=True)
class Prediction:
    """What was predicted for a run, and what it took.

    Attributes:
        study: Its file.
        by: "probe" or "store".
        predicted: Seconds.
        real: Seconds.
    """

    study: str
    by: str
    predicted: Spread
    real: float

    @property
    def ratio(self) -> float:
        """Likely / real."""
        return self.predicted.likely / self.real

    @property
    def covered(self) -> bool:
        """Whether the interval has the real time."""
        return self.predicted.low <= self.real <= self.predicted.high

    def row(self) -> list[str]:
        """Its line in the table."""
        low, likely, high = map(duration, self.predicted)
        ok = "ok" if abs(self.ratio - 1) <= TARGET else "MISSED"
        inside = "yes" if self.covered else "no"
        spread = f"{low} to {high}"
        return [
            self.study,
            self.by,
            likely,
            spread,
            duration(self.real),
            f"{self.ratio:.2f}",
            inside,
            ok,
        ]


HEADINGS = ("study", "by", "predicted", "interval", "real", "ratio", "covers", "within 20 %")


def summary(predictions: Sequence[Prediction]) -> list[Figure]:
    """Ratio of each study, and how many intervals hold the real time."""
    figures = []
    for study in dict.fromkeys(p.study for p in predictions):
        for by in dict.fromkeys(p.by for p in predictions):
            ratios = [p.ratio for p in predictions if (p.study, p.by) == (study, by)]
            what = f"time that `plan` predicts for {study}, from a {by}"
            figures.append(Figure(what, round(statistics.median(ratios), 2), "x", "the real run"))
    share = sum(p.covered for p in predictions) / len(predictions)
    return [*figures, Figure("predicted intervals with the real time", round(100 * share), "%")]


def study_of(file: str | Path) -> Study:
    """Load a study at its smallest scale."""
    path = STUDIES / file
    with patch.object(sys, "path", [str(path.parent), *sys.path]):
        return make_study(load_study(path))


def run(file: str | Path, store: Path) -> float:
    """Run a study in a process of its own, and return its seconds."""
    command = [sys.executable, str(STUDIES / file), "run", "--store", str(store)]
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - started


def predict(study: Study, store: Path | None) -> Spread:
    """Predict the time of a whole run."""
    cost = study.plan(store, slots=os.cpu_count(), probe=store is None).cost
    if cost is None or cost.seconds is None:
        raise RuntimeError(f"{study.name} has no price: {cost and cost.unknown}")
    return cost.seconds


def compare(files: Iterable[str], folder: Path) -> list[Prediction]:
    """Predict and run each study, interleaved."""
    known = folder / "known"
    run(SAME_SHAPES, known)
    found = []
    for number, file in enumerate(files):
        study = study_of(file)
        predicted = {"probe": predict(study, None), "store": predict(study, known)}
        real = run(file, folder / str(number))
        found += [Prediction(file, by, seconds, real) for by, seconds in predicted.items()]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--studies", nargs="*", default=PREDICTED)
    add_save_flag(parser)
    arguments = parser.parse_args()
    found: list[Prediction] = []
    for _ in range(arguments.rounds):
        with tempfile.TemporaryDirectory() as folder:
            found += compare(arguments.studies, Path(folder))
    print(text_table(HEADINGS, [prediction.row() for prediction in found]))
    if arguments.save:
        save("pricing", summary(found))


if __name__ == "__main__":
    main()
