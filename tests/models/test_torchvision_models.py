"""Torchvision's classifiers by name: shapes, dropout, and errors before anything is trained."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torchvision
from torch import nn

from superconv_ray import Arm, Study, Trial, iterations
from superconv_ray.data.catalog import DATASETS
from superconv_ray.design.building import make_plan
from superconv_ray.execution.model_check import check_models
from superconv_ray.models import build_model

SMALL = "torchvision:shufflenet_v2_x0_5"


def build(name: str, shape: tuple[int, int, int] = (3, 32, 32), dropout: float = 0.0) -> nn.Module:
    return build_model(f"torchvision:{name}", input_shape=shape, classes=7, dropout=dropout)


def study(model: str) -> Study:
    return Study(
        name="vision",
        base=Trial(data_count=100, batch_size=32, model=model),
        arms={"constant": Arm(policy="constant", max_lr=0.01)},
        budget=iterations(2),
        seeds=1,
    )


def test_the_network_is_torchvisions_own_with_weights_of_the_seed() -> None:
    torch.manual_seed(0)
    own = build("resnet18").state_dict()
    torch.manual_seed(0)
    reference = torchvision.models.resnet18(weights=None, num_classes=7).state_dict()
    assert list(own) == list(reference)
    assert all(torch.equal(own[name], reference[name]) for name in own)


def test_a_grey_image_is_shown_in_all_three_channels() -> None:
    torch.manual_seed(0)
    grey = build("resnet18", (1, 32, 32)).eval()
    torch.manual_seed(0)
    color = build("resnet18").eval()
    x = torch.randn(2, 1, 32, 32)
    torch.testing.assert_close(grey(x), color(x.repeat(1, 3, 1, 1)))


def test_dropout_is_that_of_the_networks_own_layers() -> None:
    for dropout in (0.0, 0.3):
        layers = [
            m.p
            for m in build("mobilenet_v2", dropout=dropout).modules()
            if isinstance(m, nn.Dropout)
        ]
        assert layers == [dropout]
    with pytest.raises(ValueError, match="dropout must be 0 for model 'torchvision:resnet18'"):
        build("resnet18", dropout=0.3)


def test_heads_that_only_help_training_are_left_out() -> None:
    logits = build("googlenet", (3, 64, 64))(torch.randn(2, 3, 64, 64))
    assert isinstance(logits, torch.Tensor)
    assert logits.shape == (2, 7)


def test_a_vision_transformer_is_made_for_the_images() -> None:
    assert build("vit_b_32", (3, 64, 64))(torch.randn(1, 3, 64, 64)).shape == (1, 7)
    with pytest.raises(ValueError, match="cannot be made for images of 28 x 28 pixels"):
        build("vit_b_32", (3, 28, 28))


def test_other_channels_are_rejected() -> None:
    with pytest.raises(ValueError, match="needs images with 1 or 3 channels, got 4"):
        build("resnet18", (4, 32, 32))


def test_an_unknown_name_is_rejected_when_the_study_is_planned() -> None:
    with pytest.raises(ValueError, match="got 'torchvision:resnet19'; did you mean 'torchv"):
        make_plan(study("torchvision:resnet19"))


def test_the_prefix_is_not_for_own_models() -> None:
    with pytest.raises(ValueError, match="'torchvision:resnet18' is the name of a built-in"):
        replace(study(SMALL), models={"torchvision:resnet18": lambda **_: nn.Linear(1, 1)})


def test_images_too_small_for_a_network_are_an_error_before_training() -> None:
    with pytest.raises(ValueError, match=r"'torchvision:alexnet' cannot be trained on inputs \[n,"):
        check_models(make_plan(study("torchvision:alexnet")), DATASETS)


def test_a_study_trains_a_network_by_its_torchvision_name(store_uri: str) -> None:
    result = study(SMALL).run(store_uri, local=True, progress=False)
    (trial,) = result.trials.itertuples()
    assert (trial.model, trial.status, trial.steps_done) == (SMALL, "completed", 2)
