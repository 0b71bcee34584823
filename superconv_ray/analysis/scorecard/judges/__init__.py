"""The judge of each claim, by topic; a judge is a function from trials and curves to a judgement.

The claims' ids are the keys of `JUDGES`. A claim without a judge is listed as not run.
"""

from __future__ import annotations

from collections.abc import Mapping

from superconv_ray.analysis.scorecard.judgement import Judge
from superconv_ray.analysis.scorecard.judges import baselines, during_training, labels, networks

JUDGES: Mapping[str, Judge] = {
    "limited_data": labels.limited_data,
    "limited_data_bn": labels.limited_data_bn,
    "depth": networks.depth,
    "regularization_by_lr": during_training.regularization_by_lr,
    "hessian_free": during_training.hessian_free,
    "tuned_baseline": baselines.tuned_baseline,
}
"""Judges by the claim's id."""
