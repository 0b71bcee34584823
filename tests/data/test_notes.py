"""Notes on a user's files: kept in the user's cache folder, and in a run's store."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from superconv_ray.data.checked_files import problems
from superconv_ray.data.image_files import list_files
from superconv_ray.data.image_folder import image_folder
from superconv_ray.data.notes import noted_in, replaced
from superconv_ray.storage.filesystem import Files
from tests.image_files import make_folder


@pytest.fixture
def images(tmp_path: Path) -> Path:
    make_folder(tmp_path / "images", 4)
    (tmp_path / "images" / "ant" / "000.jpg").write_bytes(b"not an image")
    return tmp_path / "images"


def found(images: Path, notes: Files) -> dict[str, str]:
    with noted_in(lambda: notes):
        return problems(list_files(images), whole=True)


def test_who_goes_on_elsewhere_checks_no_file_again(
    images: Path, cache: Path, checked: list[str], tmp_path: Path
) -> None:
    store = Files(tmp_path / "store")
    first = found(images, store)
    assert list(first) == ["ant/000.jpg"]
    assert len(checked) == 12
    shutil.rmtree(cache)
    assert found(images, store) == first
    assert len(checked) == 12
    assert (cache / "checked").is_dir()  # the next study on this machine knows it, too


def test_what_was_known_before_the_run_is_in_its_store(
    images: Path, cache: Path, checked: list[str], tmp_path: Path
) -> None:
    problems(list_files(images), whole=True)
    found(images, Files(tmp_path / "store"))
    shutil.rmtree(cache)
    found(images, Files(tmp_path / "store"))
    assert len(checked) == 12


@pytest.mark.usefixtures("cache")
def test_a_mistake_leaves_no_store_behind(images: Path, tmp_path: Path) -> None:
    with (
        pytest.raises(ValueError, match=r"ant/000\.jpg \(not an image\)"),
        noted_in(lambda: Files(tmp_path / "store")),
    ):
        image_folder(images, images, image_size=8)
    assert not (tmp_path / "store").exists()


def test_damaged_notes_are_no_notes(
    images: Path, cache: Path, checked: list[str], tmp_path: Path
) -> None:
    store = Files(tmp_path / "store")
    first = found(images, store)
    shutil.rmtree(cache)
    (notes,) = (tmp_path / "store" / "checked").iterdir()
    content = bytearray(notes.read_bytes())
    content[40] ^= 1  # within the names
    notes.write_bytes(content)
    assert found(images, store) == first
    assert len(checked) == 24


def test_processes_of_several_containers_replace_a_file_side_by_side(tmp_path: Path) -> None:
    file = tmp_path / "shared"
    with replaced(file) as one, replaced(file) as other:  # equal pids
        one.write_text("one")
        other.write_text("other")
    assert file.read_text() == "one"
