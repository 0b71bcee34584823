"""What is found out about a model before anything is trained."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from superconv_ray.data.catalog import DATASETS
from superconv_ray.data.readers import load_dataset
from superconv_ray.design.trial import Trial
from superconv_ray.training.check import check_model
from tests.own_code import flip_and_shift, noise, plain, sign_descent
from tests.training.made import SoftmaxRegression, make_trial, new_run, trained


def check(model: str | Callable[..., nn.Module], **settings: Any) -> None:
    check_model(model, Trial(**settings), load_dataset("digits"))


class NoParameters(nn.Module):
    def __init__(self, **_: object) -> None:
        super().__init__()

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1)[:, :10]


class Logits(NamedTuple):
    main: Tensor
    auxiliary: Tensor


class Auxiliary(SoftmaxRegression):
    """Has a second output in training, as torchvision's Inception."""

    def forward(self, x: Tensor) -> Any:
        logits = super().forward(x)
        return Logits(logits, logits) if self.training else logits


class Conv3d(nn.Module):
    """Takes the rows of an image as its depth."""

    def __init__(self, *, input_shape: tuple[int, ...], classes: int, dropout: float) -> None:
        super().__init__()
        del dropout
        self.volumes = nn.Conv3d(1, 4, 3, padding=1)
        self.images = nn.Conv2d(4 * input_shape[0], 4, 3, padding=1)
        self.fc = nn.Linear(4, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.volumes(x.unsqueeze(1)).flatten(1, 2)
        logits: Tensor = self.fc(self.images(x).relu().mean((2, 3)))
        return logits


class OwnNorm(nn.BatchNorm2d):
    """Might do something else than batch norm."""


def own_norm(**_: Any) -> nn.Module:
    return nn.Sequential(OwnNorm(1), nn.Flatten(), nn.Linear(64, 10))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (NoParameters, "must have parameters to train"),
        (lambda **_: nn.Sequential(nn.Flatten(), nn.Linear(64, 7)), r"logits \[n, 10\].*\[2, 7\]"),
        (Auxiliary, r"logits \[n, 10\] for inputs \[n, 1, 8, 8\], .* gives a Logits for n=2"),
    ],
)
def test_a_model_that_cannot_classify_is_refused(
    model: Callable[..., nn.Module], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        check(model)


def test_a_model_that_passes_trains_also_with_weights_of_five_dimensions() -> None:
    check(Conv3d)
    assert trained(make_trial(), Conv3d).outcome().status == "completed"


def test_images_of_every_size_are_tried() -> None:
    check(Conv3d, image_sizes=(4, 8))
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied") as caught:
        check(SoftmaxRegression, image_sizes=(5, 8))
    (note,) = caught.value.__notes__
    assert note == "image_sizes: this is with training images of 5 x 5 pixels"
    with pytest.raises(ValueError, match="'torchvision:vit_b_16' cannot be trained on"):
        check_model("torchvision:vit_b_16", Trial(image_sizes=(16,)), DATASETS["cifar10"])


def test_what_fails_in_training_only_is_found() -> None:
    check(own_norm)
    for attempt in (check, lambda model, **changes: new_run(make_trial(**changes), model)):
        with pytest.raises(ValueError, match="ghost_batch_size needs batch norms of class"):
            attempt(own_norm, ghost_batch_size=8, batch_size=16)

    def frozen(**_: Any) -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 10), Detached())

    class Detached(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.detach()

    with pytest.raises(RuntimeError, match="does not require grad"):
        check(frozen)


def test_the_precision_is_that_of_the_trial() -> None:
    class Mixes(SoftmaxRegression):
        def forward(self, x: Tensor) -> Tensor:
            return torch.zeros(len(x), 10).index_add_(0, torch.arange(len(x)), super().forward(x))

    check(Mixes, precision="fp32")
    with pytest.raises(RuntimeError, match="same scalar type"):
        check(Mixes, precision="bf16")


def test_facts_about_a_data_set_are_enough_and_settings_of_the_study_may_be_missing() -> None:
    template = Trial(policy="piecewise", optimizer="nesterov", weight_decay=1e-4, steps=None)
    check_model("resnet20", template, DATASETS["cifar100"])


def test_where_the_driver_has_no_tf32_the_model_is_tried_without() -> None:
    check("small_cnn", precision="tf32")


def test_trying_a_model_leaves_the_random_state_alone() -> None:
    before = torch.get_rng_state()
    check("small_cnn", dropout=0.1)
    assert torch.equal(torch.get_rng_state(), before)


def draws_from_numpy(x: Tensor) -> Tensor:
    return x + torch.from_numpy(np.random.default_rng().normal(size=x.shape)).float()


def forgets(groups: Any) -> torch.optim.Optimizer:
    """Its average of gradients is not part of its state."""

    class Forgetful(torch.optim.Optimizer):
        def __init__(self) -> None:
            super().__init__(groups, {"lr": 0.1})
            self.means: dict[Tensor, Tensor] = {}

        @torch.no_grad()
        def step(self) -> None:  # type: ignore[override]
            for p in self.param_groups[0]["params"]:
                mean = self.means.setdefault(p, torch.zeros_like(p))
                mean.mul_(0.9).add_(p.grad)
                p.sub_(mean, alpha=self.param_groups[0]["lr"])

    return Forgetful()


def no_optimizer(groups: Any) -> Any:
    return groups


def no_lr(groups: Any) -> Any:
    optimizer = torch.optim.SGD(groups)
    for group in optimizer.param_groups:
        group["rate"] = group.pop("lr")
    return optimizer


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"augment": draws_from_numpy}, "augment 'draws_from_numpy' must draw all random numbers"),
        ({"optimizer": forgets}, "optimizer 'forgets' must continue from its state_dict as it was"),
        ({"optimizer": no_optimizer}, "optimizer 'no_optimizer' must return an .* a list has no "),
        ({"optimizer": no_lr}, "optimizer 'no_lr' must have 'lr' in each of its param_groups"),
    ],
)
def test_own_code_with_which_a_run_could_not_continue_is_refused(
    settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        check("small_cnn", **settings)


def test_own_code_that_keeps_the_rules_is_accepted() -> None:
    check("small_cnn", optimizer=sign_descent, augment=noise, policy=plain, weight_decay=0.1)
    check("small_cnn", augment=flip_and_shift())
    check(SoftmaxRegression, optimizer=sign_descent)
