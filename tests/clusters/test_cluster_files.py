"""The files in clusters/, checked without any cloud: schemas, pins, and that they are closed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tomllib
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import botocore.session
import botocore.validate
import cfnlint.api
import googleapiclient
import jsonschema
import kubernetes_validate
import pytest
import ray
import yaml
from packaging.requirements import Requirement
from ray.autoscaler._private.kuberay.autoscaling_config import (
    _derive_autoscaling_config_from_ray_cr,
)
from ray.autoscaler._private.resource_demand_scheduler import (
    _default_utilization_scorer,
    get_nodes_for,
)
from ray.autoscaler._private.util import prepare_config, validate_config

from superconv_ray import __version__
from superconv_ray.execution.request import Request

ROOT = Path(__file__).parents[2]
CLUSTERS = ROOT / "clusters"
LAUNCHED = ("local", "aws", "gcp", "azure")
CLOUDS = ("aws", "gcp", "azure")
COMMANDS = (
    *("initialization_commands", "setup_commands", "head_setup_commands", "worker_setup_commands"),
    *("head_start_ray_commands", "worker_start_ray_commands"),
)

# All that a user has to edit: few, and found by what they start with.
PLACEHOLDERS = {
    "local.yaml": {"YOUR_HEAD_ADDRESS", "YOUR_WORKER_ADDRESS", "YOUR_LOGIN"},
    "aws.yaml": {"YOUR_SECURITY_GROUP"},
    "aws-account.yaml": set(),
    "gcp.yaml": {"YOUR_PROJECT"},
    "azure.yaml": {"YOUR_SUBSCRIPTION"},
    "kuberay.yaml": {"YOUR_STORAGE_CLASS", "YOUR_REGISTRY"},
    "slurm.sh": {"YOUR_PARTITION"},
}


def text(name: str) -> str:
    return (CLUSTERS / name).read_text()


def without_comments(name: str) -> str:
    """Of a YAML or shell file; Slurm's options, which look like comments, stay."""
    return re.sub(r"(?m)(^|\s)#(?!SBATCH|!).*$", "", text(name))


