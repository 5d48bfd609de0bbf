"""deploy/kubernetes: what Kubernetes takes, and what the programs need there.

kubernetes-validate has the cluster's schemas. It has none of KEDA's kinds: their fields were compared with KEDA's own
definitions (2.17 to 2.21) by hand, and are listed here.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

import kubernetes_validate
import pytest
import yaml

import settings
from release import VERSION
from tests.support.layout import ROOT
from workflows.order import sweep_queue

FOLDER = ROOT / "deploy" / "kubernetes"
KUSTOMIZATIONS: dict[str, dict[str, Any]] = {
    name: yaml.safe_load((FOLDER / name / "kustomization.yaml").read_text()) for name in (".", "migrate")
}
DOCUMENTS: list[dict[str, Any]] = [
    document
    for name, kustomization in KUSTOMIZATIONS.items()
    for resource in kustomization["resources"]
    for document in yaml.safe_load_all((FOLDER / name / resource).read_text())
]
SETTINGS = dict(
    line.split("=", 1) for line in (FOLDER / "settings.env").read_text().splitlines() if not line.startswith("#")
)
QUEUE = settings.Temporal.model_fields["temporal_task_queue"].default
CLUSTERS = ("1.30", "1.37")
"""The oldest that knows `sleep` before a stop, and the newest with a schema."""


def of_kind(kind: str) -> dict[str, dict[str, Any]]:
    """The resources of a kind, by name."""
    return {each["metadata"]["name"]: each for each in DOCUMENTS if each["kind"] == kind}


DEPLOYMENTS = of_kind("Deployment")
WORKLOADS = {**DEPLOYMENTS, **of_kind("Job")}
SCALERS = of_kind("ScaledObject")
POLICIES = of_kind("NetworkPolicy")


def pod(name: str) -> dict[str, Any]:
    template: dict[str, Any] = WORKLOADS[name]["spec"]["template"]
    return template


def container(name: str) -> dict[str, Any]:
    [only] = pod(name)["spec"]["containers"]
    return dict(only)


def environment(name: str) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in container(name)["env"]}


def workers() -> dict[str, set[str]]:
    """The queues that each worker polls."""
    found = {name: environment(name).get("WORKER_QUEUES") for name in WORKLOADS}
    return {name: set(each["value"].split(",")) for name, each in found.items() if each}


def program(name: str) -> str:
    return str(container(name)["args"][1])


# --- Kubernetes' word -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", CLUSTERS)
def test_every_resource_is_what_the_cluster_s_schema_says(version: str) -> None:
    ours = [each for each in DOCUMENTS if not each["apiVersion"].startswith("keda.sh/")]
    assert len(ours) > 8
    for each in ours:
        kubernetes_validate.validate(each, version, strict=True)


def test_every_file_belongs_to_a_kustomization() -> None:
    named = {name for each in KUSTOMIZATIONS.values() for name in each["resources"]}
    named |= {name for each in KUSTOMIZATIONS["."]["configMapGenerator"] for name in each["envs"]}
    assert {path.name for path in FOLDER.rglob("*.*")} == named | {"kustomization.yaml"}


@pytest.mark.parametrize("name", KUSTOMIZATIONS)
def test_the_image_is_this_release_s(name: str) -> None:
    [image] = KUSTOMIZATIONS[name]["images"]
    assert image["newTag"] == VERSION
    assert {container(each)["image"] for each in WORKLOADS} == {image["name"]}


def test_names_and_labels_meet_their_selectors() -> None:
    for name, workload in WORKLOADS.items():
        labels = pod(name)["metadata"]["labels"]
        assert labels == workload["metadata"]["labels"]
        assert labels["app.kubernetes.io/component"] == name
        if workload["kind"] == "Deployment":
            assert workload["spec"]["selector"]["matchLabels"] == labels
    budgets = of_kind("PodDisruptionBudget")
    assert budgets.keys() == DEPLOYMENTS.keys()
    for name, budget in budgets.items():
        assert budget["spec"]["selector"]["matchLabels"] == pod(name)["metadata"]["labels"]
    [service] = of_kind("Service").values()
    assert service["spec"]["selector"] == pod("webhook")["metadata"]["labels"]


def test_a_node_may_be_drained_while_pods_are_few() -> None:
    least = {name: each["spec"]["minReplicaCount"] for name, each in SCALERS.items()}
    least |= {name: each["spec"]["replicas"] for name, each in DEPLOYMENTS.items() if name not in SCALERS}
    for name, budget in of_kind("PodDisruptionBudget").items():
        assert budget["spec"].get("minAvailable", 0) < least[name]


# --- Safety -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", WORKLOADS)
def test_a_pod_may_do_nothing_but_run_the_program(name: str) -> None:
    spec, own = pod(name)["spec"], container(name)["securityContext"]
    created = re.search(r"--uid (\d+)", (ROOT / "Dockerfile").read_text())
    assert created is not None
    assert spec["securityContext"]["runAsUser"] == int(created[1])
    assert spec["securityContext"]["runAsNonRoot"]
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spec["automountServiceAccountToken"] is False
    assert own == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def measured(pattern: str) -> int:
    """A figure of docs/costs.md in megabytes, as bytes."""
    found = re.search(pattern, (ROOT / "docs" / "costs.md").read_text())
    assert found is not None
    return int(found[1]) * 1_000_000


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_memory_is_asked_for_as_it_was_measured(name: str) -> None:
    peak = measured(r"peak memory of the worker.*MB, (\d+) MB \(" if name in workers() else r"1,000, (\d+) MB")
    resources = container(name)["resources"]
    asked, limit = (int(resources[each]["memory"].removesuffix("Mi")) * 2**20 for each in ("requests", "limits"))
    assert peak < asked
    assert 2 * peak < limit


# --- Settings ---------------------------------------------------------------------------------------------------------


def parts_of(*files: str) -> list[type[settings._Part]]:
    """The parts of the settings that these files load."""
    text = "".join((ROOT / each).read_text() for each in files)
    return [getattr(settings, name) for name in sorted(set(re.findall(r"settings\.load\(settings\.(\w+)\)", text)))]


READ = {
    "worker.py": parts_of("worker.py", "temporal.py", "process.py"),
    "webhook.py": parts_of("webhook.py", "temporal.py", "process.py"),
    "starter.py": parts_of("cli/commands/migrate.py"),
}


def secrets_of(parts: list[type[settings._Part]]) -> Iterator[tuple[str, bool]]:
    """(name, whether it is required) of every secret setting."""
    for part in parts:
        for name, field in part.model_fields.items():
            if "SecretStr" in str(field.annotation) or not field.repr:
                yield name.upper(), field.is_required()


@pytest.mark.parametrize("name", WORKLOADS)
def test_a_program_is_given_the_secrets_that_it_reads_by_reference_and_no_others(name: str) -> None:
    given = {key: each["valueFrom"]["secretKeyRef"] for key, each in environment(name).items() if "valueFrom" in each}
    assert all(each["name"] == "workspace-backfill" and each["key"] == key for key, each in given.items())
    read = dict(secrets_of(READ[program(name)]))
    direct = {"DATABASE_DIRECT_URL"} if program(name) != "starter.py" else set()
    own = {"TEMPORAL_API_KEY"} if program(name) != "starter.py" else {"OPENAI_API_KEY"}
    assert given.keys() ^ (read.keys() - direct) == own, "only temporalio reads its key, and migrate embeds nothing"
    assert {key for key, each in given.items() if not each.get("optional")} == {
        key for key, must in read.items() if must
    }


def test_every_other_name_is_a_setting_and_no_secret() -> None:
    known = {name.upper() for parts in READ.values() for part in parts for name in part.model_fields}
    plain = {key for name in WORKLOADS for key, each in environment(name).items() if "value" in each} | SETTINGS.keys()
    assert plain - known == {"TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE"}, "these two are temporalio's"
    assert not plain & {key for parts in READ.values() for key, _ in secrets_of(parts)}
    generated = {each["name"] for each in KUSTOMIZATIONS["."]["configMapGenerator"]}
    assert all(
        container(name)["envFrom"] == [{"configMapRef": {"name": each}}] for name in DEPLOYMENTS for each in generated
    )


# --- Work and scaling -------------------------------------------------------------------------------------------------


def test_every_queue_has_a_worker_and_a_scaler_that_counts_what_waits_in_it() -> None:
    assert set.union(*workers().values()) == {*settings.WORKER_QUEUES}
    assert SCALERS.keys() == workers().keys()
    for name, queues in workers().items():
        triggers = {each["name"]: each["metadata"] for each in SCALERS[name]["spec"]["triggers"]}
        assert triggers.keys() == queues
        for queue, told in triggers.items():
            decides = queue == "workflows"
            assert told["taskQueue"] == (QUEUE if decides else sweep_queue(QUEUE, queue))
            assert set(told["queueTypes"].split(",")) == ({"workflow", "activity"} if decides else {"activity"})


def test_a_scaler_has_only_what_keda_knows() -> None:
    assert "TEMPORAL_TASK_QUEUE" not in SETTINGS, "the triggers name it as it is by default"
    slots = settings.Worker.model_fields["activities_at_once"].default
    for name, each in SCALERS.items():
        spec = each["spec"]
        assert each["apiVersion"] == "keda.sh/v1alpha1"
        assert spec.keys() == {"scaleTargetRef", "minReplicaCount", "maxReplicaCount", "advanced", "triggers"}
        assert spec["scaleTargetRef"] == {"name": name}
        assert 0 < spec["minReplicaCount"] < spec["maxReplicaCount"]
        assert "replicas" not in DEPLOYMENTS[name]["spec"], "each `apply` would set it back"
        assert spec["advanced"].keys() == {"horizontalPodAutoscalerConfig"}
        for trigger in spec["triggers"]:
            assert trigger.keys() == {"type", "name", "metadata"}
            assert trigger["type"] == "temporal"
            told = trigger["metadata"]
            known = {"endpointFromEnv", "namespaceFromEnv", "taskQueue", "queueTypes", "targetQueueSize"}
            assert told.keys() == known
            assert {told["endpointFromEnv"], told["namespaceFromEnv"]} <= SETTINGS.keys()
            assert told["targetQueueSize"] == str(slots)


@pytest.mark.parametrize("name", workers())
def test_a_worker_is_given_longer_than_it_takes_to_stop(name: str) -> None:
    stop = float(SETTINGS.get("SHUTDOWN_SECONDS", settings.Worker.model_fields["shutdown_seconds"].default))
    assert pod(name)["spec"]["terminationGracePeriodSeconds"] >= stop + 15, "and to close what it has open"


# --- Ports and probes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_probes_ask_where_something_is_served(name: str) -> None:
    own = container(name)
    [port] = own["ports"]
    asked = {"PORT": "http", "METRICS_PORT": "metrics"}
    [(setting, named)] = [(key, asked[key]) for key in environment(name) if key in asked]
    assert port == {"name": named, "containerPort": int(environment(name)[setting]["value"])}
    probes = [
        own[f"{kind}Probe"]["httpGet"]
        for kind in ("startup", "liveness", "readiness")
        if "httpGet" in own[f"{kind}Probe"]
    ]
    assert {each["port"] for each in probes} == {named}
    served = (ROOT / "webhook.py").read_text() if name == "webhook" else 'the SDK serves "/metrics"'
    assert all(f'"{each["path"]}"' in served for each in probes)


class _Told(BaseHTTPRequestHandler):
    told = b""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/metrics" else 404)
        self.end_headers()
        self.wfile.write(self.told)

    def log_message(self, *_: Any) -> None:
        pass


POLLS = b"""# TYPE temporal_num_pollers gauge
temporal_num_pollers{task_queue="q"} 0
temporal_num_pollers{task_queue="r"} 5
"""


@pytest.mark.parametrize(("told", "ready"), [(POLLS, True), (POLLS.replace(b"5", b"0"), False), (b"", False)])
def test_a_worker_is_ready_while_it_asks_temporal_for_work(told: bytes, ready: bool) -> None:
    command = {tuple(container(name)["readinessProbe"]["exec"]["command"]) for name in workers()}
    [(_, flag, code)] = command
    with HTTPServer(("127.0.0.1", 0), type("_Told", (_Told,), {"told": told})) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        code = code.replace(":9464/", f":{server.server_port}/")
        ended = subprocess.run([sys.executable, flag, code], check=False, capture_output=True, text=True)
        server.shutdown()
    assert ended.returncode == (0 if ready else 1), ended.stderr


# --- The network ------------------------------------------------------------------------------------------------------


def policies(name: str) -> list[dict[str, Any]]:
    """The policies that hold for a pod."""
    labels = pod(name)["metadata"]["labels"]

    def chosen(selector: dict[str, Any]) -> bool:
        of_labels = all(labels.get(key) == value for key, value in selector["matchLabels"].items())
        return of_labels and all(
            labels.get(each["key"]) in each["values"] for each in selector.get("matchExpressions", ())
        )

    return [each["spec"] for each in POLICIES.values() if chosen(each["spec"]["podSelector"])]


def open_ports(name: str, direction: str) -> set[int | str]:
    rules = [rule for policy in policies(name) for rule in policy.get(direction, ())]
    return {port["port"] for rule in rules for port in rule["ports"]}


def needed(name: str) -> set[int]:
    """The ports that a program's own addresses have by default, Postgres, Temporal and DNS."""
    fields = {key: field.default for part in READ[program(name)] for key, field in part.model_fields.items()}
    urls = [urlsplit(each) for each in fields.values() if isinstance(each, str) and "://" in each]
    ports = {53, 5432, 6543, *(443 for each in urls if each.scheme == "https")}
    ports |= {465, 587} if "smtp_url" in fields else set()
    return ports | {int(SETTINGS["TEMPORAL_ADDRESS"].rpartition(":")[2])}


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_the_network_is_open_for_what_a_program_needs_and_closed_for_the_rest(name: str) -> None:
    closed = {each for policy in policies(name) for each in policy["policyTypes"]}
    assert closed == {"Ingress", "Egress"}
    assert open_ports(name, "egress") >= needed(name)
    mail = {465, 587} if name == "webhook" else set()
    assert open_ports(name, "egress") == {53, 443, 4318, 5432, 6543, 7233} | mail
    [port] = container(name)["ports"]
    assert open_ports(name, "ingress") == {port["name"]}


def test_the_migration_reaches_postgres() -> None:
    assert open_ports("migrate", "egress") >= {53, 5432, 6543}
