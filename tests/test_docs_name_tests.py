"""docs/faults.md names a test for all that GitHub does, docs/sweep.md for each rule, CONTRIBUTING.md where answers to
twenty questions are; and all of them are there."""

import ast
import re
from pathlib import Path

from tests.support.documents import TESTS
from tests.support.layout import ROOT

ROWS = [line for line in (ROOT / "docs" / "faults.md").read_text().splitlines() if line.startswith("|")]


def test_every_line_names_tests_that_are_there() -> None:
    lines = [row.strip("|").split("|") for row in ROWS if "---" not in row and not row.endswith("| test |")]
    assert len(lines) > 40
    for line in lines:
        named = re.findall(r"`(test_\w+)`", line[-1])
        assert named, line
        assert set(named) <= TESTS, set(named) - TESTS


def test_every_report_has_its_line() -> None:
    assert [int(row.split("|")[1]) for row in ROWS if re.match(r"\| \d\d? \|", row)] == list(range(1, 15))


def test_every_rule_of_a_sweep_is_numbered_once_and_names_tests_that_are_there() -> None:
    threads, events = (ROOT / "docs" / "sweep.md").read_text().split("\n# Events\n")
    for page, rules in ((threads, 13), (events, 8)):
        _, *sections = re.split(r"^## ", page, flags=re.MULTILINE)
        assert [int(each.partition(".")[0]) for each in sections] == list(range(1, rules + 1))
        for section in sections:
            named = re.findall(r"`(test_\w+)`", section.partition("\nTests: ")[2])
            assert named, section.partition("\n")[0]
            assert set(named) <= TESTS, set(named) - TESTS


def names_in(path: Path) -> set[str]:
    """Classes, functions and methods (`Class.method`) of a module."""
    kinds = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, kinds):
            found.add(node.name)
            found |= {f"{node.name}.{each.name}" for each in node.body if isinstance(each, kinds)}
    return found


def test_each_of_the_twenty_answers_names_a_file_and_what_is_in_it() -> None:
    section = (ROOT / "CONTRIBUTING.md").read_text().partition("## Twenty questions\n")[2].partition("\n## ")[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")][2:]
    assert len(rows) == 20
    for question, answer, looks in rows:
        named = re.findall(r"`([\w/]+\.py): ([\w.]+)`", answer)
        paths = re.findall(r"`([\w/]+(?:\.\w+)?)[`:]", answer)
        assert "/" in answer, question
        assert int(looks) > 0
        assert [path for path in paths if "/" in path and not (ROOT / path).exists()] == [], question
        assert [f"{path}: {name}" for path, name in named if name not in names_in(ROOT / path)] == [], question
