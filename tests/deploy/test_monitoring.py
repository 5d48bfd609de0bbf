"""The profile `monitoring` of docker-compose.yml: it scrapes what is served, and reads files that are there."""

from typing import Any

import yaml

from tests.support.layout import ROOT

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
PROMETHEUS: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text())
JOBS: dict[str, Any] = {each["job_name"]: each for each in PROMETHEUS["scrape_configs"]}
PROVISIONING = ROOT / "deploy" / "grafana" / "provisioning"


def targets(service: str) -> dict[str, str]:
    """Where a container has which file of the project."""
    return {each["target"]: COMPOSE["configs"][each["source"]]["file"] for each in SERVICES[service]["configs"]}


def test_it_is_a_profile_that_nothing_else_waits_for() -> None:
    monitoring = {name for name, service in SERVICES.items() if service.get("profiles") == ["monitoring"]}
    assert monitoring == {"prometheus", "grafana"}
    others = [service for name, service in SERVICES.items() if name not in monitoring]
    assert not any(monitoring & service.get("depends_on", {}).keys() for service in others)
    ports = [port for name in monitoring for port in SERVICES[name]["ports"]]
    assert all(port.startswith("127.0.0.1:") for port in ports), "it has no sign-in"


def test_every_file_is_there() -> None:
    files = [config["file"] for config in COMPOSE["configs"].values() if "file" in config]
    assert files
    assert all((ROOT / each).is_file() for each in files)


def test_the_webhook_and_every_worker_are_scraped_where_they_serve() -> None:
    [webhook] = JOBS["webhook"]["static_configs"]
    assert webhook["targets"] == [f"webhook:{SERVICES['webhook']['environment']['PORT']}"]
    [workers] = JOBS["worker"]["dns_sd_configs"]
    polling = {name for name, service in SERVICES.items() if "WORKER_QUEUES" in service.get("environment", {})}
    assert set(workers["names"]) == polling
    assert {SERVICES[name]["environment"]["METRICS_PORT"] for name in polling} == {workers["port"]}


def test_rules_and_dashboard_lie_where_they_are_read() -> None:
    assert targets("prometheus")[PROMETHEUS["rule_files"][0]] == "deploy/prometheus/alerts.yml"
    [source] = yaml.safe_load((PROVISIONING / "datasource.yml").read_text())["datasources"]
    assert source["url"] == "http://prometheus:9090"
    [provider] = yaml.safe_load((PROVISIONING / "dashboards.yml").read_text())["providers"]
    dashboard = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert dashboard.startswith(f"{provider['options']['path']}/")
    assert targets("grafana")[dashboard] == "deploy/grafana/dashboards/backfill.json"
