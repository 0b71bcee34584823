"""Read the named data sets from local files, and download them if they are missing.

torchvision parses and downloads them, and is imported only when needed.
"""

import gzip
import os
import shutil
import tempfile
import zlib
from http.client import HTTPException
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from superconv_ray.data.catalog import DATASETS, DIGITS_TRAIN_COUNT
from superconv_ray.data.dataset import Dataset
from superconv_ray.data.subsets import stratified_order

DATA_DIR_VARIABLE = "SUPERCONV_DATA_DIR"

_TORCHVISION_CLASSES = {
    "mnist": "MNIST",
    "fashion_mnist": "FashionMNIST",
    "cifar10": "CIFAR10",
    "cifar100": "CIFAR100",
}
_FOLDER_NAMES = {
    "mnist": ("mnist", "MNIST"),
    "fashion_mnist": ("fashion_mnist", "fashion-mnist", "FashionMNIST"),
    "cifar10": ("cifar10", "cifar-10", "CIFAR10"),
    "cifar100": ("cifar100", "cifar-100", "CIFAR100"),
}
_CORRUPT = "truncated or corrupt; remove it and download it again"


class DatasetNotFoundError(FileNotFoundError):
    """No complete copy of the data set on this machine, and none could be downloaded."""


def load_dataset(name: str, data_dir: Path | None = None, *, download: bool = True) -> Dataset:
    """Read a data set of `catalog.DATASETS` and check its contents.

    Args:
        name: digits (in scikit-learn, needs no files), mnist, fashion_mnist, cifar10 or cifar100.
        data_dir: Folder with torchvision's layout or the original files, packed or unpacked,
            directly or in a folder named after the data set. None means `default_data_dir()`.
        download: Let torchvision download into `data_dir` what is missing there.

    Raises:
        ValueError: The name is unknown; or files are corrupt, or belong to another data set.
        DatasetNotFoundError: Not found, and not downloaded. The message says what to put where.
    """
    if name not in DATASETS:
        raise ValueError(f"name must be one of {', '.join(DATASETS)}, got {name!r}")
    if name == "digits":
        place, dataset = "scikit-learn", _read_digits()
    else:
        folder = Path(data_dir or default_data_dir()).expanduser().resolve()
        found = find_files(name, folder) or _obtain(name, folder, download=download)
        place, dataset = str(found), read_files(name, found)
    _check_facts(dataset, name, place)
    return dataset


def default_data_dir() -> Path:
    """Return $SUPERCONV_DATA_DIR, or else superconv_ray/data in the user's cache folder."""
    if chosen := os.environ.get(DATA_DIR_VARIABLE):
        return Path(chosen)
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "superconv_ray" / "data"


def find_files(name: str, data_dir: Path) -> Path | None:
    """Return the first folder (or archive) of `search_order` that is complete."""
    places = search_order(name, data_dir)
    return next((place for place in places if not _missing_files(name, place)), None)


def search_order(name: str, data_dir: Path) -> list[Path]:
    """Return the folders and archives that may hold the data set, the most specific first."""
    reader = _torchvision_class(name)
    named = [data_dir / folder for folder in _FOLDER_NAMES[name]]
    if _is_idx(name):
        return [data_dir / reader.__name__ / "raw", *named, data_dir]
    roots = [data_dir, *named]
    unpacked = [place for root in roots for place in (root / reader.base_folder, root)]
    return unpacked + [root / reader.filename for root in roots]


def read_files(name: str, place: Path) -> Dataset:
    """Read the data set from a place that `find_files` returned, without checking its size.

    Raises:
        ValueError: A file is corrupt (named in the message), or the files do not fit together.
    """
    try:
        if _is_idx(name):
            return _read_idx(name, place)
        if place.is_dir():
            return _read_cifar(name, place)
        return _read_cifar_archive(name, place)
    except ValueError as error:
        raise ValueError(f"{name} cannot be read from {place}: {error}") from error


# Places


def _torchvision_class(name: str) -> Any:
    import torchvision.datasets

    return getattr(torchvision.datasets, _TORCHVISION_CLASSES[name])


def _is_idx(name: str) -> bool:
    return hasattr(_torchvision_class(name), "resources")


def _file_names(name: str) -> list[str]:
    reader = _torchvision_class(name)
    if _is_idx(name):
        return [file.removesuffix(".gz") for file, _ in reader.resources]
    batches = [file for file, _ in reader.train_list + reader.test_list]
    return [*batches, reader.meta["filename"]]


def _missing_files(name: str, place: Path) -> list[str]:
    if place.name.endswith(".gz"):
        return [] if place.is_file() else [place.name]
    return [file for file in _file_names(name) if _existing(place, file) is None]


def _existing(folder: Path, file: str) -> Path | None:
    candidates = (folder / file, folder / f"{file}.gz")
    return next((path for path in candidates if path.is_file()), None)


# Parsing


def _read_idx(name: str, folder: Path) -> Dataset:
    from torchvision.datasets import mnist

    def read(file: str) -> npt.NDArray[Any]:
        path = _existing(folder, file)
        assert path is not None, f"{folder} was searched before"
        parse = mnist.read_image_file if "images" in file else mnist.read_label_file
        return _parse_idx(path, parse)

    train_inputs, train_labels, test_inputs, test_labels = map(read, _file_names(name))
    return Dataset(
        train_inputs=train_inputs,
        train_labels=train_labels,
        test_inputs=test_inputs,
        test_labels=test_labels,
    )


