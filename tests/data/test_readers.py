import gzip
import hashlib
import os
import pickle
import struct
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
import pytest
import torchvision
from torchvision.datasets import mnist

from superconv_ray.data import readers
from superconv_ray.data.catalog import DATASETS
from superconv_ray.data.dataset import Dataset
from superconv_ray.data.readers import (
    DatasetNotFoundError,
    default_data_dir,
    find_files,
    load_dataset,
    read_files,
)

TRAIN, TEST = 40, 20


def small(channels: int, side: int, classes: int = 10) -> Dataset:
    rng = np.random.default_rng(channels)
    shape = (side, side, channels)
    return Dataset(
        train_inputs=rng.integers(0, 256, (TRAIN, *shape), dtype=np.uint8),
        train_labels=np.arange(TRAIN) % classes,
        test_inputs=rng.integers(0, 256, (TEST, *shape), dtype=np.uint8),
        test_labels=np.arange(TEST) % classes,
    )


def idx(array: np.ndarray[Any, np.dtype[np.uint8]]) -> bytes:
    header = struct.pack(">HBB", 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.tobytes()


def write_idx(folder: Path, dataset: Dataset, *, packed: bool = False) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for file, array in {
        "train-images-idx3-ubyte": dataset.train_inputs[..., 0],
        "train-labels-idx1-ubyte": dataset.train_labels.astype(np.uint8),
        "t10k-images-idx3-ubyte": dataset.test_inputs[..., 0],
        "t10k-labels-idx1-ubyte": dataset.test_labels.astype(np.uint8),
    }.items():
        content = idx(np.asarray(array, np.uint8))
        if packed:
            (folder / f"{file}.gz").write_bytes(gzip.compress(content))
        else:
            (folder / file).write_bytes(content)


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


def write_cifar(folder: Path, name: str, patch: pytest.MonkeyPatch) -> Dataset:
    """Write a small CIFAR in the original's format, and let torchvision take its checksums."""
    reader = {"cifar10": torchvision.datasets.CIFAR10, "cifar100": torchvision.datasets.CIFAR100}[
        name
    ]
    dataset = small(3, 32)
    label_key = "labels" if name == "cifar10" else "fine_labels"
    folder.mkdir(parents=True)

    def write(files: list[list[str]], inputs: Any, labels: Any) -> list[list[str]]:
        images = np.array_split(inputs.transpose(0, 3, 1, 2).reshape(len(inputs), -1), len(files))
        targets = np.array_split(labels, len(files))
        for (file, _), data, part in zip(files, images, targets, strict=True):
            (folder / file).write_bytes(pickle.dumps({"data": data, label_key: part.tolist()}))
        return [[file, md5(folder / file)] for file, _ in files]

    train = write(reader.train_list, dataset.train_inputs, dataset.train_labels)
    test = write(reader.test_list, dataset.test_inputs, dataset.test_labels)
    meta = folder / reader.meta["filename"]
    meta.write_bytes(pickle.dumps({reader.meta["key"]: [f"class {c}" for c in range(10)]}))
    patch.setattr(reader, "train_list", train)
    patch.setattr(reader, "test_list", test)
    patch.setattr(reader, "meta", {**reader.meta, "md5": md5(meta)})
    return dataset


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: Any, **__: Any) -> None:
        raise URLError("Name or service not known")

    monkeypatch.setattr(mnist, "download_and_extract_archive", unreachable)
    monkeypatch.setattr(torchvision.datasets.cifar, "download_and_extract_archive", unreachable)


def expecting(monkeypatch: pytest.MonkeyPatch, name: str, dataset: Dataset) -> None:
    monkeypatch.setattr(readers, "DATASETS", {**DATASETS, name: dataset.facts(name)})


