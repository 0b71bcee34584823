"""The small network: sizes, dropout, and that it learns digits in a second."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from sklearn.datasets import load_digits
from torch import nn

from superconv_ray.models.small_cnn import SmallCNN


def test_parameters() -> None:
    # 16*9 + 32*16*9 + 32*32*9 weights, 2*(16+32+32) of batch norm, 10*32+10
    model = SmallCNN(input_shape=(1, 8, 8), classes=10)
    assert sum(p.numel() for p in model.parameters()) == 14_458


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 8, 8), (1, 28, 28), (3, 32, 32), (1, 9, 5)])
def test_gives_one_logit_per_class(shape: tuple[int, int, int]) -> None:
    model = SmallCNN(input_shape=shape, classes=4, dropout=0.1)
    assert model(torch.randn(2, *shape)).shape == (2, 4)


def test_dropout_is_before_the_classifier_and_off_in_evaluation() -> None:
    torch.manual_seed(0)
    model = SmallCNN(input_shape=(1, 8, 8), classes=10, dropout=0.5)
    assert [m.p for m in model.modules() if isinstance(m, nn.Dropout)] == [0.5]
    seen: list[torch.Tensor] = []
    model.fc.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    x = torch.randn(16, 1, 8, 8)
    model(x)
    assert (seen[0] == 0).float().mean() == pytest.approx(0.5, abs=0.1)
    model.eval()
    assert torch.equal(model(x), model(x))


def test_weights_are_hes_normal_and_the_classifier_xavier() -> None:
    torch.manual_seed(0)
    model = SmallCNN(input_shape=(3, 8, 8), classes=100)
    for conv in (model.conv1, model.conv2, model.conv3):
        std = math.sqrt(2 / (9 * conv.in_channels))
        assert conv.bias is None
        assert conv.weight.std().item() == pytest.approx(std, rel=0.1)
    bound = math.sqrt(3 / 32)
    assert 0.99 * bound < model.fc.weight.abs().max() <= bound
    assert not model.fc.bias.any()


def test_gradients_reach_every_parameter() -> None:
    model = SmallCNN(input_shape=(1, 8, 8), classes=10, dropout=0.2)
    torch.autograd.backward(F.cross_entropy(model(torch.randn(16, 1, 8, 8)), torch.arange(16) % 10))
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


def test_learns_1400_digits_to_97_percent_in_five_epochs() -> None:
    digits = load_digits()
    images = torch.tensor(digits.images, dtype=torch.float32)[:, None]
    labels = torch.tensor(digits.target)
    torch.manual_seed(0)
    order = torch.randperm(len(images))
    train, test = order[:1400], order[1400:]
    images = (images - images[train].mean()) / images[train].std()
    model = SmallCNN(input_shape=(1, 8, 8), classes=10)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
    for epoch in range(5):
        if epoch == 4:
            optimizer.param_groups[0]["lr"] = 0.01
        for batch in torch.split(train[torch.randperm(1400)], 64):
            optimizer.zero_grad()
            torch.autograd.backward(F.cross_entropy(model(images[batch]), labels[batch]))
            optimizer.step()
    with torch.no_grad():
        right = model.eval()(images[test]).argmax(1) == labels[test]
    assert right.float().mean() > 0.97
