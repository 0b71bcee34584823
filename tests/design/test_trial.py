from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import os
import pickle
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from hypothesis import given
from hypothesis import strategies as st

from superconv_ray.design import schedules, trial
from superconv_ray.design.implied import IMPLIED
from superconv_ray.design.trial import CompleteTrial, Trial
from superconv_ray.design.trial_fields import (
    check_field_names,
    describe_fields,
    field_names,
    function_fields,
    schedule_fields,
)
from superconv_ray.design.update_rules import OPTIMIZERS

ROOT = Path(__file__).parents[2]

TRAINING = Trial(dataset="digits", data_count=100, max_lr=0.1, steps=200)
STORED = replace(TRAINING, momentum=0.95, min_momentum=0.85)
RANGE_TEST = Trial(
    dataset="cifar10",
    data_count=5000,
    validation_fraction=0.2,
    augment="flip_crop",
    model="resnet20",
    weight_decay=5e-4,
    policy="range_test_exponential",
    max_lr=3,
    steps=500,
    seed=7,
)
STORED_ID = "15a1af436200ff87fe11"
RANGE_TEST_ID = "c4dad63d13a7a360c56c"

POLICIES = ", ".join(map(repr, schedules.POLICIES))
FRACTION, SHARE = "in (0, 1]", "in [0, 1)"
COUNT, SEED = "an integer in [1, 2**63)", "an integer in [0, 2**31)"
POSITIVE, NOT_NEGATIVE, DIVISOR = "finite and > 0", "finite and >= 0", "finite and >= 1"
NAME = "a non-empty name"
MILESTONES = "strictly increasing fractions of the run in (0, 1)"
NAN, INF = float("nan"), float("inf")

REJECTED: dict[str, tuple[str, list[Any]]] = {
    "dataset": (NAME, ["", " "]),
    "dataset_digest": (NAME, [""]),
    "data_fraction": (FRACTION, [0.0, 1.5, -0.1, NAN]),
    "data_count": (COUNT, [0, -3]),
    "validation_fraction": (SHARE, [1.0, -0.1, NAN]),
    "subset_seed": (SEED, [-1, 2**31]),
    "augment": (
        "one of 'none', 'flip', 'crop', 'flip_crop', 'resized_crop', 'flip_resized_crop'",
        ["mixup"],
    ),
    "model": (NAME, [""]),
    "model_digest": (NAME, ["\t"]),
    "dropout": (SHARE, [1.0, -0.5]),
    "bn_momentum": (FRACTION, [0.0, 1.1]),
    "bn_momentum_steps": (POSITIVE, [0.0, -1.0, NAN, INF]),
    "ghost_batch_size": (COUNT, [0, -1]),
    "loss": ("one of 'cross_entropy', 'bce', 'mse'", ["hinge"]),
    "label_smoothing": (SHARE, [1.0, -0.1]),
    **dict.fromkeys(
        ("loss_digest", "policy_digest", "optimizer_digest", "augment_digest"), (NAME, [""])
    ),
    "optimizer": (f"one of {', '.join(map(repr, OPTIMIZERS))}", ["lion"]),
    "beta2": (SHARE, [1.0]),
    "weight_decay": (NOT_NEGATIVE, [-1e-4, NAN, INF]),
    "lr_placement": ("one of 'outside', 'inside'", ["within"]),
    "weight_decay_on": ("one of 'all', 'weights'", ["biases"]),
    "batch_size": (COUNT, [0]),
    "steps": (COUNT, [0, 2**63]),
    "precision": ("one of 'auto', 'fp32', 'tf32', 'bf16'", ["x"]),
    "deterministic": ("True or False", []),  # other values are of another type
    "policy": (f"one of {POLICIES}", ["x"]),
    "max_lr": (POSITIVE, [0.0, -1.0, NAN, INF]),
    "momentum": (SHARE, [1.0]),
    "min_momentum": (SHARE, [-0.1]),
    "div_factor": (DIVISOR, [0.5, INF]),
    "final_div_factor": (DIVISOR, [0.0, NAN]),
    "tail_fraction": (SHARE, [1.0]),
    "tail": ("one of 'step', 'linear', 'cosine'", ["x"]),
    "peak_fraction": (SHARE, [1.0, -0.1]),
    "anneal": ("one of 'linear', 'cosine'", ["x"]),
    "image_sizes": ("one or more whole numbers of pixels >= 1", [(), (0, 8)]),
    "cycle_end": ("one of 'min_lr', 'final_lr'", ["zero"]),
    "decay_power": (POSITIVE, [0.0]),
    "cooldown_fraction": (FRACTION, [0.0, 1.1]),
    "cooldown": ("one of 'linear', '1-sqrt', 'cosine'", ["x"]),
    "start_lr": (NOT_NEGATIVE, [-0.1, INF]),
    "cycles": (COUNT, [0]),
    "exp_range_gamma": (FRACTION, [0.0, 1.01]),
    "milestones": (MILESTONES, [(0.5, 0.5), (0.75, 0.5), (0.0,), (0.5, 1.0), (NAN,)]),
    "decay_factor": (FRACTION, [0.0, 2.0]),
    "inv_gamma": (NOT_NEGATIVE, [-1.0]),
    "inv_power": (NOT_NEGATIVE, [INF]),
    "warmup_fraction": (SHARE, [1.0]),
    "metric": ("one of 'accuracy', 'balanced_accuracy', 'f1', 'r2', 'rmse'", ["recall"]),
    "metric_digest": (NAME, [""]),
    "metric_goal": ("one of 'maximize', 'minimize'", ["more"]),
    "metric_unit": (NAME, [""]),
    "eval_interval": (COUNT, [0, 10**30]),
    "eval_count": (COUNT, [-1]),
    "hessian_free_interval": ("an integer in [2, 2**63)", [1, 0]),
    "sharpness": ("True or False", []),  # other values are of another type
    "seed": (SEED, [-1, 2**31]),
}


