"""Changes one place of the product at a time, and reports the changes that no test notices.

Cosmic Ray finds the places and makes the changes. Each change is made in a copy of the committed tree, so edits in
this checkout do no harm. The tests that reach the changed function run, the nearest and quickest first, until one of
them fails. If a test hangs because of the change, the change counts as noticed. The exit code is 1 if fewer changes
are noticed than required.
"""

import difflib
import json
import os
import random
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from time import monotonic
from typing import Annotated

from cyclopts import App, Parameter
from rich.console import Console
from rich.table import Table

from bench.mutation.forked import ForkedTests
from bench.mutation.places import Place, places
from bench.mutation.plan import TESTS, modules, test_files
from bench.mutation.reach import Reach, Test

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / ".bench" / "reach.json"
STEP = 3.0
"""Seconds of tests that run together at first, which notice most changes."""

app = App(help_flags=["--help"], version_flags=[])


@dataclass(frozen=True, slots=True)
class Change:
    """A change, and what the tests said of it."""

    at: str
    operator: str
    difference: str
    noticed: bool
    by: str
    """The test that failed; for a survivor, how many of the tests that reach it ran."""
    seconds: float

    @property
    def package(self) -> str:
        return self.at.partition("/")[0]

    @property
    def module(self) -> str:
        return self.at.partition(":")[0]


@app.default
def mutate(
    *only: str,
    sample: Annotated[int, Parameter(help="changes a module, 0: all of them")] = 12,
    seed: Annotated[int, Parameter(help="the same seed draws the same changes")] = 1,
    least: Annotated[int, Parameter(help="in a hundred, how many have to be noticed")] = 85,
    effort: Annotated[float, Parameter(help="seconds of tests a change, 0: all that reach it")] = 60,
    tests: Annotated[tuple[str, ...], Parameter(help="folders and patterns of the tests that are asked")] = TESTS,
    report: Annotated[
        Path | None, Parameter(help="JSON lines, written as it goes; what stands there is not done again")
    ] = None,
    again: Annotated[
        Path | None, Parameter(help="a report whose survivors are tried again, instead of a sample")
    ] = None,
) -> None:
    """Change the modules whose paths begin with ONLY (all of the product), and ask the tests that reach the change."""
    console = Console(stderr=True, width=200)
    report = report.absolute() if report else None
    done = _read(report) if report and report.exists() else []
    lost = {(each.at, each.difference) for each in _read(again) if not each.noticed} if again else None
    before = {(each.at, each.difference) for each in done}
    made: list[Change] = []
    with tempfile.TemporaryDirectory(prefix="mutation-") as directory:
        root = Path(directory).resolve() / "copy"
        copy_of_head(root)
        with ForkedTests(root) as forked:
            reach = Reach(root, KEPT)
            reach.measure(forked, test_files(root, tests), console.print)
            for module in modules(root, only):
                for place, difference in _drawn(root, module, sample, seed, lost):
                    if (f"{module}:{place.line}", difference) in before:
                        continue
                    change = _try(root, forked, place, difference, reach.tests(module, place.line), effort)
                    made.append(change)
                    if report is not None:
                        with report.open("a") as file:
                            file.write(json.dumps(asdict(change)) + "\n")
                    if not change.noticed:
                        console.print(f"{change.at} {change.operator}, {change.by}\n{difference}", markup=False)
    Console().print(_table([*done, *made]))
    if sum(each.noticed for each in made) * 100 < least * len(made):
        sys.exit(1)


def _drawn(
    root: Path, module: Path, sample: int, seed: int, lost: set[tuple[str, str]] | None
) -> list[tuple[Place, str]]:
    """Returns the places of a module at which something is changed, in order of lines, each with its change: a
    sample, or those in `lost`.
    """
    text, dice = (root / module).read_text(), random.Random(f"{seed} {module.as_posix()}")
    found = places(root, module, dice)
    if lost is not None:
        found = [each for each in found if any(at == f"{module}:{each.line}" for at, _ in lost)]
    elif sample and len(found) > sample:
        found = dice.sample(found, sample)
    drawn = [(each, _difference(text, each.change(text))) for each in sorted(found, key=lambda each: each.line)]
    return [
        (place, difference)
        for place, difference in drawn
        if difference and (lost is None or (f"{module}:{place.line}", difference) in lost)
    ]


def _read(report: Path) -> list[Change]:
    return [Change(**json.loads(line)) for line in report.read_text().splitlines()]


def copy_of_head(root: Path) -> None:
    """Copies the committed tree. The copy uses the virtual environment of this checkout."""
    root.mkdir()
    archive = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, check=True, capture_output=True).stdout
    subprocess.run(["tar", "-x", "-C", str(root)], input=archive, check=True)
    (root / ".venv").symlink_to((ROOT / ".venv").resolve())


def _try(root: Path, forked: ForkedTests, place: Place, difference: str, tests: list[Test], effort: float) -> Change:
    path = root / place.module
    text, status = path.read_text(), path.stat()
    changed = place.change(text)
    assert changed is not None
    began = monotonic()
    path.write_text(changed)
    try:
        noticed, by = _ask(forked, tests, effort)
    finally:
        path.write_text(text)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))  # so that what was compiled of it holds again
    took = round(monotonic() - began, 1)
    return Change(f"{place.module}:{place.line}", place.name, difference, noticed, by, took)


def _ask(forked: ForkedTests, tests: list[Test], effort: float) -> tuple[bool, str]:
    """Runs tests on a change. Returns whether a test failed, and the name of that test, or how many tests ran. A few
    run first, then more at once.
    """
    asked, spent = 0, 0.0
    while asked < len(tests) and (not effort or spent < effort):
        step: list[Test] = []
        least = STEP if not asked else (effort - spent or 1e9)
        while asked < len(tests) and (not step or sum(each.seconds for each in step) < least):
            step.append(tests[asked])
            asked += 1
        seconds = sum(each.seconds for each in step)
        spent += seconds
        verdict = forked.run([each.name for each in step], 60 + 5 * seconds)
        if not verdict.passed:
            return True, verdict.by
    return False, f"{asked} of {len(tests)} tests"


def _difference(text: str, changed: str | None) -> str:
    """Returns the lines that a change removes and adds; empty if the change has no effect, or is not valid Python."""
    if changed is None:
        return ""
    try:
        compile(changed, "changed", "exec")
    except SyntaxError:
        return ""
    lines = difflib.unified_diff(text.splitlines(), changed.splitlines(), lineterm="", n=0)
    shown = [f"{line[0]} {line[1:].strip()}" for line in list(lines)[2:] if line[0] in "-+"]
    return "\n".join(shown[:6])


def _table(changes: list[Change]) -> Table:
    table = Table(title="Changes that a test noticed")
    for name in ("module", "noticed", "made", "in 100"):
        table.add_column(name, justify="left" if name == "module" else "right")

    def add(name: str, some: list[Change]) -> None:
        noticed = sum(each.noticed for each in some)
        table.add_row(name, str(noticed), str(len(some)), f"{100 * noticed / len(some):.0f}" if some else "-")

    for module in dict.fromkeys(each.module for each in changes):
        add(module, [each for each in changes if each.module == module])
    table.add_section()
    for package in dict.fromkeys(each.package for each in changes):
        add(package, [each for each in changes if each.package == package])
    table.add_section()
    add("all", changes)
    return table


if __name__ == "__main__":
    app()
