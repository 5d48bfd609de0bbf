"""The arrows between the modules at the top level, which import-linter cannot see (it knows only packages)."""

import ast
from pathlib import Path

import pytest

from tests.support.import_circles import circle, imports
from tests.support.layout import PACKAGES, ROOT

LEAVES = {
    "errors": set[str](),
    "ranges": set[str](),
    "rows": {"ranges"},
    "unshown": {"messages"},
    "logs": set[str](),
    "release": set[str](),
    "process": {"errors", "logs", "release", "settings", "traces"},
    "rounds": {"errors"},
    "traces": {"budget", "release"},
    "addresses": set[str](),
    "settings": {"addresses", "errors", "payloads"},
    "temporal": {"errors", "logs", "payloads", "release", "settings"},
}
"""What of the project each of them may import."""

OURS = {path.stem for path in ROOT.glob("*.py")} | {path.parent.name for path in ROOT.glob("*/__init__.py")}


def imported(path: Path) -> set[str]:
    """The project's own top-level names that a file imports, anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.partition(".")[0])
    return names & OURS


@pytest.mark.parametrize("module", sorted(LEAVES))
def test_a_module_imports_only_what_is_below_it(module: str) -> None:
    assert imported(ROOT / f"{module}.py") <= LEAVES[module]


def test_every_module_has_its_place() -> None:
    programs = {"worker", "starter", "webhook"}
    assert {path.stem for path in ROOT.glob("*.py")} == LEAVES.keys() | programs


@pytest.mark.parametrize("module", ["worker", "starter", "webhook", "temporal", "settings", "logs"])
def test_production_does_not_know_the_sandbox(module: str) -> None:
    assert not imported(ROOT / f"{module}.py") & {"sandbox", "tests", "bench"}


def test_the_operators_program_is_its_package_and_nothing_else() -> None:
    assert imported(ROOT / "starter.py") == {"cli", "process"}


@pytest.mark.parametrize("package", ["github", "embedding", "notify", "store", "schema", "progress", "budget"])
def test_lower_packages_know_no_programs_and_no_settings(package: str) -> None:
    for path in (ROOT / package).rglob("*.py"):
        assert not imported(path) & {"worker", "starter", "webhook", "reconciler", "settings", "temporal"}, path


MESSAGES = ("archive", "failures", "jobs", "repositories", "signals", "waits")
PRODUCT = [*ROOT.glob("*.py"), *(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))]
MODELS = {*(f"messages/{name}.py" for name in MESSAGES), "progress/views.py", "schema/shape.py"}
"""Where models are defined that are copied with changes."""


def model_copies(tree: ast.AST) -> list[ast.Call]:
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [each for each in calls if isinstance(each.func, ast.Attribute) and each.func.attr == "model_copy"]


def test_models_are_copied_with_changes_only_where_they_are_defined() -> None:
    """mypy does not see the keys of `model_copy(update={...})`: elsewhere it would lose a misspelled field."""
    copying = {str(path.relative_to(ROOT)) for path in PRODUCT if model_copies(ast.parse(path.read_text()))}
    assert copying <= MODELS


@pytest.mark.parametrize("module", sorted(MODELS))
def test_a_changed_copy_names_fields_of_its_model(module: str) -> None:
    for model in ast.parse((ROOT / module).read_text()).body:
        if not isinstance(model, ast.ClassDef):
            continue
        fields = {
            each.target.id
            for each in model.body
            if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name)
        }
        for call in model_copies(model):
            [update] = [keyword.value for keyword in call.keywords if keyword.arg == "update"]
            assert isinstance(update, ast.Dict), f"{model.name}: its keys are not literal"
            assert {ast.literal_eval(key) for key in update.keys if key is not None} <= fields, model.name


LONG = {"settings.py"}
"""Modules over 400 lines, each with its reason in CONTRIBUTING.md."""


def test_a_module_of_the_product_has_at_most_400_lines_or_a_reason() -> None:
    long = {str(path.relative_to(ROOT)) for path in PRODUCT if len(path.read_text().splitlines()) > 400}
    assert long == LONG
    reasons = (ROOT / "CONTRIBUTING.md").read_text()
    assert all(f"`{each}`" in reasons for each in LONG)


def test_tests_share_what_lies_in_support_alone() -> None:
    files = {path.relative_to(ROOT / "tests") for path in (ROOT / "tests").rglob("*.py")}
    outside = {str(path) for path in files if path.parts[0] != "support" and not path.name.startswith("test_")}
    assert {each for each in outside if not each.endswith("conftest.py")} == {"quick.py"}
    everything = imports(ROOT)
    among_tests = {
        (module, each)
        for module, imported_by_it in everything.items()
        for each in imported_by_it
        if module.startswith("tests.") and each.startswith("tests.") and not each.startswith("tests.support.")
    }
    assert {each for _, each in among_tests} <= {"tests.quick"}


def test_a_circle_of_imports_is_found_through_packages_and_modules_at_the_top(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "circled_package"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "below.py").write_text("import json\n")
    (tmp_path / "circled_top.py").write_text("from circled_package import below\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert circle(imports(tmp_path)) == []
    (package / "below.py").write_text("def later() -> None:\n    import circled_top\n")
    way = circle(imports(tmp_path))
    assert way[0] == way[-1]
    assert set(way) == {"circled_package.below", "circled_top"}
