"""``superconv doctor``: a check of the cluster before a study runs on it."""

from __future__ import annotations

from typing import Any

import click

from superconv_ray.cli.options import address_option, data_dir_option


@click.command()
@address_option
@click.option("--store", help="Path or URI of a store that all nodes must reach.")
@click.option("--dataset", help="Built-in data set to read here and send to every node.")
@data_dir_option
def doctor(**what: Any) -> None:
    """Check that a cluster can run a study.

    Versions, store, clocks, devices, disks and access are checked on every node. The exit code is 1
    if there is a problem; warnings leave it 0.
    """
    from superconv_ray.execution.doctor.checks import examine
    from superconv_ray.execution.doctor.collection import collect
    from superconv_ray.execution.doctor.text import report

    cluster = collect(**what)
    findings = examine(cluster)
    click.echo(report(cluster, findings))
    raise click.exceptions.Exit(int(any(finding.level == "problem" for finding in findings)))
