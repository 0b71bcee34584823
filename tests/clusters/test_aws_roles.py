"""What head and workers on AWS may do with their roles, and what an intruder there may not."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import yaml

pytest.importorskip("moto")

from tests.clusters.aws_roles import (
    ACCOUNT,
    REGION,
    ROOT,
    Account,
    Request,
    make_account,
    need_simulator,
)

EC2 = f"arn:aws:ec2:{REGION}:{ACCOUNT}"
OURS = {"aws:ResourceTag/ray-cluster-name": "superconv"}
OTHERS = {"aws:ResourceTag/ray-cluster-name": "theirs"}
WITH_TAG = {"aws:RequestTag/ray-cluster-name": "superconv"}
TO_EC2 = {"iam:PassedToService": "ec2.amazonaws.com"}
ROLE = f"arn:aws:iam::{ACCOUNT}:role"
INSTANCE = f"{EC2}:instance/i-0"

HEAD_MAY = {
    "see": Request("ec2:DescribeInstances", "*"),
    "launch": Request("ec2:RunInstances", f"{EC2}:instance/*", WITH_TAG),
    "take an image": Request("ec2:RunInstances", f"arn:aws:ec2:{REGION}::image/ami-0"),
    "take a network": Request("ec2:RunInstances", f"{EC2}:subnet/subnet-0"),
    "take a card": Request("ec2:RunInstances", f"{EC2}:network-interface/*"),
    "take a disk": Request("ec2:RunInstances", f"{EC2}:volume/*"),
    "take the user's key": Request("ec2:RunInstances", f"{EC2}:key-pair/key"),
    "take spot": Request("ec2:RunInstances", f"{EC2}:spot-instances-request/*"),
    "tag at launch": Request("ec2:CreateTags", INSTANCE, {"ec2:CreateAction": "RunInstances"}),
    "make it a worker": Request("iam:PassRole", f"{ROLE}/superconv-worker", TO_EC2),
    "tag its own": Request("ec2:CreateTags", INSTANCE, OURS),
    "end its own": Request("ec2:TerminateInstances", INSTANCE, OURS),
    "write results": Request("s3:PutObject", "arn:aws:s3:::bucket/superconv/trials/a.parquet"),
}
HEAD_MAY_NOT = {
    "claim another instance": Request("ec2:CreateTags", INSTANCE, WITH_TAG),
    "claim another cluster's": Request("ec2:CreateTags", INSTANCE, WITH_TAG | OTHERS),
    "end another": Request("ec2:TerminateInstances", INSTANCE),
    "end another cluster's": Request("ec2:TerminateInstances", INSTANCE, OTHERS),
    "stop its own": Request("ec2:StopInstances", INSTANCE, OURS),
    "change what starts": Request("ec2:ModifyInstanceAttribute", INSTANCE, OURS),
    "launch without a tag": Request("ec2:RunInstances", f"{EC2}:instance/*"),
    "launch for another": Request(
        "ec2:RunInstances", f"{EC2}:instance/*", {"aws:RequestTag/ray-cluster-name": "theirs"}
    ),
    "open a group": Request("ec2:RunInstances", f"{EC2}:security-group/sg-0"),
    "tag a group": Request("ec2:CreateTags", f"{EC2}:security-group/sg-0", OURS),
    "read a secret": Request("ssm:GetParameters", f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/key"),
    "pass its own role": Request("iam:PassRole", f"{ROLE}/superconv-head", TO_EC2),
    "pass an administrator": Request("iam:PassRole", f"{ROLE}/admin", TO_EC2),
    "pass to a function": Request(
        "iam:PassRole",
        f"{ROLE}/superconv-worker",
        {"iam:PassedToService": "lambda.amazonaws.com"},
    ),
    "read another bucket": Request("s3:GetObject", "arn:aws:s3:::private/file"),
    "list accounts": Request("iam:ListUsers", "*"),
    "see other resources": Request("ec2:DescribeSnapshots", "*"),
}


@pytest.fixture(scope="module")
def account() -> Account:
    need_simulator()
    return make_account()


@pytest.fixture(scope="module")
def head(account: Account) -> Mapping[str, bool]:
    """Every decision on the head's role; the simulator takes a second to start."""
    requests = [*HEAD_MAY.values(), *HEAD_MAY_NOT.values()]
    return dict(zip(map(str, requests), account.allows("superconv-head", requests), strict=True))


@pytest.mark.parametrize("what", HEAD_MAY)
def test_the_head_may(what: str, head: Mapping[str, bool]) -> None:
    assert head[str(HEAD_MAY[what])]


@pytest.mark.parametrize("what", HEAD_MAY_NOT)
def test_the_head_may_not(what: str, head: Mapping[str, bool]) -> None:
    assert not head[str(HEAD_MAY_NOT[what])]


def test_the_head_may_launch_into_the_cluster_s_group_with_the_file_s_image(
    account: Account,
) -> None:
    cluster = yaml.safe_load((ROOT / "clusters/aws.yaml").read_text())
    image = cluster["available_node_types"]["gpu"]["node_config"]["ImageId"]
    parameter = image.removeprefix("resolve:ssm:")
    assert account.allows(
        "superconv-head",
        [
            Request("ec2:RunInstances", f"{EC2}:security-group/{account.group}"),
            Request("ssm:GetParameters", f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter{parameter}"),
        ],
    ) == [True, True]


def test_a_worker_may_use_the_store_and_nothing_else(account: Account) -> None:
    requests = [HEAD_MAY["write results"], *HEAD_MAY.values(), *HEAD_MAY_NOT.values()]
    of_store = [request == HEAD_MAY["write results"] for request in requests]
    assert account.allows("superconv-worker", requests) == of_store
