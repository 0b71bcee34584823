"""Smith's CIFAR ResNet against paper.md, section 5, and numbers worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, nn

from superconv_ray.models import build_model
from superconv_ray.models.resnet import Block, ResNet, resnet20


def small(*, channels: int = 3, size: int = 32, classes: int = 10, dropout: float = 0.0) -> ResNet:
    """The shallowest network of the family, for tests that need no depth."""
    shape = (channels, size, size)
    return ResNet(depth=8, input_shape=shape, classes=classes, dropout=dropout)


def by_hand(block: Block, x: Tensor, shortcut: Tensor) -> Tensor:
    """A block in training, without dropout, on batch statistics and without batch norm's module."""

    def normalized(x: Tensor) -> Tensor:
        mean = x.mean((0, 2, 3), keepdim=True)
        return (x - mean) / (((x - mean) ** 2).mean((0, 2, 3), keepdim=True) + 1e-5).sqrt()

    stride = block.conv1.stride[0]
    out = F.conv2d(x, block.conv1.weight, block.conv1.bias, stride=stride, padding=1)
    out = torch.relu(normalized(out))
    out = normalized(F.conv2d(out, block.conv2.weight, block.conv2.bias, padding=1))
    return torch.relu(out + shortcut)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("resnet20", 224_042), ("resnet56", 808_682), ("resnet110", 1_685_642)],
)
def test_parameters_are_those_of_the_paper(name: str, parameters: int) -> None:
    model = build_model(name, input_shape=(3, 32, 32), classes=10, dropout=0.2)
    assert sum(p.numel() for p in model.parameters()) == parameters


@pytest.mark.parametrize("depth", [8, 20, 32, 44, 56, 110])
def test_depth_counts_the_layers_with_weights(depth: int) -> None:
    model = build_model(f"resnet{depth}", input_shape=(3, 32, 32), classes=10, dropout=0.0)
    layers = [m for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert len(layers) == depth


@pytest.mark.parametrize("depth", [2, 18, 21])
def test_other_depths_are_rejected(depth: int) -> None:
    with pytest.raises(ValueError, match=rf"depth must be 6n\+2 with n >= 1, .* got {depth}"):
        ResNet(depth=depth, input_shape=(3, 32, 32), classes=10)


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (1, 27, 27), (3, 9, 14)])
def test_gives_one_logit_per_class(shape: tuple[int, int, int]) -> None:
    model = resnet20(input_shape=shape, classes=3, dropout=0.1)
    assert model(torch.randn(2, *shape)).shape == (2, 3)


@pytest.mark.parametrize(
    ("size", "sizes"), [(32, (32, 16, 8)), (28, (28, 14, 7)), (27, (27, 14, 7))]
)
def test_stages_are_16_32_and_64_wide_and_halve_the_size(
    size: int, sizes: tuple[int, int, int]
) -> None:
    model = small(size=size)
    x = torch.relu(model.bn(model.conv(torch.randn(2, 3, size, size))))
    for stage, width, height in zip(
        (model.stage1, model.stage2, model.stage3), (16, 32, 64), sizes, strict=True
    ):
        x = stage(x)
        assert x.shape == (2, width, height, height)


def test_a_plain_block_adds_its_input_before_the_relu() -> None:
    block, x = Block(4), torch.randn(3, 4, 6, 6)
    torch.testing.assert_close(block(x.clone()), by_hand(block, x, x), rtol=1e-4, atol=1e-5)


def test_a_block_leaves_its_input_as_it_was() -> None:
    x = torch.randn(2, 4, 6, 6)
    before = x.clone()
    for downsample in (False, True):
        Block(4, downsample=downsample)(x)
    assert torch.equal(x, before)


def test_a_downsampling_block_pools_its_shortcut_and_appends_zeros_after_the_relu() -> None:
    block, x = Block(4, downsample=True), torch.randn(3, 4, 6, 6)
    pooled = torch.empty(3, 4, 3, 3)
    for i in range(3):
        for j in range(3):
            pooled[:, :, i, j] = x[:, :, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3].mean((2, 3))
    out = block(x)
    assert out.shape == (3, 8, 3, 3)
    torch.testing.assert_close(out[:, :4], by_hand(block, x, pooled), rtol=1e-4, atol=1e-5)
    assert not out[:, 4:].any()


def only_the_shortcut(x: Tensor) -> Tensor:
    """A downsampling block whose second batch norm gives zero."""
    block = Block(x.shape[1], downsample=True)
    nn.init.zeros_(block.bn2.weight)
    out: Tensor = block(x)
    return out[:, : x.shape[1]]


def test_pooling_of_an_even_size_is_caffes() -> None:
    # Windows of 3 from 0 and from 2, the second cut to two by the edge: no zeros are averaged in.
    x = torch.arange(16.0).reshape(1, 1, 4, 4)
    expected = torch.tensor([[5.0, 6.5], [11.0, 12.5]])
    torch.testing.assert_close(only_the_shortcut(x)[0, 0], expected)


def test_pooling_of_an_odd_size_is_centered_where_the_convolution_is() -> None:
    # Windows around 0, 2 and 4, cut by both edges.
    x = torch.arange(25.0).reshape(1, 1, 5, 5)
    expected = torch.tensor([[3.0, 4.5, 6.0], [10.5, 12.0, 13.5], [18.0, 19.5, 21.0]])
    torch.testing.assert_close(only_the_shortcut(x)[0, 0], expected)


