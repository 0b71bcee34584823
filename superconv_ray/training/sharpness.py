"""How sharp the minimum is that a training ends in: the largest curvature of its training loss."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from superconv_ray.data.batches import prepare
from superconv_ray.training.losses import Loss
from superconv_ray.training.optimizers import trainable
from superconv_ray.training.samples import Samples

COUNT = 1_000
"""Largest number of training samples over which the loss is averaged."""
CHUNK = 250
"""Samples whose graph is in memory at once: that of a second derivative is several times as large
as a training step's."""
TOLERANCE = 1e-3
"""Relative error of an eigenvalue, at most. Float32 rounds products by less."""
KEPT = 10
"""Vectors that Lanczos' iteration keeps. The largest curvature of a network stands out, so that few
do: on digits, 10 and 20 agree to 8 digits, after 11 and 21 products."""
MOST_RESTARTS = 50

Floats = npt.NDArray[np.float64]
Product = Callable[[Floats], Floats]


def sharpness(model: nn.Module, samples: Samples, loss: Loss) -> dict[str, float]:
    """Largest eigenvalues of the Hessian of the mean training loss, as columns of a trial.

    The model computes as at test time, with the BN statistics that it has, in float32. The loss is
    the mean over at most `COUNT` training samples, without augmentation and weight decay.

    A network with rectifiers or batch norm computes the same function with some of its weights
    doubled and others halved, or with other scales before a normalization, while its Hessian
    changes (Dinh et al. 2017, arXiv 1703.04933). So there are two numbers:

    - ``hessian_max``: the largest eigenvalue of the Hessian H, in units of loss per squared weight;
    - ``hessian_max_relative``: that of |w| H |w|, with the sizes of the weights on the diagonal. It
      is the curvature for relative changes of the weights, and does not depend on their scales
      (the normalization of Kwon et al. 2021, arXiv 2102.11600).

    Args:
        model: The model; it is left in training mode.
        samples: The samples of its trial.
        loss: The loss of the trial. It must have a second derivative.

    Returns:
        Both by column; NaN where the iteration does not converge.
    """
    parameters = trainable(model)
    part = samples.probe.first(COUNT)
    sizes = np.abs(_flat(parameters))

    def product(vector: Floats) -> Floats:
        total = np.zeros_like(vector)
        for indices in torch.split(part.indices, CHUNK):
            x = prepare(part.inputs.index_select(0, indices), samples.statistics)
            y = part.labels.index_select(0, indices)
            share = loss.total(model(x).float(), y) / len(part.indices)
            total += hessian_product(share, parameters, vector)
        return total

    model.eval()
    found = {
        "hessian_max": largest_eigenvalue(product, len(sizes)),
        "hessian_max_relative": largest_eigenvalue(
            lambda vector: sizes * product(sizes * vector), len(sizes)
        ),
    }
    model.train()
    return found


def hessian_product(loss: Tensor, parameters: Sequence[nn.Parameter], vector: Floats) -> Floats:
    """Return the product of a loss's Hessian and a vector, by Pearlmutter's method (1994).

    It is the gradient of gradient x vector.

    Args:
        loss: A scalar with its graph.
        parameters: By which it is differentiated.
        vector: Shape [number of all their elements].
    """
    lengths = [parameter.numel() for parameter in parameters]
    parts = torch.split(torch.from_numpy(vector).to(loss), lengths)
    gradients = torch.autograd.grad(
        loss, parameters, create_graph=True, allow_unused=True, materialize_grads=True
    )
    along = sum(
        (gradient * part.view_as(gradient)).sum()
        for gradient, part in zip(gradients, parts, strict=True)
    )
    assert isinstance(along, Tensor)
    return _flat(torch.autograd.grad(along, parameters, allow_unused=True, materialize_grads=True))


def largest_eigenvalue(product: Product, size: int) -> float:
    """The algebraically largest eigenvalue of a symmetric matrix, by Lanczos' iteration.

    It needs a dozen products; power iteration, which keeps only the last of them, needs several
    times as many.

    Args:
        product: The matrix times a vector [size].
        size: Number of rows.

    Returns:
        The eigenvalue up to a relative error of `TOLERANCE`; NaN if a product is not finite, or the
        iteration does not converge.
    """
    from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh  # slow to import

    start = np.random.default_rng(0).standard_normal(size)
    first = product(start)
    if not np.isfinite(first).all():
        return math.nan
    if size == 1:
        return float(first[0] / start[0])
    if not first.any():  # no curvature anywhere, which the iteration cannot normalize
        return 0.0
    operator = LinearOperator((size, size), matvec=product, dtype=np.float64)
    try:
        found = eigsh(
            operator,
            k=1,
            which="LA",
            v0=start,
            ncv=min(KEPT, size),
            maxiter=MOST_RESTARTS,
            tol=TOLERANCE,
            return_eigenvectors=False,
        )
    except ArpackNoConvergence:
        return math.nan
    return float(found[0])


def _flat(tensors: Sequence[Tensor]) -> Floats:
    return torch.cat([tensor.detach().flatten() for tensor in tensors]).double().cpu().numpy()
