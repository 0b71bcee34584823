"""The critique of the baselines: what is left of 1cycle's gain at equal budget and tuning?"""

from __future__ import annotations

import pandas as pd

from superconv_ray.analysis.scorecard.judgement import (
    Judgement,
    of_no_loss,
    per_replicate,
    points,
)
from superconv_ray.analysis.statistics.intervals import mean_interval


def tuned_baseline(trials: pd.DataFrame, _: pd.DataFrame) -> Judgement:
    """Whether a tuned linear decay to zero is as good as a tuned 1cycle, over all labels."""
    table = per_replicate(trials, ["data_count"])
    gaps = pd.DataFrame(table["linear"] - table["one_cycle"])
    each = (f"{n:,} labels {points(mean_interval(gaps[n]))}" for n in gaps.columns)
    whole = mean_interval(gaps.mean(axis=1))
    return Judgement(
        f"linear decay minus 1cycle, both tuned: {points(whole)}; {'; '.join(each)}",
        of_no_loss(whole),
    )
