"""superconv_ray: measure super-convergence, and how it scales with limited labels, on Ray Tune.

Importing this package imports neither torch nor Ray; what needs them is imported on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from superconv_ray.study import (
    Arm,
    Study,
    Tuning,
    at_least,
    epochs,
    from_range_test,
    grid,
    iterations,
    paired,
    samples,
    seconds,
    tuned,
)
from superconv_ray.trial import Trial

if TYPE_CHECKING:
    from superconv_ray.cli import main
    from superconv_ray.data.dataset import Dataset
    from superconv_ray.store import open_store

__version__ = "0.1.0"

_LAZY = {
    "Dataset": "superconv_ray.data.dataset",
    "main": "superconv_ray.cli",
    "open_store": "superconv_ray.store",
}

__all__ = [
    "Arm",
    "Dataset",
    "Study",
    "Trial",
    "Tuning",
    "at_least",
    "epochs",
    "from_range_test",
    "grid",
    "iterations",
    "main",
    "open_store",
    "paired",
    "samples",
    "seconds",
    "tuned",
]


def __getattr__(name: str) -> Any:
    """Import what is heavy (numpy, pyarrow, click) when it is first asked for."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_LAZY[name]), name)
