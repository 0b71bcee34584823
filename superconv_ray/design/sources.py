"""The data sets and models that a study may name, and digests of those that the user brings."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from superconv_ray.data.catalog import DATASETS, DatasetFacts
from superconv_ray.design.checking import (
    check_image_sizes,
    check_shape,
    check_task,
    resolve_labels,
)
from superconv_ray.design.own_functions import OwnFunction, source_digest
from superconv_ray.design.study import Study
from superconv_ray.design.text import unknown_name
from superconv_ray.design.trial import Trial
from superconv_ray.models import ModelFacts, is_built, model_choices, names_to_choose_from

if TYPE_CHECKING:
    from superconv_ray.data.images import AnyDataset


class Sources:
    """Everything that the trials of a study may name as data set or model.

    Attributes:
        facts: Facts on each data set by name.
        datasets: The user's own data sets by name, loaded.
        functions: The user's own functions among the settings of the trials resolved so far, by
            field and name.
    """

    def __init__(self, study: Study) -> None:
        self.datasets = _load_datasets(study)
        for name, build in study.models.items():
            _check_builds(name, build)
        own = {name: data.facts(name) for name, data in self.datasets.items()}
        self.facts: Mapping[str, DatasetFacts] = {**DATASETS, **own}
        self._dataset_digests = {name: data.digest() for name, data in self.datasets.items()}
        self._model_digests = {
            name: source_digest(f"models: {name!r}", build) for name, build in study.models.items()
        }
        self.functions: dict[tuple[str, str], OwnFunction] = {}

    def resolve(self, trial: Trial) -> tuple[DatasetFacts, dict[str, Any]]:
        """Check a trial's data set and model; return the facts, and its label count and digests.

        Raises:
            ValueError: Unknown data set or model, images that do not suit the model, an impossible
                number of labels, or two functions of one name.
        """
        self._note_functions(trial)
        facts = self.facts.get(trial.dataset)
        if facts is None:
            raise ValueError(unknown_name("dataset", trial.dataset, self.facts))
        model = self._model_facts(trial.model)
        check_shape(trial, facts, model)
        check_image_sizes(trial, facts, model)
        check_task(trial, facts)
        count, fraction = resolve_labels(trial, facts)
        found: dict[str, Any] = {"data_count": count, "data_fraction": fraction}
        if digest := self._dataset_digests.get(trial.dataset):
            found["dataset_digest"] = digest
        if digest := self._model_digests.get(trial.model):
            found["model_digest"] = digest
        return facts, found

    def _model_facts(self, model: str) -> ModelFacts | None:
        """What is known about a network; None for the user's own model."""
        if model in self._model_digests:
            return None
        choices = model_choices(model)
        if model not in choices:
            names = [*names_to_choose_from(model), *self._model_digests]
            raise ValueError(unknown_name("model", model, names))
        return choices[model]

    def _note_functions(self, trial: Trial) -> None:
        for field, function in trial.own_functions().items():
            known = self.functions.setdefault((field, function), function)
            if known.digest != function.digest:
                raise ValueError(
                    f"{field}: two different functions are named {str(function)!r}; rename one, "
                    "because results are kept by name (functions made by another function can be "
                    "given a __name__ each)"
                )


def _called(name: str, load: Callable[[], AnyDataset]) -> AnyDataset:
    try:
        inspect.signature(load).bind()
    except TypeError as error:
        raise TypeError(
            f"datasets: {name!r} must be a data set, or a function without parameters that loads "
            f"one ({error}), got {load!r}"
        ) from None
    return load()


def _check_builds(name: str, build: object) -> None:
    if is_built(build) or not callable(build):
        kind = f"a {type(build).__name__} that is built already" if is_built(build) else repr(build)
        raise TypeError(f"models: {name!r} must be a class or function that builds it, got {kind}")


def _load_datasets(study: Study) -> dict[str, AnyDataset]:
    """Load the user's own data sets; numpy is imported only if there are any."""
    loaded = {}
    for name, given in study.datasets.items():
        from superconv_ray.data.images import AnyDataset

        loaded[name] = _called(name, given) if callable(given) else given
        if not isinstance(loaded[name], AnyDataset):
            raise TypeError(
                f"datasets: {name!r} must be a Dataset, an ImageDataset or a function that returns "
                "one, "
                f"got {type(loaded[name]).__name__}"
            )
    return loaded
