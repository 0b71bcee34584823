"""Facts about the named data sets, known without reading them. Standard library only."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, get_args

from superconv_ray.data.allocation import split_counts

Augment = Literal["none", "flip", "crop", "flip_crop"]
AUGMENTATIONS: tuple[Augment, ...] = get_args(Augment)
ResizedCrop = Literal["resized_crop", "flip_resized_crop"]
RESIZED_CROPS: Mapping[str, Augment] = MappingProxyType(
    {"resized_crop": "none", "flip_resized_crop": "flip"}
)
"""Augmentations that crop images while they are decoded -> what is left to do afterwards."""


def crops_while_decoding(augment: object) -> bool:
    """Whether an augmentation is in `RESIZED_CROPS`; the user's own never is, whatever its name."""
    return type(augment) is str and augment in RESIZED_CROPS


Task = Literal["classification", "multi-label classification", "regression"]
"""What is to be predicted: one of several classes, several yes or no, or numbers."""


@dataclass(frozen=True)
class DatasetFacts:
    """Sizes of a data set; `input_shape`, `task` and `outputs` are as in `Dataset`.

    Attributes:
        train_class_counts: Training samples of each class; without classes, of all in one.
        are_encoded: Whether the inputs are images that are decoded when they are needed.
    """

    name: str
    train_class_counts: tuple[int, ...]
    test_count: int
    input_shape: tuple[int, ...]
    task: Task = "classification"
    targets: int = 0
    """Numbers to predict for each sample, where there are no classes."""
    are_encoded: bool = False

    @property
    def outputs(self) -> int:
        """Number of outputs of a model: of classes, or of numbers to predict."""
        return self.targets or len(self.train_class_counts)

    @property
    def train_count(self) -> int:
        """Number of training samples."""
        return sum(self.train_class_counts)


# scikit-learn's digits have no test set: in stratified order the first train, the rest test.
DIGITS_TRAIN_COUNT = 1437
_DIGITS_CLASS_COUNTS = (178, 182, 177, 183, 181, 182, 181, 179, 174, 180)
_MNIST_CLASS_COUNTS = (5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949)

DATASETS: Mapping[str, DatasetFacts] = MappingProxyType(
    {
        facts.name: facts
        for facts in (
            DatasetFacts(
                "digits",
                split_counts(_DIGITS_CLASS_COUNTS, DIGITS_TRAIN_COUNT, 0.0).training,
                sum(_DIGITS_CLASS_COUNTS) - DIGITS_TRAIN_COUNT,
                (1, 8, 8),
            ),
            DatasetFacts("mnist", _MNIST_CLASS_COUNTS, 10_000, (1, 28, 28)),
            DatasetFacts("fashion_mnist", (6_000,) * 10, 10_000, (1, 28, 28)),
            DatasetFacts("cifar10", (5_000,) * 10, 10_000, (3, 32, 32)),
            DatasetFacts("cifar100", (500,) * 100, 10_000, (3, 32, 32)),
        )
    }
)