def own_loss(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(outputs, targets) / 2


# Field -> a trial in which it matters, as changes of TRAINING, and another value for it.
DETERMINING: dict[str, tuple[dict[str, Any], Any]] = {
    "dataset": ({}, "mnist"),
    "dataset_digest": ({}, "0123"),
    "data_count": ({}, 101),
    "validation_fraction": ({}, 0.2),
    "image_sizes": ({}, (4, 8)),
    "subset_seed": ({}, 1),
    "augment": ({}, "flip"),
    "model": ({}, "lenet"),
    "model_digest": ({}, "0123"),
    "dropout": ({}, 0.1),
    "bn_momentum": ({}, 0.01),
    "bn_momentum_steps": ({}, 10),
    "ghost_batch_size": ({}, 32),
    "loss": ({}, own_loss),
    "label_smoothing": ({}, 0.1),
    "optimizer": ({}, "nesterov"),
    "beta2": ({"optimizer": "adam"}, 0.99),
    "lr_placement": ({}, "inside"),
    "weight_decay": ({}, 1e-4),
    "weight_decay_on": ({"weight_decay": 1e-4}, "weights"),
    "batch_size": ({}, 64),
    "steps": ({"eval_interval": 10}, 201),
    "precision": ({}, "fp32"),
    "deterministic": ({}, True),
    "policy": ({}, "cosine"),
    "max_lr": ({}, 0.11),
    "momentum": ({}, 0.95),
    "min_momentum": ({}, 0.8),
    "div_factor": ({}, 25),
    "final_div_factor": ({}, 100),
    "tail_fraction": ({}, 0.2),
    "tail": ({}, "linear"),
    "peak_fraction": ({}, 0.3),
    "anneal": ({}, "cosine"),
    "cycle_end": ({}, "final_lr"),
    "decay_power": ({"policy": "power"}, 3.0),
    "cooldown_fraction": ({"policy": "wsd"}, 0.3),
    "cooldown": ({"policy": "wsd"}, "1-sqrt"),
    "start_lr": ({"policy": "range_test_linear"}, 0.01),
    "cycles": ({"policy": "triangular"}, 2),
    "exp_range_gamma": ({"policy": "exp_range"}, 0.999),
    "milestones": ({"policy": "piecewise"}, (0.3, 0.6)),
    "decay_factor": ({"policy": "piecewise"}, 0.2),
    "inv_gamma": ({"policy": "inv"}, 1e-3),
    "inv_power": ({"policy": "inv"}, 0.5),
    "warmup_fraction": ({"policy": "cosine"}, 0.1),
    "metric": ({}, "f1"),
    "metric_goal": ({"metric": own_loss, "metric_goal": "minimize"}, "maximize"),
    "eval_interval": ({}, 11),
    "eval_count": ({}, 999),
    "hessian_free_interval": ({}, 2),
    "sharpness": ({}, True),
    "seed": ({"subset_seed": 0}, 1),
}


# Rules and types


def test_every_field_is_covered_by_these_tests() -> None:
    assert set(REJECTED) == set(field_names())
    computed = {f"{name}_digest" for name in function_fields()}
    assert set(DETERMINING) == set(field_names()) - {*trial.NOT_DETERMINING} - computed


@pytest.mark.parametrize(
    ("field", "rule", "value"),
    [(field, rule, value) for field, (rule, values) in REJECTED.items() for value in values],
)
def test_an_impossible_value_is_rejected_with_field_rule_and_value(
    field: str, rule: str, value: Any
) -> None:
    with pytest.raises(ValueError, match="must be") as caught:
        Trial(**{field: value})
    assert str(caught.value) == f"{field} must be {rule}, got {value!r}"


@pytest.mark.parametrize(
    ("field", "value", "meant"),
    [
        ("augment", "flips", "flip"),
        ("optimizer", "nestrov", "nesterov"),
        ("weight_decay_on", "weight", "weights"),
        ("precision", "bf-16", "bf16"),
        ("policy", "one-cycle", "one_cycle"),
        ("policy", "range_test", "range_test_linear"),
        ("tail", "lineer", "linear"),
    ],
)
def test_a_misspelled_choice_is_rejected_with_the_nearest_one(
    field: str, value: Any, meant: str
) -> None:
    with pytest.raises(ValueError, match="must be one of") as caught:
        Trial(**{field: value})
    assert str(caught.value).endswith(f"got {value!r}; did you mean {meant!r}?")


@pytest.mark.parametrize("field", field_names())
def test_a_value_of_another_type_is_rejected_with_field_type_and_value(field: str) -> None:
    kind = {name: kind for name, kind, _ in describe_fields()}[field]
    value: Any = {}
    with pytest.raises(TypeError) as caught:
        Trial(**{field: value})
    assert str(caught.value) == f"{field} must be of type {kind}, got {{}}"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("batch_size", 32.5),
        ("batch_size", "32"),
        ("batch_size", True),
        ("batch_size", NAN),
        ("batch_size", INF),
        ("batch_size", None),
        ("dataset", None),
        ("dropout", None),
        ("dropout", "0.1"),
        ("dropout", False),
        ("model", 3),
        ("deterministic", 1),
        ("deterministic", None),
        ("milestones", 0.5),
        ("milestones", ("0.5",)),
        ("milestones", (None,)),
        ("image_sizes", 8),
        ("image_sizes", (4, 5.5)),
    ],
)
def test_no_value_is_converted_with_a_loss(field: str, value: Any) -> None:
    with pytest.raises(TypeError, match=f"^{field}.* must be of type"):
        Trial(**{field: value})


