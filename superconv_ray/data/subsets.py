"""Which samples a limited subset holds; `allocation` says how many of each class."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from superconv_ray.data.allocation import check_split, validation_ranks

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Subset:
    """Disjoint indices into the training samples, each part in stratified order."""

    training: Indices
    validation: Indices


def stratified_order(labels: npt.NDArray[Any], seed: int) -> Indices:
    """Return all sample indices such that every prefix is a stratified subset.

    Args:
        labels: Integers [n], 0..classes-1.
        seed: >= 0; shuffles each class by itself, and does not change the order of the classes.

    Raises:
        ValueError: The labels are not a vector of integers >= 0, or the seed is negative.
    """
    return _ranked_order(labels, seed)[0]


def limited_subset(
    labels: npt.NDArray[Any], *, count: int, seed: int, validation_fraction: float
) -> Subset:
    """Return the first `count` samples in stratified order, split into training and validation.

    Parts of a smaller count are contained in those of a larger one, for the same seed. Their class
    counts are those of `allocation.split_counts`.

    Raises:
        ValueError: `count` is not in [1, n], `validation_fraction` is not in [0, 1), or
            `stratified_order` rejects the labels or the seed.
    """
    check_split(len(labels), count, validation_fraction)
    order, ranks = (part[:count] for part in _ranked_order(labels, seed))
    holds_out = np.zeros(count, dtype=np.bool_)
    holds_out[validation_ranks(int(ranks.max()) + 1, validation_fraction)] = True
    held_out = holds_out[ranks]
    return Subset(training=order[~held_out], validation=order[held_out])


def _ranked_order(labels: npt.NDArray[Any], seed: int) -> tuple[Indices, Indices]:
    """Return the stratified order and each of its samples' rank within its class."""
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer) or labels.min() < 0:
        raise ValueError(
            f"labels must be integers [n] >= 0, got {labels.dtype} of shape {labels.shape}"
        )
    if seed < 0:
        raise ValueError(f"seed must be >= 0, got {seed}")
    by_class = np.argsort(labels, kind="stable")
    sizes = np.bincount(labels)
    ranks = np.concatenate([np.arange(size) for size in sizes])
    shuffle = [_shuffled(size, seed, c) for c, size in enumerate(sizes)]
    starts = np.repeat(np.cumsum(sizes) - sizes, sizes)
    samples = by_class[starts + np.concatenate(shuffle)]
    keys = (ranks + 0.5) / np.repeat(sizes, sizes)
    order = np.argsort(keys, kind="stable")
    return samples[order].astype(np.int64), ranks[order].astype(np.int64)


def _shuffled(size: int, seed: int, c: int) -> npt.NDArray[np.intp]:
    # Generator.permutation may change with numpy; sorting the raw uniform draws does not.
    draws = np.random.Generator(np.random.PCG64([seed, c])).random(size)
    return np.argsort(draws, kind="stable")
