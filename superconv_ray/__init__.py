"""superconv_ray: measure super-convergence, and how it scales with limited labels, on Ray Tune.

Everything a user needs is here. Importing the package imports neither torch nor Ray.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from superconv_ray.data.catalog import DATASETS
from superconv_ray.design.budget import epochs, iterations, samples, seconds
from superconv_ray.design.choices import Tuning, from_range_test, tuned
from superconv_ray.design.schedules import POLICIES, Rates
from superconv_ray.design.seeds import at_least
from superconv_ray.design.study import Arm, Study
from superconv_ray.design.sweep import grid, paired
from superconv_ray.design.trial import Trial
from superconv_ray.design.version import VERSION
from superconv_ray.models import MODELS

if TYPE_CHECKING:
    from superconv_ray.api.lr_find import lr_find
    from superconv_ray.api.plan import StudyPlan
    from superconv_ray.api.run import IncompleteRunWarning, RunResult, StudyWarning
    from superconv_ray.cli.app import main
    from superconv_ray.data.dataset import Dataset
    from superconv_ray.data.image_folder import image_folder
    from superconv_ray.data.image_samples import image_samples
    from superconv_ray.data.image_table import image_table
    from superconv_ray.data.images import ImageDataset
    from superconv_ray.report.study_results import StudyResults
    from superconv_ray.storage.store import Store, StoreError, open_store

__version__ = VERSION

_LAZY = {
    "Dataset": "data.dataset",
    "ImageDataset": "data.images",
    "IncompleteRunWarning": "api.run",
    "RunResult": "api.run",
    "Store": "storage.store",
    "StoreError": "storage.store",
    "StudyPlan": "api.plan",
    "StudyResults": "report.study_results",
    "StudyWarning": "api.run",
    "image_folder": "data.image_folder",
    "image_samples": "data.image_samples",
    "image_table": "data.image_table",
    "lr_find": "api.lr_find",
    "main": "cli.app",
    "open_store": "storage.store",
}
"""Names that need numpy, pandas, pyarrow or click, and the modules that define them."""

__all__ = [
    "DATASETS",
    "MODELS",
    "POLICIES",
    "Arm",
    "Dataset",
    "ImageDataset",
    "IncompleteRunWarning",
    "Rates",
    "RunResult",
    "Store",
    "StoreError",
    "Study",
    "StudyPlan",
    "StudyResults",
    "StudyWarning",
    "Trial",
    "Tuning",
    "at_least",
    "epochs",
    "from_range_test",
    "grid",
    "image_folder",
    "image_samples",
    "image_table",
    "iterations",
    "lr_find",
    "main",
    "open_store",
    "paired",
    "samples",
    "seconds",
    "tuned",
]


def __getattr__(name: str) -> Any:
    """Import what is heavy when it is first used."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)


def __dir__() -> list[str]:
    """Every public name, imported yet or not, so that tab completion finds it."""
    return [*__all__, "__version__"]