def test_unknown_fields_are_rejected() -> None:
    with pytest.raises(TypeError, match="dropuot"):
        Trial(dropuot=0.1)  # type: ignore[call-arg]


def test_a_range_test_must_begin_below_its_end() -> None:
    with pytest.raises(ValueError, match=r"^start_lr must be < max_lr \(0\.5\), got 0\.5$"):
        Trial(policy="range_test_linear", start_lr=0.5, max_lr=0.5)


def test_an_exponential_range_test_cannot_begin_at_zero() -> None:
    assert Trial(policy="range_test_linear", start_lr=0).start_lr == 0
    with pytest.raises(ValueError, match=r"start_lr must be > 0 .*'range_test_exponential'"):
        Trial(policy="range_test_exponential", start_lr=0)


def test_nesterov_needs_momentum() -> None:
    assert Trial(optimizer="sgd", momentum=0).momentum == 0
    with pytest.raises(ValueError, match=r"momentum must be > 0 for optimizer 'nesterov'"):
        Trial(optimizer="nesterov", momentum=0)


def test_min_momentum_is_at_most_the_momentum() -> None:
    assert Trial(momentum=0.9, min_momentum=0.9).min_momentum == 0.9
    with pytest.raises(ValueError, match=r"^min_momentum must be <= momentum \(0\.8\), got 0\.85$"):
        Trial(momentum=0.8, min_momentum=0.85)


@pytest.mark.parametrize("optimizer", ["schedule_free_sgd", "schedule_free_adamw"])
def test_schedule_free_optimizers_need_momentum(optimizer: str) -> None:
    with pytest.raises(ValueError, match=f"momentum must be > 0 for optimizer '{optimizer}'"):
        Trial(optimizer=optimizer, momentum=0)


