"""Defaults of settings for which there was no choice at first: ids leave them out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

IMPLIED: Mapping[str, Any] = MappingProxyType(
    {
        "loss": "cross_entropy",
        "label_smoothing": 0.0,
        "metric": "accuracy",
        "lr_placement": "outside",
        "peak_fraction": 0.5,
        "anneal": "linear",
        "cycle_end": "min_lr",
        "warmup_fraction": 0.0,
    }
)
"""Defaults that ids leave out: what trials did before there was a choice."""

_ONE_CYCLE = ("policy", frozenset({"one_cycle"}))
_ONLY_WITH: Mapping[str, tuple[str, frozenset[str]]] = MappingProxyType(
    {
        "label_smoothing": ("loss", frozenset({"cross_entropy"})),
        "lr_placement": ("optimizer", frozenset({"sgd", "nesterov"})),
        "peak_fraction": _ONE_CYCLE,
        "anneal": _ONE_CYCLE,
        "cycle_end": _ONE_CYCLE,
        # Other policies that warm up have had the choice from the beginning.
        "warmup_fraction": ("policy", frozenset({"piecewise", "constant", "inv"})),
    }
)
"""Field -> another field and its values, with which alone the default is implied."""


def implied_with(value_of: Callable[[str], Any]) -> dict[str, Any]:
    """Return what is implied with the other settings of a trial.

    Args:
        value_of: Returns the value of a field.
    """
    return {
        name: value
        for name, value in IMPLIED.items()
        if name not in _ONLY_WITH or value_of(_ONLY_WITH[name][0]) in _ONLY_WITH[name][1]
    }
