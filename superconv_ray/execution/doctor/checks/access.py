"""Who can reach the cluster, which runs any code it is sent?"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from superconv_ray.execution.doctor.checks.finding import Finding, listed
from superconv_ray.execution.doctor.facts import Cluster


def token(cluster: Cluster) -> Iterator[Finding]:
    """Check that Ray asks for a token on every port that the network reaches."""
    answered = [node for node in cluster.nodes if node.versions]
    without = [n.name for n in answered if not n.token and not _is_loopback(n.address)]
    if without:
        yield Finding(
            "warning",
            "token",
            f"Ray asks for no token on {listed(without)}: whoever reaches its ports can run code",
            "set RAY_AUTH_MODE=token on every node and client "
            "(`(umask 077; ray get-auth-token --generate)`)",
        )
    elif answered:
        required = all(node.token for node in answered)
        text = "required on every node" if required else "none, but only this machine reaches Ray"
        yield Finding("ok", "token", text)


def token_files(cluster: Cluster) -> Iterator[Finding]:
    """Check that nobody else can read the token."""
    for node in cluster.nodes:
        if node.exposed_token:
            yield Finding(
                "problem" if node.token else "warning",
                "token",
                f"others on {node.name} can read {node.exposed_token}: whoever has the token can "
                "run code on every node",
                "chmod 600 it there and where `ray up` was called; if others may have read it, "
                "remove it, generate another and restart the cluster",
            )


def dashboard(cluster: Cluster) -> Iterator[Finding]:
    """Check that the dashboard, which starts jobs, answers its own machine only."""
    if not cluster.dashboard:
        return
    host = cluster.dashboard.rpartition(":")[0].strip("[]")
    if _is_loopback(host):
        yield Finding("ok", "dashboard", f"{cluster.dashboard}, on its own machine only")
        return
    guarded = all(node.token for node in cluster.nodes)
    yield Finding(
        "warning" if guarded else "problem",
        "dashboard",
        f"http://{cluster.dashboard} answers the network"
        + ("" if guarded else ", asks for no token and runs any code it is sent"),
        "start the head with --dashboard-host=127.0.0.1 and reach it by `ray dashboard` or ssh -L",
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