def test_every_cycle_reaches_max_lr() -> None:
    assert Trial(policy="triangular", cycles=10, steps=20).cycles == 10
    message = r"^cycles must be at most half of the run's steps \(20\), .*, got 11$"
    with pytest.raises(ValueError, match=message):
        Trial(policy="triangular", cycles=11, steps=20)


def test_the_cooldown_does_not_begin_before_the_warm_up_ends() -> None:
    assert Trial(policy="wsd", warmup_fraction=0.5, cooldown_fraction=0.5).cooldown_fraction == 0.5
    with pytest.raises(ValueError, match=r"^cooldown_fraction must be") as caught:
        Trial(policy="wsd", warmup_fraction=0.25, cooldown_fraction=0.8)
    assert str(caught.value) == (
        "cooldown_fraction must be <= 0.75, what warmup_fraction leaves, got 0.8"
    )
    with pytest.raises(ValueError, match=r"cooldown_fraction must be <= 0\.1"):
        replace(TRAINING, policy="wsd", warmup_fraction=0.9).complete()  # by default 0.2
    assert Trial(policy="cosine", warmup_fraction=0.9, cooldown_fraction=0.9)


def test_ghost_batches_divide_the_batch() -> None:
    assert Trial(batch_size=1000, ghost_batch_size=125).ghost_batch_size == 125
    for size in (48, 256):
        with pytest.raises(
            ValueError, match=rf"^ghost_batch_size must divide batch_size \(128\), got {size}$"
        ):
            Trial(batch_size=128, ghost_batch_size=size)


def test_the_bn_momentum_is_given_in_one_of_two_ways() -> None:
    with pytest.raises(ValueError, match=r"^set bn_momentum or bn_momentum_steps") as caught:
        Trial(bn_momentum=0.1, bn_momentum_steps=500)
    assert str(caught.value).endswith("got bn_momentum=0.1 and bn_momentum_steps=500.0")


def test_fields_that_the_policy_does_not_use_contradict_nothing() -> None:
    unused = replace(TRAINING, policy="piecewise", momentum=0.8, min_momentum=0.85, start_lr=1.0)
    assert unused.complete().id == replace(TRAINING, policy="piecewise", momentum=0.8).complete().id


# Canonical types


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("steps", [20, 20.0, np.int64(20), np.uint8(20), np.float32(20)]),
        ("batch_size", [32, 32.0, np.int32(32)]),
        ("max_lr", [1, 1.0, np.float64(1), np.float32(1), np.int8(1)]),
        ("dropout", [0, 0.0, -0.0, np.float64(-0.0)]),
        ("weight_decay", [0.001, np.float64(0.001)]),
        ("dataset", ["digits", np.str_("digits")]),
        ("milestones", [(0.5, 0.75), [0.5, 0.75], [np.float64(0.5), np.float32(0.75)]]),
        ("image_sizes", [(4, 8), [4, 8.0], [np.int32(4), np.float64(8)]]),
    ],
)
def test_equal_settings_are_one_trial_whatever_their_python_type(
    field: str, values: list[Any]
) -> None:
    policy = "piecewise" if field == "milestones" else "one_cycle"
    trials = [replace(TRAINING, **{field: value, "policy": policy}) for value in values]
    assert len(set(trials)) == 1
    assert len({trial.complete().id for trial in trials}) == 1
    assert len({repr(getattr(trial, field)) for trial in trials}) == 1


def test_large_integers_are_kept_exactly() -> None:
    assert Trial(eval_interval=2**53 + 1).eval_interval == 2**53 + 1


numbers = st.floats(1e-6, 1 - 1e-6)


@given(numbers, numbers, st.integers(1, 10_000), st.integers(0, 2**31 - 1))
def test_settings_written_and_read_back_make_the_same_trial(
    dropout: float, weight_decay: float, steps: int, seed: int
) -> None:
    written = replace(
        TRAINING, dropout=dropout, weight_decay=weight_decay, steps=steps, seed=seed
    ).complete()
    read = CompleteTrial(**json.loads(json.dumps(written.settings())))
    assert read == written
    assert read.id == written.id


# Completion


def test_the_kind_follows_from_the_policy() -> None:
    assert {policy: Trial(policy=policy).kind for policy in schedules.POLICIES} == {
        policy: "range_test" if policy.startswith("range_test") else "training"
        for policy in schedules.POLICIES
    }


@pytest.mark.parametrize("missing", ["max_lr", "steps", "data_count"])
def test_a_trial_that_lacks_what_only_the_study_knows_cannot_be_completed(missing: str) -> None:
    absent: Any = None
    template = replace(TRAINING, **{missing: absent})
    with pytest.raises(ValueError, match=f"^{missing} must be set before a trial can run"):
        template.complete()


