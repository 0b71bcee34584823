"""A cluster of two nodes for test_doctor.py, in a process of its own; writes what was said as JSON.

    python doctored_cluster.py OUTPUT SHARED PRIVATE STUDY

Of the two folders the second node sees SHARED as it is, and in place of PRIVATE an empty one of its
own, where this system lets it.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import ray
from click.testing import CliRunner
from ray.cluster_utils import Cluster
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from superconv_ray.cli.app import app
from superconv_ray.execution.doctor import collection, survey
from tests import patient_ray, ready_workers

OBJECT_STORE = 80 * 2**20
OWN_MOUNTS = ("unshare", "--user", "--map-root-user", "--mount", "--propagation", "private")


def start_node(address: str, private: Path) -> subprocess.Popen[bytes]:
    """Start a node that has its own `private` folder; its processes end when its raylet does."""
    node = [
        *(sys.executable, patient_ray.__file__, "start", f"--address={address}"),
        *("--num-cpus=1", f"--object-store-memory={OBJECT_STORE}", "--block"),
    ]
    cover = ["sh", "-c", f'mount -t tmpfs none "{private}" && exec "$@"', "sh"]
    # Its workers see what it sees: they are forks of a process of its own.
    return subprocess.Popen(
        [*OWN_MOUNTS, *cover, *node] if mounts_can_be_private() else node,
        env={k: v for k, v in os.environ.items() if k != ready_workers.VARIABLE},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def mounts_can_be_private() -> bool:
    """Whether a process of this user may have mounts that others do not see."""
    try:
        mount = [*OWN_MOUNTS, "mount", "-t", "tmpfs", "none", "/mnt"]
        return subprocess.run(mount, check=False, capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


def main(output: str, shared: str, private: str, study: str) -> None:
    patient_ray.be_patient()
    survey.ANSWER_SECONDS = 300.0
    cluster = Cluster(
        initialize_head=True,
        head_node_args={
            "num_cpus": 1,
            "object_store_memory": OBJECT_STORE,
            "include_dashboard": False,
            # The node that is silent must not be taken for dead, however long that lasts
            "_system_config": {"health_check_timeout_ms": 600_000},
        },
    )
    node = start_node(cluster.address, Path(private))
    try:
        ray.init(address=cluster.address, log_to_driver=False, logging_level="error")
        while len(ray.nodes()) < 2:
            assert node.poll() is None, "the second node did not start"
            time.sleep(0.1)
        raylet = raylet_of_second_node()
        collection.check_before_run(shared)
        said = {
            "shared": superconv("doctor", "--store", shared, "--dataset", "digits"),
            "private": superconv("doctor", "--store", private),
            "run": superconv("run", study, "--store", private),
        }
        os.kill(raylet, signal.SIGSTOP)
        try:
            survey.ANSWER_SECONDS = 5.0
            said["silent"] = superconv("run", study, "--store", shared)
        finally:
            os.kill(raylet, signal.SIGKILL)
            node.wait()  # it ends its other processes
        Path(output).write_text(json.dumps(said))
    finally:
        ray.shutdown()
        node.terminate()
        cluster.shutdown()


def raylet_of_second_node() -> int:
    """Its process id."""
    here = ray.get_runtime_context().get_node_id()
    (second,) = [node["NodeID"] for node in ray.nodes() if node["NodeID"] != here]
    there = NodeAffinitySchedulingStrategy(second, soft=False)
    return int(
        ray.get(
            ray.remote(num_cpus=0)(os.getenv)
            .options(scheduling_strategy=there)
            .remote("RAY_RAYLET_PID")
        )
    )


def superconv(*arguments: str) -> tuple[int, str]:
    """Exit code and output of a command."""
    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, result.output


if __name__ == "__main__":
    main(*sys.argv[1:])
