"""The shape of a trial: the settings that decide the memory and the time of its training steps."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

MODELED = (
    *("model", "model_digest", "batch_size", "precision", "deterministic"),
    *("optimizer", "optimizer_digest", "augment", "augment_digest", "loss", "loss_digest"),
    *("ghost_batch_size", "hessian_free_interval", "image_sizes"),
)
"""Settings other than data, dropout and sharpness. Rates, schedules, lengths, labels and seeds do
not count."""
SHAPE = ("dataset", "dataset_digest", "dropout", "sharpness", *MODELED)
"""All of them."""


def shape_of(settings: Mapping[Any, Any]) -> Hashable:
    """Return the shape of a trial from its settings, or from its row.

    A switch that is off and a column that an older store does not have are the same.
    """
    return tuple(settings.get(name) or None for name in SHAPE)
