"""What the roles of clusters/aws-account.yaml may do: moto fills the template in, a simulator of
IAM decides (moto itself does not know most conditions).
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
REGION = "us-west-2"
ACCOUNT = "123456789012"
SSH_FROM = "203.0.113.7/32"


@dataclass(frozen=True)
class Request:
    """What AWS decides on: an action on one resource, with what is known of both."""

    action: str
    resource: str
    context: Mapping[str, str] = field(default_factory=dict)


def asked_by(call: Mapping[str, str]) -> Iterator[Request]:
    """What AWS decides on for a call of EC2's API, given by its parameters on the wire.

    Instances that the caller names are taken to be its own.
    """
    ec2, action = f"arn:aws:ec2:{REGION}:{ACCOUNT}", f"ec2:{call['Action']}"
    named = [f"{ec2}:instance/{v}" for k, v in call.items() if re.match("(Resource|Instance)Id", k)]
    if call["Action"] == "RunInstances":
        yield from _launch(call, ec2)
    elif named and not call["Action"].startswith("Describe"):
        for instance in named:
            yield Request(action, instance, {"aws:ResourceTag/ray-cluster-name": "superconv"})
    else:
        yield Request(action, "*")


def _launch(call: Mapping[str, str], ec2: str) -> Iterator[Request]:
    tags = {
        f"aws:RequestTag/{key}": call[name.removesuffix("Key") + "Value"]
        for name, key in call.items()
        if re.fullmatch(r"TagSpecification\.1\.Tag\.\d+\.Key", name)
    }
    parts = [f"{ec2}:subnet/{call['SubnetId']}", f"{ec2}:key-pair/{call['KeyName']}"]
    parts += [f"{ec2}:security-group/{v}" for k, v in call.items() if "SecurityGroupId." in k]
    parts += [f"{ec2}:{kind}/*" for kind in ("network-interface", "volume")]
    if "InstanceMarketOptions.MarketType" in call:
        parts.append(f"{ec2}:spot-instances-request/*")
    for part in (*parts, f"arn:aws:ec2:{REGION}::image/ami-0"):
        yield Request("ec2:RunInstances", part)
    yield Request("ec2:RunInstances", f"{ec2}:instance/*", tags)
    yield Request("ec2:CreateTags", f"{ec2}:instance/*", {"ec2:CreateAction": "RunInstances"})
    role = f"arn:aws:iam::{ACCOUNT}:role/{call['IamInstanceProfile.Name']}"
    yield Request("iam:PassRole", role, {"iam:PassedToService": "ec2.amazonaws.com"})
    parameter = call["ImageId"].removeprefix("resolve:ssm:")
    yield Request("ssm:GetParameters", f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter{parameter}")


def need_simulator() -> None:
    """Skip where it is not installed."""
    if not (shutil.which("node") and (HERE / "node_modules/@cloud-copilot").exists()):
        pytest.skip("IAM is simulated by an npm package: see .ci/run for its installation")


@dataclass(frozen=True)
class Account:
    """An account with the template's resources.

    Attributes:
        group: Id of the security group.
        policies: By the name of a role.
    """

    group: str
    policies: Mapping[str, list[Any]]

    def allows(self, role: str, requests: Iterable[Request]) -> list[bool]:
        """Decide on each request of a role."""
        asked = {"policies": self.policies[role], "requests": [asdict(r) for r in requests]}
        command = ["node", str(HERE / "decide.mjs")]
        decided = subprocess.run(
            command, input=json.dumps(asked), capture_output=True, text=True, check=False
        )
        assert decided.returncode == 0, decided.stderr
        answers: list[bool] = json.loads(decided.stdout)
        return answers


def make_account() -> Account:
    """Create the template's stack with moto, as the head comment of clusters/aws.yaml asks for."""
    with mock_aws():
        stacks = boto3.client("cloudformation", region_name=REGION)
        values = {"Bucket": "bucket", "SshFrom": SSH_FROM}
        stacks.create_stack(
            StackName="superconv",
            TemplateBody=(ROOT / "clusters/aws-account.yaml").read_text(),
            Capabilities=["CAPABILITY_NAMED_IAM"],
            Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in values.items()],
        )
        (stack,) = stacks.describe_stacks(StackName="superconv")["Stacks"]
        iam = boto3.client("iam", region_name=REGION)
        policies = {
            role["RoleName"]: [
                iam.get_role_policy(RoleName=role["RoleName"], PolicyName=name)["PolicyDocument"]
                for name in iam.list_role_policies(RoleName=role["RoleName"])["PolicyNames"]
            ]
            for role in iam.list_roles()["Roles"]
        }
        return Account(stack["Outputs"][0]["OutputValue"], policies)
