"""Replay searches for max_lr on real grids: the regret of each way to search, and its noise.

    python -m benchmarks.search_replay --store STORE --data-dir DIR --save

The first run trains the grids of `benchmarks.search_grid`: 2,340 short trainings, about 20 minutes
of one core. Every search then sees the held-out accuracies of one subset of labels, interpolated
between the rates of the grid, with the continuous rates that it asks for. Its regret is the test
accuracy of the best rate minus that of the rate it chose, both on the mean over all subsets and
seeds. The simulation at the end compares two identical arms.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna

from benchmarks.recording import Figure, add_save_flag, save
from benchmarks.search_grid import HELD_OUT, Floats, Surface, surfaces, train
from superconv_ray import Tuning, tuned
from superconv_ray.analysis.statistics.intervals import mean_interval
from superconv_ray.planning import surface, tuning
from superconv_ray.planning.tuning import SearchSpace

RANGE = tuned(0.01, 10.0)  # as in studies/limited_data.py
SPACE = SearchSpace({"max_lr": RANGE})
EFFORTS = (4, 8, 12, 24)
REPEATS = 4
"""Searches per subset of labels, each with a seed of its own."""
SIMULATED, DRAWS, SEEDS = 40, 4_000, 5
"""Simulated searches per surface, simulated comparisons, and seeds of each."""
COMMON, TRAINING = 0.7, 0.004
"""Share of the binomial variance that good rates have in common, since the same labels score them,
and standard deviation of what else differs between trainings: from the grids, as the covariance of
neighboring rates over subsets, and the remainder at 60,000 labels."""
TEST_LABELS = {"fashion_mnist": 10_000, "digits": 360}

Score = Callable[[float], float]
"""Held-out accuracy of a max_lr; NaN if the training diverges."""


@dataclass(frozen=True)
class Tried:
    """What a search tried, and what it saw."""

    rates: list[float]
    accuracies: list[float]


def even(score: Score, trials: int, seed: int) -> Tried:
    """Try evenly spread rates."""
    proposed = SPACE.proposals(Tuning(trials=trials), seed)
    rates = [float(settings["max_lr"]) for settings in proposed]
    return Tried(rates, list(map(score, rates)))


def tpe(score: Score, trials: int, seed: int) -> Tried:
    """Let Optuna's TPE propose four rates at a time, half of them before it models the scores."""
    sampler = optuna.samplers.TPESampler(
        seed=seed, n_startup_trials=max(1, min(10, trials // 2)), constant_liar=True
    )
    study = optuna.create_study(direction="maximize", sampler=sampler)
    distribution = optuna.distributions.FloatDistribution(RANGE.low, RANGE.high, log=True)
    tried = Tried([], [])
    while len(tried.rates) < trials:
        asked = [study.ask({"max_lr": distribution}) for _ in range(min(4, trials))]
        for trial in asked:
            tried.rates.append(trial.params["max_lr"])
            tried.accuracies.append(score(tried.rates[-1]))
            study.tell(trial, float(np.nan_to_num(tried.accuracies[-1])))
    return tried


def luckiest(tried: Tried, _: int) -> float:
    """Choose the rate with the best score."""
    return tried.rates[int(np.nan_to_num(tried.accuracies).argmax())]


def fitted(tried: Tried, held_out: int) -> float:
    """Choose the top of the fitted surface."""
    settings = [{"max_lr": rate} for rate in tried.rates]
    return float(SPACE.best(settings, tried.accuracies, held_out)["max_lr"])


WAYS: Mapping[str, tuple[Any, Any]] = {
    "TPE, best score": (tpe, luckiest),
    "TPE, fitted surface": (tpe, fitted),
    "even, best score": (even, luckiest),
    "even, fitted surface": (even, fitted),
}
SHARED = "even, surface shared over labels"


def interpolated(rates: Floats, accuracies: Floats) -> Score:
    """Accuracy as a function of max_lr; next to a rate that diverges, that of the nearer one."""

    def score(rate: float) -> float:
        place = np.interp(np.log(rate), np.log(rates), np.arange(len(rates)))
        below = min(int(place), len(rates) - 2)
        left, right = accuracies[below], accuracies[below + 1]
        share = place - below
        if np.isfinite(left + right):
            return float(left * (1 - share) + right * share)
        return float(left if share < 0.5 else right)

    return score


def truth(of: Surface) -> Score:
    """Mean test accuracy of every rate."""
    return interpolated(of.rates, of.test.mean(axis=(0, 1)))


def regret(of: Surface, rate: float) -> float:
    """Points of test accuracy that a rate costs against the best one."""
    return 100 * (float(of.test.mean(axis=(0, 1)).max()) - truth(of)(rate))


def held_out(of: Surface) -> int:
    return round(HELD_OUT * of.labels)


def replayed(found: Sequence[Surface], way: str, trials: int) -> Iterator[tuple[int, float]]:
    """Yield labels and regret of every replayed search."""
    search, choose = WAYS[way]
    for of in found:
        for subset, accuracies in enumerate(of.held_out):
            for repeat in range(REPEATS):
                seed = subset + 1_000 * repeat
                tried = search(interpolated(of.rates, accuracies), trials, seed)
                yield of.labels, regret(of, choose(tried, held_out(of)))


def replayed_shared(found: Sequence[Surface], trials: int) -> Iterator[tuple[int, float]]:
    """The same for one surface over rates and labels, fitted to all cells of an arm."""
    for name in dict.fromkeys(of.name for of in found):
        cells = [of for of in found if of.name == name]
        for subset in range(len(cells[0].held_out)):
            for repeat in range(REPEATS):
                seed = subset + 1_000 * repeat
                tried = [
                    even(interpolated(of.rates, of.held_out[subset]), trials, seed + 100_000 * i)
                    for i, of in enumerate(cells)
                ]
                for of, rate in zip(cells, _tops(cells, tried), strict=True):
                    yield of.labels, regret(of, rate)


def _tops(cells: Sequence[Surface], tried: Sequence[Tried]) -> Iterator[float]:
    labels = np.log([of.labels for of in cells]) / np.log(60_000)

    def place(rates: Any) -> Floats:
        return np.asarray(np.log(np.asarray(rates) / RANGE.low) / np.log(RANGE.high / RANGE.low))

    points, scores, variances = [], [], []
    for of, own, at in zip(cells, tried, labels, strict=True):
        accuracies = np.nan_to_num(own.accuracies)
        points.append(np.column_stack([place(own.rates), np.full(len(own.rates), at)]))
        scores.append(tuning._squeezed(accuracies))
        variances.append(tuning._variances(accuracies, held_out(of)))
    together = (np.concatenate(points), np.concatenate(scores), np.concatenate(variances))
    model = surface.Surface(*together)
    for own, at in zip(tried, labels, strict=True):
        trained = place(own.rates)[np.isfinite(own.accuracies)]
        candidates = np.linspace(trained.min(), trained.max(), 200)
        expected = model.predict(np.column_stack([candidates, np.full(200, at)]))
        best = float(candidates[expected >= expected.max() - tuning.FLAT].mean())
        yield RANGE.low * (RANGE.high / RANGE.low) ** best


def regrets(found: Sequence[Surface]) -> Iterator[Figure]:
    """Mean regret of every way and effort, over all numbers of labels and at each."""
    for trials in EFFORTS:
        for way in (*WAYS, SHARED):
            rows = replayed_shared(found, trials) if way == SHARED else replayed(found, way, trials)
            table = np.array(list(rows))
            what = f"regret of max_lr, {way}, {trials} trials"
            counts = np.unique(table[:, 0])
            means = [float(table[table[:, 0] == n, 1].mean()) for n in counts]
            yield Figure(f"{what}, all labels", round(float(np.mean(means)), 2), "points")
            at = ", ".join(f"{n:.0f}" for n in counts)
            yield Figure(f"{what}, {at} labels", [round(mean, 2) for mean in means], "points")


def variances(found: Sequence[Surface]) -> Iterator[Figure]:
    """Standard deviation of test accuracy by its source, averaged over the surfaces."""
    parts: dict[str, list[float]] = {}
    for of in found:
        best = of.test.mean(axis=(0, 1)).argmax()
        runs = of.test[:, :, best]  # [subsets, seeds]
        within = float(runs.var(axis=1, ddof=1).mean())
        between = max(0.0, float(runs.mean(axis=1).var(ddof=1)) - within / runs.shape[1])
        mean = float(runs.mean())
        labels = TEST_LABELS[of.name.split(",")[0]]
        for way in ("TPE, best score", "even, fitted surface"):
            costs = [cost for _, cost in replayed([of], way, 12)]
            parts.setdefault(f"choice ({way}, 12 trials)", []).append(float(np.var(costs)) / 1e4)
        for name, part in (("subset", between), ("seed", within)):
            parts.setdefault(name, []).append(part)
        parts.setdefault("test set", []).append(mean * (1 - mean) / labels)
    for name, values in parts.items():
        deviation = 100 * float(np.mean(values)) ** 0.5
        yield Figure(f"standard deviation from the {name}", round(deviation, 2), "points")


def false_positives(found: Sequence[Surface]) -> Iterator[Figure]:
    """How often 95 % intervals between two identical arms exclude 0, averaged over surfaces."""
    generator = np.random.default_rng(0)
    for way in ("TPE, best score", "even, fitted surface"):
        shares: dict[str, list[float]] = {"one search for all seeds": [], "a search per seed": []}
        for number, of in enumerate(found):
            pool = np.array([_simulated(of, way, number, i) for i in range(SIMULATED)])
            best = of.test.mean(axis=(0, 1)).argmax()
            noise = 100 * float(of.test[:, :, best].var(axis=1, ddof=1).mean()) ** 0.5
            for kind, width in (("one search for all seeds", 1), ("a search per seed", SEEDS)):
                picked = generator.choice(pool, (DRAWS, 2, width))
                runs = picked + generator.normal(0, noise, (DRAWS, 2, SEEDS))
                gaps = runs[:, 0] - runs[:, 1]
                intervals = [mean_interval(own) for own in gaps]
                excluding = [i.low > 0 or i.high < 0 for i in intervals]
                shares[kind].append(sum(excluding) / DRAWS)
        for kind, own in shares.items():
            what = f"two identical arms, {way}, 12 trials, {kind}: intervals that exclude 0"
            yield Figure(what, round(100 * float(np.mean(own)), 1), "%")


def _simulated(of: Surface, way: str, number: int, seed: int) -> float:
    """Regret of a search whose scores are the true accuracies with noise of each training."""
    generator = np.random.default_rng([number, seed])
    mean, diverges = truth(of), np.isnan(of.held_out).mean(axis=0) > 0.5
    lost = interpolated(of.rates, np.where(diverges, np.nan, 1.0))

    def score(rate: float) -> float:
        accuracy = mean(rate)
        binomial = accuracy * (1 - accuracy) / held_out(of)
        noise = generator.normal(0, np.sqrt((1 - COMMON) * binomial + TRAINING**2))
        return lost(rate) * float(np.clip(accuracy + noise, 0, 1))

    search, choose = WAYS[way]
    return regret(of, choose(search(score, 12, seed), held_out(of)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--store", default="search_grids")
    parser.add_argument("--data-dir", type=Path)
    add_save_flag(parser)
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    train(arguments.store, arguments.data_dir)
    found = surfaces(arguments.store)
    figures = []
    for part in (regrets, variances, false_positives):
        for figure in part(found):
            print(f"{figure.what}: {figure.value:g} {figure.unit}", flush=True)
            figures.append(figure)
    if arguments.save:
        save("search_replay", figures)


if __name__ == "__main__":
    main()