def test_completion_fills_in_the_defaults_of_one_cycle() -> None:
    full = TRAINING.complete()
    assert {name: getattr(full, name) for name in schedule_fields()} == {
        "max_lr": 0.1,
        "div_factor": 10.0,
        "peak_fraction": 0.5,
        "anneal": "linear",
        "cycle_end": "min_lr",
        "tail_fraction": 0.1,
        "tail": "step",
        "final_div_factor": 1000.0,
        "momentum": 0.9,
        "min_momentum": None,
        "start_lr": None,
        "cycles": None,
        "exp_range_gamma": None,
        "milestones": None,
        "decay_factor": None,
        "inv_gamma": None,
        "inv_power": None,
        "decay_power": None,
        "warmup_fraction": None,
        "cooldown_fraction": None,
        "cooldown": None,
    }
    assert (full.eval_interval, full.subset_seed) == (10, 0)  # 200 steps / 20; the seed
    assert (full.beta2, full.weight_decay_on) == (None, None)  # sgd without weight decay


def test_completion_fills_in_the_defaults_of_adamw_with_weight_decay() -> None:
    full = replace(TRAINING, optimizer="adamw", weight_decay=0.01, seed=5, steps=7).complete()
    assert (full.beta2, full.weight_decay_on) == (0.999, "all")
    assert (full.eval_interval, full.subset_seed) == (1, 5)


# Moving-average fractions for iterations in the ICLR submission of 1708.07120, table 1
@pytest.mark.parametrize(
    ("momentum_steps", "steps", "fraction"),
    [(600, 20_000, 0.97), (500, 10_000, 0.95), (600, 4_000, 0.85), (400, 2_000, 0.80)],
)
def test_the_bn_momentum_scales_with_the_length_of_the_run(
    momentum_steps: float, steps: int, fraction: float
) -> None:
    scaled = replace(TRAINING, steps=steps, bn_momentum_steps=momentum_steps).complete()
    assert scaled.bn_momentum == pytest.approx(1 - fraction)
    assert scaled.bn_momentum_steps is None


def test_the_bn_momentum_of_a_short_run_is_at_most_one() -> None:
    assert replace(TRAINING, steps=200, bn_momentum_steps=500).complete().bn_momentum == 1.0


def test_the_bn_momentum_is_pytorchs_unless_it_is_set() -> None:
    assert TRAINING.complete().bn_momentum == torch.nn.BatchNorm2d(1).momentum == 0.1


def test_equal_bn_settings_are_equal_trials_however_they_are_given() -> None:
    given = replace(TRAINING, bn_momentum=0.05)
    assert replace(TRAINING, bn_momentum_steps=10).complete() == given.complete()
    assert (
        replace(TRAINING, bn_momentum_steps=20).complete().id == TRAINING.complete().id
    )  # 20 / 200 steps is 0.1
    assert replace(TRAINING, ghost_batch_size=TRAINING.batch_size).complete() == TRAINING.complete()


@pytest.mark.parametrize("policy", schedules.POLICIES)
def test_completion_sets_exactly_what_the_policy_uses(policy: str) -> None:
    everything = replace(
        TRAINING,
        policy=policy,
        momentum=0.9,
        min_momentum=0.8,
        div_factor=5,
        final_div_factor=50,
        tail_fraction=0.3,
        tail="linear",
        start_lr=0.01,
        cycles=3,
        exp_range_gamma=0.9,
        milestones=(0.4,),
        decay_factor=0.3,
        inv_gamma=0.1,
        inv_power=0.2,
        warmup_fraction=0.1,
        peak_fraction=0.3,
        anneal="cosine",
        cycle_end="min_lr",
        decay_power=3.0,
        cooldown_fraction=0.3,
        cooldown="1-sqrt",
    )
    used = set(schedules.parameters(policy))
    full = everything.complete()
    for name in schedule_fields():
        assert getattr(full, name) == (getattr(everything, name) if name in used else None)


@pytest.mark.parametrize("policy", schedules.POLICIES)
def test_max_lr_is_all_that_a_policy_requires(policy: str) -> None:
    full = replace(TRAINING, policy=policy).complete()
    for name, default in schedules.parameters(policy).items():
        assert getattr(full, name) == (0.1 if name == "max_lr" else default)
    assert full.schedule()(0).lr <= 0.1


