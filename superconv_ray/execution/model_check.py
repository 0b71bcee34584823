"""Whether the trials of a plan can be trained, found out before any is."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from operator import attrgetter
from typing import TYPE_CHECKING

from superconv_ray.data.catalog import DatasetFacts
from superconv_ray.design.plan import Plan
from superconv_ray.design.trial import Trial
from superconv_ray.design.trial_fields import function_fields
from superconv_ray.execution.tracebacks import in_users_code, is_deliberate
from superconv_ray.models import MODELS
from superconv_ray.storage.filesystem_errors import one_line

if TYPE_CHECKING:
    from superconv_ray.data.images import AnyDataset

_shaping = attrgetter(
    *("model", "dataset", "dropout", "ghost_batch_size", "image_sizes"),
    *("precision", "deterministic", *(name for name in function_fields() if name != "policy")),
)
"""Settings on which it may depend whether a model can be trained."""
CALLS: Mapping[str, str] = {
    "model": "build(input_shape=..., classes=..., dropout=...), and what it returns as model(x)",
    "loss": "loss(outputs, targets), which returns a scalar tensor with a gradient",
    "metric": "metric(outputs, targets) of numpy arrays, which returns a number",
    "optimizer": "optimizer(groups), whose step() takes no argument",
    "augment": "augment(x) of a batch, which keeps its shape",
}
"""How the user's code is called."""


def check_models(plan: Plan, datasets: Mapping[str, AnyDataset | DatasetFacts]) -> None:
    """Train for a step, on made-up samples, wherever that may fail.

    This is with the user's models and functions; with torchvision's models, most of which take
    images of certain shapes only; and with an optimizer that an older torch does not have.

    Args:
        plan: The study.
        datasets: Data sets by name; the code is checked for these only.

    Raises:
        ValueError, TypeError: See `check_model`.
        Exception: Whatever the user's code raises.
    """
    own = plan.study.models
    patterns = (cell.templates.pattern for cell in plan.cells)
    distinct = {_shaping(template): template for template in patterns}
    for key in sorted(distinct, key=repr):
        template = distinct[key]
        if template.dataset not in datasets or not _may_fail(template):
            continue
        from superconv_ray.training.check import check_model

        source = own.get(template.model, template.model)
        try:
            check_model(source, template, datasets[template.dataset])
        except Exception as error:
            called = list(_calls(template, own))
            if is_deliberate(error) or in_users_code(error) or not called:
                raise
            raise ValueError(
                f"a training step fails with {type(error).__name__}: {one_line(error)}; it calls "
                + "; ".join(called)
            ) from error


def _calls(template: Trial, models: Container[str]) -> Iterator[str]:
    """How the user's code in a trial is called."""
    own = {"model": template.model} if template.model in models else {}
    for field, name in {**own, **template.own_functions()}.items():
        if field in CALLS:
            yield f"{field} {str(name)!r} as {CALLS[field]}"


def _may_fail(template: Trial) -> bool:
    # Plans have checked a schedule of the user's own.
    functions = template.own_functions().keys() - {"policy"}
    return template.model not in MODELS or bool(functions) or template.optimizer == "muon"


def check_precisions(plan: Plan, device: str) -> None:
    """Check that a device has the precisions of a plan.

    Raises:
        ValueError: It does not.
    """
    import torch

    from superconv_ray.training.numerics import resolve_precision

    for precision in sorted({cell.templates.pattern.precision for cell in plan.cells}):
        resolve_precision(precision, torch.device(device))
