"""Alert rules and the dashboard: what they read is served, and each alert leads to what can be done."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import temporalio
import yaml

from messages import RECONCILE, WaitingReason
from tests.support.documents import anchors
from tests.support.layout import ROOT

PROMETHEUS = ROOT / "deploy" / "prometheus"
METRICS = (ROOT / "docs" / "metrics.md").read_text()
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text()
RULES: list[dict[str, Any]] = [
    rule for group in yaml.safe_load((PROMETHEUS / "alerts.yml").read_text())["groups"] for rule in group["rules"]
]
DASHBOARD: dict[str, Any] = json.loads((ROOT / "deploy" / "grafana" / "dashboards" / "backfill.json").read_text())
PANELS: list[dict[str, Any]] = [each for each in DASHBOARD["panels"] if each["type"] != "row"]
EXPRESSIONS = {
    **{rule["alert"]: rule["expr"] for rule in RULES},
    **{f"{panel['title']} {each['refId']}": each["expr"] for panel in PANELS for each in panel["targets"]},
}
DOCUMENTED = {
    name: set(re.findall(r"\w+", labels)) | ({"le"} if "histogram" in text else set())
    for name, labels, text in re.findall(r"^\| `(backfill_\w+)` \| ([\w, ]*) ?\| (.*) ?\|$", METRICS, re.MULTILINE)
}
"""Our metrics and their labels."""
OF_SDK = dict(re.findall(r"^\| `(temporal_\w+)` \| (.*) \|$", METRICS, re.MULTILINE))
HISTOGRAMS = {name for name, labels in DOCUMENTED.items() if "le" in labels} | {
    name for name, text in OF_SDK.items() if "histogram" in text
}
SERIES = ({*DOCUMENTED, *OF_SDK} - HISTOGRAMS) | {
    f"{name}_{part}" for name in HISTOGRAMS for part in ("bucket", "sum", "count")
}
"""What Prometheus stores of them."""
SDK = Path(temporalio.__file__).parent / "bridge" / "sdk-core" / "crates"
SDK_WORDS = {word for path in SDK.rglob("metrics.rs") for word in re.findall(r'"([a-z_]+)"', path.read_text())}
"""Names of metrics and labels, in the source that the SDK comes with."""
WORDS = {"and", "or", "unless", "bool", "by", "on", "offset"}


def metrics_of(expression: str) -> set[str]:
    """The names of the metrics that an expression of PromQL reads."""
    bare = re.sub(r'"[^"]*"', "", expression)
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]|\boffset \w+|\$\w+|\b(?:by|on) \([^)]*\)", "", bare)
    return {name for name, call in re.findall(r"\b([a-zA-Z_]\w*)(\s*\()?", bare) if not call and name not in WORDS}


def base(name: str) -> str:
    """Of a series of a histogram, the histogram."""
    return re.sub(r"_(bucket|sum|count)$", "", name)


def labels_of(expression: str) -> set[str]:
    """The names of the labels that an expression selects or groups by."""
    selected = re.findall(r'(\w+)=~?"|(\w+)!="', expression)
    grouped = re.findall(r"\b(?:by|on) \(([^)]*)\)", expression)
    names = {name for pair in selected for name in pair} | {name for each in grouped for name in each.split(", ")}
    return names - {""}


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_what_is_read_is_served(name: str) -> None:
    read = metrics_of(EXPRESSIONS[name])
    assert read
    assert read <= SERIES, "docs/metrics.md does not have it"


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_labels_are_those_of_the_metrics(name: str) -> None:
    expression = EXPRESSIONS[name]
    known = {"instance"}
    for metric in metrics_of(expression):
        known |= SDK_WORDS | {"le"} if base(metric) in OF_SDK else DOCUMENTED[base(metric)]
    assert labels_of(expression) <= known


def test_what_is_documented_of_the_sdk_is_the_sdks() -> None:
    assert {re.sub(r"^temporal_|_total$|_seconds$", "", name) for name in OF_SDK} <= SDK_WORDS


def test_values_of_labels_are_those_that_there_are() -> None:
    text = "\n".join(EXPRESSIONS.values())
    assert set(re.findall(r'\breason="(\w+)"', text)) <= {*get_args(WaitingReason)}
    classes = {each for text in re.findall(r'\bclass=~?"([^"]+)"', text) for each in text.split("|")}
    assert classes <= {"retry_now", "retry_later", "part_over", "job_over", "bug"}
    assert set(re.findall(r'\bworkflow_type="(\w+)"', text)) == {RECONCILE}
    served = (ROOT / "webhook.py").read_text()
    assert all(f'"{route}"' in served for route in re.findall(r'\broute="([^"]+)"', text))


def test_whatever_is_measured_is_shown_or_watched() -> None:
    read = {metric for expression in EXPRESSIONS.values() for metric in metrics_of(expression)}
    assert {*DOCUMENTED, *OF_SDK} <= read | {base(metric) for metric in read}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_says_in_words_what_is_wrong_and_where_to_read_on(rule: dict[str, Any]) -> None:
    assert rule["labels"].keys() == {"severity"}
    assert rule["labels"]["severity"] in ("critical", "warning")
    summary, url = rule["annotations"]["summary"], rule["annotations"]["runbook_url"]
    assert re.fullmatch(r"\S.{30,170}\.", summary), "one or two sentences"
    path, _, anchor = url.partition("#")
    assert path == "docs/runbook.md"
    assert anchor in anchors(RUNBOOK)
    symptoms = RUNBOOK.partition("\n## ")[0].splitlines()
    [row] = [line for line in symptoms if f"`{rule['alert']}`" in line]
    assert f"(#{anchor})" in row, "the runbook's table sends people elsewhere"


def test_the_runbook_names_no_alert_that_is_not_there() -> None:
    assert set(re.findall(r"`(Backfill[A-Z]\w+)`", RUNBOOK)) == {rule["alert"] for rule in RULES}


def test_panels_have_a_place_of_their_own_and_say_what_they_show() -> None:
    everything = DASHBOARD["panels"]
    assert len({panel["id"] for panel in everything}) == len(everything)
    assert len({panel["title"] for panel in everything}) == len(everything)
    taken: set[tuple[int, int]] = set()
    for panel in everything:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24, panel["title"]
        assert not cells & taken, panel["title"]
        taken |= cells
    for panel in PANELS:
        assert panel["datasource"]["uid"] == "${datasource}"
        assert all(each["datasource"] == panel["datasource"] for each in panel["targets"])
    variables = {each["name"] for each in DASHBOARD["templating"]["list"]} | {"__rate_interval"}
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(PANELS)))
    assert used <= variables


def test_the_runbook_is_named_where_the_dashboard_sends_people_to_it() -> None:
    named = {name for panel in PANELS for name in re.findall(r'[Rr]unbook, "([^"]+)"', panel["description"])}
    assert named
    assert {name.lower().replace(" ", "-") for name in named} <= anchors(RUNBOOK)


# --- Prometheus' own word ---------------------------------------------------------------------------------------------

PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(
    PROMTOOL is None, reason="promtool is not installed (Debian: apt install prometheus)"
)
OWN_TESTS = ("alerts.test.yml", "alerts.hours.test.yml")


def promtool(*arguments: str | Path) -> None:
    assert PROMTOOL is not None
    ended = subprocess.run([PROMTOOL, *arguments], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def expected() -> Iterator[str]:
    """The alerts that Prometheus' own tests expect to fire."""
    for name in OWN_TESTS:
        for test in yaml.safe_load((PROMETHEUS / name).read_text())["tests"]:
            yield from (each["alertname"] for each in test["alert_rule_test"] if each.get("exp_alerts"))


def test_every_alert_is_expected_to_fire_once() -> None:
    assert set(expected()) == {rule["alert"] for rule in RULES}


@needs_promtool
def test_rules_and_configuration_are_what_prometheus_reads() -> None:
    promtool("check", "rules", PROMETHEUS / "alerts.yml")
    promtool("check", "config", "--syntax-only", PROMETHEUS / "prometheus.yml")


@needs_promtool
def test_alerts_fire_when_they_should_and_not_before() -> None:
    promtool("test", "rules", *(PROMETHEUS / each for each in OWN_TESTS))


@needs_promtool
def test_every_panel_asks_in_promql(tmp_path: Path) -> None:
    asked = [each["expr"] for panel in PANELS for each in panel["targets"]]
    asked = [each.replace("$__rate_interval", "5m").replace("$price_per_million", "0.02") for each in asked]
    rules = [{"record": f"panel:{number}", "expr": expression} for number, expression in enumerate(asked)]
    (tmp_path / "panels.yml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    promtool("check", "rules", tmp_path / "panels.yml")
