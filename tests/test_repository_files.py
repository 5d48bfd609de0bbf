"""Files that people expect of a repository: they say what is true of the code."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic_core import PydanticUndefined

import settings
from tests.support.documents import anchors
from tests.support.programs import ROOT

TEMPORALS_OWN = {f"TEMPORAL_{name}" for name in ("ADDRESS", "NAMESPACE", "API_KEY", "TLS", "PROFILE")}
"""Read by `temporalio.envconfig`, which knows more than these."""
SETTING = re.compile(r"^(#?)([A-Z][A-Z_]*)=(.*)$", re.MULTILINE)


def spelled(default: Any) -> str:
    """A default as the environment spells it."""
    if default is None or default is PydanticUndefined or default == ():
        return ""
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, float):
        return f"{default:g}"
    return ",".join(default) if isinstance(default, tuple) else str(default)


def fields() -> Iterator[tuple[str, Any]]:
    """(name, field) of every setting."""
    for part in vars(settings).values():
        if isinstance(part, type) and issubclass(part, settings._Part) and part is not settings._Part:
            yield from ((name.upper(), field) for name, field in part.model_fields.items())


def test_the_example_has_every_setting_with_its_default() -> None:
    given = SETTING.findall((ROOT / ".env.example").read_text())
    names = [name for _, name, _ in given]
    assert len(names) == len(set(names))
    assert set(names) - TEMPORALS_OWN == {name for name, _ in fields()}
    required = {name for name, field in fields() if field.is_required()} | {"GITHUB_TOKENS"}
    assert {name for sign, name, _ in given if not sign} == required
    commented = {name: value for sign, name, value in given if sign}
    for name, field in fields():
        if name not in required:
            assert commented[name] == spelled(field.default), name


@pytest.mark.parametrize("path", [".pre-commit-config.yaml", ".github/workflows/ci.yml"])
def test_the_readme_s_checks_are_what_runs_elsewhere(path: str) -> None:
    commands = {"make check", "bash .ci/run"}
    document = yaml.safe_load((ROOT / path).read_text())
    hooks = [hook["entry"] for repo in document.get("repos", ()) for hook in repo["hooks"]]
    steps = [step["run"] for job in document.get("jobs", {}).values() for step in job["steps"] if "run" in step]
    assert hooks + steps
    assert {*hooks, *steps} <= commands


def test_ci_covers_every_python_that_is_promised() -> None:
    matrix = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"]["ci"]["strategy"]["matrix"]
    promised = re.search(r'requires-python = ">=(3\.\d+)"', (ROOT / "pyproject.toml").read_text())
    assert promised is not None
    assert matrix["python"][0] == promised[1]


def test_make_help_names_every_target_with_what_it_does() -> None:
    makefile = (ROOT / "Makefile").read_text()
    [phony] = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    explained = dict(re.findall(r"^([a-z-]+):.*?## (.+)$", makefile, re.MULTILINE))
    assert explained.keys() == set(phony.split())
    assert re.search(r"^([a-z-]+):", makefile, re.MULTILINE) is not None
    assert makefile.index("\nhelp:") < makefile.index("\ninstall:"), "the first target is what `make` alone does"


def test_the_architecture_has_every_folder_and_module() -> None:
    rooms = (ROOT / "docs" / "architecture.md").read_text().partition("## Rooms")[2]
    packages = {f"`{path.parent.name}/`" for path in ROOT.glob("*/__init__.py")} - {"`tests/`"}
    modules = {f"`{path.name}`" for path in ROOT.glob("*.py")}
    assert not {each for each in packages | modules if each not in rooms}


def test_the_glossary_is_in_order_and_says_each_term_once() -> None:
    terms = re.findall(r"^\| ([a-z][^|]*) \|", (ROOT / "docs" / "glossary.md").read_text(), re.MULTILINE)[1:]
    assert terms == sorted(set(terms))


def test_the_page_of_settings_explains_every_one() -> None:
    explained = (ROOT / "docs" / "settings.md").read_text().partition("## GitHub")[0]
    assert not {name for name, _ in fields() if f"`{name}`" not in explained}


def documents() -> list[Path]:
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("schema/**/*.md")]


def test_every_link_between_documents_leads_somewhere() -> None:
    lost = []
    for document in documents():
        text = document.read_text()
        for target in re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'src="([^"]+\.png)"', text):
            path, _, anchor = target.partition("#")
            if ":" in path:
                continue  # an address of the Internet
            linked = document.parent / path if path else document
            if not linked.exists() or (anchor and anchor not in anchors(linked.read_text())):
                lost.append(f"{document.relative_to(ROOT)}: {target}")
    assert lost == []


def test_the_readme_fits_three_screens() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 3 * 50
