"""The training loop on digits, in runs of some dozen steps."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from superconv_ray.data.batches import (
    ResidentDataset,
    TrainingBatches,
    input_statistics,
    prepare,
    to_device,
)
from superconv_ray.data.dataset import Dataset
from superconv_ray.data.readers import load_dataset
from superconv_ray.data.subsets import limited_subset
from superconv_ray.design.outcome import Outcome
from superconv_ray.design.trial import CompleteTrial, Trial
from superconv_ray.models.ghost_batch_norm import GhostBatchNorm
from superconv_ray.training.loop import (
    CHECK_INTERVAL,
    DIVERGENCE_FACTOR,
    TrainingRun,
    row_steps,
)
from superconv_ray.training.model import check_model
from superconv_ray.training.optimizers import build_optimizer, eager, set_rates
from superconv_ray.training.precision import resolve_precision

CPU = torch.device("cpu")
STEPS = 40
ROW_STEPS = [1, 2, 4, 7, 14, 21, 28, 35, 40]  # of eval_interval=7; losses are checked at 16 and 32


@cache
def digits() -> ResidentDataset:
    return to_device(load_dataset("digits"), CPU)


def make_trial(**changes: Any) -> CompleteTrial:
    defaults: dict[str, Any] = {
        "steps": STEPS,
        "max_lr": 0.2,
        "data_count": 100,
        "batch_size": 16,
        "eval_interval": 7,
        "eval_count": 50,
        "precision": "fp32",
    }
    return Trial(**defaults | changes).complete()


def new_run(
    trial: CompleteTrial, model: str | Callable[..., nn.Module] | None = None
) -> TrainingRun:
    return TrainingRun(trial, digits(), model or trial.model)


def trained(
    trial: CompleteTrial, model: str | Callable[..., nn.Module] | None = None
) -> TrainingRun:
    run = new_run(trial, model)
    run.train()
    return run


def rows(run: TrainingRun) -> list[dict[str, str]]:
    return [exactly(row) for row in run.curve]


def measured(outcome: Outcome) -> dict[str, str]:
    return exactly(outcome.measurements)


def exactly(record: Mapping[str, Any]) -> dict[str, str]:
    """All but times, to the last digit; NaN is equal to NaN."""
    return {k: repr(v) for k, v in record.items() if not k.endswith("_seconds")}


def everything(run: TrainingRun) -> dict[str, Any]:
    """All of a run that must be equal, bit for bit, to that of another one."""
    state = torch.load(io.BytesIO(run.state()), weights_only=True)
    moments = state["optimizer"]["state"]
    return {
        "step": run.step,
        "rows": rows(run),
        "weights": {name: bits(value) for name, value in run.model.state_dict().items()},
        "moments": {(i, k): bits(v) for i in moments for k, v in moments[i].items()},
        "outcome": measured(run.outcome()),
    }


def weight(run: TrainingRun, name: str) -> Any:
    return bits(run.model.get_parameter(name))


def bits(value: Any) -> Any:
    return value.detach().contiguous().numpy().tobytes() if isinstance(value, Tensor) else value


class SoftmaxRegression(nn.Module):
    """No batch norm, no dropout; inputs of any shape."""

    def __init__(self, *, input_shape: tuple[int, ...], classes: int, dropout: float) -> None:
        super().__init__()
        del dropout
        self.linear = nn.Linear(int(np.prod(input_shape)), classes)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.linear(x.flatten(1))
        return logits


class SpoiltAfter20Steps(SoftmaxRegression):
    """Its logits are NaN from the 21st training batch on."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.batches = 0

    def forward(self, x: Tensor) -> Tensor:
        self.batches += self.training
        return super().forward(x) * (float("nan") if self.batches > 20 else 1.0)


# Same seed, same numbers

VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "dropout and augmentation": {"dropout": 0.3, "augment": "flip_crop"},
    "nesterov": {"optimizer": "nesterov", "weight_decay": 1e-3, "weight_decay_on": "weights"},
    "adam": {"optimizer": "adam", "max_lr": 0.01, "dropout": 0.2},
    "adamw": {"optimizer": "adamw", "max_lr": 0.01, "weight_decay": 0.1, "augment": "crop"},
    "bf16": {"precision": "bf16", "dropout": 0.3, "augment": "flip"},
    "ghost batches": {"ghost_batch_size": 4, "precision": "bf16", "dropout": 0.2},
    "hessian-free": {"hessian_free_interval": 3, "dropout": 0.2},
    "validation": {"validation_fraction": 0.2, "policy": "range_test_linear", "max_lr": 2.0},
    "epochs end within batches": {"data_count": 37, "batch_size": 11},
    "diverging": {"policy": "range_test_exponential", "start_lr": 1e-3, "max_lr": 1e9},
}


@cache
def never_cut_off(variant: str) -> dict[str, Any]:
    return everything(trained(make_trial(**VARIANTS[variant])))


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_same_seed_gives_the_same_curve_and_weights_bit_for_bit(variant: str) -> None:
    assert everything(trained(make_trial(**VARIANTS[variant]))) == never_cut_off(variant)


def test_another_seed_gives_other_weights_subset_and_curve() -> None:
    one, other = new_run(make_trial()), new_run(make_trial(seed=1))
    assert weight(one, "conv1.weight") != weight(other, "conv1.weight")
    assert first_batches(one)[0][0] != first_batches(other)[0][0]
    assert rows(trained(make_trial(seed=1))) != never_cut_off("plain")["rows"]


