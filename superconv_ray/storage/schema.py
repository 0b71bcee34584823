"""The tables as pyarrow schemas: what any Parquet reader finds in a store."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa

from superconv_ray.design.trial import describe_fields

SCHEMA_VERSION = 1

_TYPES = {
    "str": pa.string(),
    "int": pa.int64(),
    "float": pa.float64(),
    "tuple of float": pa.list_(pa.float64()),
}

_MEASURED = {
    "status": (pa.string(), "'completed' or 'diverged'"),
    "steps_done": (pa.int64(), "optimiser steps taken; fewer than steps if diverged"),
    "train_loss": (pa.float64(), "cross-entropy on training samples (at most 10,000), at the end"),
    "train_accuracy": (pa.float64(), "accuracy on the same samples"),
    "train_accuracy_reestimated": (
        pa.float64(),
        "the same with BN statistics re-estimated on these samples",
    ),
    "validation_loss": (pa.float64(), "cross-entropy on the held-out part of the limited labels"),
    "validation_accuracy": (pa.float64(), "accuracy on the same"),
    "validation_accuracy_reestimated": (pa.float64(), "the same with re-estimated BN statistics"),
    "test_loss": (pa.float64(), "cross-entropy on the test set; null if labels were held out"),
    "test_accuracy": (pa.float64(), "accuracy on the test set; null if labels were held out"),
    "test_accuracy_reestimated": (
        pa.float64(),
        "the same with BN statistics re-estimated on the training samples (at most 10,000)",
    ),
    "parameters": (pa.int64(), "learnable parameters of the model"),
    "precision_used": (pa.string(), "what precision 'auto' came to on this hardware"),
    "device": (pa.string(), "name of the device"),
    "threads": (pa.int64(), "CPU threads"),
    "peak_memory_bytes": (pa.int64(), "most main memory that the trial's process held at once"),
    "peak_gpu_memory_bytes": (
        pa.int64(),
        "most GPU memory that torch's allocator held at once; null on a CPU",
    ),
    "train_seconds": (pa.float64(), "time in optimiser steps"),
    "eval_seconds": (pa.float64(), "time in evaluations"),
    "finished_at": (pa.timestamp("us", tz="UTC"), "when the row was written"),
    "host": (pa.string(), "machine"),
    "package_version": (pa.string(), "of superconv_ray"),
    "torch_version": (pa.string(), "of torch"),
}

_CURVE = {
    "trial_id": (pa.string(), "whose curve"),
    "step": (pa.int64(), "optimiser steps done"),
    "samples": (pa.int64(), "samples seen"),
    "epoch": (pa.float64(), "passes over the training subset"),
    "lr": (pa.float64(), "learning rate of the last step"),
    "momentum": (pa.float64(), "momentum of the last step"),
    "train_loss": (pa.float64(), "mean over the batches since the row before"),
    "train_accuracy": (pa.float64(), "mean over the batches since the row before"),
    "validation_loss": (pa.float64(), "on held-out limited labels, if there are any"),
    "validation_accuracy": (pa.float64(), "on held-out limited labels, if there are any"),
    "validation_accuracy_reestimated": (
        pa.float64(),
        "the same with BN statistics re-estimated on eval_count training samples",
    ),
    "test_loss": (pa.float64(), "on test labels, if none are held out"),
    "test_accuracy": (pa.float64(), "on test labels, if none are held out"),
    "test_accuracy_reestimated": (
        pa.float64(),
        "the same with BN statistics re-estimated on eval_count training samples",
    ),
    "eval_count": (pa.int64(), "samples evaluated for this row"),
    "hessian_free_lr": (
        pa.float64(),
        "latest Hessian-free estimate of the learning rate; null if there is none",
    ),
    "hessian_free_lr_smoothed": (
        pa.float64(),
        "0.1 of each new estimate and 0.9 of what it was; null before the first",
    ),
    "train_seconds": (pa.float64(), "time in optimiser steps so far"),
}

_MEMBERSHIP = {
    "study": (pa.string(), "name of the study"),
    "definition": (pa.string(), "digest of the study's definition, as in studies/<name>.json"),
    "trial_id": (pa.string(), "a trial that the study uses"),
    "arm": (pa.string(), "arm it belongs to"),
    "cell": (pa.int64(), "number of the arm x sweep-point cell"),
    "data_fraction": (pa.float64(), "limited labels as this study asked for them"),
    "role": (pa.string(), "'range_test', 'tuning' (both choose settings) or 'training' (measured)"),
    "chosen": (pa.list_(pa.string()), "settings of a training that were chosen by experiment"),
    "chosen_by": (pa.string(), "rule by which they were chosen"),
    "chosen_from": (pa.list_(pa.string()), "trials they were chosen from"),
}


def _schema(columns: Mapping[str, tuple[pa.DataType, str]]) -> pa.Schema:
    return pa.schema(
        [
            pa.field(name, kind, metadata={"description": description})
            for name, (kind, description) in columns.items()
        ],
        metadata={"superconv_ray.schema_version": str(SCHEMA_VERSION)},
    )


TRIALS = _schema(
    {
        "trial_id": (pa.string(), "hash of all that determines the result"),
        "kind": (pa.string(), "'range_test' or 'training'"),
        **{name: (_TYPES[kind], text) for name, kind, text in describe_fields()},
        **_MEASURED,
    }
)
CURVES = _schema(_CURVE)
MEMBERSHIPS = _schema(_MEMBERSHIP)


def to_table(rows: Iterable[Mapping[str, Any]], schema: pa.Schema) -> pa.Table:
    """Rows as a table of exactly this schema; what a row lacks, and NaN, become null.

    Raises:
        KeyError: A row has a column that the schema does not know.
    """
    rows = list(rows)
    for row in rows:
        if unknown := row.keys() - set(schema.names):
            raise KeyError(f"no such column: {sorted(unknown)}")
    return pa.table(
        {name: [_null_if_nan(row.get(name)) for row in rows] for name in schema.names},
        schema=schema,
    )


def _null_if_nan(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value
