"""Data sets and networks of the calibration besides the package's own."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from sklearn.datasets import load_breast_cancer, load_wine
from torch import Tensor, nn

from superconv_ray import Dataset
from superconv_ray.data.readers import load_dataset

MNIST1D_COUNT = 8_000
"""Samples of MNIST-1D, of which half are test samples. Its authors make 5,000, a fifth of them
test samples, which would be too few to tell differences of half a point."""


def _table(load: Callable[..., tuple[np.ndarray, np.ndarray]]) -> Dataset:
    """Return a table of scikit-learn's; every second row is a test sample."""
    features, labels = load(return_X_y=True)
    features, labels = features.astype(np.float32), labels.astype(np.int64)
    return Dataset(
        train_inputs=features[::2],
        train_labels=labels[::2],
        test_inputs=features[1::2],
        test_labels=labels[1::2],
    )


def wine() -> Dataset:
    """scikit-learn's wines: 13 features, 3 classes."""
    return _table(load_wine)


def breast_cancer() -> Dataset:
    """scikit-learn's tumors: 30 features, 2 classes."""
    return _table(load_breast_cancer)


def mnist1d() -> Dataset:
    """MNIST-1D (arXiv 2011.14439), generated rather than downloaded: 40 features, 10 classes."""
    from mnist1d.data import get_dataset_args, make_dataset

    arguments = get_dataset_args()
    arguments.num_samples, arguments.train_split = MNIST1D_COUNT, 0.5
    made = make_dataset(arguments)
    return Dataset(
        train_inputs=made["x"].astype(np.float32),
        train_labels=made["y"].astype(np.int64),
        test_inputs=made["x_test"].astype(np.float32),
        test_labels=made["y_test"].astype(np.int64),
    )


def fashion() -> Dataset:
    """A part of Fashion-MNIST: 6,000 training samples and 2,000 test samples."""
    whole = load_dataset("fashion_mnist")
    return Dataset(
        train_inputs=whole.train_inputs[:6_000],
        train_labels=whole.train_labels[:6_000],
        test_inputs=whole.test_inputs[:2_000],
        test_labels=whole.test_labels[:2_000],
    )


class Perceptron(nn.Module):
    """Two hidden layers of 64 units with batch norm."""

    def __init__(self, *, input_shape: tuple[int, ...], classes: int, dropout: float) -> None:
        super().__init__()
        width = 64
        self.layers = nn.Sequential(
            nn.Flatten(),
            nn.Linear(int(np.prod(input_shape)), width),
            nn.BatchNorm1d(width),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(width, width),
            nn.BatchNorm1d(width),
            nn.ReLU(),
            nn.Linear(width, classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits."""
        logits: Tensor = self.layers(x)
        return logits


class Convolutional1d(nn.Module):
    """Three convolutions over the only axis, without any norm; the network of MNIST-1D's paper."""

    def __init__(self, *, input_shape: tuple[int, ...], classes: int, dropout: float) -> None:
        super().__init__()
        width = 25
        self.layers = nn.Sequential(
            *(nn.Conv1d(1, width, 5, stride=2, padding=1), nn.ReLU()),
            *(nn.Conv1d(width, width, 3, stride=2, padding=1), nn.ReLU()),
            *(nn.Conv1d(width, width, 3, stride=2, padding=1), nn.ReLU()),
            *(nn.Flatten(), nn.Dropout(dropout), nn.Linear(width * (input_shape[0] // 8), classes)),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits."""
        logits: Tensor = self.layers(x.unsqueeze(1))
        return logits


DATASETS = {"wine": wine, "breast_cancer": breast_cancer, "mnist1d": mnist1d, "fashion": fashion}
MODELS = {"mlp": Perceptron, "conv1d": Convolutional1d}
