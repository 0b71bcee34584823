"""One driver per study: a second one is refused, a dead one replaced, a replaced one stopped."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import threading
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from superconv_ray.storage import lease as lease_module
from superconv_ray.storage.filesystem import Files
from superconv_ray.storage.lease import EXPIRY_SECONDS, Claim, StudyInUseError, lease


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def own_claim() -> Claim:
    with_everything = {"host": platform.node(), "pid": os.getpid(), "since": "2026-01-02T03:04:05"}
    return Claim(processes=lease_module._processes(), **with_everything)  # type: ignore[arg-type]


def leave(files: Files, claim: Claim, age: float = 0.0) -> Path:
    """A claim that another driver wrote that many seconds ago."""
    files.write("leases/one/other.json", json.dumps(asdict(claim)).encode())
    path = Path(files.path("leases/one/other.json"))
    os.utime(path, (time.time() - age,) * 2)
    return path


def claims(files: Files) -> list[str]:
    return files.names("leases/one")


def test_a_second_driver_is_refused_with_who_runs_the_study_since_when_and_what_to_do(
    files: Files,
) -> None:
    with lease(files, "one"):
        with (
            pytest.raises(
                StudyInUseError,
                match=rf"study 'one' in the store {files.place} has been run by process "
                rf"{os.getpid()} on {platform.node()} since 20.*, last seen \d+ s ago. .*"
                r"Ctrl-C. If it was killed, repeat the command 60 s after",
            ),
            lease(files, "one"),
        ):
            pass
        assert len(claims(files)) == 1


def test_another_study_of_the_store_may_be_run_meanwhile(files: Files) -> None:
    with lease(files, "one"), lease(files, "two"):
        pass


def test_a_lease_is_given_up_at_the_end_whatever_the_end(files: Files) -> None:
    with lease(files, "one"):
        pass
    with pytest.raises(ZeroDivisionError), lease(files, "one"):
        _ = 1 / 0
    with pytest.raises(KeyboardInterrupt), lease(files, "one"):
        raise KeyboardInterrupt
    assert claims(files) == []


def test_a_driver_of_this_machine_that_was_killed_is_replaced_at_once(files: Files) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    leave(files, replace(own_claim(), pid=ended.pid))
    with lease(files, "one"):
        assert "other.json" not in claims(files)


@pytest.mark.parametrize("elsewhere", [{"host": "elsewhere"}, {"processes": "pid:[1]"}])
def test_a_driver_elsewhere_is_replaced_when_its_lease_has_expired(
    files: Files, elsewhere: dict[str, str]
) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    claim = replace(own_claim(), pid=ended.pid, **elsewhere)
    leave(files, claim, age=EXPIRY_SECONDS / 2)
    with pytest.raises(StudyInUseError, match=r"last seen [345]\d s ago"), lease(files, "one"):
        pass
    leave(files, claim, age=EXPIRY_SECONDS + 5)
    with lease(files, "one"):
        assert "other.json" not in claims(files)


def test_a_living_driver_of_this_machine_is_replaced_when_it_no_longer_renews(files: Files) -> None:
    leave(files, own_claim(), age=EXPIRY_SECONDS + 5)
    with lease(files, "one"):
        assert "other.json" not in claims(files)


@pytest.mark.parametrize("content", [b"no json", b"[]", b"{}", b'{"host": "a"}'])
def test_a_file_that_is_no_claim_is_ignored(files: Files, content: bytes) -> None:
    files.write("leases/one/notes.txt", content)
    with lease(files, "one"):
        assert "notes.txt" in claims(files)


def test_of_many_drivers_that_start_at_once_never_two_hold_the_lease(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease_module, "ATTEMPTS", 3)
    begin, at_work, most, refused, held = threading.Barrier(8), 0, 0, 0, 0
    lock = threading.Lock()

    def drive() -> None:
        nonlocal at_work, most, refused, held
        begin.wait()
        try:
            with lease(files, "one"):
                with lock:
                    at_work, held = at_work + 1, held + 1
                    most = max(most, at_work)
                time.sleep(0.05)
                with lock:
                    at_work -= 1
        except StudyInUseError:
            with lock:
                refused += 1

    threads = [threading.Thread(target=drive) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert held + refused == 8
    assert most == 1
    assert claims(files) == []


def test_a_lease_is_renewed_while_its_driver_lives(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease_module, "RENEWAL_SECONDS", 0.02)
    with lease(files, "one"):
        (name,) = claims(files)
        path = Path(files.path(f"leases/one/{name}"))
        os.utime(path, (time.time() - 50,) * 2)
        wait_until(lambda: time.time() - path.stat().st_mtime < 40)
        with pytest.raises(StudyInUseError), lease(files, "one"):
            pass


def test_a_driver_that_was_replaced_is_interrupted_and_says_why(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease_module, "RENEWAL_SECONDS", 0.02)
    ends: list[type[BaseException]] = []

    def drive() -> None:
        with lease(files, "one"):
            files.delete(f"leases/one/{claims(files)[0]}")  # as the other one does it
            try:
                wait_until(lambda: False)
            except BaseException as end:
                ends.append(type(end))
                raise

    with pytest.raises(
        StudyInUseError, match=r"did not renew its lease for 60 s, and another run has"
    ):
        drive()
    assert ends == [KeyboardInterrupt]
    assert claims(files) == []


def wait_until(condition: object, seconds: float = 300.0) -> None:
    assert callable(condition)
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)
