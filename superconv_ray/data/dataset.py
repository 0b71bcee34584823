"""A labeled data set in memory, as readers return it and users build it from their own data."""

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from superconv_ray.data.catalog import DatasetFacts, Task

Inputs = npt.NDArray[np.uint8] | npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64] | npt.NDArray[np.bool_] | npt.NDArray[np.float32]


# eq=False: a comparison of arrays has no single truth value; compare digests instead.
@dataclass(frozen=True, kw_only=True, eq=False)
class Dataset:
    """Training and test samples as numpy arrays.

    Inputs are uint8 or float32, shaped [n, height, width, channels], [n, height, width] (given a
    channel axis), [n, depth, height, width, channels] or [n, features]. The labels tell the task:

    - classification: integers [n] in 0..classes-1, kept as int64;
    - multi-label classification: booleans, or integers 0 and 1, [n, labels], kept as bool;
    - regression: floats [n] (given a second axis) or [n, targets], kept as float32.

    Arrays are made C-contiguous. Pickling (protocol 5) moves them out of band, and Ray's object
    store shares one read-only copy of them: do not write to them.

    Raises:
        ValueError: A field breaks one of these rules; the message names field, rule and value.
    """

    train_inputs: Inputs
    train_labels: Labels
    test_inputs: Inputs
    test_labels: Labels

    def __post_init__(self) -> None:
        for part in ("train", "test"):
            inputs = _checked_inputs(f"{part}_inputs", getattr(self, f"{part}_inputs"))
            labels = _checked_labels(f"{part}_labels", getattr(self, f"{part}_labels"))
            if len(inputs) != len(labels):
                raise ValueError(
                    f"{part}_inputs and {part}_labels must have the same length, "
                    f"got {len(inputs)} and {len(labels)}"
                )
            object.__setattr__(self, f"{part}_inputs", inputs)
            object.__setattr__(self, f"{part}_labels", labels)
        self._check_agreement()

    def _check_agreement(self) -> None:
        for rule, train, test in (
            ("sample shape", self.train_inputs.shape[1:], self.test_inputs.shape[1:]),
            ("dtype", self.train_inputs.dtype, self.test_inputs.dtype),
        ):
            if train != test:
                raise ValueError(
                    f"test_inputs must have the {rule} of train_inputs, {train}, got {test}"
                )
        own, other = (
            f"{_task(y)} {list(y.shape[1:])}" for y in (self.train_labels, self.test_labels)
        )
        if own != other:
            raise ValueError(
                f"test_labels must be for the task of train_labels, {own}, got {other}"
            )
        if self.task == "classification":
            check_classes(self.train_labels, self.test_labels)

    @property
    def task(self) -> Task:
        """What the labels are for."""
        return _task(self.train_labels)

    @property
    def outputs(self) -> int:
        """Number of outputs of a model: of classes, or of labels or targets of each sample."""
        labels = self.train_labels
        return int(labels.max()) + 1 if self.task == "classification" else labels.shape[1]

    @property
    def train_class_counts(self) -> tuple[int, ...]:
        """Training samples of each class; without classes, of all in one."""
        return tuple(np.bincount(strata(self.train_labels)).tolist())

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one sample as a model sees it.

        (channels, height, width), (channels, depth, height, width) or (features,).
        """
        *space, channels = self.train_inputs.shape[1:]
        return (channels, *space)

    def facts(self, name: str) -> DatasetFacts:
        """Return what a plan needs to know about this data set, under the given name."""
        counts, task = self.train_class_counts, self.task
        targets = 0 if task == "classification" else self.outputs
        return DatasetFacts(name, counts, len(self.test_labels), self.input_shape, task, targets)

    def digest(self) -> str:
        """Return 16 hex digits that identify the contents, the same in every process."""
        sha = hashlib.sha256()
        for array in (self.train_inputs, self.train_labels, self.test_inputs, self.test_labels):
            sha.update(f"{array.dtype.str}{array.shape}".encode())
            sha.update(array.data)
        return sha.hexdigest()[:16]


def _checked_inputs(field: str, value: Any) -> Inputs:
    array = _checked_array(field, value)
    if array.dtype not in (np.uint8, np.float32):
        raise ValueError(
            f"{field} must be uint8 or float32, got {array.dtype}: "
            "convert it, for example with .astype(np.float32)"
        )
    if array.ndim not in (2, 3, 4, 5) or 0 in array.shape:
        raise ValueError(
            f"{field} must be a non-empty [n, height, width, channels], [n, height, width], "
            f"[n, depth, height, width, channels] or [n, features], got shape {array.shape}"
        )
    if _channels_first(array.shape):
        raise ValueError(
            f"{field} must have its channels last, got shape {array.shape}, which looks like "
            "torch's [n, channels, height, width]: use .transpose(0, 2, 3, 1)"
        )
    if array.dtype == np.float32 and not np.isfinite(array).all():
        sample = int(np.argmin(np.isfinite(array).reshape(len(array), -1).all(axis=1)))
        raise ValueError(f"{field} must be finite, got NaN or infinity in sample {sample}")
    return np.ascontiguousarray(array[..., np.newaxis] if array.ndim == 3 else array)


def _channels_first(shape: tuple[int, ...]) -> bool:
    """Whether this looks like grey or RGB images in torch's order.

    Of channels-last data only these have such a shape: images 3 pixels high with over 4 channels,
    and those 1 pixel high with as many channels as columns, over 4.
    """
    if len(shape) != 4:
        return False
    _, first, height, width = shape
    return width > 4 and (first == 3 or (first == 1 and height == width))


def check_classes(train_labels: npt.NDArray[Any], test_labels: npt.NDArray[Any]) -> None:
    """Check that classes are numbered from 0, and that the test set has no others.

    Raises:
        ValueError: They are not, or it has.
    """
    known = np.unique(train_labels)
    if len(known) < 2:
        raise ValueError(f"train_labels must hold at least 2 classes, got only {known[0]}")
    if known[0] != 0 or known[-1] != len(known) - 1:
        raise ValueError(
            "train_labels must be 0..C-1 without gaps, "
            f"got {len(known)} different labels from {known[0]} to {known[-1]}"
        )
    unknown = np.setdiff1d(test_labels, known)
    if len(unknown):
        raise ValueError(
            f"test_labels must occur in train_labels, 0..{known[-1]}, got {unknown[:5].tolist()}"
        )


def strata(labels: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Return the class of each sample; without classes, 0, so that subsets are simply random."""
    if labels.ndim == 1:
        return np.asarray(labels, dtype=np.int64)
    return np.zeros(len(labels), dtype=np.int64)


