"""The tables as pyarrow schemas: the columns that any Parquet reader finds in a store."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa

from superconv_ray.design.trial_fields import describe_fields

SCHEMA_VERSION = 2

_TYPES = {
    "str": pa.string(),
    "int": pa.int64(),
    "float": pa.float64(),
    "bool": pa.bool_(),
    "tuple of float": pa.list_(pa.float64()),
    "tuple of int": pa.list_(pa.int64()),
}

_MEASURED = {
    "status": (pa.string(), "'completed' or 'diverged'"),
    "steps_done": (pa.int64(), "optimizer steps taken; fewer than steps if diverged"),
    "train_loss": (
        pa.float64(),
        "the trial's loss on training samples (at most 10,000), at the end",
    ),
    "train_accuracy": (pa.float64(), "accuracy on the same samples; null without classes"),
    "train_accuracy_reestimated": (
        pa.float64(),
        "train_accuracy with BN statistics re-estimated on these samples",
    ),
    "train_metric": (pa.float64(), "the trial's metric on them; null if that is accuracy"),
    "train_metric_reestimated": (pa.float64(), "the same with re-estimated BN statistics"),
    "validation_loss": (pa.float64(), "the trial's loss on the held-out limited labels"),
    "validation_accuracy": (pa.float64(), "accuracy on the same labels"),
    "validation_accuracy_reestimated": (
        pa.float64(),
        "validation_accuracy with re-estimated BN statistics",
    ),
    "validation_metric": (pa.float64(), "the trial's metric on them; null if that is accuracy"),
    "validation_metric_reestimated": (pa.float64(), "the same with re-estimated BN statistics"),
    "test_loss": (pa.float64(), "the trial's loss on the test set; null if labels were held out"),
    "test_accuracy": (pa.float64(), "accuracy on the test set; null if labels were held out"),
    "test_accuracy_reestimated": (
        pa.float64(),
        "the same with BN statistics re-estimated on the training samples (at most 10,000)",
    ),
    "test_metric": (
        pa.float64(),
        "the trial's metric on the test set; null if that is accuracy, or labels were held out",
    ),
    "test_metric_reestimated": (pa.float64(), "the same with re-estimated BN statistics"),
    "test_count": (
        pa.int64(),
        "samples of the test set; null without classes, or if labels were held out",
    ),
    "test_correct": (
        pa.binary(),
        "a bit for each test sample, in the data set's order (numpy.packbits): is it right?",
    ),
    "test_correct_reestimated": (
        pa.binary(),
        "the same with re-estimated BN statistics; null where test_correct holds for them as well",
    ),
    "hessian_max": (
        pa.float64(),
        "largest eigenvalue of the Hessian of the training loss, at the end; null unless sharpness",
    ),
    "hessian_max_relative": (
        pa.float64(),
        "the same for relative changes of the weights: of |w| H |w|, which no scale changes",
    ),
    "parameters": (pa.int64(), "learnable parameters of the model"),
    "precision_used": (
        pa.string(),
        "precision of the whole run: what 'auto' meant on the hardware that it began on",
    ),
    "device": (pa.string(), "name of the device; 'A + B' if the run was moved from A to B"),
    "threads": (pa.int64(), "CPU threads; null if the run was moved and they changed"),
    "peak_memory_bytes": (pa.int64(), "peak main memory of the trial's process"),
    "peak_gpu_memory_bytes": (
        pa.int64(),
        "peak GPU memory of torch's allocator; null on a CPU",
    ),
    "skipped_files": (
        pa.int64(),
        "image files that the data set leaves out because they cannot be decoded; null for arrays",
    ),
    "data_wait_seconds": (
        pa.float64(),
        "part of train_seconds that was waiting for images; null if nothing was decoded meanwhile",
    ),
    "decode_seconds": (pa.float64(), "CPU time of the threads that decoded images for steps"),
    "train_seconds": (pa.float64(), "time in optimizer steps"),
    "eval_seconds": (pa.float64(), "time in evaluations"),
    "finished_at": (pa.timestamp("us", tz="UTC"), "when the row was written"),
    "host": (pa.string(), "name of the machine that finished the run"),
    "package_version": (pa.string(), "version of superconv_ray"),
    "torch_version": (pa.string(), "version of torch; 'A + B' if it changed within the run"),
}

_CURVE = {
    "trial_id": (pa.string(), "trial that the row belongs to"),
    "step": (pa.int64(), "optimizer steps done"),
    "samples": (pa.int64(), "samples seen"),
    "epoch": (pa.float64(), "passes over the training subset"),
    "lr": (pa.float64(), "learning rate of the last step"),
    "momentum": (pa.float64(), "momentum of the last step"),
    "train_loss": (pa.float64(), "mean over the batches since the previous row"),
    "train_accuracy": (pa.float64(), "mean over the batches since the previous row"),
    "validation_loss": (pa.float64(), "on held-out limited labels, if there are any"),
    "validation_accuracy": (pa.float64(), "on held-out limited labels, if there are any"),
    "validation_accuracy_reestimated": (
        pa.float64(),
        "the same with BN statistics re-estimated on eval_count training samples",
    ),
    "validation_metric": (pa.float64(), "the trial's metric on them; null if that is accuracy"),
    "validation_metric_reestimated": (
        pa.float64(),
        "the same with BN statistics re-estimated on eval_count training samples",
    ),
    "test_loss": (pa.float64(), "on test labels, if none are held out"),
    "test_accuracy": (pa.float64(), "on test labels, if none are held out"),
    "test_accuracy_reestimated": (
        pa.float64(),
        "the same with BN statistics re-estimated on eval_count training samples",
    ),
    "test_metric": (pa.float64(), "the trial's metric on them; null if that is accuracy"),
    "test_metric_reestimated": (
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
        "moving average of the estimates: 0.1 new, 0.9 old; null before the first",
    ),
    "train_seconds": (pa.float64(), "time in optimizer steps so far"),
}

_MEMBERSHIP = {
    "study": (pa.string(), "name of the study"),
    "definition": (pa.string(), "digest of the study's definition, as in studies/<name>.json"),
    "trial_id": (pa.string(), "trial that the study uses"),
    "arm": (pa.string(), "arm that the trial belongs to"),
    "cell": (pa.int64(), "number of the arm x sweep-point cell"),
    "data_fraction": (pa.float64(), "limited labels as a fraction, as this study asked for them"),
    "role": (pa.string(), "'range_test', 'tuning' (both choose settings) or 'training' (measured)"),
    "chosen": (pa.list_(pa.string()), "settings of a training that were chosen by experiment"),
    "chosen_by": (pa.string(), "rule by which the settings were chosen"),
    "chosen_from": (pa.list_(pa.string()), "trials from which the settings were chosen"),
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
CORRECTNESS = ("test_correct", "test_correct_reestimated")
"""Columns of the trials that frames have on request only: bytes that nobody wants to look at."""
CURVES = _schema(_CURVE)
MEMBERSHIPS = _schema(_MEMBERSHIP)


def to_table(rows: Iterable[Mapping[str, Any]], schema: pa.Schema) -> pa.Table:
    """Return rows as a table of exactly this schema; missing values and NaN become null.

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
