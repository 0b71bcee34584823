"""Checks that reject an impossible study before anything is trained."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from superconv_ray.data.allocation import split_counts
from superconv_ray.data.catalog import DatasetFacts, Task, crops_while_decoding
from superconv_ray.design import schedules
from superconv_ray.design.choices import Tuned, Tuning
from superconv_ray.design.implied import IMPLIED
from superconv_ray.design.metrics import METRICS
from superconv_ray.design.own_functions import OwnFunction, digest_of
from superconv_ray.design.plan import Cell, Point
from superconv_ray.design.trial import Trial
from superconv_ray.design.trial_fields import check_field_names, digest_fields, number_type

if TYPE_CHECKING:
    from superconv_ray.models import ModelFacts

SET_BY_STUDY = {
    "seed": "set the study's seeds instead",
    "steps": "set the study's budget instead",
    "dataset_digest": "it is computed from the study's datasets",
    "model_digest": "it is computed from the study's models",
    **{digest: f"it is computed from {name}" for name, digest in digest_fields().items()},
}
"""Trial fields that neither base, sweep nor arm may set, and where they come from."""

SAME_DATA = ("dataset", "data_count", "data_fraction", "subset_seed", "validation_fraction")
"""Trial fields without which runs of two arms are no pair: the same samples, measured alike."""
_SHAPES_THE_BUDGET = ("batch_size", "data_count", "data_fraction", "validation_fraction")


def check_base(base: Trial) -> None:
    """Reject a base that sets what the study computes."""
    computed = {digest_fields()[name] for name in base.own_functions()}
    for name, instead in SET_BY_STUDY.items():
        if (value := getattr(base, name)) and name not in computed:
            raise ValueError(f"base: {name!r} cannot be set, {instead}; got {name}={value!r}")


def check_cell_settings(point: Mapping[str, Any], own: Mapping[str, Any]) -> None:
    """Reject settings of a point and an arm that are unknown, contradict, or are not theirs to set.

    Args:
        point: Settings of the sweep, without the budget.
        own: Settings of the arm.
    """
    check_field_names(point, "sweep")
    check_field_names(own, "Arm(...)")
    if both := sorted(point.keys() & own.keys()):
        raise ValueError(f"{both[0]!r} is set by the sweep and by the arm; choose one")
    settings = {**point, **own}
    for name, instead in SET_BY_STUDY.items():
        if name in settings:
            raise ValueError(f"{name!r} cannot be set, {instead}; got {settings[name]!r}")
    for name in ("metric", "metric_goal", "metric_unit"):
        if name in settings:
            raise ValueError(
                f"{name!r} must be the same for all arms and points; set it in base; "
                f"got {settings[name]!r}"
            )
    for name in SAME_DATA:
        if name in own:
            raise ValueError(
                f"{name!r} must be the same for all arms; set it in base or sweep; "
                f"got {own[name]!r}"
            )


def check_unused(own: Mapping[str, Any], point: Mapping[str, Any], template: Trial) -> None:
    """Reject a setting of an arm that has no effect, unless the sweep makes it so at this point."""
    unused = template.unused_fields()
    for name in own:
        cause = unused.get(name)
        if cause and cause not in point:
            uses = f", which uses {', '.join(schedules.parameters(template.policy))}"
            raise ValueError(
                f"{name!r} is set by the arm but not used with {cause} "
                f"{getattr(template, cause)!r}{uses if cause == 'policy' else ''}"
            )


def check_search(space: Mapping[str, Tuned], template: Trial, seeds: Iterable[int]) -> None:
    """Reject a search of settings that cannot be tuned, or one that sees what is measured."""
    for name in space:
        if number_type(name) is None:
            raise ValueError(f"tuned(...) needs a field that holds one number, got {name!r}")
        if name in _SHAPES_THE_BUDGET:
            raise ValueError(
                f"{name!r} cannot be tuned, because the budget in steps depends on it; sweep it"
            )
    check_own_seeds(seeds, "tuned(...)")
    if template.validation_fraction:
        raise ValueError(
            "validation_fraction must be 0 with tuned(...): tuning holds out labels by itself, and "
            f"the trainings are measured on test labels; got {template.validation_fraction}"
        )


def check_own_seeds(seeds: Iterable[int], what: str) -> None:
    """Reject seeds of trainings among those of trials that choose a setting."""
    if large := [seed for seed in seeds if seed >= Tuning.FIRST_SEED]:
        raise ValueError(f"seeds must be < {Tuning.FIRST_SEED} with {what}, got {large[0]}")


def check_shape(template: Trial, facts: DatasetFacts, model: ModelFacts | None) -> None:
    """Reject a model or augmentation that does not suit the shape of the data.

    Args:
        template: The trial.
        facts: Its data set.
        model: Its model; None if that is the user's own, which may take any inputs.
    """
    shape = facts.input_shape
    augment = template.augment
    if crops_while_decoding(augment) and not facts.are_encoded:
        raise ValueError(
            f"augment {augment!r} crops images while they are decoded, but those of dataset "
            f"{facts.name!r} are arrays; use 'crop' or 'flip_crop', or a data set of image files"
        )
    needs_images = augment != "none" and digest_of(augment) is None
    if len(shape) != 3 and (model or needs_images):
        name = "model" if model else "augment"
        value = getattr(template, name)
        kind = f"vectors of {shape[0]} features" if len(shape) == 1 else "volumes"
        raise ValueError(
            f"{name} {value!r} needs images, but dataset {facts.name!r} holds {kind}; "
            "use a model of your own and augment='none'"
        )
    if len(shape) == 3 and model and min(shape[1:]) < model.min_size:
        raise ValueError(
            f"model {template.model!r} needs images of at least {model.min_size} x "
            f"{model.min_size} pixels, but those of dataset {facts.name!r} are {shape[1]} x "
            f"{shape[2]}"
        )


def check_image_sizes(template: Trial, facts: DatasetFacts, model: ModelFacts | None) -> None:
    """Reject sizes of training images that the data or the model does not have.

    Args:
        template: The trial.
        facts: Its data set.
        model: Its model; None if that is the user's own, which is tried out before the run.
    """
    sizes, shape = template.image_sizes, facts.input_shape
    if sizes is None:
        return
    if len(shape) != 3 or shape[1] != shape[2]:
        kind = "images of" if len(shape) == 3 else "samples of shape"
        raise ValueError(
            f"image_sizes needs square images, but dataset {facts.name!r} holds {kind} "
            f"{' x '.join(map(str, shape[1:] if len(shape) == 3 else shape))}; got {sizes}"
        )
    if model and not model.any_size:
        raise ValueError(
            f"image_sizes needs a model that takes images of several sizes, {template.model!r} "
            f"takes those of one size; got {sizes}"
        )
    least, most = model.min_size if model else 1, shape[1]
    if min(sizes) < least or max(sizes) > most:
        raise ValueError(
            f"image_sizes must be in [{least}, {most}], from what model {template.model!r} needs "
            f"to the size of dataset {facts.name!r}, got {sizes}"
        )
    if min(sizes) == most:
        raise ValueError(
            f"image_sizes must have a size below {most}, that of dataset {facts.name!r}, or be "
            f"None; got {sizes}"
        )


LOSS_TASKS: Mapping[str, tuple[Task, ...]] = {
    "cross_entropy": ("classification",),
    "bce": ("multi-label classification",),
    "mse": ("regression",),
}
"""What each built-in loss is for."""
METRIC_TASKS: Mapping[str, tuple[Task, ...]] = {n: metric.tasks for n, metric in METRICS.items()}


def check_task(template: Trial, facts: DatasetFacts) -> None:
    """Reject a built-in loss or metric that does not suit the labels of the data."""
    _check_suits("loss", template, LOSS_TASKS, facts)
    _check_suits("metric", template, METRIC_TASKS, facts)


def _check_suits(
    name: str, template: Trial, tasks: Mapping[str, tuple[Task, ...]], facts: DatasetFacts
) -> None:
    given = getattr(template, name)
    value = IMPLIED[name] if given is None else given
    if isinstance(value, OwnFunction) or facts.task in tasks[value]:
        return
    choices = [repr(choice) for choice, suited in tasks.items() if facts.task in suited]
    raise ValueError(
        f"{name} must be {' or '.join(choices)}, or your own function, for dataset "
        f"{facts.name!r}, whose labels are for {facts.task}; got {value!r}"
        + ("" if given else f", the default: set {name} in base")
    )


def resolve_labels(template: Trial, facts: DatasetFacts) -> tuple[int, float]:
    """Return the number of limited labels, and the fraction to show for it.

    Raises:
        ValueError: Both are given, or there are not that many labels.
    """
    total = facts.train_count
    if template.data_count is None:
        fraction = 1.0 if template.data_fraction is None else template.data_fraction
        return max(1, round(fraction * total)), fraction
    if template.data_fraction is not None:
        raise ValueError(
            f"set data_fraction or data_count, not both; got data_fraction="
            f"{template.data_fraction} and data_count={template.data_count}"
        )
    if template.data_count > total:
        raise ValueError(
            f"data_count must be <= {total}, the training set of {facts.name!r}, "
            f"got {template.data_count}"
        )
    return template.data_count, template.data_count / total


def training_count(
    facts: DatasetFacts, labels: int, validation_fraction: float, batch_size: int
) -> int:
    """Return the number of samples that a trial with that many limited labels trains on.

    Raises:
        ValueError: A class has no sample to train on or to validate on, or a batch is larger than
            the subset.
    """
    split = split_counts(facts.train_class_counts, labels, validation_fraction)
    count = sum(split.training)
    empty_part = 0 in split.training or (validation_fraction and 0 in split.validation)
    if not empty_part and batch_size <= count:
        return count
    given = (
        f"{labels} of {facts.train_count} labels of {facts.name!r} (data_fraction="
        f"{labels / facts.train_count:.3g}, validation_fraction={validation_fraction:.3g})"
    )
    if not empty_part:
        raise ValueError(
            f"batch_size must be <= {count}, the training samples in {given}, got {batch_size}"
        )
    part = "training" if 0 in split.training else "validation"
    if facts.task != "classification":
        raise ValueError(f"data_fraction must leave a {part} sample, but {given} leave none")
    missing = [label for label, left in enumerate(getattr(split, part)) if not left]
    raise ValueError(
        f"data_fraction must leave every class a {part} sample, but {given} leave none to "
        f"classes {missing}"
    )


def check_all_differ(points: Iterable[Point]) -> None:
    """Reject arms, or points, that run the same trials; these would count as further replicates."""
    seen: dict[Hashable, Point] = {}
    for point in points:
        signatures: dict[Hashable, Cell] = {}
        for cell in point.cells:
            same = signatures.setdefault(cell.signature(), cell)
            if same is not cell:
                raise ValueError(
                    f"{cell.describe()}: the same trials as arm {same.arm!r}; remove one, or let "
                    "them differ in a field that their policy uses"
                )
        other = seen.setdefault(tuple(signatures), point)
        if other is not point:
            raise ValueError(
                f"sweep: the points {dict(other.settings)} and {dict(point.settings)} are the same "
                "trials for every arm; remove one"
            )
