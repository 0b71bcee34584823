"""The critique of the baselines: what is left of 1cycle's gain at equal budget and tuning?"""

from __future__ import annotations

import pandas as pd

from superconv_ray.analysis.scorecard.contrasts import mean_of, of_arm, per_replicate
from superconv_ray.analysis.scorecard.judgement import (
    Judgement,
    of_no_loss,
    points,
)


def tuned_baseline(trials: pd.DataFrame, _: pd.DataFrame) -> Judgement:
    """Whether a tuned linear decay to zero is as good as a tuned 1cycle, over all labels."""
    table = per_replicate(trials, ["data_count"])
    linear, one_cycle = of_arm(table, "linear"), of_arm(table, "one_cycle")
    gaps = {n: linear[n] - one_cycle[n] for n in linear}
    each = (f"{n:,} labels {points(gap.interval())}" for n, gap in gaps.items())
    whole = mean_of(list(gaps.values())).interval()
    return Judgement(
        f"linear decay minus 1cycle, both tuned: {points(whole)}; {'; '.join(each)}",
        of_no_loss(whole),
    )
