"""superconv_ray: measure super-convergence, and how it scales with limited labels, on Ray Tune.

Importing this package imports neither torch nor Ray; what needs them is imported on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from superconv_ray.design.budget import epochs, iterations, samples, seconds
from superconv_ray.design.choices import Tuning, from_range_test, tuned
from superconv_ray.design.seeds import at_least
from superconv_ray.design.study import Arm, Study
from superconv_ray.design.sweep import grid, paired
from superconv_ray.design.trial import Trial
from superconv_ray.design.version import VERSION

if TYPE_CHECKING:
    from superconv_ray.cli.app import main
    from superconv_ray.data.dataset import Dataset
    from superconv_ray.storage.store import open_store


__version__ = VERSION

_LAZY = {
    "Dataset": "superconv_ray.data.dataset",
    "main": "superconv_ray.cli.app",
    "open_store": "superconv_ray.storage.store",
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