@pytest.mark.parametrize(
    "variant", ["dropout and augmentation", "nesterov", "adamw", "ghost batches", "hessian-free"]
)
def test_cut_off_after_every_single_step_it_ends_as_if_never_cut_off(variant: str) -> None:
    trial = make_trial(**VARIANTS[variant])
    run = new_run(trial)
    for step in range(1, STEPS + 1):
        run.train(pause=lambda: True)
        assert run.step == step
        state = run.state()
        run = new_run(trial)
        run.restore(state)
        if run.finished:
            break
    assert everything(run) == never_cut_off(variant)


@settings(max_examples=8)
@given(variant=st.sampled_from(sorted(VARIANTS)), cuts=st.sets(st.integers(0, STEPS), max_size=4))
@example(variant="dropout and augmentation", cuts={0})
@example(variant="dropout and augmentation", cuts={6, 7, 8})
@example(variant="adam", cuts={15, 16, 17})
@example(variant="nesterov", cuts={39})
@example(variant="bf16", cuts={40})
@example(variant="diverging", cuts={1, 16, 28})
def test_cut_off_at_any_steps_it_ends_as_if_never_cut_off(variant: str, cuts: set[int]) -> None:
    trial = make_trial(**VARIANTS[variant])
    run = new_run(trial)
    for cut in sorted(cuts):
        if cut and not run.finished:
            run.train(pause=lambda run=run, cut=cut: run.step >= cut)  # type: ignore[misc]
        state = run.state()
        run = new_run(trial)
        run.restore(state)
    run.train()
    assert everything(run) == never_cut_off(variant)


def test_time_is_carried_over_a_cut() -> None:
    run = new_run(make_trial())
    run.train(pause=lambda: run.step == 20)
    again = new_run(make_trial())
    again.restore(run.state())
    assert again.train_seconds == run.train_seconds > 0
    again.train()
    assert again.train_seconds > run.train_seconds
    seconds = [row["train_seconds"] for row in again.curve]
    assert seconds == sorted(seconds)


def test_a_finished_run_does_not_train_on() -> None:
    run = trained(make_trial())
    before = everything(run)
    run.train()
    assert everything(run) == before


def test_a_state_of_another_trial_is_refused() -> None:
    state = new_run(make_trial()).state()
    other = new_run(make_trial(seed=1))
    with pytest.raises(
        ValueError, match=f"{other.trial.id} cannot be .*is of trial {make_trial().id}"
    ):
        other.restore(state)


@pytest.mark.parametrize("content", [b"", b"rubbish", b"PK\x03\x04 cut off"])
def test_an_unreadable_state_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match="cannot be restored"):
        new_run(make_trial()).restore(content)


def test_a_truncated_state_is_refused() -> None:
    run = new_run(make_trial())
    with pytest.raises(ValueError, match="cannot be restored"):
        run.restore(run.state()[:-1000])


# Randomness of others


@pytest.mark.parametrize("variant", ["dropout and augmentation", "bf16"])
def test_the_callers_random_state_is_untouched(variant: str) -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    run = trained(make_trial(**VARIANTS[variant]))
    run.restore(run.state())
    run.outcome()
    assert torch.equal(torch.get_rng_state(), before)


def test_the_callers_random_state_has_no_influence() -> None:
    torch.manual_seed(99)
    run = new_run(make_trial(**VARIANTS["dropout and augmentation"]))
    while not run.finished:
        torch.rand(3)
        run.train(pause=lambda: run.step % 5 == 0)
    assert everything(run) == never_cut_off("dropout and augmentation")


def test_a_model_that_draws_random_numbers_at_test_time_is_measured_the_same_every_time() -> None:
    class AlwaysDrops(SoftmaxRegression):
        def forward(self, x: Tensor) -> Tensor:
            return nn.functional.dropout(super().forward(x), 0.5)  # F.dropout knows no eval()

    before = torch.get_rng_state()
    run = trained(make_trial(), AlwaysDrops)
    assert measured(run.outcome()) == measured(run.outcome())
    assert torch.equal(torch.get_rng_state(), before)


def test_a_pause_leaves_the_model_training() -> None:
    run = new_run(make_trial())
    run.train(pause=lambda: run.step == 7)
    assert run.step == 7
    assert run.model.training


# Fairness


def first_batches(run: TrainingRun, count: int = 3) -> list[tuple[bytes, bytes]]:
    """Inputs of the first steps, as the model sees them, and its weights before the first."""
    seen: list[tuple[bytes, bytes]] = []

    def look(module: nn.Module, inputs: tuple[Tensor]) -> None:
        if module.training and len(seen) < count:
            weights = b"" if seen else b"".join(bits(p) for p in module.parameters())
            seen.append((bits(inputs[0]), weights))

    run.model.register_forward_pre_hook(look)
    run.train(pause=lambda: run.step >= count)
    return seen


@pytest.mark.parametrize(
    "arm",
    [
        {"policy": "piecewise"},
        {"policy": "constant", "max_lr": 0.01, "weight_decay": 0.1},
        {"optimizer": "adam", "max_lr": 0.001},
        {"steps": 80},
        {"bn_momentum": 0.5},
        {"ghost_batch_size": 4},
        {"dropout": 0.5},
    ],
)
def test_arms_share_initial_weights_subset_order_and_augmentation(arm: dict[str, Any]) -> None:
    one = first_batches(new_run(make_trial(augment="flip_crop")))
    other = first_batches(new_run(make_trial(augment="flip_crop", **arm)))
    assert one == other


