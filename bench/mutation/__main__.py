"""Changes one place of the product at a time and reports which changes no test notices.

Cosmic Ray finds the places and makes the changes; each runs in a copy of the committed tree, so that what is being
edited meanwhile stays as it is. A change that hangs the tests counts as noticed. Exit code 1: fewer are noticed than
asked for.
"""

import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Annotated, Any

from cosmic_ray.ast import ast_nodes, get_ast_from_path
from cosmic_ray.mutating import use_mutation
from cosmic_ray.operators.operator import Operator
from cosmic_ray.plugins import get_operator, operator_names
from cosmic_ray.testing import run_tests
from cosmic_ray.work_item import TestOutcome
from cyclopts import App, Parameter
from rich.console import Console
from rich.table import Table

from bench.mutation.plan import Subject, subjects
from bench.mutation.sql_clause import SqlClause

ROOT = Path(__file__).resolve().parents[2]
LEFT_OUT = ("BinaryOperator_BitOr", "_BitOr", "VariableReplacer", "VariableInserter", "RemoveDecorator")
"""`|` stands in most annotations, where a change proves nothing; the others need arguments, or prove little."""

app = App(help_flags=["--help"], version_flags=[])


@dataclass(frozen=True, slots=True)
class Place:
    """Where a change is possible, and the one of an operator's changes that was drawn for it."""

    module: Path
    operator: Operator
    occurrence: int
    line: int

    @property
    def name(self) -> str:
        return type(self.operator).__name__


def operators() -> list[Operator]:
    named = [name for name in operator_names() if not any(part in name for part in LEFT_OUT)]
    return [SqlClause(), *(get_operator(name)() for name in named)]


def places(root: Path, module: Path, draw: random.Random) -> list[Place]:
    """One change for each position and family of operators, so that `<` with its five exchanges counts as one."""
    tree = get_ast_from_path(root / module)
    found: dict[tuple[Any, ...], list[Place]] = {}
    for operator in operators():
        family = type(operator).__name__.split("_")[0]
        positions = ((node, start) for node in ast_nodes(tree) for start, _ in operator.mutation_positions(node))
        for occurrence, (_, start) in enumerate(positions):
            key = (family, start, occurrence) if isinstance(operator, SqlClause) else (family, start)
            found.setdefault(key, []).append(Place(module, operator, occurrence, start[0]))
    return [draw.choice(each) for each in found.values()]


@app.default
def mutate(
    *only: str,
    sample: Annotated[int, Parameter(help="changes a module, 0: all of them")] = 12,
    seed: Annotated[int, Parameter(help="the same seed draws the same changes")] = 1,
    least: Annotated[int, Parameter(help="in a hundred, how many have to be noticed")] = 85,
    report: Annotated[Path | None, Parameter(help="a file for every change as JSON lines")] = None,
) -> None:
    """Change the modules whose paths begin with ONLY (all of the product), and run their tests."""
    console = Console(stderr=True)
    noticed: dict[Path, tuple[int, int]] = {}
    survivors: list[str] = []
    patience: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="mutation-") as directory:
        root = Path(directory) / "copy"
        copy_of_head(root)
        for subject in subjects(root, only):
            draw = random.Random(f"{seed} {subject.module}")
            drawn = places(root, subject.module, draw)
            if sample and len(drawn) > sample:
                drawn = draw.sample(drawn, sample)
            results = list(_changes(root, subject, sorted(drawn, key=lambda each: each.line), patience))
            for place, was_noticed, difference in results:
                if not was_noticed:
                    survivors.append(f"{place.module}:{place.line} {place.name}\n{difference}")
                if report is not None:
                    line = {"at": f"{place.module}:{place.line}", "operator": place.name, "noticed": was_noticed}
                    with report.open("a") as file:
                        file.write(json.dumps(line | {"difference": difference}) + "\n")
            noticed[subject.module] = (sum(each[1] for each in results), len(results))
            console.print(f"{subject.module}: {noticed[subject.module][0]} of {len(results)} noticed")
    console.print(*survivors, sep="\n")
    Console().print(_table(noticed))
    found, made = (sum(each) for each in zip(*noticed.values(), strict=True)) if noticed else (0, 0)
    if made and found * 100 < least * made:
        sys.exit(1)


def copy_of_head(root: Path) -> None:
    """The committed tree, with this checkout's virtual environment."""
    root.mkdir()
    archive = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, check=True, capture_output=True).stdout
    subprocess.run(["tar", "-x", "-C", str(root)], input=archive, check=True)
    (root / ".venv").symlink_to((ROOT / ".venv").resolve())


def _changes(
    root: Path, subject: Subject, drawn: Sequence[Place], patience: dict[str, float]
) -> Iterator[tuple[Place, bool, str]]:
    """(place, whether a test noticed, the changed line) of each. Raises if the tests fail without any change.

    `patience` is how many seconds each test may take; it is measured, and kept there, the first time that a test runs.
    """
    if not drawn:
        return
    before = Path.cwd()
    os.chdir(root)
    try:
        for test in subject.tests:
            if test in patience:
                continue
            began = monotonic()
            outcome, output = run_tests(_command(test), 1_200)
            if outcome is not TestOutcome.SURVIVED:
                raise SystemExit(f"{test} fails without any change:\n{output[-4_000:]}")
            patience[test] = 60 + 4 * (monotonic() - began)
        for place in drawn:
            with use_mutation(place.module, place.operator, place.occurrence) as (original, changed):
                if changed is None or changed == original:
                    continue
                noticed = any(
                    run_tests(_command(test), patience[test])[0] is not TestOutcome.SURVIVED for test in subject.tests
                )
            yield place, noticed, _difference(original, changed)
    finally:
        os.chdir(before)


def _command(test: str) -> str:
    return f".venv/bin/python -B -m pytest -x -q -p no:cacheprovider {test}"


def _difference(original: str, changed: str) -> str:
    old, new = original.splitlines(), changed.splitlines()
    gone = [f"- {line.strip()}" for line in old if line not in new]
    come = [f"+ {line.strip()}" for line in new if line not in old]
    return "\n".join([*gone[:3], *come[:3]])


def _table(noticed: dict[Path, tuple[int, int]]) -> Table:
    table = Table(title="Changes that a test noticed")
    for name in ("module", "noticed", "made", "in 100"):
        table.add_column(name, justify="left" if name == "module" else "right")
    for module, (found, made) in noticed.items():
        table.add_row(str(module), str(found), str(made), f"{100 * found / made:.0f}" if made else "-")
    found, made = sum(each[0] for each in noticed.values()), sum(each[1] for each in noticed.values())
    table.add_section()
    table.add_row("all", str(found), str(made), f"{100 * found / made:.0f}" if made else "-")
    return table


if __name__ == "__main__":
    app()
