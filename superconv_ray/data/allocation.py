"""How many samples of each class a limited subset holds.

The rule: the samples of class c, in their shuffled order i = 0, 1, ..., get the key
(i + 0.5) / n_c. All samples are sorted by (key, class). *A subset of `count` samples is the first
`count` of them.* Hence subsets are nested, and the number of samples of a class depends only on the
class sizes, not on the seed. A class with the share p_c = n_c / n of all samples deviates by at
most (1 + p_c * (classes - 2)) / 2 samples from its fair count * p_c: by at most 1, unless one class
outweighs the others (p_c > 1 / (classes - 2)).

Validation samples come out of the limited labels. The i-th sample of its class is one of them if
floor((i + 1) * v) > floor(i * v), where v is the validation fraction. So the training and
validation parts are disjoint, and each is nested too.

This module imports the standard library only, because planning a study needs it without numpy and
torch.
"""

from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache


@dataclass(frozen=True)
class SplitCounts:
    """Samples of each class in the two parts of a limited subset."""

    training: tuple[int, ...]
    validation: tuple[int, ...]


@lru_cache(maxsize=32)
def class_order(class_counts: tuple[int, ...]) -> tuple[int, ...]:
    """Return the class of every sample in stratified order (see the rule above).

    Raises:
        ValueError: A class count is negative, or there is no sample at all.
    """
    if not class_counts or min(class_counts) < 0 or sum(class_counts) == 0:
        raise ValueError(f"class_counts must be >= 0 and not all 0, got {class_counts}")
    classes = [c for c, size in enumerate(class_counts) for _ in range(size)]
    # Correctly rounded division keeps equal keys equal; a stable sort then breaks ties by class.
    keys = [(i + 0.5) / size for size in class_counts for i in range(size)]
    return tuple(map(classes.__getitem__, sorted(range(len(keys)), key=keys.__getitem__)))


@lru_cache(maxsize=4096)
def split_counts(
    class_counts: tuple[int, ...], count: int, validation_fraction: float
) -> SplitCounts:
    """Return how many of the first `count` samples of each class train and how many validate.

    Raises:
        ValueError: `count` is not in [1, n], or `validation_fraction` is not in [0, 1).
    """
    check_split(sum(class_counts), count, validation_fraction)
    limited = Counter(class_order(class_counts)[:count])
    fraction = exact_fraction(validation_fraction)
    # The rule's sum over i < k telescopes to floor(k * v).
    validation = tuple(int(limited[c] * fraction) for c in range(len(class_counts)))
    training = tuple(limited[c] - held_out for c, held_out in enumerate(validation))
    return SplitCounts(training, validation)


def validation_ranks(size: int, validation_fraction: float) -> list[int]:
    """Return the ranks i < `size` within a class whose samples are validation samples."""
    fraction = exact_fraction(validation_fraction)
    # floor((i + 1) * v) reaches j for the first time at i + 1 = ceil(j / v).
    return [
        -(-j * fraction.denominator // fraction.numerator) - 1
        for j in range(1, int(size * fraction) + 1)
    ]


def check_split(total: int, count: int, validation_fraction: float) -> None:
    """Raise ValueError unless `count` of `total` samples can be split by `validation_fraction`."""
    if not 1 <= count <= total:
        raise ValueError(f"count must be in [1, {total}] (the training samples), got {count}")
    if not 0 <= validation_fraction < 1:
        raise ValueError(f"validation_fraction must be in [0, 1), got {validation_fraction}")


def exact_fraction(value: float) -> Fraction:
    """Return the number as written: 0.1 is one tenth, not the nearest binary float."""
    return Fraction(str(value))