def test_the_subset_and_the_weights_have_seeds_of_their_own() -> None:
    same_subset = first_batches(new_run(make_trial(seed=1, subset_seed=0)))
    assert same_subset[0] != first_batches(new_run(make_trial(seed=1)))[0]
    assert same_subset[0][1] == first_batches(new_run(make_trial(seed=1)))[0][1]


def poisoned(part: str, value: int) -> ResidentDataset:
    """Digits with that part's labels all the same and its inputs all white."""
    good = digits()
    changes = {
        f"{part}_labels": torch.full_like(getattr(good, f"{part}_labels"), value),
        f"{part}_inputs": torch.full_like(getattr(good, f"{part}_inputs"), 255),
    }
    names = ("train_inputs", "train_labels", "test_inputs", "test_labels")
    return ResidentDataset(**{name: changes.get(name, getattr(good, name)) for name in names})


def test_runs_that_hold_out_validation_labels_never_read_the_test_set() -> None:
    trial = make_trial(**VARIANTS["validation"])
    run = TrainingRun(trial, poisoned("test", -1), "small_cnn")
    run.train()
    assert everything(run) == never_cut_off("validation")


def test_runs_that_hold_out_validation_labels_say_nothing_of_the_test_set() -> None:
    run = trained(make_trial(**VARIANTS["validation"]))
    for record in [run.outcome().measurements, *run.curve]:
        assert not [name for name in record if name.startswith("test_")]
        assert 0 <= record["validation_accuracy"] <= 1


def test_runs_that_hold_out_nothing_say_nothing_of_validation() -> None:
    run = trained(make_trial())
    for record in [run.outcome().measurements, *run.curve]:
        assert not [name for name in record if name.startswith("validation_")]
        assert 0 <= record["test_accuracy"] <= 1


def test_the_test_set_has_no_influence_on_the_training() -> None:
    run = TrainingRun(make_trial(), poisoned("test", 3), "small_cnn")
    run.train()
    got = {name: bits(value) for name, value in run.model.state_dict().items()}
    assert got == never_cut_off("plain")["weights"]
    expected = [row["train_loss"] for row in never_cut_off("plain")["rows"]]
    assert [row["train_loss"] for row in rows(run)] == expected


# Divergence


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_an_exploding_loss_ends_the_run_early_with_rows_and_an_evaluation(precision: str) -> None:
    run = trained(make_trial(policy="constant", max_lr=1e6, precision=precision))
    outcome = run.outcome()
    assert outcome.status == "diverged"
    assert run.finished
    assert 0 < outcome.measurements["steps_done"] == run.step < STEPS
    assert run.curve[-1]["step"] == run.step
    assert run.curve[-1]["eval_count"] == 360
    assert 0 <= outcome.measurements["test_accuracy"] <= 1
    assert run.curve[-1]["train_loss"] > DIVERGENCE_FACTOR * np.log(10)


def test_a_loss_that_is_not_finite_is_found_at_the_next_check() -> None:
    run = trained(make_trial(eval_interval=100), SpoiltAfter20Steps)
    outcome = run.outcome()
    assert outcome.status == "diverged"
    assert run.step == 2 * CHECK_INTERVAL == 32
    assert [row["step"] for row in run.curve] == [1, 2, 4, 8, 16, 32]
    assert np.isnan(run.curve[-1]["train_loss"])
    assert np.isfinite([row["train_loss"] for row in run.curve[:-1]]).all()
    assert 0 <= outcome.measurements["test_accuracy"] <= 1


def test_a_diverged_run_stays_diverged_when_restored() -> None:
    trial = make_trial(policy="constant", max_lr=1e6)
    run, again = trained(trial), new_run(trial)
    again.restore(run.state())
    assert again.finished
    assert measured(again.outcome()) == measured(run.outcome())


def test_a_last_step_that_ruins_the_model_is_a_divergence() -> None:
    run = trained(make_trial(policy="constant", max_lr=1e30, steps=1))
    assert not np.isfinite(run.curve[-1]["test_loss"])
    assert run.outcome().status == "diverged"


@pytest.mark.parametrize("held_out", [0.0, 0.2])
def test_a_run_that_a_partial_evaluation_ends_is_evaluated_on_all_samples(held_out: float) -> None:
    # The loss of step 1 is computed before the step that ruins the weights: the row finds it.
    trial = make_trial(policy="constant", max_lr=1e30, eval_count=5, validation_fraction=held_out)
    run = trained(trial)
    assert run.step == 1
    assert np.isfinite(run.curve[-1]["train_loss"])
    assert run.outcome().status == "diverged"
    assert run.curve[-1]["eval_count"] == (20 if held_out else 360)
    paused, again = new_run(trial), new_run(trial)
    paused.train(pause=lambda: True)
    again.restore(paused.state())
    again.train()
    assert everything(again) == everything(run) == everything(trained(trial))


def test_a_run_that_guesses_has_not_diverged() -> None:
    class Guess(SoftmaxRegression):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x) * 0.0

    run = trained(make_trial(), Guess)
    assert run.outcome().status == "completed"
    assert run.curve[-1]["train_loss"] == pytest.approx(np.log(10), rel=1e-6)


