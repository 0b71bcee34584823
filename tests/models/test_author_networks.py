"""The other networks of the author's files, against these files and against blocks by hand."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, nn

from superconv_ray.models import build_model
from superconv_ray.models.bottleneck import BottleneckResNet, bottleneck56, resnext56
from superconv_ray.models.densenet import DenseNet40
from superconv_ray.models.wide_resnet import Wide32, WideResNet


def conv(x: Tensor, layer: Any) -> Tensor:
    return F.conv2d(x, layer.weight, layer.bias, layer.stride, layer.padding, 1, layer.groups)


def normalized(x: Tensor) -> Tensor:
    """Batch norm with batch statistics, written out."""
    mean = x.mean((0, 2, 3), keepdim=True)
    return (x - mean) / (((x - mean) ** 2).mean((0, 2, 3), keepdim=True) + 1e-5).sqrt()


def dropouts(model: nn.Module) -> int:
    return sum(isinstance(module, nn.Dropout) for module in model.modules())


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("wide32", 5_903_626),
        ("densenet40", 1_019_722),
        ("bottleneck56", 594_922),
        ("resnext56", 591_978),
        ("wrn28_10", 36_479_194),
    ],
)
def test_parameters_are_those_of_the_files(name: str, parameters: int) -> None:
    """Counted layer by layer in the prototxt files; for WRN-28-10 the published 36.5 million."""
    model = build_model(name, input_shape=(3, 32, 32), classes=10, dropout=0.2)
    assert sum(p.numel() for p in model.parameters()) == parameters


@pytest.mark.parametrize(("name", "depth"), [("bottleneck56", 56), ("densenet40", 40)])
def test_depth_counts_the_layers_on_the_main_path(name: str, depth: int) -> None:
    model = build_model(name, input_shape=(3, 32, 32), classes=10, dropout=0.0)
    main = [n for n, m in model.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert len([n for n in main if "project" not in n]) == depth


def test_blocks_of_wide32_have_no_relu_after_the_sum() -> None:
    net = Wide32(input_shape=(3, 32, 32), classes=10)
    blocks: Any = net.blocks
    same, wider = blocks[0], blocks[5]
    x = torch.randn(4, 16, 8, 8)
    out = normalized(conv(normalized(conv(x, same.conv1[0])).relu(), same.conv2[0]))
    torch.testing.assert_close(same(x.clone()), out + x)
    out = normalized(conv(normalized(conv(x, wider.conv1[0])).relu(), wider.conv2[0]))
    shortcut = normalized(conv(x, wider.project[0]))
    assert shortcut.shape == (4, 64, 4, 4)
    torch.testing.assert_close(wider(x.clone()), out + shortcut)


@pytest.mark.parametrize("build", [bottleneck56, resnext56])
def test_bottlenecks_project_the_input_before_it_is_normalized(build: type[nn.Module]) -> None:
    net = build(input_shape=(3, 32, 32), classes=10)
    assert isinstance(net, BottleneckResNet)
    blocks: Any = net.blocks
    x = torch.randn(4, 64, 8, 8)
    for block in (blocks[1], blocks[6]):
        out = conv(normalized(x).relu(), block.conv1)
        out = conv(normalized(out).relu(), block.conv2)
        out = conv(normalized(out).relu(), block.conv3)
        shortcut = x if block.project is None else conv(x, block.project)
        torch.testing.assert_close(block(x.clone()), out + shortcut)


def test_a_resnext_has_32_groups_and_no_more_parameters() -> None:
    blocks: Any = resnext56(input_shape=(3, 32, 32), classes=10).blocks
    convolutions = [block.conv2 for block in blocks]
    assert {c.groups for c in convolutions} == {32}
    assert [c.in_channels for c in convolutions[::6]] == [32, 64, 128]


def test_layers_of_densenet_append_twelve_channels() -> None:
    net = DenseNet40(input_shape=(3, 32, 32), classes=10)
    parts: Any = net.blocks
    layer, x = parts[0], torch.randn(4, 16, 8, 8)
    torch.testing.assert_close(layer(x), torch.cat([x, conv(normalized(x).relu(), layer.conv)], 1))
    widths = [p.conv.in_channels for p in parts if hasattr(p, "conv")]
    assert (widths[0], widths[12], widths[13], widths[25], net.fc.in_features) == (
        *(16, 160, 160, 304),
        448,
    )


@pytest.mark.parametrize(
    ("name", "layers"),
    [("densenet40", 38), ("wide32", 30), ("wrn28_10", 12), ("bottleneck56", 36)],
)
def test_dropout_is_where_the_files_and_papers_have_it(name: str, layers: int) -> None:
    shape = (3, 32, 32)
    assert dropouts(build_model(name, input_shape=shape, classes=10, dropout=0.2)) == layers
    assert dropouts(build_model(name, input_shape=shape, classes=10, dropout=0.0)) == 0


def test_sizes_that_are_odd_are_halved_upwards() -> None:
    logits = Wide32(input_shape=(1, 7, 9), classes=10)(torch.randn(2, 1, 7, 9))
    assert logits.shape == (2, 10)


def test_other_depths_of_wide_networks_are_rejected() -> None:
    with pytest.raises(ValueError, match=r"depth must be 6n\+4 with n >= 1, .* got 20"):
        WideResNet(depth=20, factor=1, input_shape=(3, 32, 32), classes=10)
