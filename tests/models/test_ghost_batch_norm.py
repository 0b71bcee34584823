"""Ghost batches against batch norm of torch's own, called on each group by itself."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from superconv_ray.models.ghost_batch_norm import GhostBatchNorm, with_ghost_batches

SHAPES = {
    "vectors": (12, 3),
    "sequences": (12, 3, 5),
    "images": (12, 3, 4, 2),
    "volumes": (12, 3, 2, 2, 2),
}
NORMS = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d, 5: nn.BatchNorm3d}


def batch(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def ghost(ndim: int, group_size: int, **settings: object) -> GhostBatchNorm:
    return GhostBatchNorm(NORMS[ndim](3, **settings), group_size)  # type: ignore[arg-type]


def by_hand(x: Tensor, group_size: int) -> tuple[Tensor, Tensor, Tensor]:
    """Normalized groups, and means over groups of their means and unbiased variances."""
    parts, means, variances = [], [], []
    for group in torch.split(x, group_size):
        rows = group.movedim(1, -1).reshape(-1, x.shape[1])
        mean, biased = rows.mean(0), rows.var(0, correction=0)
        shape = (1, -1, *[1] * (x.ndim - 2))
        parts.append((group - mean.view(shape)) / (biased.view(shape) + 1e-5).sqrt())
        means.append(mean)
        variances.append(rows.var(0))
    return torch.cat(parts), torch.stack(means).mean(0), torch.stack(variances).mean(0)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("group_size", [2, 4, 12])
def test_every_group_is_normalized_by_itself(shape: tuple[int, ...], group_size: int) -> None:
    x = batch(*shape) + 2.0
    expected, mean, variance = by_hand(x, group_size)
    norm = ghost(x.ndim, group_size, momentum=0.25)
    torch.testing.assert_close(norm(x), expected, rtol=1e-4, atol=1e-5)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    # From means 0 and variances 1, a quarter of the way, once for the whole batch
    torch.testing.assert_close(norm.running_mean, 0.25 * mean)
    torch.testing.assert_close(norm.running_var, 0.75 + 0.25 * variance)
    assert norm.num_batches_tracked == 1


def test_numbers_worked_out_by_hand() -> None:
    norm = GhostBatchNorm(nn.BatchNorm1d(1, eps=1e-12, momentum=0.5), 2)
    x = torch.tensor([[1.0], [3.0], [10.0], [20.0]])
    assert norm(x).flatten().tolist() == [-1.0, 1.0, -1.0, 1.0]
    # Groups' means 2 and 15, unbiased variances 2 and 50
    assert norm.running_mean is not None
    assert norm.running_var is not None
    assert norm.running_mean.item() == 0.5 * 8.5
    assert norm.running_var.item() == 0.5 * 1.0 + 0.5 * 26.0


@given(groups=st.integers(1, 6), size=st.integers(2, 6), seed=st.integers(0, 99))
def test_running_means_are_those_of_whole_batches_whatever_the_groups(
    groups: int, size: int, seed: int
) -> None:
    x = batch(groups * size, 3, 2, 2, seed=seed)
    plain, parts = nn.BatchNorm2d(3), ghost(4, size)
    plain(x), parts(x)
    torch.testing.assert_close(parts.running_mean, plain.running_mean, rtol=1e-4, atol=1e-6)


def test_one_group_is_batch_norm() -> None:
    x = batch(8, 3, 4, 4)
    plain, parts = nn.BatchNorm2d(3), ghost(4, 8)
    torch.testing.assert_close(parts(x), plain(x))
    torch.testing.assert_close(parts.running_var, plain.running_var)


def test_gradients_are_those_of_groups_by_themselves() -> None:
    x, weights = batch(12, 3, 2, 2).requires_grad_(), batch(12, 3, 2, 2, seed=1)
    other = x.detach().clone().requires_grad_()
    norm, plain = ghost(4, 4), nn.BatchNorm2d(3)
    torch.autograd.backward((norm(x) * weights).sum())
    groups = zip(torch.split(other, 4), torch.split(weights, 4), strict=True)
    torch.autograd.backward(torch.stack([(plain(g) * w).sum() for g, w in groups]).sum())
    torch.testing.assert_close(x.grad, other.grad)
    torch.testing.assert_close(norm.weight.grad, plain.weight.grad)
    torch.testing.assert_close(norm.bias.grad, plain.bias.grad)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_layout_and_precision_stay(layout: torch.memory_format, precision: torch.dtype) -> None:
    x = batch(12, 3, 4, 5).to(precision).contiguous(memory_format=layout)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == torch.bfloat16):
        normalized = ghost(4, 4)(x)
    assert normalized.is_contiguous(memory_format=layout)
    assert normalized.dtype == precision
    expected, *_ = by_hand(x.float(), 4)
    torch.testing.assert_close(normalized.float(), expected, rtol=0.02, atol=0.02)


def test_evaluation_uses_running_statistics() -> None:
    norm = ghost(4, 4)
    norm(batch(12, 3, 2, 2))
    plain = nn.BatchNorm2d(3)
    plain.load_state_dict(norm.state_dict())
    x = batch(7, 3, 2, 2, seed=1)
    assert torch.equal(norm.eval()(x), plain.eval()(x))


def test_a_plain_average_over_batches_is_of_whole_batches() -> None:
    norm, plain = ghost(4, 4, momentum=None), nn.BatchNorm2d(3, momentum=None)
    for seed in range(3):
        x = batch(10, 3, 2, 2, seed=seed)  # not divided by 4
        assert torch.equal(norm(x), plain(x))
    assert torch.equal(norm.running_var, plain.running_var)  # type: ignore[arg-type]


@pytest.mark.parametrize("settings", [{"affine": False}, {"track_running_stats": False}])
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_weights_and_running_statistics_may_be_missing(
    settings: dict[str, bool], precision: torch.dtype
) -> None:
    x = batch(12, 3, 2, 2).to(precision)
    normalized = ghost(4, 4, **settings)(x)
    torch.testing.assert_close(normalized.float(), by_hand(x.float(), 4)[0], rtol=0.02, atol=0.02)


class Shared(nn.Module):
    """One batch norm by two names, one deeper down."""

    def __init__(self) -> None:
        super().__init__()
        self.one = self.other = nn.BatchNorm1d(3)
        self.deep = nn.Sequential(nn.Linear(3, 3), nn.ModuleList([nn.BatchNorm1d(3)]))


def test_every_batch_norm_is_replaced_and_parameters_and_names_stay() -> None:
    model = Shared()
    before = dict(model.named_parameters()), list(model.state_dict())
    assert with_ghost_batches(model, 4) is model
    assert (dict(model.named_parameters()), list(model.state_dict())) == before
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    assert [type(norm) for norm in norms] == [GhostBatchNorm] * 2
    assert model.one is model.other


def test_frozen_parameters_stay_frozen() -> None:
    norm = nn.BatchNorm1d(3)
    norm.weight.requires_grad_(False)
    replaced = with_ghost_batches(norm, 4)
    assert isinstance(replaced, GhostBatchNorm)
    assert not replaced.weight.requires_grad


def test_a_batch_norm_of_another_class_is_refused_by_name() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.SyncBatchNorm(3))
    with pytest.raises(ValueError, match=r"BatchNorm3d, but '1' .* is of class SyncBatchNorm$"):
        with_ghost_batches(model, 4)
