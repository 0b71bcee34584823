"""`superconv status` and `superconv show`."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from superconv_ray.storage.filesystem import Files
from superconv_ray.storage.seal import write_json
from tests.cli.study_files import assert_one_line


def test_run_status_and_show_agree_on_one_study(
    superconv: Callable[..., Result], write: Callable[..., Path], store_uri: str
) -> None:
    path = write()
    before = superconv("status", path, "--store", store_uri)
    ran = superconv("run", path, "--local", "--store", store_uri)
    after = superconv("status", path, "--store", store_uri)
    shown = superconv("show", path, "--store", store_uri)
    assert [result.exit_code for result in (before, ran, after, shown)] == [0, 0, 0, 0]
    count = "6 trials, {} done (of which 0 diverged), 0 failed, {} left\n"
    new = f"study tiny in {store_uri}: {count.format(0, 6)}note: there is no store yet\n"
    assert before.stdout == new
    assert after.stdout == f"study tiny in {store_uri}: {count.format(6, 0)}"
    assert (
        "study tiny: 6 trials trained, 0 found in the store, 0 diverged, 0 failed, 0 left\n"
        in ran.stdout
    )
    assert "Gap: one_cycle minus baseline" in shown.stdout
    assert f"tables: {store_uri}" in shown.stdout
    hint = f"next: superconv report {store_uri} --study tiny\n"
    assert ran.stdout.endswith(shown.stdout + hint)


@pytest.mark.parametrize("command", ["run", "status", "show"])
def test_a_store_of_a_newer_version_is_rejected_in_one_line_and_left_alone(
    command: str, superconv: Callable[..., Result], write: Callable[..., Path], tmp_path: Path
) -> None:
    store = tmp_path / "store"
    store.mkdir()
    write_json(Files(store), "store.json", {"schema_version": 10**6})
    marker = (store / "store.json").read_text()
    result = superconv(command, write(), "--store", store)
    assert_one_line(result, "has schema version 1000000")
    assert os.listdir(store) == ["store.json"]
    assert (store / "store.json").read_text() == marker


def test_a_study_that_was_never_run_cannot_be_shown(
    superconv: Callable[..., Result], write: Callable[..., Path], store_uri: str
) -> None:
    assert_one_line(superconv("show", write(), "--store", store_uri), "no study 'tiny'")
