"""Rules that span several fields of a trial; what a trial does not use yet is None."""

from __future__ import annotations

from collections.abc import Container
from typing import TYPE_CHECKING

from superconv_ray.design import schedules
from superconv_ray.design.metrics import metric_of
from superconv_ray.design.own_functions import OwnFunction

if TYPE_CHECKING:
    from superconv_ray.design.trial import Trial

NEED_MOMENTUM = frozenset({"nesterov", "schedule_free_sgd", "schedule_free_adamw"})


def check_together(trial: Trial) -> None:
    """Check the rules that span several fields, unless the trial's policy uses none of them.

    Raises:
        ValueError: A rule is broken; the message names the fields and their values.
    """
    used = schedules.parameters(trial.policy)
    _check_metric(trial)
    _check_batch_norm(trial)
    _check_image_sizes(trial)
    _check_learning_rates(trial, used)
    _check_cycles(trial, used)
    _check_momentum(trial, used)


def _check_metric(trial: Trial) -> None:
    own = isinstance(trial.metric, OwnFunction)
    if own and trial.metric_goal is None:
        raise ValueError(
            "metric_goal must be 'maximize' or 'minimize' for your own metric "
            f"{str(trial.metric)!r}, got None"
        )
    if trial.metric_goal and not own:
        raise ValueError(
            f"metric_goal is for your own metrics; got {trial.metric_goal!r} for metric "
            f"{trial.metric or 'accuracy'!r}, whose better direction is known"
        )
    if trial.metric_unit and metric_of(trial.settings()).share:
        raise ValueError(
            f"metric_unit must be None for metric {trial.metric or 'accuracy'!r}, which is "
            f"shown in percent; got {trial.metric_unit!r}"
        )


def _check_batch_norm(trial: Trial) -> None:
    if trial.bn_momentum is not None and trial.bn_momentum_steps is not None:
        raise ValueError(
            "set bn_momentum or bn_momentum_steps and leave the other None; got bn_momentum="
            f"{trial.bn_momentum} and bn_momentum_steps={trial.bn_momentum_steps}"
        )
    if trial.ghost_batch_size is not None and trial.batch_size % trial.ghost_batch_size:
        raise ValueError(
            f"ghost_batch_size must divide batch_size ({trial.batch_size}), "
            f"got {trial.ghost_batch_size}"
        )


def _check_image_sizes(trial: Trial) -> None:
    sizes, steps = trial.image_sizes, trial.steps
    if sizes is not None and steps is not None and len(sizes) > steps:
        raise ValueError(
            f"image_sizes must have no more sizes than the run has steps ({steps}), got {sizes}"
        )


def _check_learning_rates(trial: Trial, used: Container[str]) -> None:
    if (
        "start_lr" in used
        and trial.start_lr is not None
        and trial.max_lr is not None
        and trial.start_lr >= trial.max_lr
    ):
        raise ValueError(f"start_lr must be < max_lr ({trial.max_lr}), got {trial.start_lr}")
    if trial.policy == "range_test_exponential" and trial.start_lr == 0:
        raise ValueError("start_lr must be > 0 for policy 'range_test_exponential', got 0.0")
    if "cooldown_fraction" in used and trial.cooldown_fraction is not None:
        longest = 1 - (trial.warmup_fraction or 0.0)
        if trial.cooldown_fraction > longest:
            raise ValueError(
                f"cooldown_fraction must be <= {longest:g}, what warmup_fraction leaves, "
                f"got {trial.cooldown_fraction}"
            )


def _check_cycles(trial: Trial, used: Container[str]) -> None:
    steps, cycles = trial.steps, trial.cycles
    if "cycles" in used and steps is not None and cycles is not None and 2 * cycles > steps:
        raise ValueError(
            f"cycles must be at most half of the run's steps ({steps}), so that each has a step "
            f"at max_lr, got {cycles}"
        )


def _check_momentum(trial: Trial, used: Container[str]) -> None:
    if trial.optimizer in NEED_MOMENTUM and trial.momentum == 0:
        raise ValueError(f"momentum must be > 0 for optimizer {trial.optimizer!r}, got 0.0")
    if (
        "min_momentum" in used
        and trial.momentum is not None
        and trial.min_momentum is not None
        and trial.min_momentum > trial.momentum
    ):
        raise ValueError(
            f"min_momentum must be <= momentum ({trial.momentum}), got {trial.min_momentum}"
        )
