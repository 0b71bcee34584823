"""The judge of each claim, by topic; a judge is a function from trials and curves to a judgement.

The claims' ids are the keys of `JUDGES`; every claim has one.
"""

from __future__ import annotations

from collections.abc import Mapping

from superconv_ray.analysis.scorecard.judgement import Judge
from superconv_ray.analysis.scorecard.judges import (
    baselines,
    batches,
    budgets,
    cycles,
    during_training,
    imagenet,
    labels,
    minima,
    networks,
    optimizers,
    range_tests,
    regularization,
)

JUDGES: Mapping[str, Judge] = {
    "headline": budgets.headline,
    "range_plateau": range_tests.range_plateau,
    "range_negative": range_tests.range_negative,
    "range_predicts": range_tests.range_predicts,
    "max_lr": cycles.max_lr,
    "min_lr": cycles.min_lr,
    "step_size": budgets.step_size,
    "tail": cycles.tail,
    "cyclical_momentum": cycles.cyclical_momentum,
    "momentum_value": cycles.momentum_value,
    "limited_data": labels.limited_data,
    "limited_data_bn": labels.limited_data_bn,
    "depth": networks.depth,
    "batch_size": batches.batch_size,
    "generalization_gap": batches.generalization_gap,
    "weight_decay": regularization.weight_decay,
    "dropout": regularization.dropout,
    "regularization_by_lr": during_training.regularization_by_lr,
    "hessian_free": during_training.hessian_free,
    "flat_minima": minima.flat_minima,
    "optimizers": optimizers.optimizers,
    "adamw": optimizers.adamw,
    "mnist_lenet": budgets.mnist_lenet,
    "cifar100": budgets.cifar100,
    "wide_resnet": budgets.matching(50, 800),
    "densenet": budgets.matching(150, 400),
    "imagenet_resnet50": imagenet.beats("resnet"),
    "imagenet_inception": imagenet.beats("inception"),
    "lower_wd_imagenet": imagenet.lower_weight_decay,
    "tuned_baseline": baselines.tuned_baseline,
}
"""Judges by the claim's id."""