def test_the_gradient_of_a_shortcut_does_not_come_from_the_zero_channels() -> None:
    block, x = Block(2, downsample=True), torch.rand(2, 2, 4, 4, requires_grad=True)
    torch.autograd.backward(block(x)[:, 2:].sum())
    assert x.grad is not None
    assert not x.grad.any()


def test_dropout_follows_every_block_convolution_and_not_the_stem() -> None:
    model = resnet20(input_shape=(3, 32, 32), classes=10, dropout=0.2)
    found = {name: m.p for name, m in model.named_modules() if isinstance(m, nn.Dropout)}
    assert found == {
        f"stage{stage}.{block}.dropout{conv}": 0.2
        for stage in (1, 2, 3)
        for block in (0, 1, 2)
        for conv in (1, 2)
    }


def test_no_dropout_module_without_dropout() -> None:
    assert not [m for m in small().modules() if isinstance(m, nn.Dropout)]


def test_the_first_dropout_is_before_the_relu_and_the_second_before_the_sum() -> None:
    order: list[str] = []
    block = Block(4, dropout=0.5)
    seen: dict[str, Tensor] = {}

    def record(name: str) -> None:
        def hook(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            order.append(name)
            seen[f"{name} in"], seen[name] = inputs[0].clone(), output.clone()

        block.get_submodule(name).register_forward_hook(hook)

    for name in ("conv1", "bn1", "dropout1", "conv2", "bn2", "dropout2"):
        record(name)
    x = torch.randn(2, 4, 6, 6)
    out = block(x)
    assert order == ["conv1", "bn1", "dropout1", "conv2", "bn2", "dropout2"]
    assert torch.equal(seen["dropout1 in"], seen["bn1"])
    assert (seen["dropout1"] < 0).any()
    assert torch.equal(seen["conv2 in"], torch.relu(seen["dropout1"]))
    assert torch.equal(seen["dropout2 in"], seen["bn2"])
    assert torch.equal(out, torch.relu(seen["dropout2"] + x))


def test_dropout_leaves_evaluation_and_the_stem_alone() -> None:
    torch.manual_seed(0)
    plain = small()
    dropping = small(dropout=0.5)
    dropping.load_state_dict(plain.state_dict())
    x = torch.randn(4, 3, 32, 32)
    stems: list[Tensor] = []
    for model in (plain, dropping):
        model.bn.register_forward_hook(lambda *call: stems.append(call[2].clone()))
    assert not torch.equal(plain(x), dropping(x))
    assert torch.equal(stems[0], stems[1])
    dropping.load_state_dict(plain.state_dict())
    assert torch.equal(plain.eval()(x), dropping.eval()(x))


def test_convolutions_are_msra_the_classifier_xavier_biases_zero() -> None:
    torch.manual_seed(0)
    model = resnet20(input_shape=(3, 32, 32), classes=100)
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            weight = module.weight.detach()
            std = math.sqrt(2 / (9 * module.in_channels))
            assert weight.std().item() == pytest.approx(std, rel=0.12)
            assert weight.mean().item() == pytest.approx(0, abs=0.15 * std)
            assert weight.abs().max() > 2.5 * std  # a normal has tails, a uniform ends at 1.73
            assert module.bias is not None
            assert not module.bias.any()
        if isinstance(module, nn.BatchNorm2d):
            assert (module.weight == 1).all()
            assert not module.bias.any()
    bound = math.sqrt(3 / 64)
    assert 0.99 * bound < model.fc.weight.abs().max() <= bound
    assert not model.fc.bias.any()


def test_gradients_reach_every_parameter() -> None:
    torch.manual_seed(0)
    model = small(dropout=0.2)
    torch.autograd.backward(F.cross_entropy(model(torch.randn(8, 3, 32, 32)), torch.arange(8)))
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        # Batch norm cancels the bias before it: its gradient is rounding, and may be exactly zero.
        if "conv" not in name or "bias" not in name:
            assert parameter.grad.abs().sum() > 0, name


def test_in_place_operations_keep_the_gradient_right() -> None:
    torch.manual_seed(0)
    for downsample in (False, True):
        block = Block(2, downsample=downsample).double()
        x = torch.randn(2, 2, 5, 4, dtype=torch.float64, requires_grad=True)
        assert torch.autograd.gradcheck(block, (x,))


@pytest.mark.parametrize("bf16", [False, True])
def test_channels_last_is_kept_through_every_stage(bf16: bool) -> None:
    torch.manual_seed(0)
    model = small()
    x = torch.randn(4, 3, 28, 28)
    expected = model(x).detach()
    model.to(memory_format=torch.channels_last)
    kept: list[bool] = []
    dtypes: set[torch.dtype] = set()

    def hook(_: nn.Module, __: object, output: Tensor) -> None:
        kept.append(output.is_contiguous(memory_format=torch.channels_last))
        dtypes.add(output.dtype)

    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.BatchNorm2d | Block):
            module.register_forward_hook(hook)
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        logits = model(x.to(memory_format=torch.channels_last))
    assert all(kept)
    assert dtypes == {torch.bfloat16 if bf16 else torch.float32}
    tolerance = 0.1 if bf16 else 1e-4
    torch.testing.assert_close(logits.float(), expected, rtol=tolerance, atol=tolerance)
