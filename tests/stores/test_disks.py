"""Disks that are full, or that may not be written."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from superconv_ray import open_store
from superconv_ray.storage.store import StoreError
from tests.stores.tiny_study import fill, run, study


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of one megabyte; only root may make one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False).returncode:
        pytest.skip("only root may mount a small disk")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.usefixtures("ray_session")
@pytest.mark.parametrize("local", [True, False], ids=["one process", "Ray"])
def test_a_full_disk_ends_the_run_and_loses_no_finished_trial(
    local: bool, small_disk: Path, tmp_path: Path, assert_same_results: Callable[[str, str], None]
) -> None:
    store, note = str(small_disk / "store"), tmp_path / "done"

    def other_people_write() -> None:
        if not note.exists():
            note.write_text(str(len(open_store(store).finished_ids())))
            fill(small_disk)

    with pytest.raises(
        StoreError, match=r"store cannot be written: it is full; free some space and repeat the"
    ):
        run(study(other_people_write), store, local=local)
    done = len(open_store(store).trials())
    assert int(note.read_text()) <= done < 6
    assert not list(Path(store).rglob("*.tmp"))
    (small_disk / "filler").unlink()
    summary = run(study(), store)
    assert (summary.trained, summary.found, summary.failed) == (6 - done, done, ())
    run(study(), str(tmp_path / "undisturbed"))
    assert_same_results(store, str(tmp_path / "undisturbed"))


def test_a_read_only_disk_is_an_error_before_anything_is_trained(
    small_disk: Path,
) -> None:
    def trained() -> None:
        raise AssertionError

    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(
        StoreError, match=r"cannot be written: permission is missing, or it is read-only; allow it"
    ):
        run(study(trained), str(small_disk / "store"))


def test_a_folder_without_permission_is_an_error_before_anything_is_trained(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write anywhere")
    tmp_path.chmod(0o555)
    with pytest.raises(StoreError, match="permission is missing, or it is read-only"):
        run(study(), str(tmp_path / "store"))
