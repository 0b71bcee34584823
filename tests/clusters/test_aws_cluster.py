"""clusters/aws.yaml launched by Ray, with moto for EC2 and simulated hosts for its instances.

moto invents addresses: inside the simulated network they lead to the hosts. Of the file only the
key and what a user has to edit are replaced.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl

import pytest

from superconv_ray import open_store
from tests.clusters.hosts import LAPTOP, Hosts, address

pytest.importorskip("moto.server")

from tests.clusters.aws_roles import SSH_FROM, asked_by, make_account, need_simulator

CLUSTER = "clusters/aws.yaml"
API = f"http://{address(LAPTOP)}:5000"
BASHRC = f"""
export AWS_ENDPOINT_URL={API} AWS_DEFAULT_REGION=us-west-2 AWS_EC2_METADATA_DISABLED=true
export AWS_ACCESS_KEY_ID=$(hostname) AWS_SECRET_ACCESS_KEY=testing
export MOTO_ENABLE_RECORDING=yes MOTO_RECORDER_FILEPATH=/shared/calls
"""
"""In the place of an instance's role: keys that tell who calls."""

ACCOUNT = f"""
import pathlib, sys, boto3
boto3.client("cloudformation").create_stack(
    StackName="superconv",
    TemplateBody=pathlib.Path("clusters/aws-account.yaml").read_text(),
    Capabilities=["CAPABILITY_NAMED_IAM"],
    Parameters=[
        {{"ParameterKey": "Bucket", "ParameterValue": "bucket"}},
        {{"ParameterKey": "SshFrom", "ParameterValue": "{SSH_FROM}"}},
    ],
)
key = pathlib.Path("~/.ssh/id_ed25519.pub").expanduser().read_bytes()
boto3.client("ec2").import_key_pair(KeyName="laptop", PublicKeyMaterial=key)
(stack,) = boto3.client("cloudformation").describe_stacks(StackName="superconv")["Stacks"]
print(stack["Outputs"][0]["OutputValue"])
"""

INSTANCES = """
import json, boto3
ec2 = boto3.resource("ec2")
print(json.dumps([
    {
        "state": instance.state["Name"],
        "type": instance.instance_type,
        "lifecycle": instance.instance_lifecycle,
        "open to": [
            network["CidrIp"]
            for group in instance.security_groups
            for rule in ec2.SecurityGroup(group["GroupId"]).ip_permissions
            for network in rule["IpRanges"]
        ],
    }
    for instance in ec2.instances.all()
]))
"""


@pytest.fixture(scope="module")
def cluster(hosts: Hosts) -> Iterator[Hosts]:
    """Up, with h1 as its head; h2 is the instance that is asked for next."""
    for name in ("h1", "h2"):
        hosts.start(name)
    for subnet in range(0, 64, 16):  # any of the region's four
        hosts.route(f"172.31.{subnet}.4", "h1")
        hosts.route(f"172.31.{subnet}.5", "h2")
    hosts.route("54.214.0.0/16", "h1")  # moto's public addresses
    serve = "from moto.server import main; main()"
    with hosts.popen("python", "-c", serve, "-H", "0.0.0.0", "-p", "5000") as moto:
        hosts.run("curl", "-s", "--retry", "600", "--retry-connrefused", "--retry-delay", "1", API)
        account = hosts.run("python", "-c", ACCOUNT)
        group = account.stdout.split()[-1]
        assert group.startswith("sg-"), account.stdout
        path = hosts.project / CLUSTER
        text = path.read_text().replace("YOUR_SECURITY_GROUP", group)
        text = text.replace(
            "ssh_user: ubuntu", "ssh_user: ubuntu\n  ssh_private_key: ~/.ssh/id_ed25519"
        )
        path.write_text(re.sub(r"( +)(InstanceType: \S+)", r"\1\2\n\1KeyName: laptop", text))
        up = hosts.run("ray", "up", CLUSTER, "--yes", "--no-config-cache")
        assert up.returncode == 0, up.stdout
        yield hosts
        moto.kill()


def instances(cluster: Hosts) -> list[dict[str, Any]]:
    """What EC2 knows of each instance."""
    answer = cluster.run("python", "-c", INSTANCES)
    listed: list[dict[str, Any]] = json.loads(answer.stdout.splitlines()[-1])
    return listed


def test_the_head_alone_is_launched_and_only_its_user_gets_in(cluster: Hosts) -> None:
    (head,) = instances(cluster)
    assert (head["type"], head["lifecycle"]) == ("m5.large", None)
    assert head["open to"] == [SSH_FROM]


def test_a_waiting_trial_brings_a_spot_worker(cluster: Hosts) -> None:
    """On CPUs: that the instance has a GPU is what Ray was told, and not torch."""
    study = ("studies/meeting_study.py", "run", "--store", "/shared/store", "--max-trials", "1")
    submitted = cluster.run("ray", "submit", "--no-config-cache", CLUSTER, *study)
    assert submitted.returncode == 0, submitted.stdout
    assert "no node runs trials yet: waiting for nodes" in submitted.stdout
    assert list(open_store(str(cluster.shared / "store")).trials()["host"]) == ["h2"]
    _, worker = instances(cluster)
    assert (worker["type"], worker["lifecycle"]) == ("g6.xlarge", "spot")
    assert worker["open to"] == [SSH_FROM]


def test_the_head_s_role_allows_whatever_ray_calls_on_it(cluster: Hosts) -> None:
    need_simulator()
    account = make_account()
    asked = {
        str(request): replace(request, resource=request.resource.replace(group, account.group))
        for call in calls(cluster, "h1")
        for group in [call.get("SecurityGroupId.1", "no group")]
        for request in asked_by(call)
    }
    assert {r.action for r in asked.values()} >= {"ec2:RunInstances", "ec2:CreateTags"}
    decided = account.allows("superconv-head", asked.values())
    assert [text for text, may in zip(asked, decided, strict=True) if not may] == []


def calls(cluster: Hosts, host: str) -> Iterator[dict[str, str]]:
    """Parameters of each call of EC2 by a host."""
    for line in (cluster.shared / "calls").read_text().splitlines():
        call = json.loads(line)
        if f"Credential={host}/" in call["headers"].get("Authorization", ""):
            yield dict(parse_qsl(base64.b64decode(call["body"]).decode()))


def test_no_instance_is_left_of_a_cluster_that_was_taken_down(cluster: Hosts) -> None:
    down = cluster.run("ray", "down", CLUSTER, "--yes")
    assert down.returncode == 0, down.stdout
    assert [instance["state"] for instance in instances(cluster)] == ["terminated", "terminated"]
