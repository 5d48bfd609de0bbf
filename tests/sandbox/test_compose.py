"""What can be known of the image and of docker-compose.yml without a Docker engine."""

import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic_settings import BaseSettings

import settings
from sandbox.temporal import TEMPORAL, Temporal

ROOT = Path(__file__).parent.parent.parent
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
LINES = (ROOT / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
INSTRUCTIONS = [(line.partition(" ")[0], line.partition(" ")[2]) for line in LINES if line and not line.startswith("#")]
COPIES = [rest.split() for name, rest in INSTRUCTIONS if name == "COPY" and "--from" not in rest]
COPIED = {source for *sources, _ in COPIES for source in sources}
BASES = sorted({rest.split()[0] for name, rest in INSTRUCTIONS if name == "FROM"})
PINNED = re.compile(r"[a-z/-]+:(v?\d+\.\d+(\.\d+)?(-pg18|-slim)?)@sha256:[0-9a-f]{64}")
KNOWN_ELSEWHERE = ("TEMPORAL_ADDRESS",)
"""Read by temporalio.envconfig."""


def names_of_settings() -> set[str]:
    parts = (each for each in vars(settings).values() if isinstance(each, type) and issubclass(each, BaseSettings))
    return {name.upper() for part in parts for name in part.model_fields} | set(KNOWN_ELSEWHERE)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the image's /app has."""
    folder = tmp_path_factory.mktemp("image")
    for source in COPIED - {"requirements.txt"}:
        found = sorted(ROOT.glob(source.rstrip("/")))
        assert found, f"the Dockerfile copies {source}, which is not there"
        for path in found:
            if path.is_dir():
                shutil.copytree(path, folder / path.name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(path, folder)
    return folder


def test_the_image_has_all_of_production_and_nothing_else(image: Path) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    modules = set(project["tool"]["importlinter"]["root_packages"]) - {"sandbox", "bench", "tests"}
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"sandbox", "tests", "bench"}
    assert {path.stem for path in image.iterdir()} >= modules | packages
    assert not {"sandbox", "tests", "bench"} & {path.name for path in image.iterdir()}


def test_everything_copied_reaches_the_builder() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    allowed = {line[1:].rstrip("/") for line in ignored if line.startswith("!")}
    assert {source.rstrip("/") for source in COPIED} == allowed
    assert "*" in ignored


def test_the_image_needs_only_what_it_installs(image: Path) -> None:
    """Its programs import nothing but the standard library, themselves, and pinned requirements."""
    program = "import json, sys, starter, webhook, worker; print(json.dumps([*sys.modules]))"
    environment = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", program]
    ended = subprocess.run(command, cwd=image, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    distributions = importlib.metadata.packages_distributions()
    modules = {module.partition(".")[0] for module in json.loads(ended.stdout)}
    assert "opentelemetry" not in modules, "imported by those who send traces, and by nobody else"
    modules.discard("_distutils_hack")  # setuptools puts it into every program of a venv
    modules.discard("greenlet")  # structlog uses it where it is; here playwright has brought it
    needed = {name for module in modules for name in distributions.get(module, ())}
    pinned = re.findall(r"(?m)^([A-Za-z0-9._-]+)==", (ROOT / "requirements.txt").read_text())
    assert {normal(name) for name in needed} <= {normal(name) for name in pinned}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("name", [name for name, service in OURS.items() if "command" in service])
def test_a_command_works_as_it_stands(image: Path, name: str) -> None:
    """As far as it gets without servers: settings that it lacks are named, its own arguments are not refused."""
    program, *arguments = SERVICES[name]["command"]
    assert program == "python"
    environment = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, *arguments]
    ended = subprocess.run(command, cwd=image, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "missing" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_the_image_runs_the_worker_as_nobody_special(image: Path) -> None:
    last = dict(INSTRUCTIONS)
    assert {service["user"] for service in OURS.values()} == {last["USER"]}
    assert json.loads(last["CMD"]) == ["python", "worker.py"]
    assert (image / "worker.py").exists()
    assert last["USER"] == "10001:10001"


@pytest.mark.parametrize("name", list(OURS))
def test_settings_that_are_set_exist(name: str) -> None:
    assert OURS[name]["environment"].keys() <= names_of_settings()
    assert OURS[name]["environment"].keys() >= {"DATABASE_URL", "TEMPORAL_ADDRESS"}


@pytest.mark.parametrize("name", ["worker", "historical"])
def test_there_is_time_to_stop(name: str) -> None:
    grace = int(SERVICES[name]["stop_grace_period"].removesuffix("s"))
    assert grace > settings.Worker.model_fields["shutdown_seconds"].default + 10


def test_somebody_polls_every_queue() -> None:
    queues = [service["environment"].get("WORKER_QUEUES", "") for service in OURS.values()]
    assert sorted(",".join(filter(None, queues)).split(",")) == sorted(settings.WORKER_QUEUES)


def test_every_reference_leads_somewhere() -> None:
    for name, service in SERVICES.items():
        for other, condition in service.get("depends_on", {}).items():
            assert other in SERVICES, name
            if condition["condition"] == "service_healthy":
                assert "healthcheck" in SERVICES[other], f"{name} waits for {other}"
            else:
                assert condition["condition"] == "service_completed_successfully"
                assert SERVICES[other]["restart"].startswith("on-failure"), f"{other} would never complete"
        for volume in service.get("volumes", ()):
            assert volume.partition(":")[0] in COMPOSE["volumes"]
        for config in service.get("configs", ()):
            assert config["source"] in COMPOSE["configs"]
        assert "restart" in service
        assert "image" in service


def test_addresses_name_services() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    hosts = re.findall(r"@([a-z-]+):5432|-([a-z-]+):7233|--ep ([a-z-]+)|(?:SEEDS|TEMPORAL_ADDRESS): ([a-z-]+)", text)
    named = {host for groups in hosts for host in groups if host}
    assert named == {"postgres", "temporal", "temporal-postgres"}
    assert named <= SERVICES.keys()


def test_the_healthcheck_of_the_webhook_is_python() -> None:
    kind, program, flag, source = SERVICES["webhook"]["healthcheck"]["test"]
    assert (kind, program, flag) == ("CMD", "python", "-c")
    compile(source, "healthcheck", "exec")
    assert f":{SERVICES['webhook']['environment']['PORT']}/healthz" in source


@pytest.mark.parametrize("name", ["worker", "historical"])
def test_the_healthcheck_of_a_worker_is_the_one_that_is_tried_for_kubernetes(name: str) -> None:
    documents = yaml.safe_load_all((ROOT / "deploy" / "kubernetes" / "workers.yaml").read_text())
    probes = {each["metadata"]["name"]: each["spec"]["template"]["spec"]["containers"][0] for each in documents}
    assert SERVICES[name]["healthcheck"]["test"] == ["CMD", *probes[name]["readinessProbe"]["exec"]["command"]]
    assert f":{SERVICES[name]['environment']['METRICS_PORT']}/" in SERVICES[name]["healthcheck"]["test"][-1]


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_runs_without_rights_and_writes_nothing_but_its_volumes(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"]
    assert int(service["user"].partition(":")[0]) > 0, "a number: nobody asks a file in the image who it is"
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "cap_add" not in service
    assert "privileged" not in service
    assert "/tmp" in service["tmpfs"]
    copied = [each["source"] for each in service.get("configs", ()) if "file" not in COMPOSE["configs"][each["source"]]]
    assert not copied, "Compose copies what is no file into the container, and cannot where it is read-only"


@pytest.mark.parametrize("name", SERVICES)
def test_whatever_keeps_running_says_whether_it_is_well(name: str) -> None:
    assert ("healthcheck" in SERVICES[name]) == (SERVICES[name]["restart"] == "unless-stopped")


@pytest.mark.parametrize("name", [name for name in SERVICES if name not in OURS])
def test_an_image_is_named_by_its_exact_version_and_digest(name: str) -> None:
    assert PINNED.fullmatch(SERVICES[name]["image"])


def test_one_version_has_one_digest() -> None:
    images = {SERVICES[name]["image"] for name in SERVICES if name not in OURS} | set(BASES)
    assert len({image.partition("@")[0] for image in images}) == len(images)


@pytest.mark.parametrize("base", BASES)
def test_the_image_is_built_on_a_digest(base: str) -> None:
    assert PINNED.fullmatch(base)


def test_scripts_are_shell(tmp_path: Path) -> None:
    for name in ("temporal-namespace", "temporal-schema"):
        script = tmp_path / name
        script.write_text(SERVICES[name]["command"][0].replace("$$", "$"))
        subprocess.run(["sh", "-n", script], check=True)


def test_the_namespace_is_created(temporal: Temporal) -> None:
    """The script itself, on the dev server, with another name: it creates, and the second time finds."""
    script = SERVICES["temporal-namespace"]["command"][0].replace("default", "composed")
    environment = {"PATH": f"{TEMPORAL.parent}:{os.environ['PATH']}", "TEMPORAL_ADDRESS": temporal.address}
    for _ in range(2):
        subprocess.run(["/bin/sh", "-euc", script], env=environment, check=True, capture_output=True)


def test_fairness_is_on() -> None:
    dynamic = yaml.safe_load((ROOT / COMPOSE["configs"]["temporal-dynamicconfig"]["file"]).read_text())
    assert dynamic == {
        "matching.enableFairness": [{"value": True}],
        "matching.numTaskqueueReadPartitions": [{"value": 1}],
        "matching.numTaskqueueWritePartitions": [{"value": 1}],
    }
    target = SERVICES["temporal"]["configs"][0]["target"]
    assert SERVICES["temporal"]["environment"]["DYNAMIC_CONFIG_FILE_PATH"] == target
