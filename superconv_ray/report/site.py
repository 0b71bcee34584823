"""The pages of a store: one for each study and, if there are several, an index of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from superconv_ray.report.build import build_report
from superconv_ray.report.content import IndexEntry
from superconv_ray.report.page import render, render_index
from superconv_ray.report.sections import answer
from superconv_ray.report.studies import studies_to_show
from superconv_ray.report.study_results import StudyResults
from superconv_ray.report.thumbnails import thumbnail
from superconv_ray.report.verdict import headline
from superconv_ray.storage.store import Store


def page_files(studies: list[str], first: str) -> dict[str, str]:
    """File name of each study's page.

    Args:
        studies: Names of the studies.
        first: File name of the only page or, with several studies, of the index.
    """
    if len(studies) == 1:
        return {studies[0]: first}
    path = Path(first)
    return {name: f"{path.stem}-{name}{path.suffix}" for name in studies}


def render_page(store: Store, file: str, first: str, study: str | None, version: str = "") -> str:
    """One page of a store.

    Args:
        store: The store.
        file: File name of the page.
        first: As for `page_files`.
        study: Name of the only study to show; None: all.
        version: As for `page.render`.

    Raises:
        KeyError: There is no such page.
        StoreError: As `studies_to_show`.
    """
    files = page_files(studies_to_show(store, study), first)
    if file == first and len(files) > 1:
        entries = [_entry(StudyResults(store, name), path) for name, path in files.items()]
        return render_index(store.files.place, entries, version)
    names = {path: name for name, path in files.items()}
    index = first if len(files) > 1 else ""
    return render(build_report(StudyResults(store, names[file])), version=version, index=index)


def write_pages(
    store: Store, output: Path, study: str | None = None, wrote: Callable[[Path], None] = print
) -> None:
    """Write the page of each study, and an index if there are several, to files side by side.

    Args:
        store: The store.
        output: The page of the only study or, with several studies, the index.
        study: Name of the only study to show; None: all.
        wrote: Called with each file.

    Raises:
        StoreError: As `studies_to_show`.
        OSError: A file cannot be written.
    """
    output.parent.mkdir(parents=True, exist_ok=True)
    files = page_files(studies_to_show(store, study), output.name)
    for file in dict.fromkeys([*files.values(), output.name]):
        path = output.with_name(file)
        path.write_text(render_page(store, file, output.name, study), encoding="utf-8")
        wrote(path)


def store_version(store: Store, study: str | None) -> str:
    """A text that changes when a study was run or a trial has finished; cheap to read."""
    runs = [store.study(name).provenance.written_at for name in studies_to_show(store, study)]
    return f"{', '.join(runs)}; {len(store.finished_ids())} trials"


def _entry(results: StudyResults, file: str) -> IndexEntry:
    shown = answer(results)
    times = results.trials["finished_at"].dropna()
    return IndexEntry(
        study=results.name,
        file=file,
        question=results.question,
        state=results.state,
        headline=headline(results),
        finished="" if times.empty else f"{times.max():%Y-%m-%d %H:%M} UTC",
        pictures=None
        if shown is None or shown.chart is None
        else (thumbnail(shown.chart, dark=False), thumbnail(shown.chart, dark=True)),
        pictured="" if shown is None else shown.title,
    )
