"""What the facts mean: pure functions from a cluster's facts to findings; call `examine`."""

from __future__ import annotations

from superconv_ray.execution.doctor.checks.access import dashboard, token, token_files
from superconv_ray.execution.doctor.checks.data import dataset, store, store_space
from superconv_ray.execution.doctor.checks.finding import Finding
from superconv_ray.execution.doctor.checks.hardware import cores, disks, gpus, precision
from superconv_ray.execution.doctor.checks.software import answers, clocks, errors, versions
from superconv_ray.execution.doctor.facts import Cluster

_ALL = (
    *(answers, versions, clocks),
    *(store, store_space, dataset),
    *(cores, gpus, precision, disks),
    *(token, token_files, dashboard),
)


def examine(cluster: Cluster) -> list[Finding]:
    """Return all findings."""
    return [finding for check in _ALL for finding in check(cluster)]


def obstacles(cluster: Cluster) -> list[Finding]:
    """Return the problems that would spoil a study silently; every run checks for these.

    A node that does not answer may be leaving the cluster, which must not keep a study from
    starting.
    """
    found = [finding for check in (errors, versions, store) for finding in check(cluster)]
    return [finding for finding in found if finding.level == "problem"]
