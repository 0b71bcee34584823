from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from superconv_ray.models.ghost_batch_norm import GhostBatchNorm
from superconv_ray.training.batch_norm import reestimated_statistics
from tests.training.made import (
    SoftmaxRegression,
    bits,
    exactly,
    held_out_part,
    make_trial,
    measured,
    never_cut_off,
    new_run,
    norms,
    rows,
    trained,
    training_part,
    weight,
)


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


def test_samples_that_cannot_be_read_leave_the_running_statistics_as_they_were() -> None:
    model = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(4))
    model(torch.randn(8, 4))
    before = {name: bits(value) for name, value in model.state_dict().items()}

    def show_half() -> None:
        model(torch.ones(8, 4))
        raise OSError("unmounted")

    with pytest.raises(OSError, match="unmounted"), reestimated_statistics(model, show_half):
        pass
    assert {name: bits(value) for name, value in model.state_dict().items()} == before
    assert model[1].momentum == 0.1
    assert model.training


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
    plain.step, plain.curve, plain.correctness = run.step, run.curve, run.correctness
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
