"""Pipelines of torchvision's transforms as settings: their names and digests, without torchvision.

A pipeline is an object, such as ``v2.Compose([v2.RandomHorizontalFlip(), v2.RandomCrop(28, 4)])``.
It has no source of its own; what it does is said by the classes and settings of its transforms.
"""

from __future__ import annotations

import hashlib
import json
from enum import Enum
from typing import Any


def is_pipeline(value: Any) -> bool:
    """Whether a value is a transform of torchvision, or a composition of transforms."""
    return not isinstance(value, type) and any(map(_is_of_torchvision, type(value).__mro__))


def pipeline_name(pipeline: Any) -> str:
    """Return its ``__name__``, if it was given one, else the names of its transforms."""
    parts = getattr(pipeline, "transforms", [pipeline])
    default = "+".join(type(part).__name__ for part in parts) or type(pipeline).__name__
    return str(getattr(pipeline, "__name__", default))


def pipeline_digest(name: str, pipeline: Any) -> str:
    """Return 16 hex digits of a SHA-256 over the classes and settings of all transforms.

    Raises:
        ValueError: A transform is not torchvision's, or holds more than numbers and text.
    """
    text = json.dumps(_described(name, pipeline), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _is_of_torchvision(cls: type[Any]) -> bool:
    return cls.__module__.split(".")[:2] == ["torchvision", "transforms"]


def _described(name: str, value: Any) -> Any:
    """What a transform, or one of its settings, is to its digest."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, Enum):
        return str(value)
    if isinstance(value, (list, tuple)) or type(value).__name__ == "ModuleList":
        return [_described(name, item) for item in value]
    if isinstance(value, dict):
        return {str(key): _described(name, item) for key, item in value.items()}
    if _is_of_torchvision(type(value)):
        settings = {key: it for key, it in vars(value).items() if not key.startswith("_")}
        settings |= vars(value).get("_modules", {})
        return {type(value).__name__: _described(name, settings)}
    raise ValueError(
        f"{name!r} holds {value!r}, whose source no trial id would cover: use a function instead "
        "of the pipeline, which calls it"
    )
