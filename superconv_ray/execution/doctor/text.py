"""Facts and findings as text for a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from superconv_ray.design.text import bytes_text, counted, text_table
from superconv_ray.execution.doctor.checks.finding import Finding
from superconv_ray.execution.doctor.facts import Cluster, Machine, NodeFacts

_MACHINE = ("CPUs", "memory", "GPUs", "bf16", "disk free")


def report(cluster: Cluster, findings: Iterable[Finding]) -> str:
    """Return a table of the nodes, the findings with their advice, and the counts."""
    findings = list(findings)
    lines = [node_table(cluster), ""]
    for finding in findings:
        lines.append(f"{finding.level:8} {finding.subject}: {finding.text}")
        if finding.advice:
            lines.append(f"{'':8} -> {finding.advice}")
    counts = Counter(finding.level for finding in findings)
    lines.append(
        f"{counted(len(cluster.nodes), 'node')}, {counted(counts['problem'], 'problem')}, "
        f"{counted(counts['warning'], 'warning')}"
    )
    return "\n".join(lines)


def node_table(cluster: Cluster) -> str:
    """Return a table with one row per node, and one for the driver's versions."""
    versions = list(cluster.driver_versions)
    headings = ["node", *versions, *_MACHINE, "object store free", "clock"]
    driver = ["(driver)", *cluster.driver_versions.values()]
    rows = [driver + [""] * (len(headings) - len(driver))]
    rows += [
        [
            node.name,
            *(node.versions.get(what, "?") for what in versions),
            *_machine(node, node.machine),
            f"{bytes_text(node.object_store_free_bytes)} of {bytes_text(node.object_store_bytes)}",
            f"{node.clock_ahead:+.1f} s" if node.versions else "?",
        ]
        for node in cluster.nodes
    ]
    return text_table(headings, rows)


def _machine(node: NodeFacts, machine: Machine | None) -> list[str]:
    if machine is None:
        return [f"{node.cpus:g}", "?", f"{node.gpus:g}", "?", "?"]
    gpus = Counter(f"{name} {bytes_text(memory)}" for name, memory in machine.gpus)
    return [
        f"{node.cpus:g} of {machine.cores}",
        bytes_text(machine.memory_bytes),
        ", ".join(f"{number} x {gpu}" for gpu, number in gpus.items()) or "0",
        "yes" if machine.fast_bf16 else "no",
        bytes_text(machine.disk_free_bytes),
    ]
