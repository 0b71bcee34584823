"""Your own data set and your own model: a table in a Parquet file, and a small perceptron.

    python studies/own_data.py run    # a table that scikit-learn ships
    python studies/own_data.py run --table my.parquet --store my_results

Another table has feature columns, and a column `label`.

A data set is anything that fits into numpy arrays. A model is any callable that takes
`input_shape`, `classes` and `dropout` and returns an `nn.Module`. The study refers to both by name,
and both are part of every trial's id: if you edit the table or the source of the model, `run` says
so, and with `--replace` trains the trials that this changes.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from torch import nn

from superconv_ray import Arm, Dataset, Study, Trial, epochs, from_range_test, grid, main


def read_table(path: Path | None) -> Dataset:
    """Return the table with every fifth row as a test sample; labels may have any values."""
    if path is None:
        from sklearn.datasets import load_breast_cancer

        table = load_breast_cancer(as_frame=True).frame.rename(columns={"target": "label"})
    else:
        table = pd.read_parquet(path)
    labels = table["label"].astype("category").cat.codes.to_numpy(dtype=np.int64)
    features = table.drop(columns="label").to_numpy(dtype=np.float32)
    test = np.arange(len(table)) % 5 == 4
    return Dataset(
        train_inputs=features[~test],
        train_labels=labels[~test],
        test_inputs=features[test],
        test_labels=labels[test],
    )


class Perceptron(nn.Module):
    """Two hidden layers with batch norm; inputs arrive standardized."""

    def __init__(self, input_shape: tuple[int, ...], classes: int, dropout: float) -> None:
        super().__init__()
        width = 64
        self.layers = nn.Sequential(
            nn.Linear(input_shape[0], width),
            nn.BatchNorm1d(width),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(width, width),
            nn.BatchNorm1d(width),
            nn.ReLU(),
            nn.Linear(width, classes),
        )

    def forward(self, x):  # type: ignore[no-untyped-def]
        """Return the logits [n, classes] of inputs [n, features]."""
        return self.layers(x)


def study(table: Path | None = None, seeds: int = 3) -> Study:
    """Return the study for a table."""
    return Study(
        name="own_data",
        question="Does 1cycle help on my table when only some of its rows are labelled?",
        base=Trial(dataset="my_table", model="perceptron", batch_size=16, dropout=0.1),
        sweep=grid(data_fraction=(0.2, 1.0)),
        arms={
            "one_cycle": Arm(
                policy="one_cycle",
                max_lr=from_range_test(steps=100),
                momentum=0.95,
                min_momentum=0.85,
            ),
            "cosine": Arm(policy="cosine", max_lr=0.1, momentum=0.9),
        },
        budget=epochs(10),
        seeds=seeds,
        datasets={"my_table": lambda: read_table(table)},
        models={"perceptron": Perceptron},
    )


if __name__ == "__main__":
    main(study)