def _parse_idx(path: Path, parse: Any) -> npt.NDArray[Any]:
    """Run a parser of torchvision, which takes only unpacked files and asserts what it expects."""
    with tempfile.TemporaryDirectory() as folder:
        plain = path
        try:
            if path.suffix == ".gz":
                plain = Path(folder, path.stem)
                with gzip.open(path) as packed, plain.open("wb") as unpacked:
                    shutil.copyfileobj(packed, unpacked)
            array: npt.NDArray[Any] = parse(str(plain)).numpy()
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise ValueError(f"{path} is {_CORRUPT} ({error})") from error
        except (AssertionError, KeyError, RuntimeError, TypeError, ValueError) as error:
            reason = f"not the IDX file its name says: {error!r}"
            raise ValueError(f"{path} is {_CORRUPT} ({reason})") from error
    return array


def _read_cifar(name: str, folder: Path) -> Dataset:
    reader = _torchvision_class(name)
    # torchvision reads root/base_folder; this folder may have any name.
    located = type(reader.__name__, (reader,), {"base_folder": folder.name})
    try:
        train, test = (located(folder.parent, train=part) for part in (True, False))
    except RuntimeError as error:
        from torchvision.datasets.utils import check_integrity

        sums = [
            *reader.train_list,
            *reader.test_list,
            (reader.meta["filename"], reader.meta["md5"]),
        ]
        bad = [str(folder / file) for file, md5 in sums if not check_integrity(folder / file, md5)]
        raise ValueError(f"{', '.join(bad) or error} is {_CORRUPT} (its MD5 differs)") from error
    return Dataset(
        train_inputs=train.data,
        train_labels=np.asarray(train.targets),
        test_inputs=test.data,
        test_labels=np.asarray(test.targets),
    )


def _read_cifar_archive(name: str, archive: Path) -> Dataset:
    from torchvision.datasets.utils import check_integrity, extract_archive

    reader = _torchvision_class(name)
    if not check_integrity(archive, reader.tgz_md5):
        raise ValueError(f"{archive} is {_CORRUPT} (its MD5 differs)")
    with tempfile.TemporaryDirectory() as folder:  # the archive's own folder may be read-only
        extract_archive(archive, folder)
        return _read_cifar(name, Path(folder, reader.base_folder))


def _read_digits() -> Dataset:
    """Read the file of `sklearn.datasets.load_digits`, whose import takes a second."""
    spec = find_spec("sklearn")
    assert spec is not None
    assert spec.submodule_search_locations
    path = Path(spec.submodule_search_locations[0], "datasets", "data", "digits.csv.gz")
    table = np.loadtxt(path, delimiter=",", dtype=np.int64)
    images = table[:, :-1].reshape(-1, 8, 8).astype(np.uint8)  # gray levels 0..16
    labels = table[:, -1]
    order = stratified_order(labels, seed=0)
    train, test = order[:DIGITS_TRAIN_COUNT], order[DIGITS_TRAIN_COUNT:]
    return Dataset(
        train_inputs=images[train],
        train_labels=labels[train],
        test_inputs=images[test],
        test_labels=labels[test],
    )


def _check_facts(dataset: Dataset, name: str, place: str) -> None:
    found, expected = dataset.facts(name), DATASETS[name]
    if found == expected:
        return
    others = [other for other in DATASETS if dataset.facts(other) == DATASETS[other]]
    if others:
        raise ValueError(
            f"{place} must hold {name}, but holds {others[0]}: give each its own folder"
        )
    differences = [
        f"{field} must be {getattr(expected, field)}, got {getattr(found, field)}"
        for field in ("input_shape", "train_class_counts", "test_count")
        if getattr(found, field) != getattr(expected, field)
    ]
    raise ValueError(f"{place} does not hold {name}: {'; '.join(differences)}")


# Downloads


def _obtain(name: str, data_dir: Path, *, download: bool) -> Path:
    if not download:
        raise DatasetNotFoundError(_how_to_get(name, data_dir, "not tried (download=False)"))
    try:
        _download(name, data_dir)
    except (OSError, RuntimeError, EOFError, HTTPException) as error:
        message = _how_to_get(name, data_dir, f"failed ({type(error).__name__}: {error})")
        raise DatasetNotFoundError(message) from error
    found = find_files(name, data_dir)
    if found is None:
        raise DatasetNotFoundError(_how_to_get(name, data_dir, "left no complete set of files"))
    return found


def _download(name: str, data_dir: Path) -> None:
    """Let torchvision download, then move whole files: other processes may read or download too."""
    data_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=data_dir, prefix=".download-") as folder:
        _torchvision_class(name)(folder, download=True)
        for file in filter(Path.is_file, Path(folder).rglob("*")):
            target = data_dir / file.relative_to(folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            file.replace(target)


def _how_to_get(name: str, data_dir: Path, download: str) -> str:
    reader = _torchvision_class(name)
    if _is_idx(name):
        urls = [mirror + reader.resources[0][0] for mirror in reader.mirrors]
        source = f"{urls[0]} and its three siblings"
        files = f"{', '.join(_file_names(name))} (each plain or .gz)"
    else:
        source = reader.url
        files = f"{', '.join(_file_names(name))}; or {reader.filename}"
    lines = [
        f"{name} was not found.",
        f"Looked for: {files}",
        "In:",
        *(f"  {place}: {_state(name, place)}" for place in search_order(name, data_dir)),
        f"Download: {download}",
        f"Get the files from {source}",
        f"and put them into {data_dir / _FOLDER_NAMES[name][0]}",
        f"or point data_dir, or the environment variable {DATA_DIR_VARIABLE}, to where they are.",
    ]
    if name == "fashion_mnist":
        lines.append("On Debian and Ubuntu the package dataset-fashion-mnist ships them.")
    return "\n".join(lines)


def _state(name: str, place: Path) -> str:
    missing = _missing_files(name, place)
    if not place.exists():
        return "does not exist"
    if len(missing) == len(_file_names(name)):
        return "has none of them"
    return f"lacks {', '.join(missing)}"
