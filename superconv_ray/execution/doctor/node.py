"""Questions that a node answers about itself, without Ray."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import platform
import shutil
import uuid
from functools import cache
from pathlib import Path

from superconv_ray.design.version import VERSION
from superconv_ray.execution.doctor.facts import Machine, StoreView
from superconv_ray.storage.filesystem import Files


def versions() -> dict[str, str]:
    """Return the versions that must be the same on all nodes, without importing torch."""
    return {
        "Python": platform.python_version(),
        "superconv_ray": f"{VERSION} ({_source_digest()})",
        "torch": _version("torch"),
        "Ray": _version("ray"),
    }


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "none"


@cache
def _source_digest() -> str:
    """Return 6 hex digits of the package's source: between releases, the version says little."""
    folder = Path(__file__).parents[2]  # of the package
    sha = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        sha.update(path.relative_to(folder).as_posix().encode())
        sha.update(path.read_bytes())
    return sha.hexdigest()[:6]


def look_at_store(uri: str, marker: str) -> StoreView:
    """Read the marker; if it is there, write, replace, read and delete a file of our own.

    Without the marker nothing is written: it is another folder with the same name.
    """
    sees_marker = False
    try:
        files = Files(uri)
        sees_marker = files.read(marker) is not None
        if sees_marker:
            _write_twice(files, f"{marker}-{uuid.uuid4().hex}")
    except Exception as error:  # any kind: it is the answer
        return StoreView(sees_marker=sees_marker, error=f"{type(error).__name__}: {error}")
    return StoreView(sees_marker=sees_marker)


def _write_twice(files: Files, name: str) -> None:
    """Replace a whole file, as happens to results when a trial runs twice."""
    try:
        for content in (b"first", b"second"):
            files.write(name, content)
            if files.read(name) != content:
                raise OSError(f"a file just written as {content!r} reads differently")
    finally:
        files.delete(name)


def machine(ray_folder: str) -> Machine:
    """Describe the hardware. Imports torch, which takes a second or more."""
    import torch

    from superconv_ray.training.numerics import resolve_precision

    disk = shutil.disk_usage(ray_folder)
    gpus = [torch.cuda.get_device_properties(k) for k in range(torch.cuda.device_count())]
    device = torch.device("cuda", 0) if gpus else torch.device("cpu")
    affinity = getattr(os, "sched_getaffinity", None)  # not on every system
    return Machine(
        cores=len(affinity(0)) if affinity else os.cpu_count() or 1,
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        gpus=tuple((gpu.name, gpu.total_memory) for gpu in gpus),
        fast_bf16=resolve_precision("auto", device) == "bf16",
        disk_bytes=disk.total,
        disk_free_bytes=disk.free,
    )
