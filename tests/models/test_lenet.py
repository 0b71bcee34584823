"""Caffe's LeNet: sizes, the only ReLU, the filler."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import nn

from superconv_ray.models.lenet import LeNet


def test_parameters_are_those_of_caffes_lenet() -> None:
    # 20*25+20 + 50*20*25+50 + 500*800+500 + 10*500+10
    model = LeNet(input_shape=(1, 28, 28), classes=10)
    assert sum(p.numel() for p in model.parameters()) == 431_080


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (3, 29, 29), (1, 13, 30)])
@pytest.mark.parametrize("classes", [2, 10])
def test_gives_one_logit_per_class(shape: tuple[int, int, int], classes: int) -> None:
    model = LeNet(input_shape=shape, classes=classes, dropout=0.2)
    assert model(torch.randn(4, *shape)).shape == (4, classes)


def test_pooling_sizes_are_rounded_up() -> None:
    # 31 -> conv 27 -> pool 14 -> conv 10 -> pool 5; rounding down would give 13, 9, 4.
    assert LeNet(input_shape=(1, 31, 31), classes=10).fc1.in_features == 50 * 5 * 5


def test_forward_is_conv_pool_conv_pool_fc_relu_fc() -> None:
    model = LeNet(input_shape=(1, 28, 28), classes=10)
    x = torch.randn(2, 1, 28, 28)
    y = F.max_pool2d(F.conv2d(x, model.conv1.weight, model.conv1.bias), 2)
    y = F.max_pool2d(F.conv2d(y, model.conv2.weight, model.conv2.bias), 2)
    y = torch.relu(y.reshape(2, 800) @ model.fc1.weight.T + model.fc1.bias)
    y = y @ model.fc2.weight.T + model.fc2.bias
    torch.testing.assert_close(model(x), y)


def test_channels_last_gives_the_same_logits() -> None:
    model = LeNet(input_shape=(3, 28, 28), classes=10)
    x = torch.randn(2, 3, 28, 28)
    expected = model(x)
    model.to(memory_format=torch.channels_last)
    torch.testing.assert_close(
        model(x.to(memory_format=torch.channels_last)), expected, rtol=1e-4, atol=1e-5
    )


def test_weights_are_uniform_within_caffes_xavier_bound_and_biases_zero() -> None:
    torch.manual_seed(0)
    model = LeNet(input_shape=(1, 28, 28), classes=10)
    for layer, fan_in in (
        (model.conv1, 25),
        (model.conv2, 20 * 25),
        (model.fc1, 800),
        (model.fc2, 500),
    ):
        bound = math.sqrt(3 / fan_in)
        weight = layer.weight.detach()
        assert 0.97 * bound < weight.abs().max() <= bound
        assert weight.std().item() == pytest.approx(1 / math.sqrt(fan_in), rel=0.1)
        assert layer.bias is not None
        assert not layer.bias.any()


def test_dropout_follows_the_relu_of_fc500_only() -> None:
    torch.manual_seed(0)
    model = LeNet(input_shape=(1, 28, 28), classes=10, dropout=0.5)
    assert [m.p for m in model.modules() if isinstance(m, nn.Dropout)] == [0.5]
    seen: list[torch.Tensor] = []
    model.fc2.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach()))
    x = torch.randn(4, 1, 28, 28)
    model(x)
    model.eval()(x)
    dropped, kept = seen
    survivors = dropped != 0
    torch.testing.assert_close(dropped[survivors], 2 * kept[survivors])
    assert survivors.sum() / (kept > 0).sum() == pytest.approx(0.5, abs=0.06)
    assert (kept >= 0).all()


def test_gradients_reach_every_parameter() -> None:
    model = LeNet(input_shape=(1, 28, 28), classes=10, dropout=0.2)
    torch.autograd.backward(F.cross_entropy(model(torch.randn(8, 1, 28, 28)), torch.arange(8)))
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())
