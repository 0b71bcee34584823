"""Claims on the number of labels: 1708.07120, table 1, and its critique.

The study has the arms ``one_cycle`` and ``step``, the step schedule with an average of batch norm
that follows the weights as one_cycle's does, over data_count.
"""

from __future__ import annotations

import pandas as pd

from superconv_ray.analysis.scorecard.judgement import (
    Judgement,
    of_sign,
    per_replicate,
    points,
    slope_interval,
)


def limited_data(trials: pd.DataFrame, _: pd.DataFrame) -> Judgement:
    """Growth of the paired gap when labels become ten times fewer."""
    table = per_replicate(trials, ["data_count"])
    gaps = table["one_cycle"] - table["step"]
    scarcity = [1 / float(n) for n in gaps.columns]
    growth = slope_interval(gaps, scarcity)
    return Judgement(f"{points(growth)} for a tenth of the labels", of_sign(growth))