# Batch norm


def norms(model: nn.Module) -> list[nn.BatchNorm2d]:
    return [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]


def test_the_batch_norm_momentum_reaches_every_module() -> None:
    run = new_run(make_trial(bn_momentum=0.37))
    assert [norm.momentum for norm in norms(run.model)] == [0.37] * 3
    run.train()
    run.outcome()
    assert [norm.momentum for norm in norms(run.model)] == [0.37] * 3


def test_stale_running_statistics_hide_an_accuracy_that_reestimated_ones_show() -> None:
    run = trained(make_trial(bn_momentum=0.001, steps=100, data_count=300))
    before = {name: bits(value) for name, value in run.model.state_dict().items()}
    measurements = run.outcome().measurements
    assert run.curve[-1]["train_accuracy"] > 0.95  # with the statistics of every batch itself
    for part in ("train", "test"):
        assert measurements[f"{part}_accuracy"] < 0.5
        assert measurements[f"{part}_accuracy_reestimated"] > 0.85
    assert measurements["test_accuracy"] == run.curve[-1]["test_accuracy"]
    after = {name: bits(value) for name, value in run.model.state_dict().items()}
    assert after == before
    assert run.model.training


def test_the_batch_norm_momentum_changes_no_trained_weight() -> None:
    run = trained(make_trial(bn_momentum=0.001))
    for name, _ in run.model.named_parameters():
        assert weight(run, name) == never_cut_off("plain")["weights"][name]


def test_reestimated_statistics_are_averages_over_the_training_samples() -> None:
    run = trained(make_trial(bn_momentum=0.001))
    training, x, y = training_part(run.trial), *held_out_part(run.trial)
    norm = norms(run.model)[0]
    activations = {}

    def keep(_: nn.Module, inputs: tuple[Tensor], __: Tensor) -> None:
        activations["x"] = inputs[0].detach()

    with torch.no_grad():
        # All samples in one batch: in training mode, BN uses their own statistics.
        hook = norm.register_forward_hook(keep)
        run.model.train()
        kept = run.state()
        run.model(training)
        hook.remove()
        run.restore(kept)
        for module in norms(run.model):
            module.reset_running_stats()
            module.momentum = 1.0
        run.model(training)
        mean = activations["x"].mean((0, 2, 3))
        torch.testing.assert_close(norm.running_mean, mean, rtol=1e-4, atol=1e-5)
        run.model.eval()
        expected = (run.model(x).argmax(1) == y).double().mean().item()
    run.restore(kept)
    assert run.outcome().measurements["test_accuracy_reestimated"] == pytest.approx(expected)


def test_a_model_without_batch_norm_reports_equal_accuracies() -> None:
    for held_out in (0.0, 0.2):
        run = trained(make_trial(validation_fraction=held_out), SoftmaxRegression)
        part = "validation" if held_out else "test"
        measurements = run.outcome().measurements
        expected = measurements[f"{part}_accuracy"]
        assert measurements[f"{part}_accuracy_reestimated"] == expected > 0.5
        expected = measurements["train_accuracy"]
        assert measurements["train_accuracy_reestimated"] == expected > 0.5


# Ghost batches


def test_ghost_batches_are_groups_of_the_batch_in_every_batch_norm() -> None:
    run = new_run(make_trial(ghost_batch_size=4, bn_momentum=0.37))
    replaced = [m for m in run.model.modules() if isinstance(m, GhostBatchNorm)]
    assert [(norm.group_size, norm.momentum) for norm in replaced] == [(4, 0.37)] * 3
    assert [type(norm) for norm in norms(new_run(make_trial()).model)] == [nn.BatchNorm2d] * 3


def test_ghost_batches_change_the_training() -> None:
    curve = rows(trained(make_trial(ghost_batch_size=4)))
    assert curve[0]["train_loss"] != never_cut_off("plain")["rows"][0]["train_loss"]


def test_statistics_are_reestimated_on_whole_batches_whatever_the_ghost_batches() -> None:
    run, plain = trained(make_trial(ghost_batch_size=4)), new_run(make_trial())
    plain.model.load_state_dict(run.model.state_dict())
    plain.step, plain.curve = run.step, run.curve
    measurements = plain.outcome().measurements
    assert measured(run.outcome()) == exactly(measurements)
    assert measurements["test_accuracy_reestimated"] > 0.6


def test_ghost_batches_of_a_users_own_batch_norm_are_refused() -> None:
    class OwnNorm(nn.BatchNorm1d):
        pass

    def own(**_: Any) -> nn.Module:
        return nn.Sequential(nn.Flatten(), OwnNorm(64), nn.Linear(64, 10))

    with pytest.raises(ValueError, match=r"'1' of the model is of class OwnNorm"):
        new_run(make_trial(ghost_batch_size=4), own)
    assert new_run(make_trial(), own)


# Hessian-free estimates


def test_hessian_free_estimates_do_not_change_the_training() -> None:
    run = trained(make_trial(hessian_free_interval=2))
    assert everything(run)["weights"] == never_cut_off("plain")["weights"]
    estimates = ("hessian_free_lr", "hessian_free_lr_smoothed")
    plain = [{k: v for k, v in row.items() if k not in estimates} for row in rows(run)]
    assert plain == never_cut_off("plain")["rows"]
    assert not [name for name in never_cut_off("plain")["rows"][-1] if name in estimates]


