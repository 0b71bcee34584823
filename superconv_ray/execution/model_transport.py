"""What travels to other machines: the user's models as code, and whether it can be loaded there."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import ModuleType

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
from torch import nn

Model = Callable[..., nn.Module]


@contextlib.contextmanager
def shipped_by_value(models: Iterable[Model]) -> Iterator[None]:
    """Let the user's models travel as code: other machines have not got the study's folder."""
    modules = {sys.modules[model.__module__] for model in models if hasattr(model, "__module__")}
    own = [m for m in modules if m.__name__ != "__main__" and not _is_installed(m)]
    for module in own:
        ray.cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        for module in own:
            ray.cloudpickle.unregister_pickle_by_value(module)


def _is_installed(module: ModuleType) -> bool:
    """Whether a module is part of an installed package, and so to be expected on every node."""
    parts = Path(module.__file__ or "").parts
    return "site-packages" in parts or "dist-packages" in parts or module.__file__ is None


def check_models_load(models: Mapping[str, Model]) -> None:
    """Load the user's models on every node once, before every trial fails there.

    Raises:
        ValueError: A node cannot: which, why, and what to do.
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
                "setup_commands of the cluster file (the model's own file travels by itself; what "
                "it imports does not, unless `ray job submit --working-dir` brings it)"
            )


@ray.remote(num_cpus=0)  # type: ignore[untyped-decorator]
def _load(contents: Mapping[str, bytes]) -> tuple[str, str | None]:
    """Host, and what went wrong there."""
    import pickle
    import platform

    for name, content in contents.items():
        try:
            pickle.loads(content)
        except Exception as error:
            what = f"{type(error).__name__}: {error}"
            return platform.node(), f"model {name!r} cannot be loaded ({what})"
    return platform.node(), None
