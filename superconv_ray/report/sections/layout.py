"""What sections share: how a sweep is laid out in charts, and the code of a frame."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import altair as alt
import pandas as pd

from superconv_ray.report.study_results import StudyResults

ALONG_X = ("data_count", "steps", "epochs", "batch_size", "max_lr", "weight_decay", "dropout")
"""Settings to draw along x if they are swept, in order of preference."""
MOST_FACETS = 8
"""Largest number of panels in a chart; the frame has all rows."""


def along_x(results: StudyResults, otherwise: str) -> str:
    """The column along x; `otherwise` if nothing is swept."""
    axes = results.axes
    return next((axis for axis in ALONG_X if axis in axes), axes[0] if axes else otherwise)


def drawn(
    chart: Callable[..., alt.TopLevelMixin],
    frame: pd.DataFrame,
    *given: Any,
    facet: Sequence[str],
    **options: Any,
) -> alt.TopLevelMixin | None:
    """A chart with a panel for each combination of the columns in `facet`; None if too many.

    Args:
        chart: One of `superconv_ray.report.charts`.
        frame: Its frame.
        given: Its further arguments.
        facet: Columns of the frame.
        options: Its further keyword arguments.
    """
    if facet and len(frame[list(facet)].map(str).drop_duplicates()) > MOST_FACETS:
        return None
    return chart(frame, *given, facet=facet, **options)


def code_of(
    analysis: Callable[..., pd.DataFrame],
    frames: str,
    *given: Any,
    result: str = "",
    **options: Any,
) -> str:
    """Python that imports a function of `superconv_ray.analysis` and calls it.

    Args:
        analysis: The function.
        frames: The names of its first arguments, such as "trials, curves".
        given: Its further arguments.
        result: Name for what it returns; empty if that is the last line's value.
        options: Its keyword arguments.
    """
    name = analysis.__name__
    named = (f"{key}={value!r}" for key, value in options.items())
    arguments = ", ".join([frames, *map(repr, given), *named])
    assigned = f"{result} = " if result else ""
    return f"from superconv_ray.analysis import {name}\n{assigned}{name}({arguments})"