def test_a_row_has_the_latest_hessian_free_estimate_of_the_parameters_alone() -> None:
    trial = make_trial(policy="constant", hessian_free_interval=3, eval_interval=1, max_lr=0.1)
    run = new_run(trial)
    iterates = []
    while not run.finished:
        iterates.append(torch.cat([p.detach().double().flatten() for p in run.model.parameters()]))
        run.train(pause=lambda: True)
    # With the steps 2-3 and 5-6 of interval 3; the rows between repeat what was found last
    expected = []
    for end in (3, 6):
        w0, w1, w2 = iterates[end - 2 : end + 1]
        expected.append((0.1 * (w1 - w0).abs().sum() / (2 * w1 - w0 - w2).abs().sum()).item())
    first, second = expected
    latest = [row["hessian_free_lr"] for row in run.curve[:8]]
    assert np.isnan(latest[:2]).all()
    assert latest[2:] == pytest.approx([first] * 3 + [second] * 3, rel=1e-3)
    smoothed = [row["hessian_free_lr_smoothed"] for row in run.curve[:8]]
    smooth = 0.1 * second + 0.9 * first
    assert smoothed[2:] == pytest.approx([first] * 3 + [smooth] * 3, rel=1e-3)


# Optimizers


def test_weight_decay_on_weights_spares_biases_and_norm_parameters() -> None:
    trial = make_trial(weight_decay=0.1, weight_decay_on="weights")
    run = new_run(trial)
    decayed, spared = build_optimizer(trial, run.model).param_groups
    names = {id(p): name for name, p in run.model.named_parameters()}
    assert decayed["weight_decay"] == 0.1
    assert [names[id(p)] for p in decayed["params"]] == [
        "conv1.weight",
        "conv2.weight",
        "conv3.weight",
        "fc.weight",
    ]
    assert spared["weight_decay"] == 0.0
    assert [names[id(p)] for p in spared["params"]] == [
        *(f"bn{i}.{kind}" for i in (1, 2, 3) for kind in ("weight", "bias")),
        "fc.bias",
    ]


def test_weight_decay_on_all_is_one_group_of_everything() -> None:
    trial = make_trial(weight_decay=0.1)
    run = new_run(trial)
    (group,) = build_optimizer(trial, run.model).param_groups
    assert group["weight_decay"] == 0.1
    assert len(group["params"]) == len(list(run.model.parameters()))


@pytest.mark.parametrize("on", ["all", "weights"])
def test_only_what_is_decayed_shrinks_without_a_gradient(on: str) -> None:
    class Constant(nn.Module):
        def __init__(self, *, classes: int, **_: Any) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(classes, 2))
            self.bias = nn.Parameter(torch.ones(classes))

        def forward(self, x: Tensor) -> Tensor:
            logits: Tensor = 0 * (self.weight.sum(1) + self.bias)
            return logits.expand(len(x), -1)

    trial = make_trial(
        policy="constant", max_lr=0.5, momentum=0.0, steps=2, weight_decay=0.2, weight_decay_on=on
    )
    model = trained(trial, Constant).model
    # Two steps of w -= 0.5 * 0.2 * w.
    torch.testing.assert_close(model.weight, torch.full((10, 2), 0.81))
    torch.testing.assert_close(model.bias, torch.full((10,), 0.81 if on == "all" else 1.0))


def test_frozen_parameters_are_neither_trained_nor_counted() -> None:
    class Frozen(SoftmaxRegression):
        def __init__(self, **arguments: Any) -> None:
            super().__init__(**arguments)
            self.linear.weight.requires_grad_(False)

    run = new_run(make_trial(), Frozen)
    before = weight(run, "linear.weight")
    run.train()
    assert weight(run, "linear.weight") == before
    assert run.outcome().measurements["parameters"] == 10


@pytest.mark.parametrize("rule", [torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW])
@pytest.mark.parametrize("fused", [True, False])
def test_an_eager_optimizer_does_bit_for_bit_what_torchs_own_does(rule: Any, fused: bool) -> None:
    def weights_after_steps(make: Callable[..., torch.optim.Optimizer]) -> Tensor:
        torch.manual_seed(3)
        weights = nn.Parameter(torch.randn(50))
        momentum = {"momentum": 0.9} if rule is torch.optim.SGD else {}
        optimizer = make([weights], lr=0.1, weight_decay=0.01, fused=fused, **momentum)
        for step in range(6):
            optimizer.zero_grad()
            (weights**2 + weights.sin()).sum().backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            if step == 3:
                state = optimizer.state_dict()
                optimizer = make([weights], lr=0.1, weight_decay=0.01, fused=fused, **momentum)
                optimizer.load_state_dict(state)
        return weights.detach()

    assert torch.equal(weights_after_steps(eager(rule)), weights_after_steps(rule))