# IDX files


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("mnist", "MNIST/raw"),
        ("mnist", "mnist"),
        ("mnist", "."),
        ("fashion_mnist", "FashionMNIST/raw"),
        ("fashion_mnist", "fashion_mnist"),
        ("fashion_mnist", "fashion-mnist"),
        ("fashion_mnist", "."),
    ],
)
def test_idx_files_are_read_from_every_layout(
    name: str, folder: str, packed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = small(1, 28)
    write_idx(tmp_path / folder, written, packed=packed)
    expecting(monkeypatch, name, written)
    assert load_dataset(name, tmp_path).digest() == written.digest()


def test_a_named_folder_wins_over_files_beside_it(tmp_path: Path) -> None:
    write_idx(tmp_path, small(1, 28))
    write_idx(tmp_path / "fashion-mnist", small(1, 28))
    assert find_files("mnist", tmp_path) == tmp_path
    assert find_files("fashion_mnist", tmp_path) == tmp_path / "fashion-mnist"


def test_an_incomplete_folder_is_passed_over(tmp_path: Path) -> None:
    write_idx(tmp_path / "MNIST" / "raw", small(1, 28))
    (tmp_path / "MNIST" / "raw" / "t10k-labels-idx1-ubyte").unlink()
    write_idx(tmp_path, small(1, 28), packed=True)
    assert find_files("mnist", tmp_path) == tmp_path


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-5],
        lambda content: content + b"more",
        lambda content: content[:3],
        lambda _: b"",
        lambda content: b"\x00\x00\x0a\x03" + content[4:],
        lambda _: b"<html>404 Not Found</html>",
    ],
    ids=["truncated", "too long", "cut in the header", "empty", "unknown type", "a web page"],
)
def test_a_corrupt_idx_file_is_named(damage: Callable[[bytes], bytes], tmp_path: Path) -> None:
    write_idx(tmp_path, small(1, 28))
    culprit = tmp_path / "t10k-images-idx3-ubyte"
    culprit.write_bytes(damage(culprit.read_bytes()))
    with pytest.raises(ValueError, match=f"{culprit} is truncated or corrupt"):
        read_files("mnist", tmp_path)


@pytest.mark.parametrize("damage", [lambda c: c[:-20], lambda _: b"not gzip", lambda c: c[:40] + c])
def test_a_corrupt_gzip_file_is_named(damage: Callable[[bytes], bytes], tmp_path: Path) -> None:
    write_idx(tmp_path, small(1, 28), packed=True)
    culprit = tmp_path / "train-labels-idx1-ubyte.gz"
    culprit.write_bytes(damage(culprit.read_bytes()))
    with pytest.raises(ValueError, match=f"{culprit} is truncated or corrupt"):
        read_files("mnist", tmp_path)


def test_files_that_do_not_fit_together_are_reported_with_their_folder(tmp_path: Path) -> None:
    write_idx(tmp_path, small(1, 28))
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(np.zeros(7, np.uint8)))
    with pytest.raises(ValueError, match=f"from {tmp_path}: .*same length, got 40 and 7"):
        read_files("mnist", tmp_path)


# CIFAR


@pytest.mark.parametrize(
    ("name", "folder", "given"),
    [
        ("cifar10", "cifar-10-batches-py", "."),
        ("cifar10", "cifar10/cifar-10-batches-py", "."),
        ("cifar10", "my-cifar", "my-cifar"),
        ("cifar100", "cifar-100-python", "."),
        ("cifar100", "cifar-100-python", "cifar-100-python"),
    ],
)
def test_unpacked_cifar_is_read_from_every_layout(
    name: str, folder: str, given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = write_cifar(tmp_path / folder, name, monkeypatch)
    expecting(monkeypatch, name, written)
    assert load_dataset(name, tmp_path / given).digest() == written.digest()


@pytest.fixture
def cifar_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Dataset]:
    """A folder that holds nothing but cifar-10-python.tar.gz."""
    folder = tmp_path / "unpacked" / "cifar-10-batches-py"
    written = write_cifar(folder, "cifar10", monkeypatch)
    archive = tmp_path / "archives" / "cifar-10-python.tar.gz"
    archive.parent.mkdir()
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(folder, "cifar-10-batches-py")
    monkeypatch.setattr(torchvision.datasets.CIFAR10, "tgz_md5", md5(archive))
    return archive, written


def test_a_cifar_archive_is_read_and_its_folder_left_as_it_was(
    cifar_archive: tuple[Path, Dataset],
) -> None:
    archive, written = cifar_archive
    found = find_files("cifar10", archive.parent)
    assert found == archive
    assert read_files("cifar10", found).digest() == written.digest()
    assert list(archive.parent.iterdir()) == [archive]


def test_a_truncated_cifar_archive_is_named(cifar_archive: tuple[Path, Dataset]) -> None:
    archive, _ = cifar_archive
    archive.write_bytes(archive.read_bytes()[:-100])
    with pytest.raises(ValueError, match=f"{archive} is truncated or corrupt"):
        read_files("cifar10", archive)


def test_a_corrupt_cifar_batch_is_named_and_not_unpickled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "cifar-10-batches-py"
    write_cifar(folder, "cifar10", monkeypatch)
    (folder / "data_batch_3").write_bytes(b"cos\nabort\n(tR.")
    with pytest.raises(ValueError, match=f"{folder / 'data_batch_3'} is truncated or corrupt"):
        read_files("cifar10", folder)


# The right files, or none


def test_fashion_mnist_given_as_mnist_is_recognised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = small(1, 28)
    write_idx(tmp_path, written)
    expecting(monkeypatch, "fashion_mnist", written)
    with pytest.raises(ValueError, match=f"{tmp_path} must hold mnist, but holds fashion_mnist"):
        load_dataset("mnist", tmp_path)


