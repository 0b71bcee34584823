"""Findings from facts made by hand, and a real cluster of two nodes of which one is not like the
other.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from superconv_ray.execution.doctor import checks, facts, node
from superconv_ray.execution.doctor.checks import access, data, hardware, software
from superconv_ray.execution.doctor.checks.finding import Finding
from superconv_ray.execution.doctor.survey import clock_ahead
from superconv_ray.execution.doctor.text import report
from tests.execution.doctored_cluster import mounts_can_be_private

VERSIONS = {
    "Python": "3.11.7",
    "superconv_ray": "0.2.0 (a1b2c3)",
    "torch": "2.14.1",
    "Ray": "2.60.0",
}
MACHINE = facts.Machine(
    cores=8, memory_bytes=2**34, fast_bf16=True, disk_bytes=2**37, disk_free_bytes=2**36
)
NODE = facts.NodeFacts(
    name="n1",
    address="10.0.0.1",
    cpus=8.0,
    object_store_bytes=2**30,
    object_store_free_bytes=2**29,
    versions=VERSIONS,
    token=True,
    machine=MACHINE,
)
SEEN = facts.StoreView(sees_marker=True)
FOLDER = facts.StorePlace(place="/shared", local=True, free_bytes=2**40)
BUCKET = facts.StorePlace(place="s3://bucket/folder", local=False)


def cluster(*nodes: facts.NodeFacts, **changes: Any) -> facts.Cluster:
    return facts.Cluster(driver_versions=VERSIONS, nodes=nodes, **changes)


def levels(found: Iterator[Finding]) -> list[tuple[str, str]]:
    return [(finding.level, finding.text) for finding in found]


def test_a_healthy_cluster_has_no_findings_but_good_ones() -> None:
    nodes = [replace(NODE, name=name, store=SEEN, dataset="d1") for name in ("n1", "n2")]
    healthy = cluster(
        *nodes,
        store=BUCKET,
        dataset=facts.DatasetOnDriver(name="digits", digest="d1", size_bytes=1000),
        dashboard="127.0.0.1:8265",
    )
    found = checks.examine(healthy)
    assert {finding.level for finding in found} == {"ok"}
    assert [f.subject for f in found] == [
        *("answers", "versions", "clocks", "store", "data", "token", "dashboard")
    ]
    assert report(healthy, found).splitlines()[-1] == "2 nodes, 0 problems, 0 warnings"
    assert "512 MiB of 1 GiB" in report(healthy, found)
    assert checks.obstacles(healthy) == []


def test_every_problem_and_warning_has_advice() -> None:
    ill = cluster(
        replace(NODE, silent="no word"),
        replace(NODE, name="n2", error="No module named 'superconv_ray'"),
        replace(NODE, name="n3", versions={**VERSIONS, "Ray": "2.59.0"}, clock_ahead=9.0),
        replace(NODE, name="n4", gpus=1.0, cpus=9.0, token=False, store=SEEN),
        store=FOLDER,
        dataset=facts.DatasetOnDriver(name="mnist", error="not found"),
        dashboard="10.0.0.1:8265",
    )
    bad = [f for f in checks.examine(ill) if f.level in ("warning", "problem")]
    assert {f.subject for f in bad} == {
        *("answers", "package", "versions", "clocks", "store", "data", "CPUs", "GPUs", "token"),
        "dashboard",
    }
    assert all(finding.advice for finding in bad)


# Token


@pytest.mark.parametrize(("asks", "level"), [(True, "problem"), (False, "warning")])
def test_a_token_that_others_can_read_is_reported_with_its_node(asks: bool, level: str) -> None:
    seen = replace(NODE, token=asks, exposed_token="/home/me/.ray/auth_token (mode 0644)")
    (finding,) = access.token_files(cluster(replace(NODE, name="n0"), seen))
    assert finding.level == level
    assert finding.text.startswith(
        "others on n1 can read /home/me/.ray/auth_token (mode 0644): whoever has the token can"
    )
    assert finding.advice.startswith("chmod 600 it")


# Versions


@pytest.mark.parametrize(
    ("what", "version"),
    [
        ("Python", "3.12.7"),
        ("superconv_ray", "0.2.0 (ffffff)"),  # another source of the same version
        ("torch", "2.13.0+cu128"),
        ("Ray", "2.59.0"),
    ],
)
def test_another_version_is_named_with_its_nodes(what: str, version: str) -> None:
    other = {**VERSIONS, what: version}
    nodes = [replace(NODE, name=f"n{k}", versions=VERSIONS if k < 2 else other) for k in range(7)]
    assert levels(software.versions(cluster(*nodes))) == [
        (
            "problem",
            f"{what} is {version} on n2, n3, n4 and 2 more, but {VERSIONS[what]} on the driver",
        )
    ]


@pytest.mark.parametrize(("what", "version"), [("Python", "3.11.9"), ("torch", "2.14.1+cu128")])
def test_patch_levels_of_python_and_builds_of_torch_may_differ(what: str, version: str) -> None:
    (finding,) = software.versions(cluster(replace(NODE, versions={**VERSIONS, what: version})))
    assert finding.level == "ok"


# Store


def test_a_store_that_a_node_does_not_share_is_a_problem() -> None:
    missing = replace(NODE, name="n2", store=facts.StoreView(sees_marker=False))
    found = levels(data.store(cluster(replace(NODE, store=SEEN), missing, store=FOLDER)))
    assert found == [("problem", "/shared is not shared: what the driver wrote there is not on n2")]


@pytest.mark.parametrize(("sees", "what"), [(False, "read"), (True, "write to")])
def test_a_node_without_access_to_the_store_is_named(sees: bool, what: str) -> None:
    view = facts.StoreView(sees_marker=sees, error="OSError: ACCESS_DENIED")
    assert levels(data.store(cluster(replace(NODE, store=view), store=BUCKET))) == [
        ("problem", f"n1 cannot {what} s3://bucket/folder: OSError: ACCESS_DENIED")
    ]


def test_a_silent_node_leaves_a_path_unproven_but_not_a_bucket() -> None:
    nodes = replace(NODE, store=SEEN), replace(NODE, name="n2", silent="no word", store=None)
    (problem,) = checks.obstacles(cluster(*nodes, store=FOLDER))
    assert problem.text == "/shared is a path, and it is unknown whether n2 shares it: no word"
    assert checks.obstacles(cluster(*nodes, store=BUCKET)) == []


def test_a_driver_that_cannot_use_the_store_is_all_there_is_to_say() -> None:
    place = replace(BUCKET, error="NO_SUCH_BUCKET")
    assert levels(data.store(cluster(NODE, store=place))) == [
        ("problem", "the driver cannot use s3://bucket/folder: NO_SUCH_BUCKET")
    ]


def test_a_store_with_little_space_is_a_warning() -> None:
    full = replace(FOLDER, free_bytes=100 * 2**20)
    assert levels(data.store_space(cluster(NODE, store=full))) == [
        ("warning", "/shared has only 100 MiB free")
    ]
    assert levels(data.store_space(cluster(NODE, store=FOLDER))) == []


def test_where_the_marker_is_a_node_writes_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "marker").write_text("by the driver")
    assert node.look_at_store(str(tmp_path), "marker") == SEEN
    assert os.listdir(tmp_path) == ["marker"]


def test_where_the_marker_is_not_a_node_writes_nothing(tmp_path: Path) -> None:
    absent = tmp_path / "absent"
    assert node.look_at_store(str(absent), "marker") == facts.StoreView(sees_marker=False)
    assert not absent.exists()


def test_the_reason_why_a_node_cannot_write_is_reported(tmp_path: Path) -> None:
    (tmp_path / "marker").mkdir()  # whatever is wrong there
    view = node.look_at_store(str(tmp_path), "marker")
    assert not view.sees_marker
    assert view.error is not None
    assert "marker" in view.error


# Clocks


@pytest.mark.parametrize(
    ("began", "ended", "ahead"),
    [
        (100.5, 100.9, 0.0),  # inside of what the driver waited, 100 to 101: nothing is proven
        (107.5, 107.9, 6.9),
        (92.5, 92.9, -7.5),
    ],
)
def test_a_clock_is_wrong_by_what_lies_outside_of_the_drivers_wait(
    began: float, ended: float, ahead: float
) -> None:
    assert clock_ahead(100.0, began, ended, 101.0) == pytest.approx(ahead)


@pytest.mark.parametrize(("ahead", "side"), [(6.9, "ahead of"), (-7.5, "behind")])
def test_a_wrong_clock_is_a_warning(ahead: float, side: str) -> None:
    assert levels(software.clocks(cluster(NODE, replace(NODE, name="n2", clock_ahead=ahead)))) == [
        ("warning", f"the clock of n2 is {abs(ahead)} s {side} the driver's")
    ]


# Data


def test_a_data_set_larger_than_an_object_store_is_a_problem() -> None:
    sent = facts.DatasetOnDriver(name="cifar10", digest="d1", size_bytes=184 * 2**20)
    small = replace(NODE, object_store_bytes=80 * 2**20)
    assert levels(data.dataset(cluster(small, dataset=sent))) == [
        ("problem", "cifar10 takes 184 MiB, but the object store of n1 has 80 MiB")
    ]


def test_a_data_set_that_arrives_changed_is_a_problem() -> None:
    sent = facts.DatasetOnDriver(name="cifar10", digest="d1", size_bytes=1)
    assert levels(data.dataset(cluster(replace(NODE, dataset="d2"), dataset=sent))) == [
        ("problem", "cifar10 arrived on n1 with digest d2 instead of d1")
    ]


# Machines


@pytest.mark.parametrize(
    ("counted", "usable", "level", "text"),
    [
        (2.0, 0, "problem", "Ray counts 2 GPUs on n1, torch 2.14.1 can use 0"),
        (0.0, 2, "warning", "torch can use 2 GPUs on n1, Ray counts 0"),
    ],
)
def test_gpus_that_only_one_of_ray_and_torch_has_are_named(
    counted: float, usable: int, level: str, text: str
) -> None:
    machine = replace(MACHINE, gpus=(("T4", 2**34),) * usable)
    assert levels(hardware.gpus(cluster(replace(NODE, gpus=counted, machine=machine)))) == [
        (level, text)
    ]


def test_nodes_that_differ_in_bf16_are_named_if_trials_run_on_them() -> None:
    slow = replace(NODE, name="n2", machine=replace(MACHINE, fast_bf16=False))
    assert levels(hardware.precision(cluster(NODE, slow))) == [
        ("warning", "precision='auto' means bf16 on n1 and fp32 on n2")
    ]
    with_gpu = replace(NODE, gpus=1.0)  # then no trial runs on a node without
    assert levels(hardware.precision(cluster(with_gpu, slow))) == []


def test_more_cpus_than_cores_and_full_disks_are_warnings() -> None:
    full = replace(MACHINE, disk_bytes=100 * 2**30, disk_free_bytes=4 * 2**30)
    strained = cluster(replace(NODE, cpus=16.0, machine=full))
    assert levels(hardware.cores(strained)) == [
        ("warning", "Ray counts 16 CPUs on n1, which has 8: trials will slow each other down")
    ]
    (disk,) = hardware.disks(strained)
    assert disk.text.startswith("n1 has 4 GiB of 100 GiB free for Ray")


# Access


def test_ray_without_token_is_a_warning_unless_only_this_machine_reaches_it() -> None:
    (finding,) = access.token(cluster(NODE, replace(NODE, name="n2", token=False)))
    assert (finding.level, "on n2:" in finding.text) == ("warning", True)
    local = replace(NODE, address="127.0.0.1", token=False)
    assert [f.level for f in access.token(cluster(local))] == ["ok"]


@pytest.mark.parametrize(
    ("address", "token", "level"),
    [
        ("127.0.0.1:8265", False, "ok"),
        ("[::1]:8265", False, "ok"),
        ("localhost:8265", False, "ok"),
        ("10.0.0.1:8265", True, "warning"),
        ("10.0.0.1:8265", False, "problem"),
    ],
)
def test_a_dashboard_that_answers_the_network_is_found(
    address: str, token: bool, level: str
) -> None:
    (finding,) = access.dashboard(cluster(replace(NODE, token=token), dashboard=address))
    assert finding.level == level


# Real Ray


@pytest.mark.usefixtures("ray_session")
def test_without_a_cluster_this_machine_is_checked(
    superconv: Callable[..., Result], tmp_path: Path
) -> None:
    result = superconv("doctor", "--dataset", "mnist", "--data-dir", tmp_path)
    assert result.exit_code == 1
    assert "problem  data: the driver cannot read mnist: mnist was not found." in result.output
    assert "skipped  store: name it with --store" in result.output
    assert result.output.splitlines()[-1].startswith("1 node, 1 problem")


PATIENCE = 600.0
"""Seconds that the tests wait for that process."""

Said = Callable[[str], tuple[int, str]]


@pytest.fixture(scope="module")
def said(
    tmp_path_factory: pytest.TempPathFactory, copy_sleepy_study: Callable[[Path], Path]
) -> Said:
    """Exit code and output of the commands that `doctored_cluster` calls."""
    folder = tmp_path_factory.mktemp("doctor")
    study = copy_sleepy_study(folder)
    (folder / "private").mkdir()
    places = [str(folder / name) for name in ("said.json", "shared", "private")]
    short = tempfile.mkdtemp(prefix="rt", dir="/tmp")  # sockets in it need a short path
    script = Path(__file__).with_name("doctored_cluster.py")
    try:
        subprocess.run(
            [sys.executable, str(script), *places, str(study)],
            check=True,
            env={
                **os.environ,
                "PYTHONPATH": str(Path(__file__).parents[2]),
                "RAY_TMPDIR": short,
                "RAY_AUTH_MODE": "disabled",
            },
            timeout=PATIENCE,
        )
    finally:
        shutil.rmtree(short, ignore_errors=True)
    results = json.loads(Path(places[0]).read_text())
    return lambda name: (results[name][0], results[name][1])


needs_own_mounts = pytest.mark.skipif(
    not mounts_can_be_private(), reason="processes of this user cannot have mounts of their own"
)


def test_two_nodes_that_share_a_store_are_found_healthy(said: Said) -> None:
    code, output = said("shared")
    assert code == 0
    assert "shared: read, written and replaced from 2 nodes\n" in output
    assert "ok       data: digits, 126 KiB, digest " in output
    assert "sent from the driver to 2 nodes" in output
    assert re.search(r"\b\d+(\.\d+)? MiB of 80 MiB\b", output)  # free in the object store
    assert output.splitlines()[-1] == "2 nodes, 0 problems, 1 warning"
    assert "Ray asks for no token" in output


@needs_own_mounts
def test_a_node_that_has_the_stores_folder_for_itself_is_found(said: Said) -> None:
    code, output = said("private")
    assert code == 1
    assert "private is not shared: what the driver wrote there is not on " in output


@needs_own_mounts
def test_a_run_refuses_a_store_that_nodes_do_not_share(said: Said) -> None:
    code, output = said("run")
    *_, line = output.splitlines()
    assert code == 2
    assert line.startswith("error: ")
    assert "private is not shared: what the driver wrote there is not on " in line
    assert "superconv doctor --store " in line


def test_a_silent_node_is_reported_and_not_waited_for_forever(said: Said) -> None:
    code, output = said("silent")
    assert code == 2
    assert "shared is a path, and it is unknown whether " in output
    assert " shares it: no answer about its versions within 5 s" in output