def test_training_imports_nothing_of_torchs_compiler() -> None:
    """Else each worker would begin a second later."""
    look = (
        "import sys\n"
        "from tests.training.test_loop import make_trial, new_run\n"
        "for optimizer in ('sgd', 'adam'):\n"
        "    run = new_run(make_trial(optimizer=optimizer))\n"
        "    run.train()\n"
        "    run.restore(run.state())\n"
        "    run.outcome()\n"
        "print({'torch._dynamo', 'sympy'} & set(sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


@pytest.mark.parametrize("optimizer", ["sgd", "nesterov"])
def test_set_rates_sets_learning_rate_and_momentum_of_sgd(optimizer: str) -> None:
    trial = make_trial(optimizer=optimizer, weight_decay=0.1, weight_decay_on="weights")
    built = build_optimizer(trial, new_run(trial).model)
    set_rates(built, 0.3, 0.7)
    assert [(g["lr"], g["momentum"]) for g in built.param_groups] == [(0.3, 0.7)] * 2
    assert [g["nesterov"] for g in built.param_groups] == [optimizer == "nesterov"] * 2


@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
def test_set_rates_sets_learning_rate_and_first_beta_of_adam(optimizer: str) -> None:
    trial = make_trial(optimizer=optimizer, beta2=0.9)
    built = build_optimizer(trial, new_run(trial).model)
    set_rates(built, 0.3, 0.7)
    (group,) = built.param_groups
    assert (group["lr"], group["betas"]) == (0.3, (0.7, 0.9))
    assert isinstance(built, torch.optim.AdamW) == (optimizer == "adamw")


def training_part(trial: CompleteTrial) -> Tensor:
    data, indices = digits(), training_indices(trial)
    x = data.train_inputs.index_select(0, indices)
    return prepare(x, input_statistics(data.train_inputs, indices))


def training_indices(trial: CompleteTrial) -> Tensor:
    subset = limited_subset(
        digits().train_labels.numpy(),
        count=trial.data_count,
        seed=trial.subset_seed,
        validation_fraction=trial.validation_fraction,
    )
    return torch.from_numpy(subset.training)


def held_out_part(trial: CompleteTrial) -> tuple[Tensor, Tensor]:
    data = digits()
    statistics = input_statistics(data.train_inputs, training_indices(trial))
    return prepare(data.test_inputs, statistics), data.test_labels


def batches_by_hand(trial: CompleteTrial) -> TrainingBatches:
    data, indices = digits(), training_indices(trial)
    return TrainingBatches(
        data.train_inputs,
        data.train_labels,
        indices,
        batch_size=trial.batch_size,
        seed=trial.seed,
        augment="none",
        statistics=input_statistics(data.train_inputs, indices),
    )


def softmax_gradient(
    w: npt.NDArray[Any], b: npt.NDArray[Any], x: npt.NDArray[Any], y: npt.NDArray[Any]
) -> tuple[float, npt.NDArray[Any], npt.NDArray[Any]]:
    """Mean cross-entropy of softmax(x w^T + b), and its gradient by w and b."""
    scores = x @ w.T + b
    p = np.exp(scores - scores.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    loss = -np.log(p[np.arange(len(y)), y]).mean()
    p[np.arange(len(y)), y] -= 1
    p /= len(y)
    return float(loss), p.T @ x, p.sum(0)


SCHEDULES: dict[str, dict[str, Any]] = {
    "constant": {"policy": "constant"},
    "one_cycle": {"policy": "one_cycle", "steps": 12},
    "momentum of exactly 0": {"policy": "triangular", "steps": 10, "min_momentum": 0.0},
}


@pytest.mark.parametrize("optimizer", ["sgd", "nesterov"])
@pytest.mark.parametrize(
    "schedule_name",
    [
        "constant",
        "one_cycle",
        "momentum of exactly 0",
    ],
)
def test_the_steps_of_sgd_are_those_of_a_loop_written_in_numpy(
    optimizer: str, schedule_name: str
) -> None:
    trial = make_trial(
        optimizer=optimizer, weight_decay=0.01, eval_interval=1, **SCHEDULES[schedule_name]
    )
    run = new_run(trial, SoftmaxRegression)
    parameters = [p.detach().double().numpy().copy() for p in run.model.parameters()]
    velocity = [np.zeros_like(p) for p in parameters]
    batches, schedule = batches_by_hand(trial), trial.schedule()
    losses = []
    for step in range(10):
        lr, momentum = schedule(step)
        x, y = batches.batch(step)
        inputs = x.flatten(1).double().numpy()
        loss, *gradients = softmax_gradient(parameters[0], parameters[1], inputs, y.numpy())
        losses.append(loss)
        for i, gradient in enumerate(gradients):
            gradient = gradient + 0.01 * parameters[i]
            velocity[i] = momentum * velocity[i] + gradient if step else gradient
            update = gradient + momentum * velocity[i] if optimizer == "nesterov" else velocity[i]
            parameters[i] -= lr * update
    run.train(pause=lambda: run.step == 10)
    for got, expected in zip(run.model.parameters(), parameters, strict=True):
        np.testing.assert_allclose(got.detach().numpy(), expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose([row["train_loss"] for row in run.curve], losses, rtol=1e-5)
    assert [row["lr"] for row in run.curve] == [schedule(step).lr for step in range(10)]
    assert [row["momentum"] for row in run.curve] == [schedule(s).momentum for s in range(10)]


# Curve rows and evaluations


@pytest.mark.parametrize(
    ("steps", "interval", "expected"),
    [
        (40, 7, [1, 2, 4, 7, 14, 21, 28, 35, 40]),
        (20, 1, list(range(1, 21))),
        (10, 4, [1, 2, 4, 8, 10]),
        (12, 4, [1, 2, 4, 8, 12]),
        (100, 64, [1, 2, 4, 8, 16, 32, 64, 100]),
        (5, 100, [1, 2, 4, 5]),
        (4, 100, [1, 2, 4]),
        (1, 1, [1]),
        (1, 5, [1]),
    ],
)
def test_rows_are_due_at_powers_of_two_then_at_each_interval_and_at_the_end(
    steps: int, interval: int, expected: list[int]
) -> None:
    assert sorted(row_steps(steps, interval)) == expected


def test_a_curve_has_its_rows_at_the_row_steps_and_counts_samples_and_epochs() -> None:
    run = trained(make_trial(validation_fraction=0.2))  # 80 of 100 labels are trained on
    assert [row["step"] for row in run.curve] == ROW_STEPS
    assert [row["samples"] for row in run.curve] == [16 * step for step in ROW_STEPS]
    assert [row["epoch"] for row in run.curve] == [step / 5 for step in ROW_STEPS]


def test_a_row_averages_the_training_loss_since_the_row_before() -> None:
    trial = make_trial(policy="constant")
    every = trained(make_trial(policy="constant", eval_interval=1)).curve
    start = 0
    for row in trained(trial).curve:
        part = every[start : row["step"]]
        for name in ("train_loss", "train_accuracy"):
            expected = sum(one[name] for one in part) / len(part)
            assert row[name] == pytest.approx(expected, rel=1e-5)
        start = row["step"]


def test_rows_evaluate_eval_count_samples_and_the_last_row_all() -> None:
    run = trained(make_trial())
    assert [row["eval_count"] for row in run.curve] == [50] * 8 + [360]
    evaluated = trained(make_trial(eval_count=None)).curve
    assert [row["eval_count"] for row in evaluated] == [360] * 9
    assert evaluated[-1] | {"train_seconds": 0} == run.curve[-1] | {"train_seconds": 0}
    more = trained(make_trial(eval_count=10_000)).curve
    assert [row["eval_count"] for row in more] == [360] * 9


def test_how_often_rows_are_due_does_not_change_the_training() -> None:
    for interval in (1, 1000):
        run = trained(make_trial(eval_interval=interval))
        got = {name: bits(value) for name, value in run.model.state_dict().items()}
        assert got == never_cut_off("plain")["weights"]


def test_what_rows_evaluate_is_stratified_and_does_not_change_the_training() -> None:
    labels: list[int] = []

    class Reader(SoftmaxRegression):
        def forward(self, x: Tensor) -> Tensor:
            if not self.training and len(x) == 50:
                labels[:] = [lookup[bits(one)] for one in x]
            return super().forward(x)

    inputs, targets = held_out_part(make_trial())
    lookup = {bits(one): int(label) for one, label in zip(inputs, targets, strict=True)}
    run = trained(make_trial(), Reader)
    # Of 360 test samples, 33 to 37 a class; of 50 of them, 5 a class within one.
    assert {abs(labels.count(digit) - 5) for digit in range(10)} <= {0, 1}
    all_evaluated = trained(make_trial(eval_count=None), Reader)
    assert weight(run, "linear.weight") == weight(all_evaluated, "linear.weight")


def test_the_last_row_is_the_loss_and_accuracy_of_the_model_on_all_test_samples() -> None:
    run = trained(make_trial(dropout=0.5))
    x, y = held_out_part(run.trial)
    run.model.eval()
    with torch.no_grad():
        logits = run.model(x)
    last = run.curve[-1]
    assert last["test_accuracy"] == pytest.approx((logits.argmax(1) == y).double().mean().item())
    assert last["test_loss"] == pytest.approx(nn.functional.cross_entropy(logits, y).item(), 1e-5)
    measurements = run.outcome().measurements
    assert measurements["test_accuracy"] == last["test_accuracy"]
    assert measurements["test_loss"] == last["test_loss"]


def test_the_training_accuracy_is_that_on_the_training_samples_without_dropout() -> None:
    run = trained(make_trial(dropout=0.5))
    x = training_part(run.trial)
    y = digits().train_labels[training_indices(run.trial)]
    run.model.eval()
    with torch.no_grad():
        logits = run.model(x)
    measurements = run.outcome().measurements
    expected = (logits.argmax(1) == y).double().mean().item()
    assert measurements["train_accuracy"] == pytest.approx(expected)
    expected = nn.functional.cross_entropy(logits, y).item()
    assert measurements["train_loss"] == pytest.approx(expected, 1e-5)


def test_validation_accuracy_is_measured_on_held_out_limited_labels() -> None:
    run = trained(make_trial(validation_fraction=0.2, eval_count=None))
    assert [row["eval_count"] for row in run.curve] == [20] * 9
    assert (run.curve[-1]["validation_accuracy"] * 20) % 1 == pytest.approx(0, abs=1e-9)


def test_outcomes_say_how_many_parameters_steps_and_seconds_it_took() -> None:
    measurements = trained(make_trial()).outcome().measurements
    assert measurements["parameters"] == 14_458
    assert measurements["steps_done"] == STEPS
    assert measurements["train_seconds"] > 0
    assert measurements["eval_seconds"] > 0


# Precision


@pytest.mark.parametrize(
    ("abilities", "expected"),
    [
        ({"amx_bf16": True, "avx512_bf16": False}, "bf16"),
        ({"amx_bf16": False, "avx512_bf16": True}, "bf16"),
        ({"avx2": True, "amx_bf16": False, "avx512_bf16": False}, "fp32"),
        ({}, "fp32"),
    ],
)
def test_auto_precision_is_bf16_on_cpus_with_instructions_for_it(
    abilities: dict[str, bool], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cpu.get_capabilities", lambda: abilities)
    assert resolve_precision("auto", CPU) == expected
    trial = make_trial(precision="auto", steps=1)
    assert trained(trial).outcome().measurements["precision_used"] == expected


@pytest.mark.parametrize(("native", "expected"), [(True, "bf16"), (False, "fp32")])
def test_auto_precision_is_bf16_on_gpus_that_have_it_without_emulation(
    native: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def is_supported(including_emulation: bool) -> bool:
        return including_emulation or native

    monkeypatch.setattr("torch.cuda.is_bf16_supported", is_supported)
    assert resolve_precision("auto", torch.device("cuda", 0)) == expected


def test_auto_precision_is_fp32_on_other_devices() -> None:
    assert resolve_precision("auto", torch.device("mps")) == "fp32"


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_precision_that_is_asked_for_is_used_anywhere(
    precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cpu.get_capabilities", dict)
    assert resolve_precision(precision, CPU) == precision
    outcome = trained(make_trial(precision=precision)).outcome()
    assert outcome.measurements["precision_used"] == precision
    assert outcome.measurements["test_accuracy"] > 0.6


def test_bf16_rounds_where_fp32_does_not() -> None:
    one, other = trained(make_trial()), trained(make_trial(precision="bf16"))
    assert one.curve[0]["train_loss"] != other.curve[0]["train_loss"]
    assert one.curve[0]["train_loss"] == pytest.approx(other.curve[0]["train_loss"], rel=0.02)
    assert {p.dtype for p in other.model.parameters()} == {torch.float32}


# The user's own models and data


def vectors() -> ResidentDataset:
    """Two classes that their first feature tells apart; five features."""
    generator = np.random.default_rng(0)
    y = np.arange(120) % 2
    x = generator.normal(size=(120, 5)).astype(np.float32)
    x[:, 0] += 4 * y
    return to_device(
        Dataset(train_inputs=x[:80], train_labels=y[:80], test_inputs=x[80:], test_labels=y[80:]),
        CPU,
    )


def test_a_users_model_learns_a_users_vectors() -> None:
    shapes = []

    def perceptron(*, input_shape: tuple[int, ...], classes: int, dropout: float) -> nn.Module:
        shapes.append(input_shape)
        return nn.Sequential(
            nn.Linear(input_shape[0], 8),
            nn.BatchNorm1d(8),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(8, classes),
        )

    trial = make_trial(dataset="vectors", model="perceptron", data_count=80, dropout=0.1)
    run = TrainingRun(trial, vectors(), perceptron)
    run.train()
    measurements = run.outcome().measurements
    assert shapes == [(5,)]
    assert measurements["test_accuracy"] > 0.9
    assert measurements["test_accuracy_reestimated"] > 0.9
    assert measurements["parameters"] == 5 * 8 + 8 + 16 + 8 * 2 + 2


def test_a_users_model_sees_channels_first() -> None:
    shapes: list[tuple[int, ...]] = []

    class Watch(SoftmaxRegression):
        def __init__(self, **arguments: Any) -> None:
            super().__init__(**arguments)
            shapes.append(arguments["input_shape"])

        def forward(self, x: Tensor) -> Tensor:
            shapes.append(tuple(x.shape))
            return super().forward(x)

    trained(make_trial(steps=1), Watch)
    assert shapes[:2] == [(1, 8, 8), (16, 1, 8, 8)]


def test_a_builder_that_returns_no_module_is_named() -> None:
    def broken(**_: Any) -> Any:
        return "a string"

    with pytest.raises(TypeError, match=r"broken.* must return a torch\.nn\.Module, got str"):
        new_run(make_trial(), broken)


def test_a_builder_with_other_arguments_is_named() -> None:
    def narrow(classes: int) -> nn.Module:
        return nn.Linear(64, classes)

    with pytest.raises(TypeError, match=r"narrow must accept .*got \(classes"):
        new_run(make_trial(), narrow)


def test_an_unknown_model_is_named() -> None:
    with pytest.raises(ValueError, match=r"model must be one of .*, got 'resnet21'; did you"):
        new_run(make_trial(), "resnet21")


def test_what_a_users_model_raises_comes_through() -> None:
    class Raises(SoftmaxRegression):
        def forward(self, x: Tensor) -> Tensor:
            raise RuntimeError(f"no use for {x.ndim} dimensions")

    with pytest.raises(RuntimeError, match="no use for 4 dimensions"):
        trained(make_trial(), Raises)


# A user's model, before anything is trained


class NoParameters(nn.Module):
    def __init__(self, **_: object) -> None:
        super().__init__()

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1)[:, :10]


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (NoParameters, "must have parameters to train"),
        (lambda **_: nn.Sequential(nn.Flatten(), nn.Linear(64, 7)), r"logits \[n, 10\].*\[2, 7\]"),
    ],
)
def test_a_model_that_cannot_classify_is_refused(
    model: Callable[..., nn.Module], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        check_model(model, load_dataset("digits"), 0.0)


def test_trying_a_model_leaves_the_random_state_alone() -> None:
    before = torch.get_rng_state()
    check_model("small_cnn", load_dataset("digits"), 0.1)
    assert torch.equal(torch.get_rng_state(), before)
