"""The training loop on digits, in runs of some dozen steps."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from superconv_ray.design.evaluations import row_steps
from superconv_ray.design.trial import CompleteTrial
from superconv_ray.training import numerics
from superconv_ray.training.loop import CHECK_INTERVAL, TrainingRun
from superconv_ray.training.losses import DIVERGENCE_FACTOR
from tests.own_code import flip_and_shift, plain
from tests.training.made import (
    ROW_STEPS,
    STEPS,
    VARIANTS,
    SoftmaxRegression,
    SpoiltAfter20Steps,
    bits,
    digits,
    everything,
    first_batches,
    held_out_part,
    make_trial,
    measured,
    needs_muon,
    never_cut_off,
    new_run,
    rows,
    trained,
    training_indices,
    training_part,
    weight,
)


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_same_seed_gives_the_same_curve_and_weights_bit_for_bit(variant: str) -> None:
    assert everything(trained(make_trial(**VARIANTS[variant]))) == never_cut_off(variant)


def test_another_seed_gives_other_weights_subset_and_curve() -> None:
    one, other = new_run(make_trial()), new_run(make_trial(seed=1))
    assert weight(one, "conv1.weight") != weight(other, "conv1.weight")
    assert first_batches(one)[0][0] != first_batches(other)[0][0]
    assert rows(trained(make_trial(seed=1))) != never_cut_off("plain")["rows"]


@pytest.mark.parametrize(
    "variant",
    [
        *("dropout and augmentation", "nesterov", "adamw", "ghost batches", "hessian-free"),
        *("caffe", "schedule-free adamw", "own code"),
        pytest.param("muon", marks=needs_muon),
    ],
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


def test_cut_off_with_a_pipeline_of_torchvision_it_ends_as_if_never_cut_off() -> None:
    trial = make_trial(policy=plain, augment=flip_and_shift(), dropout=0.2)
    run = new_run(trial)
    for cut in (13, 14):
        run.train(pause=lambda run=run, cut=cut: run.step >= cut)  # type: ignore[misc]
        state = run.state()
        run = new_run(trial)
        run.restore(state)
    run.train()
    uncut = trained(trial)
    assert everything(run) == everything(uncut)
    assert rows(uncut) != rows(trained(make_trial(policy=plain, dropout=0.2)))


@settings(max_examples=8)
@given(variant=st.sampled_from(sorted(VARIANTS)), cuts=st.sets(st.integers(0, STEPS), max_size=4))
@example(variant="dropout and augmentation", cuts={0})
@example(variant="dropout and augmentation", cuts={6, 7, 8})
@example(variant="adam", cuts={15, 16, 17})
@example(variant="nesterov", cuts={39})
@example(variant="bf16", cuts={40})
@example(variant="own loss and metric", cuts={20})
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


# Other hardware


@dataclass
class Journey:
    """A run that takes ten steps on each device, and on the last one those that are left.

    Device A is fast at bf16.
    """

    devices: str
    trial: CompleteTrial
    notes: list[str | None] = field(default_factory=list)

    def run(self, monkeypatch: pytest.MonkeyPatch) -> TrainingRun:
        state = None
        for number, device in enumerate(self.devices, start=1):
            is_a = device == "A"
            monkeypatch.setattr(numerics, "device_name", lambda _, name=device: name)
            monkeypatch.setattr("torch.cpu._is_amx_tile_supported", lambda is_a=is_a: is_a)
            monkeypatch.setattr("torch.cpu._is_avx512_bf16_supported", lambda: False)
            run = new_run(self.trial)
            if state:
                self.notes.append(run.restore(state))
            until = 10 * number if number < len(self.devices) else STEPS
            while run.step < until:
                run.train(pause=lambda: True)
            state = run.state()
        return run


@pytest.mark.parametrize(("devices", "expected"), [("AB", "bf16"), ("BA", "fp32"), ("AA", "bf16")])
def test_a_run_keeps_the_precision_that_it_began_with(
    devices: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Journey(devices, make_trial(precision="auto")).run(monkeypatch)
    assert run.outcome().measurements["precision_used"] == expected
    whole = trained(make_trial(precision=expected))
    assert everything(run)["weights"] == everything(whole)["weights"]
    assert rows(run) == rows(whole)


def test_a_moved_run_says_so_and_names_all_hardware_that_it_was_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    journey = Journey("AABA", make_trial(precision="auto"))
    run = journey.run(monkeypatch)
    same, there, back = journey.notes
    assert same is None
    assert there
    assert back
    assert re.fullmatch(
        r"it was on A \(1 CPU thread, torch .*\) and is on B \(1 CPU thread, torch .*\) now; it "
        r"continues in bf16",
        there,
    )
    assert back.startswith("it was on B (")
    measurements = run.outcome().measurements
    assert measurements["device"] == "A + B"
    assert measurements["threads"] == 1
    assert measurements["torch_version"] == str(torch.__version__)


def test_other_threads_or_another_torch_are_other_hardware(monkeypatch: pytest.MonkeyPatch) -> None:
    run = new_run(make_trial())
    run.train(pause=lambda: True)
    monkeypatch.setattr("torch.get_num_threads", lambda: 2)
    monkeypatch.setattr("torch.__version__", "9.0")
    again = new_run(make_trial())
    assert again.restore(run.state())
    again.train()
    measurements = again.outcome().measurements
    assert measurements["threads"] is None
    assert measurements["torch_version"].endswith(" + 9.0")


def test_a_deterministic_run_is_not_continued_on_other_hardware(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(ValueError, match=r"deterministic=True, but it was on A .* is on B .* now"):
        Journey("AB", make_trial(deterministic=True)).run(monkeypatch)
    run = Journey("AA", make_trial(deterministic=True)).run(monkeypatch)
    assert everything(run)["weights"] == never_cut_off("plain")["weights"]


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
    run = trained(make_trial(eval_interval=39), SpoiltAfter20Steps)
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


# Curve rows and evaluations


@pytest.mark.parametrize(
    ("steps", "interval", "expected"),
    [
        (40, 7, [1, 2, 4, 7, 14, 21, 28, 35, 40]),
        (20, 1, list(range(1, 21))),
        (10, 4, [1, 2, 4, 8, 10]),
        (12, 4, [1, 2, 4, 8, 12]),
        (100, 64, [1, 2, 4, 8, 16, 32, 64, 100]),
        (101, 100, [1, 2, 4, 8, 16, 32, 64, 100, 101]),
        (100, 100, [100]),
        (5, 100, [5]),
        (1, 1, [1]),
        (1, 5, [1]),
    ],
)
def test_rows_are_due_at_powers_of_two_then_at_each_interval_or_only_at_the_end(
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


def test_a_run_without_rows_before_its_end_is_checked_where_it_would_have_had_them() -> None:
    """It diverges at the same step, with or without them."""
    ends = {}
    for interval in (STEPS - 1, STEPS):
        run = trained(make_trial(policy="constant", max_lr=1e3, eval_interval=interval))
        ends[interval] = run.diverged, run.step
        if interval == STEPS:
            assert [row["step"] for row in run.curve] == [run.step]
    assert ends[STEPS] == ends[STEPS - 1]
    assert ends[STEPS][0]
    assert ends[STEPS][1] < CHECK_INTERVAL


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