@pytest.mark.parametrize("given", [TRAINING, RANGE_TEST])
def test_completing_a_complete_trial_changes_nothing(given: Trial) -> None:
    assert given.complete().complete() == given.complete()
    assert given.complete().id == given.complete().id


def test_replacing_a_setting_of_a_complete_trial_gives_a_complete_trial() -> None:
    full = TRAINING.complete()
    other = replace(full, policy="piecewise", optimizer="adam", seed=3)
    assert other == other.complete()
    assert (other.milestones, other.beta2) == ((0.5, 0.75), 0.999)
    assert (other.div_factor, other.tail) == (None, None)
    assert other.subset_seed == 0  # filled in before, and kept like a value that was given
    for name in ("max_lr", "steps", "data_count"):
        missing: dict[str, Any] = {name: None}
        with pytest.raises(ValueError, match=f"^{name} must be set before a trial can run"):
            replace(full, **missing)


def test_a_complete_trial_checks_its_settings_like_any_trial() -> None:
    with pytest.raises(ValueError, match=r"^dropout must be in \[0, 1\), got 1\.5"):
        replace(TRAINING.complete(), dropout=1.5)
    with pytest.raises(TypeError, match="'droput' is not a field of a trial"):
        CompleteTrial(droput=0.5)  # type: ignore[call-arg]


def test_a_template_is_not_a_complete_trial() -> None:
    assert not isinstance(TRAINING, CompleteTrial)
    assert TRAINING.complete() != TRAINING


@given(
    st.sampled_from(sorted(schedules.POLICIES)),
    st.sampled_from(sorted(schedules.POLICIES)),
    st.sampled_from(sorted(OPTIMIZERS)),
)
def test_every_replacement_of_a_complete_trial_is_complete(
    before: str, after: str, optimizer: str
) -> None:
    full = replace(TRAINING, policy=before).complete()
    changed = replace(full, policy=after, start_lr=None, optimizer=optimizer)
    assert type(changed) is CompleteTrial
    assert changed.complete() == changed
    assert changed.schedule()(0).lr <= 0.1


def test_the_schedule_is_that_of_the_policy_with_the_trials_settings() -> None:
    settings: dict[str, Any] = {"div_factor": 4, "momentum": 0.95, "min_momentum": 0.85}
    schedule = Trial(data_count=9, max_lr=1, steps=100, **settings).complete().schedule()
    # 90 steps of cycle from 1/4, top in the middle, then a tail at 1/4000
    assert schedule(0) == pytest.approx((0.25, 0.95))
    assert schedule(45) == pytest.approx((1.0, 0.85))
    assert schedule(90) == pytest.approx((0.00025, 0.95))


def test_unused_fields_name_the_setting_that_causes_them() -> None:
    sgd = Trial(policy="constant").unused_fields()
    assert sgd.keys() == set(schedule_fields()) - {"max_lr", "momentum", "warmup_fraction"} | {
        "beta2",
        "weight_decay_on",
    }
    assert Trial(cycle_end="final_lr").unused_fields()["tail"] == "cycle_end"
    assert (sgd["cycles"], sgd["beta2"], sgd["weight_decay_on"]) == (
        "policy",
        "optimizer",
        "weight_decay",
    )
    adam = Trial(optimizer="adam", weight_decay=0.1).unused_fields()
    assert not adam.keys() & {"beta2", "weight_decay_on"}
    assert Trial(batch_size=64, ghost_batch_size=64).unused_fields()["ghost_batch_size"] == (
        "batch_size"
    )
    assert "ghost_batch_size" not in Trial(batch_size=64, ghost_batch_size=32).unused_fields()


def test_momentum_is_cleared_where_the_optimizer_has_none() -> None:
    full = replace(TRAINING, optimizer="adagrad").complete()
    assert (full.momentum, full.min_momentum) == (None, None)
    assert full.id == replace(TRAINING, optimizer="adagrad", momentum=0.5).complete().id
    rates = full.schedule()(3)
    assert rates.lr == TRAINING.complete().schedule()(3).lr
    assert math.isnan(rates.momentum)


