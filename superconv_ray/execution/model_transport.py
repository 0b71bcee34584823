"""Sends the user's models and functions to other machines as code; checks that they load there."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
from torch.utils.data import ConcatDataset, Subset

from superconv_ray.data.image_samples import OwnImages
from superconv_ray.data.images import ImageDataset
from superconv_ray.design.plan import Plan

Code = Callable[..., Any]


def code_of(plan: Plan) -> dict[str, Code]:
    """Return the user's own models, functions and classes of data, by what messages call them."""
    models = {f"model {name!r}": build for name, build in plan.study.models.items()}
    functions = {f"{field} {name!r}": own.function for (field, name), own in plan.functions.items()}
    datasets = {
        f"class {kind.__name__} of data set {name!r}": kind
        for name, data in plan.datasets.items()
        if isinstance(data, ImageDataset)
        for images in (data.train, data.test)
        if isinstance(images, OwnImages)
        for kind in _classes(images.samples)
    }
    return {**models, **functions, **datasets}


def _classes(samples: Any) -> Iterator[type]:
    """Yield the classes of a user's samples, and of those that torch's wrappers hold."""
    yield type(samples)
    if isinstance(samples, Subset):
        yield from _classes(samples.dataset)
    if isinstance(samples, ConcatDataset):
        for part in samples.datasets:
            yield from _classes(part)


@contextlib.contextmanager
def shipped_by_value(code: Iterable[Code]) -> Iterator[None]:
    """Pickle the modules of the user's code by value: other machines lack the study's folder.

    cloudpickle does so by itself with what `__main__`, and so a notebook's cell, defines.
    """
    names = {_module_of(definition) for definition in code}
    modules = [sys.modules[name] for name in names if name in sys.modules]
    own = [m for m in modules if m.__name__ != "__main__" and not _is_installed(m)]
    for module in own:
        ray.cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        for module in own:
            ray.cloudpickle.unregister_pickle_by_value(module)


def _module_of(definition: Code) -> str:
    """Return the name of the module that defines it; of a partial, that of its function."""
    while isinstance(definition, partial):
        definition = definition.func
    return str(getattr(definition, "__module__", "__main__"))


def _is_installed(module: ModuleType) -> bool:
    """Return whether a module is part of an installed package, which every node should have."""
    file = getattr(module, "__file__", None)
    parts = Path(file or "").parts
    return "site-packages" in parts or "dist-packages" in parts or file is None


def check_code_loads(code: Mapping[str, Code]) -> None:
    """Load the user's models and functions once on every node.

    Args:
        code: By what messages call them; see `code_of`.

    Raises:
        ValueError: A node cannot load one; says which, why, and what to do.
    """
    if not code:
        return
    contents = {name: ray.cloudpickle.dumps(definition) for name, definition in code.items()}
    nodes = [node["NodeID"] for node in ray.nodes() if node["Alive"]]
    answers = [
        _load.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=True)).remote(
            contents
        )
        for node in nodes
    ]
    for host, problem in ray.get(answers):
        if problem:
            raise ValueError(
                f"{problem} on host {host}: install what it needs on every node, for example in "
                "setup_commands of the cluster file. The file that defines it travels by itself, "
                "but not what that imports, unless `ray job submit --working-dir` sends it"
            )


@ray.remote(num_cpus=0)  # type: ignore[untyped-decorator]
def _load(contents: Mapping[str, bytes]) -> tuple[str, str | None]:
    """Return the host, and what went wrong there."""
    import pickle
    import platform

    for name, content in contents.items():
        try:
            pickle.loads(content)
        except Exception as error:
            what = f"{type(error).__name__}: {error}"
            return platform.node(), f"{name} cannot be loaded ({what})"
    return platform.node(), None