def test_files_of_unexpected_size_are_rejected_with_what_differs(tmp_path: Path) -> None:
    write_idx(tmp_path, small(1, 28))
    message = (
        r"does not hold mnist: train_class_counts must be \(5923, .*\), got \(4, 4.*test_count"
    )
    with pytest.raises(ValueError, match=message):
        load_dataset("mnist", tmp_path)


@pytest.mark.usefixtures("no_network")
def test_a_missing_data_set_says_what_was_sought_where_and_how_to_get_it(tmp_path: Path) -> None:
    (tmp_path / "FashionMNIST" / "raw").mkdir(parents=True)
    write_idx(tmp_path / "fashion-mnist", small(1, 28))
    (tmp_path / "fashion-mnist" / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(DatasetNotFoundError) as caught:
        load_dataset("fashion_mnist", tmp_path)
    message = str(caught.value)
    assert "fashion_mnist was not found" in message
    assert "train-images-idx3-ubyte" in message
    assert f"{tmp_path / 'FashionMNIST/raw'}: has none of them" in message
    assert f"{tmp_path / 'fashion-mnist'}: lacks t10k-labels-idx1-ubyte" in message
    assert f"{tmp_path / 'fashion_mnist'}: does not exist" in message
    assert "Name or service not known" in message
    assert "http" in message
    assert "SUPERCONV_DATA_DIR" in message
    assert not list(tmp_path.glob(".download-*"))


@pytest.mark.usefixtures("no_network")
def test_a_missing_cifar_names_its_archive_and_the_reason(tmp_path: Path) -> None:
    with pytest.raises(DatasetNotFoundError) as caught:
        load_dataset("cifar100", tmp_path / "new")
    assert f"{tmp_path / 'new' / 'cifar-100-python.tar.gz'}: does not exist" in str(caught.value)
    assert "Name or service not known" in str(caught.value)


def test_without_download_nothing_is_created(tmp_path: Path) -> None:
    with pytest.raises(DatasetNotFoundError, match=r"not tried \(download=False\)"):
        load_dataset("mnist", tmp_path / "absent", download=False)
    assert not (tmp_path / "absent").exists()


def test_a_data_dir_that_cannot_be_written_is_the_reason_given(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DatasetNotFoundError, match=r"Download: failed \((FileExists|NotADir)"):
        load_dataset("mnist", tmp_path / "file")


def test_a_download_lands_in_torchvisions_layout_beside_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = small(1, 28)
    expecting(monkeypatch, "mnist", written)

    def fake_download(_: str, download_root: str, **__: Any) -> None:
        write_idx(Path(download_root), written)

    monkeypatch.setattr(mnist, "download_and_extract_archive", fake_download)
    half = tmp_path / "MNIST" / "raw"
    half.mkdir(parents=True)
    (half / "train-images-idx3-ubyte").write_bytes(b"cut o")
    assert load_dataset("mnist", tmp_path).digest() == written.digest()
    assert find_files("mnist", tmp_path) == half
    assert [path.name for path in tmp_path.iterdir()] == ["MNIST"]


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"name must be one of digits, mnist, .* got 'imagenet'"):
        load_dataset("imagenet")


def test_the_data_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "cache")
    monkeypatch.setenv("SUPERCONV_DATA_DIR", "chosen")
    assert default_data_dir() == Path("chosen")
    monkeypatch.delenv("SUPERCONV_DATA_DIR")
    assert default_data_dir() == Path("cache", "superconv_ray", "data")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert default_data_dir() == Path.home() / ".cache" / "superconv_ray" / "data"


# Real data


def test_digits_have_the_class_counts_of_the_catalog() -> None:
    digits = load_dataset("digits")
    assert digits.facts("digits") == DATASETS["digits"]
    assert digits.train_inputs.max() == 16
    assert digits.digest() == "5c64ce4856166980"


@pytest.mark.skipif(
    not os.environ.get("SUPERCONV_DATA_DIR")
    or find_files("fashion_mnist", default_data_dir()) is None,
    reason="SUPERCONV_DATA_DIR does not point to Fashion-MNIST",
)
def test_the_real_fashion_mnist_is_read() -> None:
    dataset = load_dataset("fashion_mnist", download=False)
    assert dataset.facts("fashion_mnist") == DATASETS["fashion_mnist"]
    # Xiao et al.'s training images have the well-known mean 0.2860 and std 0.3530
    assert dataset.train_inputs.mean() / 255 == pytest.approx(0.2860, abs=5e-5)
    assert dataset.train_inputs.std() / 255 == pytest.approx(0.3530, abs=5e-5)
    assert dataset.digest() == "e82adc0c97c6273e"