def config(cluster: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(text(f"{cluster}.yaml"))
    return loaded


def node_types(cluster: str) -> dict[str, Any]:
    types: dict[str, Any] = config(cluster)["available_node_types"]
    return types


def kubernetes(kind: str) -> dict[str, Any]:
    (found,) = [d for d in yaml.safe_load_all(text("kuberay.yaml")) if d["kind"] == kind]
    return dict(found)


def pods() -> list[dict[str, Any]]:
    spec = kubernetes("RayCluster")["spec"]
    return [group["template"] for group in (spec["headGroupSpec"], *spec["workerGroupSpecs"])]


# What a user reads and edits


def test_every_file_is_known_to_these_tests() -> None:
    assert {path.name for path in CLUSTERS.iterdir()} == set(PLACEHOLDERS)


@pytest.mark.parametrize("name", PLACEHOLDERS)
def test_what_a_user_has_to_edit_is_little_and_marked(name: str) -> None:
    assert set(re.findall(r"YOUR_[A-Z_]+", without_comments(name))) == PLACEHOLDERS[name]
    code = text(name).partition("#SBATCH" if name == "slurm.sh" else "\n\n")[2]
    for line in code.splitlines():
        if re.search("YOUR_", line.partition("# ")[0]):
            assert re.search(r"# yours\b", line), line


@pytest.mark.parametrize("name", [n for n in PLACEHOLDERS if n != "aws-account.yaml"])
def test_a_head_comment_says_how_what_it_costs_and_who_gets_in(name: str) -> None:
    lines = text(name).removeprefix("#!/bin/bash\n").splitlines()
    head = "\n".join(lines[: next(i for i, line in enumerate(lines) if not line.startswith("#"))])
    for wanted in (
        "Before you start",
        "idle",
        "Closed by default",
        "2.14.1" if "slurm" in name else "dist",
    ):
        assert wanted.lower() in head.lower(), wanted
    commands = [line for line in head.splitlines() if line.startswith("#     ")]
    assert len(commands) >= 3
    assert "--store" in head


def requirements(name: str) -> dict[str, Requirement]:
    """Pinned requirements of a file, by the package's name."""
    pins = re.findall(r"'?\b((?:ray(?:\[default\])?|torch)==[\d.]+)", text(name))
    return {(pin := Requirement(written)).name: pin for written in pins}


@pytest.mark.parametrize("name", ["local.yaml", "aws.yaml", "gcp.yaml", "azure.yaml", "slurm.sh"])
def test_nodes_get_one_version_of_ray_and_torch_that_the_package_accepts(name: str) -> None:
    pins = requirements(name)
    assert {n: str(p.specifier) for n, p in pins.items()} == {
        "ray": "==2.60.0",
        "torch": "==2.14.1",
    }
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    accepted = {(r := Requirement(written)).name: r for written in project["dependencies"]}
    for package, pin in pins.items():
        (version,) = [clause.version for clause in pin.specifier]
        assert version in accepted[package].specifier


@pytest.mark.parametrize("cluster", LAUNCHED)
def test_nodes_get_this_version_of_the_package(cluster: str) -> None:
    wheel = f"superconv_ray-{__version__}-py3-none-any.whl"
    mounts = config(cluster)["file_mounts"]
    assert mounts[f"~/{wheel}"] == f"dist/{wheel}"
    commands = config(cluster)["setup_commands"]
    assert any(f" ~/{wheel} " in command for command in commands)
    # Or a node keeps what an earlier build of the same version has put there
    assert any(command.endswith(f"--force-reinstall --no-deps ~/{wheel}") for command in commands)


def test_pods_get_this_version_of_the_package_and_of_ray() -> None:
    images = {c["image"] for pod in pods() for c in pod["spec"]["containers"]}
    assert images == {f"YOUR_REGISTRY/superconv_ray:{__version__}"}
    assert f"rayproject/ray:{kubernetes('RayCluster')['spec']['rayVersion']}-" in text(
        "kuberay.yaml"
    )


# Schemas


@pytest.mark.parametrize("cluster", LAUNCHED)
def test_ray_accepts_the_file(cluster: str) -> None:
    validate_config(prepare_config(config(cluster)))


@pytest.mark.parametrize("node_type", node_types("aws"))
def test_ec2_accepts_the_node(node_type: str) -> None:
    asked = dict(node_types("aws")[node_type]["node_config"])
    shape = botocore.session.get_session().get_service_model("ec2").operation_model("RunInstances")
    # What Ray adds
    asked |= {"MinCount": 1, "MaxCount": 1, "SubnetId": "subnet-0", "TagSpecifications": []}
    report = botocore.validate.ParamValidator().validate(asked, shape.input_shape)
    assert not report.has_errors(), report.generate_report()


@pytest.mark.parametrize("node_type", node_types("azure"))
def test_azure_knows_the_nodes_parameters(node_type: str) -> None:
    template = Path(ray.__file__).parent / "autoscaler/_private/_azure/azure-vm-template.json"
    known = json.loads(template.read_text())["parameters"]
    kinds = {"string": str, "int": int, "object": dict}
    for name, value in node_types("azure")[node_type]["node_config"][
        "azure_arm_parameters"
    ].items():
        assert isinstance(value, kinds[known[name]["type"]]), name


@pytest.mark.parametrize("node_type", node_types("gcp"))
def test_google_accepts_the_node(node_type: str) -> None:
    documents = Path(googleapiclient.__file__).parent / "discovery_cache" / "documents"
    schemas = json.loads((documents / "compute.v1.json").read_text())["schemas"]
    known = {name: json_schema(schema) for name, schema in schemas.items()}
    schema = {"$defs": closed(known), "$ref": "#/$defs/Instance"}
    jsonschema.validate(node_types("gcp")[node_type]["node_config"], schema)


def json_schema(google: Mapping[str, Any]) -> dict[str, Any]:
    """A schema of Google's as JSON Schema: which fields there are, and of which type."""
    if "$ref" in google:
        return {"$ref": f"#/$defs/{google['$ref']}"}
    made: dict[str, Any] = {name: google[name] for name in ("type", "enum") if name in google}
    if google.get("format") == "int64":
        made["type"] = ["string", "integer"]  # in JSON numbers have fewer digits
    if made.get("type") == "any":
        del made["type"]
    if "items" in google:
        made["items"] = json_schema(google["items"])
    if "properties" in google:
        made["properties"] = {n: json_schema(field) for n, field in google["properties"].items()}
    return made


def test_cloudformation_accepts_what_an_aws_account_needs() -> None:
    found = cfnlint.api.lint_all(text("aws-account.yaml"))
    assert [str(match) for match in found if match.rule.severity != "informational"] == []


def closed(schema: Any) -> Any:
    """The schema with unknown fields refused, where it names the known ones."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: closed(part) for name, part in schema.items()}
    return {"additionalProperties": False, **made} if "properties" in schema else made


@pytest.mark.parametrize("kind", ["RayCluster", "RayJob"])
def test_kuberay_accepts_the_resource(kind: str) -> None:
    structure = yaml.safe_load(Path(__file__).with_name("kuberay_crds.yaml").read_text())[kind]
    structure["properties"]["metadata"] = {"type": "object"}
    jsonschema.validate(kubernetes(kind), closed(structure))


def test_kubernetes_accepts_the_pods_the_volume_and_the_policy() -> None:
    version = kubernetes_validate.latest_version()
    for pod in pods():
        resource = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pod"}, **pod}
        kubernetes_validate.validate(resource, version, strict=True)
    for kind in ("PersistentVolumeClaim", "NetworkPolicy"):
        kubernetes_validate.validate(kubernetes(kind), version, strict=True)


def test_ray_s_autoscaler_reads_the_resource_on_kubernetes() -> None:
    resource = kubernetes("RayCluster")
    resource["metadata"]["namespace"] = "default"
    derived = _derive_autoscaling_config_from_ray_cr(resource)
    types = derived["available_node_types"]
    assert types["headgroup"]["resources"]["CPU"] == 0
    assert types["gpu"]["resources"]["GPU"] == 1
    assert (types["gpu"]["min_workers"], types["gpu"]["max_workers"]) == (0, 8)


def test_the_slurm_script_is_shell() -> None:
    subprocess.run(["bash", "-n", CLUSTERS / "slurm.sh"], check=True)


# Scaling


@pytest.mark.parametrize("cluster", CLOUDS)
def test_the_head_trains_nothing_and_workers_come_from_none_and_go_to_none(cluster: str) -> None:
    types = node_types(cluster)
    head = types.pop(config(cluster)["head_node_type"])
    assert head["resources"]["CPU"] == 0
    assert head["max_workers"] == 0
    assert {worker["min_workers"] for worker in types.values()} == {0}
    assert config(cluster)["provider"]["cache_stopped_nodes"] is False


SPOT = {
    "aws": lambda node: node["InstanceMarketOptions"]["MarketType"] == "spot",
    "gcp": lambda node: node["scheduling"]["provisioningModel"] == "SPOT",
    "azure": lambda node: node["azure_arm_parameters"]["priority"] == "Spot",
}


@pytest.mark.parametrize("cluster", CLOUDS)
def test_workers_are_spot_nodes(cluster: str) -> None:
    types = node_types(cluster)
    types.pop(config(cluster)["head_node_type"])
    assert types
    for worker in types.values():
        assert SPOT[cluster](worker["node_config"])


@pytest.mark.parametrize(
    ("request_", "nodes"),
    [
        (Request(1.0, 1.0), {"gpu": 1}),
        (Request(4.0, 4.0, processes=4), {"gpu": 4}),
        (Request(96.0, 8.0, processes=8), {"eight_gpus": 1}),
    ],
)
def test_a_trial_starts_the_nodes_on_aws_that_its_processes_need(
    request_: Request, nodes: dict[str, int]
) -> None:
    parts = [request_.part()] * request_.processes
    types, head = node_types("aws"), config("aws")["head_node_type"]
    score = partial(_default_utilization_scorer, node_availability_summary=None)
    found, left = get_nodes_for(types, {head: 1}, head, 8, parts, score)
    assert (dict(found), left) == (nodes, [])


HEALTH = {
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "2000",
    "RAY_health_check_failure_threshold": "3",
}


@pytest.mark.parametrize("name", [n for n in PLACEHOLDERS if n != "aws-account.yaml"])
def test_a_silent_node_is_found_within_ten_seconds(name: str) -> None:
    if name == "kuberay.yaml":
        (head,) = pods()[0]["spec"]["containers"]
        found = {variable["name"]: variable["value"] for variable in head["env"]}
    else:
        found = dict(re.findall(r"(RAY_health_check_\w+)=(\d+)", without_comments(name)))
    assert found == HEALTH


# Closed by default


def starts(cluster: str) -> Iterator[str]:
    """Commands that start Ray."""
    for kind in ("head_start_ray_commands", "worker_start_ray_commands"):
        yield from (c for c in config(cluster)[kind] if "ray start" in c)


@pytest.mark.parametrize("cluster", LAUNCHED)
def test_every_node_and_login_asks_for_the_token(cluster: str) -> None:
    commands = list(starts(cluster))
    assert len(commands) == 2
    for command in commands:
        assert re.match(r"export RAY_AUTH_MODE=token\b.*; ray start ", command)
    assert config(cluster)["file_mounts"]["~/.ray/auth_token"] == "~/.ray/auth_token"
    assert any("RAY_AUTH_MODE=token' >> ~/.bashrc" in c for c in config(cluster)["setup_commands"])


MAKE_TOKEN = "(umask 077; ray get-auth-token --generate > /dev/null)"


@pytest.mark.parametrize(
    "path", [*(f"clusters/{c}.yaml" for c in LAUNCHED), "README.md", "docs/guides/cluster.md"]
)
def test_the_commands_to_make_a_token_let_only_its_owner_read_it(path: str) -> None:
    """Ray itself makes it for all to read, and keeps one that is there."""
    told = (ROOT / path).read_text()
    assert told.count("get-auth-token --generate") == told.count(MAKE_TOKEN) == 1
    assert "chmod 600 ~/.ray/auth_token" in told.partition(MAKE_TOKEN)[2][:100]


NO_CHMOD = "#!/bin/sh\n"
"""In the place of chmod: a file system without modes."""


def with_token(home: Path, mode: int | None, **programs: str) -> dict[str, str]:
    """The environment of a login that has a token of this mode, and these programs."""
    (home / ".ray").mkdir()
    if mode is not None:
        (home / ".ray/auth_token").write_text("a" * 64)
        (home / ".ray/auth_token").chmod(mode)
    (home / "venv/bin").mkdir(parents=True)
    for name, source in programs.items():
        (home / "venv/bin" / name).write_text(source)
        (home / "venv/bin" / name).chmod(0o755)
    return {"HOME": str(home), "PATH": f"{home}/venv/bin:{os.environ['PATH']}"}


@pytest.mark.parametrize("cluster", LAUNCHED)
def test_a_node_hides_the_token_that_it_was_sent_or_is_not_set_up(
    cluster: str, tmp_path: Path
) -> None:
    (hide,) = [c for c in config(cluster)["setup_commands"] if "auth_token" in c]
    environment = with_token(tmp_path, 0o644)
    subprocess.run(["bash", "-c", hide], env=environment, check=True)
    assert (tmp_path / ".ray/auth_token").stat().st_mode & 0o777 == 0o600
    (tmp_path / ".ray/auth_token").chmod(0o644)
    (tmp_path / "venv/bin/chmod").write_text(NO_CHMOD)
    (tmp_path / "venv/bin/chmod").chmod(0o755)
    failed = subprocess.run(["bash", "-c", hide], env=environment, check=False)
    assert failed.returncode != 0


SLURM = {
    # Keeps a token that is there, as Ray does
    "ray": """#!/bin/sh
[ -e ~/.ray/auth_token ] || echo token > ~/.ray/auth_token
""",
    "scontrol": "#!/bin/sh\necho node1\n",
    "srun": "#!/bin/sh\nstat -c %a ~/.ray/auth_token\n",
}


@pytest.mark.parametrize("mode", [None, 0o644, 0o600])
def test_slurm_s_token_is_hidden_before_ray_starts_also_one_that_was_there(
    mode: int | None, tmp_path: Path
) -> None:
    environment = with_token(tmp_path, mode, **SLURM)
    assert slurm(environment) == (0, "600\n")


def test_slurm_starts_nothing_where_the_token_cannot_be_hidden(tmp_path: Path) -> None:
    environment = with_token(tmp_path, 0o644, **SLURM, chmod=NO_CHMOD)
    assert slurm(environment) == (1, "")


def slurm(environment: Mapping[str, str]) -> tuple[int, str]:
    job = {"SLURM_JOB_NODELIST": "node1", "SLURM_JOB_NUM_NODES": "1", "SLURM_CPUS_PER_TASK": "1"}
    run = subprocess.run(
        ["bash", CLUSTERS / "slurm.sh", "study.py", "run"],
        env={**environment, **job},
        capture_output=True,
        text=True,
        check=False,
    )
    return run.returncode, run.stdout


@pytest.mark.parametrize("cluster", LAUNCHED)
def test_the_dashboard_listens_on_the_heads_own_address_alone(cluster: str) -> None:
    assert "--dashboard-host=127.0.0.1" in next(starts(cluster))
    assert "0.0.0.0" not in text(f"{cluster}.yaml")


@pytest.mark.parametrize("cluster", LAUNCHED)
def test_nobody_is_root(cluster: str) -> None:
    assert config(cluster)["auth"]["ssh_user"] not in ("root", None)


def test_slurm_s_processes_ask_for_the_token_and_hide_the_dashboard() -> None:
    script = without_comments("slurm.sh")
    assert script.index("export RAY_AUTH_MODE=token") < script.index("ray symmetric-run")
    assert "--dashboard-host=127.0.0.1" in script


def test_on_kubernetes_there_is_a_token_no_way_in_and_no_privilege() -> None:
    spec = kubernetes("RayCluster")["spec"]
    assert spec["authOptions"] == {"mode": "token"}
    policy = kubernetes("NetworkPolicy")["spec"]
    assert policy["podSelector"] == {"matchLabels": {"ray.io/cluster": "superconv"}}
    assert policy["policyTypes"] == ["Ingress"]
    assert [set(peer) for way_in in policy["ingress"] for peer in way_in["from"]] == [
        {"podSelector"},
        {"namespaceSelector", "podSelector"},
    ]
    assert spec["headGroupSpec"]["serviceType"] == "ClusterIP"
    assert "enableIngress" not in spec["headGroupSpec"]
    for pod in pods():
        assert pod["spec"]["securityContext"]["runAsNonRoot"]
        for container in pod["spec"]["containers"]:
            inside = container["securityContext"]
            assert inside["allowPrivilegeEscalation"] is False
            assert inside["capabilities"] == {"drop": ["ALL"]}


def test_ec2_nodes_have_a_group_of_ones_own_and_version_2_of_the_metadata_service() -> None:
    """Where no group is given, Ray makes one that lets the world in by ssh."""
    for node_type in node_types("aws").values():
        node = node_type["node_config"]
        assert node["SecurityGroupIds"]
        assert node["MetadataOptions"]["HttpTokens"] == "required"


def test_no_azure_node_has_a_public_address() -> None:
    """Ray's template lets the world in by ssh."""
    provider = config("azure")["provider"]
    assert (provider["use_internal_ips"], provider["use_external_head_ip"]) == (True, False)


@pytest.mark.parametrize("network", ["0.0.0.0/0", "::/0", "10.0.0.0/0", "1.2.3.4"])
def test_an_aws_account_does_not_let_the_world_in(network: str) -> None:
    parameters: Mapping[str, Any] = cloudformation()["Parameters"]
    allowed = parameters["SshFrom"]["AllowedPattern"]
    assert not re.match(allowed, network)
    assert re.match(allowed, "203.0.113.7/32")


def cloudformation() -> dict[str, Any]:
    class Loader(yaml.SafeLoader):  # type: ignore[misc]
        """Knows !Ref, !Sub and !GetAtt as what they stand on."""

    Loader.add_multi_constructor("!", lambda loader, _, node: loader.construct_scalar(node))
    loaded: dict[str, Any] = yaml.load(text("aws-account.yaml"), Loader)
    return loaded


def test_roles_of_an_aws_account_reach_the_store_and_workers_nothing_else() -> None:
    resources = cloudformation()["Resources"]
    policies = [r["Properties"] for r in resources.values() if r["Type"] == "AWS::IAM::Policy"]
    (of_workers,) = [policy for policy in policies if "WorkerRole" in policy["Roles"]]
    assert "Policies" not in resources["WorkerRole"]["Properties"]
    actions = [action for s in of_workers["PolicyDocument"]["Statement"] for action in s["Action"]]
    assert {action.partition(":")[0] for action in actions} == {"s3"}
    assert not any("*" in action for action in actions)
    assert "0.0.0.0" not in text("aws-account.yaml")


@pytest.mark.parametrize("name", PLACEHOLDERS)
def test_no_key_stands_in_a_file(name: str) -> None:
    keys = r"AKIA|aws_secret|AWS_SECRET|account_key|AccountKey|PRIVATE KEY|RAY_AUTH_TOKEN=|password"
    assert not re.search(keys, text(name))
