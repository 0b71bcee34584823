"""LR range tests: policies that search for a learning rate instead of training a network well."""

from superconv_ray.design.schedules.rates import MOMENTUM, Rates, mirrored, momentum_at


def range_test_linear(
    step: int,
    *,
    steps: int,
    max_lr: float,
    start_lr: float = 0.0,
    momentum: float = MOMENTUM,
    min_momentum: float | None = None,
) -> Rates:
    """Raise the learning rate linearly over the whole run, from start_lr towards max_lr.

    max_lr itself would be the rate of step `steps`, one after the last (Caffe's stepsize =
    max_iter). Momentum meanwhile falls linearly from momentum to min_momentum (constant if that is
    None).

    Source: arXiv 1506.01186, section 3.3; its momentum, arXiv 1803.09820, section 4.3.
    """
    return mirrored(step / steps, start_lr, max_lr, momentum, min_momentum)


def range_test_exponential(
    step: int,
    *,
    steps: int,
    max_lr: float,
    start_lr: float = 1e-5,
    momentum: float = MOMENTUM,
    min_momentum: float | None = None,
) -> Rates:
    """Raise the learning rate by a constant factor per step, from start_lr towards max_lr.

    max_lr itself would be the rate of step `steps`, one after the last. Momentum meanwhile falls
    linearly in the step from momentum to min_momentum (constant if that is None).

    Source: fastai's `lr_find`; the linear test it varies is arXiv 1506.01186, section 3.3.
    """
    done = step / steps
    lr = start_lr * (max_lr / start_lr) ** done
    return Rates(lr, momentum_at(done, momentum, min_momentum))