_TASKS: dict[str, Task] = {
    "i": "classification",
    "b": "multi-label classification",
    "f": "regression",
}
"""Task of labels as `Dataset` keeps them, by NumPy's kind of their dtype."""


def _task(labels: Labels) -> Task:
    return _TASKS[labels.dtype.kind]


def _checked_labels(field: str, value: Any) -> Labels:
    array = _checked_array(field, value)
    kind = array.dtype.kind
    if array.ndim == 1 and array.size and kind in "iu":
        return np.ascontiguousarray(array, dtype=np.int64)
    if array.ndim == 2 and array.size and kind in "biu":
        if not np.isin(array, (0, 1)).all():
            raise ValueError(
                f"{field} must be 0 or 1 where a sample has several labels, got values from "
                f"{array.min()} to {array.max()}: targets of a regression are floats"
            )
        return np.ascontiguousarray(array, dtype=np.bool_)
    if array.ndim in (1, 2) and array.size and kind == "f":
        targets = np.ascontiguousarray(array.reshape(len(array), -1), dtype=np.float32)
        if not np.isfinite(targets).all():
            sample = int(np.argmin(np.isfinite(targets).all(axis=1)))
            raise ValueError(f"{field} must be finite, got NaN or infinity in sample {sample}")
        return targets
    raise ValueError(
        f"{field} must be a non-empty vector of integers (classes), an array [n, labels] of "
        "booleans (several labels a sample), or floats [n] or [n, targets] (regression), "
        f"got shape {array.shape} of {array.dtype}"
    )


def _checked_array(field: str, value: Any) -> npt.NDArray[Any]:
    if not isinstance(value, np.ndarray):
        raise ValueError(
            f"{field} must be a numpy array, got {type(value).__name__}: "
            "convert it, for example with np.asarray"
        )
    return value
