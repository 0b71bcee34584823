"""Claims on ImageNet: 1708.07120v3, figure 7, and the author's logs.

The study has the arms one_cycle and step, each with two weight decays and two budgets.
"""

from __future__ import annotations

import pandas as pd

from superconv_ray.analysis.scorecard.contrasts import gap_to_longest_run, per_replicate
from superconv_ray.analysis.scorecard.judgement import Judge, Judgement, of_gain, points


def beats(network: str) -> Judge:
    """Return the judge of: a fifth of the epochs of 1cycle gain on a step schedule.

    1cycle has the smaller of the weight decays, and the step schedule the larger one, as published.

    Args:
        network: Part of the model's name.
    """

    def judge(trials: pd.DataFrame, _: pd.DataFrame) -> Judgement:
        own = _trainings(trials, network)
        small, large = own["weight_decay"].min(), own["weight_decay"].max()
        cycles = (own["arm"] == "one_cycle") & (own["weight_decay"] == small)
        steps = (own["arm"] == "step") & (own["weight_decay"] == large)
        gap = gap_to_longest_run(own[cycles | steps], 5).interval()
        return Judgement(f"{points(gap)} in a fifth of the epochs", of_gain(gap))

    return judge


def lower_weight_decay(trials: pd.DataFrame, _: pd.DataFrame) -> Judgement:
    """Whether 1cycle to large rates gains by the smaller weight decay, in the shorter runs."""
    own = _trainings(trials, "resnet")
    own = own[(own["arm"] == "one_cycle") & (own["steps"] == own["steps"].min())]
    table = per_replicate(own, ["weight_decay"])
    small, large = own["weight_decay"].min(), own["weight_decay"].max()
    gap = (table["one_cycle", small] - table["one_cycle", large]).interval()
    rates = (f"{own.loc[own['weight_decay'] == d, 'max_lr'].mean():.2g}" for d in (small, large))
    to = " and ".join(dict.fromkeys(rates))
    said = f"1cycle at weight decay {small:g} minus at {large:g}: {points(gap)}, to rates of {to}"
    return Judgement(said, of_gain(gap))


def _trainings(trials: pd.DataFrame, network: str) -> pd.DataFrame:
    """The trainings of a network on all labels.

    Raises:
        KeyError: There is none.
    """
    found = trials[(trials["role"] == "training") & trials["model"].str.contains(network)]
    if found.empty:
        raise KeyError(network)
    complete: pd.DataFrame = found[found["data_count"] == found["data_count"].max()]
    return complete
