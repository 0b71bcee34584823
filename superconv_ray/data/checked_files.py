"""Which files of a folder are images and whole: each is checked once, and the answer is kept."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from superconv_ray.data.decoding import problem_of
from superconv_ray.data.image_files import Listing, is_remote, opened
from superconv_ray.data.images import listed
from superconv_ray.data.notes import places
from superconv_ray.data.uris import below, without_secrets

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp"})
"""Names of image files end like this, as in torchvision's ImageFolder."""


def problems(listing: Listing, *, whole: bool) -> dict[str, str]:
    """Return what is wrong with files, by name.

    A file is checked again only if its size or the time of its last change is another one. Of files
    on a server, only names and sizes are checked unless `whole`.

    Args:
        listing: The files.
        whole: Decode all of each file, instead of looking at its beginning and end.

    Raises:
        ValueError: Files cannot be read at all, so that it is not known what is wrong with them.
    """
    found = {
        name: "not an image" if size else "empty"
        for name, size in zip(listing.names, listing.sizes, strict=True)
        if not size or Path(name).suffix.lower() not in SUFFIXES
    }
    if is_remote(listing.root) and not whole:
        return found
    keys = {
        name: (name, size, changed)
        for name, size, changed in zip(listing.names, listing.sizes, listing.changed, strict=True)
        if name not in found
    }
    with _checked(listing.root, whole) as known:
        new = [name for name, key in keys.items() if key not in known]
        answers, unreadable = _check(listing.root, new, whole)
        known |= {keys[name]: problem for name, problem in answers.items()}
    if unreadable:  # leaving them out would make another data set while a server is half away
        shown = [(without_secrets(below(listing.root, n)), why) for n, why in unreadable.items()]
        raise ValueError(f"image files must be readable; cannot read {listed(shown)}")
    checked = ((name, known[key]) for name, key in keys.items())
    return found | {name: problem for name, problem in checked if problem}


def _check(
    root: str, names: list[str], whole: bool
) -> tuple[dict[str, str | None], dict[str, str]]:
    """Return what is wrong with files or None, and why others cannot be read; both by name."""
    unreadable: dict[str, str] = {}

    def check(name: str) -> str | None:
        try:
            return _problem(root, name, whole)
        except OSError as error:
            unreadable[name] = str(error)
            return None

    with ThreadPoolExecutor(min(32, 4 * (os.cpu_count() or 1))) as pool:
        answers = dict(zip(names, pool.map(check, names), strict=True))
    return {name: answers[name] for name in names if name not in unreadable}, unreadable


def _problem(root: str, name: str, whole: bool) -> str | None:
    filesystem, base = opened(root)
    with filesystem.open_input_file(below(base, name)) as file:
        return problem_of(file, whole=whole)


_Checked = dict[tuple[str, int, int], str | None]
"""(name, size, time of change) -> what is wrong with the file, or None."""


@contextlib.contextmanager
def _checked(root: str, whole: bool) -> Iterator[_Checked]:
    """Yield what is known of a folder's files, and keep what is added to it."""
    key = hashlib.sha256(f"{root}/{whole}".encode()).hexdigest()[:16]
    name = f"checked/{key}.parquet"
    kept_in = places()
    noted = [_from_parquet(place.read(name)) for place in kept_in]
    known: _Checked = {}
    for of_place in noted:
        known |= of_place
    yield known
    for place, of_place in zip(kept_in, noted, strict=True):
        if known != of_place:
            place.write(name, _to_parquet(known))


def _from_parquet(content: bytes | None) -> _Checked:
    if content is None:
        return {}
    try:
        table = pq.read_table(io.BytesIO(content), page_checksum_verification=True)
        columns = table.to_pydict()
        keys = zip(columns["name"], columns["size"], columns["changed"], strict=True)
        return dict(zip(keys, columns["problem"], strict=True))
    except (OSError, pa.ArrowException, KeyError):  # damaged
        return {}


def _to_parquet(known: _Checked) -> bytes:
    names, sizes, changed = zip(*known, strict=True)
    table = pa.table(
        {
            "name": names,
            "size": sizes,
            "changed": changed,
            "problem": pa.array(known.values(), pa.string()),
        }
    )
    content = io.BytesIO()
    pq.write_table(table, content, write_page_checksum=True)
    return content.getvalue()
