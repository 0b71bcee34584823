"""Sends the user's models to other machines as code, and checks that they load there."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from types import ModuleType

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
from torch import nn

Model = Callable[..., nn.Module]


@contextlib.contextmanager
def shipped_by_value(models: Iterable[Model]) -> Iterator[None]:
    """Pickle the modules of the user's models by value: other machines lack the study's folder.

    cloudpickle does so by itself with what `__main__`, and so a notebook's cell, defines.
    """
    names = {_module_of(model) for model in models}
    modules = [sys.modules[name] for name in names if name in sys.modules]
    own = [m for m in modules if m.__name__ != "__main__" and not _is_installed(m)]
    for module in own:
        ray.cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        for module in own:
            ray.cloudpickle.unregister_pickle_by_value(module)


def _module_of(model: Model) -> str:
    """Return the name of the module that defines a model; of a partial, that of its function."""
    while isinstance(model, partial):
        model = model.func
    return str(getattr(model, "__module__", "__main__"))


def _is_installed(module: ModuleType) -> bool:
    """Return whether a module is part of an installed package, which every node should have."""
    file = getattr(module, "__file__", None)
    parts = Path(file or "").parts
    return "site-packages" in parts or "dist-packages" in parts or file is None


def check_models_load(models: Mapping[str, Model]) -> None:
    """Load the user's models once on every node.

    Raises:
        ValueError: A node cannot load one; says which, why, and what to do.
    """
    if not models:
        return
    contents = {name: ray.cloudpickle.dumps(model) for name, model in models.items()}
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
                "setup_commands of the cluster file. The model's own file travels by itself, but "
                "not what it imports, unless `ray job submit --working-dir` sends it"
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
            return platform.node(), f"model {name!r} cannot be loaded ({what})"
    return platform.node(), None