@pytest.mark.parametrize("optimizer", ["schedule_free_sgd", "schedule_free_adamw"])
def test_momentum_is_constant_where_the_optimizer_cannot_vary_it(optimizer: str) -> None:
    cycle: dict[str, Any] = {"momentum": 0.95, "min_momentum": 0.85}
    full = replace(TRAINING, optimizer=optimizer, **cycle).complete()
    assert (full.momentum, full.min_momentum) == (0.95, None)
    assert {full.schedule()(step).momentum for step in range(200)} == {0.95}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_the_default_of_beta2_is_that_of_the_optimizer(optimizer: str) -> None:
    facts = OPTIMIZERS[optimizer]
    assert replace(TRAINING, optimizer=optimizer).complete().beta2 == facts.beta2
    unused = Trial(optimizer=optimizer, weight_decay=0.1).unused_fields()
    assert ("beta2" in unused) == (facts.beta2 is None)
    assert ("lr_placement" in unused) == (optimizer not in ("sgd", "nesterov"))


# Ids


@pytest.mark.parametrize(("given", "recorded"), [(STORED, STORED_ID), (RANGE_TEST, RANGE_TEST_ID)])
def test_ids_are_those_of_results_stored_long_ago(given: Trial, recorded: str) -> None:
    # If this fails, no stored result is found any more: see RESULTS_VERSION.
    assert given.complete().id == recorded


PRINT_IDS = f"""
from superconv_ray.design.trial import Trial
print({STORED!r}.complete().id, {RANGE_TEST!r}.complete().id)
"""


def ids_elsewhere(python: str, hash_seed: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": hash_seed}
    command = [python, "-B", "-c", PRINT_IDS]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, check=True
    ).stdout.strip()


@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_ids_are_the_same_in_every_process(hash_seed: str) -> None:
    assert ids_elsewhere(sys.executable, hash_seed) == f"{STORED_ID} {RANGE_TEST_ID}"


def other_pythons() -> dict[str, str]:
    """Version to path, of the system's and of those installed beside this one."""
    system = (Path(folder, "python3") for folder in ("/usr/bin", "/usr/local/bin"))
    beside = Path(sys.base_prefix).parent.glob("*/bin/python3")
    found = {}
    for path in map(str, filter(Path.exists, [*system, *beside])):
        command = [path, "-c", "import sys; print(*sys.version_info[:3])"]
        answer = subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()
        version = tuple(map(int, answer))
        if version >= (3, 11) and version != sys.version_info[:3]:
            found[".".join(answer)] = path
    return found


def test_ids_are_the_same_in_every_version_of_python() -> None:
    others = other_pythons()
    if not others:
        pytest.skip("no other Python from 3.11 on is installed")
    for version, path in others.items():
        assert ids_elsewhere(path, "0") == f"{STORED_ID} {RANGE_TEST_ID}", version


@pytest.mark.parametrize("field", DETERMINING)
def test_the_id_changes_with_every_field_that_changes_the_result(field: str) -> None:
    context, value = DETERMINING[field]
    before = replace(TRAINING, **context)
    after = replace(before, **{field: value})
    assert before.complete().id != after.complete().id


def test_the_id_does_not_depend_on_how_the_number_of_labels_was_requested() -> None:
    assert replace(TRAINING, data_fraction=0.07).complete().id == TRAINING.complete().id


def test_the_id_does_not_change_with_fields_that_nothing_uses() -> None:
    assert replace(TRAINING, weight_decay_on="weights").complete().id == TRAINING.complete().id
    assert replace(TRAINING, beta2=0.5).complete().id == TRAINING.complete().id
    assert replace(TRAINING, optimizer="nesterov", beta2=0.5).complete().id == (
        replace(TRAINING, optimizer="nesterov").complete().id
    )


@pytest.mark.parametrize("field", sorted(set(schedule_fields()) - {"max_lr", "momentum"}))
def test_the_id_does_not_change_with_fields_that_the_policy_does_not_use(field: str) -> None:
    value = DETERMINING[field][1]
    for policy in schedules.POLICIES:
        plain = replace(TRAINING, policy=policy)
        same = replace(plain, **{field: value}).complete().id == plain.complete().id
        assert same == (field not in schedules.parameters(policy))


def test_setting_a_default_explicitly_does_not_change_the_id() -> None:
    written = replace(
        TRAINING, momentum=0.9, tail="step", div_factor=10, eval_interval=10, subset_seed=0
    )
    assert written.complete().id == TRAINING.complete().id
    assert TRAINING.complete().id == TRAINING.complete().id


