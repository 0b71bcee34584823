"""The studies of a store that commands show if none is named."""

from __future__ import annotations

from superconv_ray.storage.store import Store, StoreError


def studies_to_show(store: Store, study: str | None = None) -> list[str]:
    """Names of the studies to show: the given one, or all of the store.

    Studies made by ``lr-find`` are left out unless they are named or there are no others.

    Raises:
        StoreError: The store has no study, or not the given one.
    """
    if study is not None:
        store.study(study)
        return [study]
    known = store.studies()
    if not known:
        raise StoreError(f"no study in the store {store.files.place}: run one first")
    return [name for name in known if store.study(name).purpose != "lr_find"] or known
