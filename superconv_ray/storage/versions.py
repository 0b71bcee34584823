"""Definitions that follow each other under one name: continued, extended or replaced.

A name never stands for two questions at once. A run continues a definition that it finds, or
extends it; to replace it takes the user's word.
"""

from __future__ import annotations

import dataclasses

import pandas as pd

from superconv_ray.design.definition import StudyDefinition
from superconv_ray.design.trial_fields import field_names
from superconv_ray.storage.filesystem_errors import StoreError
from superconv_ray.storage.store import Store

DIGESTS = [name for name in field_names() if name.endswith("_digest")]
"""Columns with the digests of the user's own models, data sets and functions."""
DIFFERENCES_SHOWN = 3
"""Differences that a note of one line names; the rest it counts."""


class StudyConflictError(StoreError):
    """The store has a study of this name with other settings."""


def check_definition(
    store: Store, definition: StudyDefinition, *, replace: bool = False
) -> list[str]:
    """Check that a definition may become the current one of its name.

    Args:
        store: Where the study is to be run.
        definition: What is to be run.
        replace: Whether it may take the place of one with other settings and finished trials,
            which is then kept as an earlier one.

    Returns:
        What it adds to, or changes in, the current definition, a line each; empty if it continues
        that one, or is the first of its name.

    Raises:
        StudyConflictError: It changes what the current definition asks, and may not replace it.
    """
    earlier = store.definitions(definition.name)
    if not earlier:
        return []
    current = earlier[-1]
    difference = definition.difference(current)
    # The flags of lr-find name its study, so that there is no other name to choose.
    is_lr_find = definition.purpose == current.purpose == "lr_find"
    if replace or is_lr_find or definition.extends(current):
        return difference
    finished = store.trials(definition.name, columns=DIGESTS)
    if finished.empty or definition.extends(_with_sources_of(finished, current)):
        return difference
    lines = "\n".join(f"  {line}" for line in difference)
    raise StudyConflictError(
        f"study {definition.name!r} in the store {store.files.place} has other settings:\n{lines}\n"
        "To make these the settings of the study, repeat the command with --replace (in Python: "
        "replace=True); finished trials and the earlier results are kept. To keep both, give this "
        "study another name."
    )


def _with_sources_of(finished: pd.DataFrame, definition: StudyDefinition) -> StudyDefinition:
    """The definition without models, data sets and functions of which no trial is finished.

    A model that always raised may be mended: no result is of what it was before.
    """
    used = {digest for column in DIGESTS for digest in finished[column].unique()}
    return dataclasses.replace(
        definition,
        models={name: own for name, own in definition.models.items() if own in used},
        datasets={name: own for name, own in definition.datasets.items() if own in used},
        functions={name: own for name, own in definition.functions.items() if own in used},
    )


def difference_note(store: Store, definition: StudyDefinition) -> str | None:
    """A line on how the settings of a study file differ from the store's; None if they do not.

    Args:
        store: Where the study may have been run.
        definition: That of the file.
    """
    earlier = store.definitions(definition.name)
    if not earlier or earlier[-1].digest == definition.digest:
        return None
    lines = definition.difference(earlier[-1])
    shown = "; ".join(lines[:DIFFERENCES_SHOWN])
    more = f"; and {len(lines) - DIFFERENCES_SHOWN} more" if len(lines) > DIFFERENCES_SHOWN else ""
    return (
        f"study {definition.name!r} in the store {store.files.place} has other settings than this "
        f"file: {shown}{more}"
    )