@pytest.mark.parametrize(
    ("policy", "name", "value"),
    [
        ("one_cycle", "peak_fraction", 0.5),
        ("one_cycle", "anneal", "linear"),
        ("one_cycle", "cycle_end", "min_lr"),
        ("constant", "warmup_fraction", 0.0),
        ("piecewise", "warmup_fraction", 0.0),
        ("inv", "warmup_fraction", 0.0),
        ("one_cycle", "lr_placement", "outside"),
    ],
)
def test_naming_a_default_that_came_later_does_not_change_the_id(
    policy: str, name: str, value: Any
) -> None:
    plain = replace(TRAINING, policy=policy).complete()
    written = replace(TRAINING, policy=policy, **{name: value}).complete()
    assert written == plain
    assert written.id == plain.id


def test_the_id_hashes_the_settings_that_are_not_none() -> None:
    settings = {name: value for name, value in TRAINING.complete().settings().items() if value}
    for name, value in IMPLIED.items():  # there was no choice at first
        assert settings.pop(name, 0.0) == value
    settings |= {"dropout": 0.0, "weight_decay": 0.0, "validation_fraction": 0.0}
    settings |= {"seed": 0, "subset_seed": 0}
    text = json.dumps({"version": trial.RESULTS_VERSION, **settings}, sort_keys=True)
    assert "null" not in text
    assert TRAINING.complete().id == hashlib.sha256(text.encode()).hexdigest()[:20]


@dataclass(frozen=True, kw_only=True)
class TrialOfTomorrow(CompleteTrial):
    label_noise: float | None = None


def test_a_field_added_later_does_not_change_existing_ids() -> None:
    later = TrialOfTomorrow(**TRAINING.settings())
    assert later.id == TRAINING.complete().id
    assert replace(later, label_noise=0.1).id != TRAINING.complete().id


def test_the_id_changes_with_the_version_of_results(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "RESULTS_VERSION", trial.RESULTS_VERSION + 1)
    assert replace(STORED).complete().id != STORED_ID


def test_a_trial_travels_to_workers_with_its_id() -> None:
    sent = STORED.complete()
    assert pickle.loads(pickle.dumps(sent)) == sent
    assert pickle.loads(pickle.dumps(sent)).id == STORED_ID


def test_a_trial_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        TRAINING.seed = 1  # type: ignore[misc]


# Names of fields


def test_an_unknown_field_is_rejected_with_the_nearest_and_all_valid_ones() -> None:
    check_field_names({"dropout": 0.1, "seed": 1}, "base")
    with pytest.raises(ValueError, match="dropuot") as caught:
        check_field_names({"seed": 1, "dropuot": 0.1}, "sweep")
    assert str(caught.value) == (
        "sweep: 'dropuot' is not a field of a trial; did you mean 'dropout'? Fields: "
        + ", ".join(name for name in field_names() if not name.endswith("_digest"))
    )
    with pytest.raises(ValueError, match=r"^sweep: 'zzz' is not a field of a trial\. Fields: data"):
        check_field_names({"zzz": 1}, "sweep")


def test_every_field_is_described() -> None:
    described = describe_fields()
    assert tuple(name for name, _, _ in described) == field_names()
    assert {kind for _, kind, _ in described} == {
        *("str", "int", "float", "bool", "tuple of float", "tuple of int")
    }
    assert all(text for _, _, text in described)
    assert ("milestones", "tuple of float") in {(name, kind) for name, kind, _ in described}


def test_a_misspelled_field_is_rejected_with_the_nearest_and_all_valid_ones() -> None:
    with pytest.raises(TypeError, match=r"^Trial\(\.\.\.\): 'batchsize' is not a field") as caught:
        Trial(batchsize=32)  # type: ignore[call-arg]
    assert "did you mean 'batch_size'?" in str(caught.value)
    assert str(caught.value).endswith("seed")  # the last of all fields
    trial = Trial(batch_size=32)
    assert pickle.loads(pickle.dumps(trial)) == trial


@pytest.mark.parametrize("policy", schedules.POLICIES)
def test_momentum_is_alike_in_all_policies_until_it_is_stated(policy: str) -> None:
    plain = replace(TRAINING, policy=policy).complete()
    assert (plain.momentum, plain.min_momentum) == (0.9, None)
    given = replace(TRAINING, policy=policy, momentum=0.8).complete()
    assert {given.schedule()(step).momentum for step in range(given.steps)} == {0.8}


def test_a_lower_end_of_momentum_is_checked_against_the_default() -> None:
    assert replace(TRAINING, min_momentum=0.85).complete().momentum == 0.9
    with pytest.raises(ValueError, match=r"^min_momentum must be <= momentum \(0\.9\), got 0\.95$"):
        replace(TRAINING, min_momentum=0.95).complete()
