"""Finds the tests that reach a place of the product: those that call its function. The nearest and quickest
come first.
"""

import ast
import hashlib
import json
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.mutation.forked import ForkedTests
from bench.mutation.plan import PACKAGES
from bench.mutation.trace import Trace

LONGEST_FILE = 900.0
"""Time limit in seconds for the traced tests of one file."""


@dataclass(frozen=True, slots=True)
class Test:
    """A test that passes: how long it takes, and which functions of the product it calls."""

    name: str
    seconds: float
    calls: frozenset[str]


class Reach:
    """Which tests call each function. It is measured once for each version of a test file, and stored in the file
    `kept`.
    """

    def __init__(self, root: Path, kept: Path) -> None:
        self._root, self._kept = root, kept
        self._tests: dict[str, list[Test]] = defaultdict(list)
        """Tests by function."""
        self._mentions = _Mentions(root)

    def measure(self, tests: ForkedTests | None, files: Sequence[str], say: Callable[[str], None]) -> None:
        """Runs the test files that have changed since they last ran. Tests that fail are reported, and not used."""
        known = json.loads(self._kept.read_text()) if self._kept.exists() else {}
        for number, file in enumerate(files, start=1):
            text = hashlib.sha256((self._root / file).read_bytes()).hexdigest()
            if known.get(file, {}).get("text") != text:
                assert tests is not None, f"{file} has changed"
                lines, output = self._trace(tests, file)
                self._kept.parent.mkdir(parents=True, exist_ok=True)
                if self._kept.exists():  # another run may have measured others meanwhile
                    known = json.loads(self._kept.read_text())
                known[file] = {"text": text, "tests": lines}
                self._kept.write_text(json.dumps(known))
                say(f"{number} of {len(files)}: {file}, {len(lines)} tests{output}")
            for name, seconds, calls in known[file]["tests"]:
                test = Test(name, seconds, frozenset(calls))
                for each in calls:
                    self._tests[each].append(test)

    def _trace(self, tests: ForkedTests, file: str) -> tuple[list[list[object]], str]:
        with tempfile.TemporaryDirectory(prefix="mutation-trace-") as directory:
            result = Path(directory) / "result"
            programs = Path(directory) / "programs"
            programs.mkdir()
            trace = Trace(self._root, PACKAGES, programs, result)
            verdict = tests.run([file], LONGEST_FILE, trace, to_end=True)
            lines = result.read_text().splitlines() if result.exists() else []
        return [json.loads(line) for line in lines], "" if verdict.passed else f"; {verdict.by}"

    def tests(self, module: Path, line: int) -> list[Test]:
        """Returns the tests that reach this line; those that will most probably notice a change come first."""
        functions = self._mentions.functions(module, line)
        found = {test.name: test for each in functions for test in self._tests.get(each, ())}
        if not found:  # it runs when its module is loaded
            functions = {each for each in self._tests if each.startswith(f"{module.as_posix()}:")}
            found = {test.name: test for each in functions for test in self._tests[each]}
        stem = module.stem.rstrip("s")

        def worth(test: Test) -> tuple[bool, float]:
            return stem not in test.name or test.seconds > 5, test.seconds * (1 + len(test.calls) / 200)

        return sorted(found.values(), key=worth)


class _Mentions:
    """Finds the functions that run a line: the function around it, or the functions that use what the line defines."""

    def __init__(self, root: Path) -> None:
        self._trees: dict[Path, ast.Module] = {}
        self._users: dict[str, set[str]] = defaultdict(set)
        """Functions by the names that they mention; a name after `""` is a top-level definition that mentions it."""
        self._definitions: dict[str, set[str]] = defaultdict(set)
        for package in PACKAGES:
            for path in sorted((root / package).rglob("*.py")):
                module = path.relative_to(root)
                tree = self._trees[module] = ast.parse(path.read_text())
                for name, node in _functions(tree):
                    for mentioned in _names(node):
                        self._users[mentioned].add(f"{module.as_posix()}:{name}")
                for statement in _statements(tree):
                    for mentioned in _names(statement):
                        self._definitions[mentioned] |= set(_defined(statement))

    def functions(self, module: Path, line: int) -> set[str]:
        tree = self._trees[module]
        inside = [
            (node.end_lineno - node.lineno, name)
            for name, node in _functions(tree)
            if node.end_lineno and node.body[0].lineno <= line <= node.end_lineno
        ]
        if inside:
            # An inner function may have no test of its own, where the outer one is cut short: both answer.
            return {f"{module.as_posix()}:{name}" for _, name in inside}
        whole = {f"{module.as_posix()}:{name}" for name, _ in _functions(tree)}
        names = {
            name
            for statement in _statements(tree)
            if statement.lineno <= line <= (statement.end_lineno or statement.lineno)
            for name in _defined(statement)
        }
        names |= {
            node.name
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            and min([node.lineno, *(each.lineno for each in node.decorator_list)]) <= line <= node.body[0].lineno
        }
        seen: set[str] = set()
        while names - seen:
            name = (names - seen).pop()
            seen.add(name)
            names |= self._definitions.get(name, set())
            for user in self._users.get(name, ()):  # a function that is called when its module is loaded
                names |= self._definitions.get(user.rpartition(":")[2], set())
        used = {each for name in seen for each in self._users.get(name, ())}
        return (used & whole) or used or whole


def _functions(tree: ast.Module) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Yields (qualified name, node) of each function. The name is as in `co_qualname`."""

    def below(node: ast.AST, prefix: str) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{prefix}{child.name}", child
                yield from below(child, f"{prefix}{child.name}.<locals>.")
            elif isinstance(child, ast.ClassDef):
                yield from below(child, f"{prefix}{child.name}.")
            else:
                yield from below(child, prefix)

    return below(tree, "")


def _statements(tree: ast.Module) -> Iterator[ast.stmt]:
    """Yields the statements of the module and of its classes that are outside functions."""
    for statement in tree.body:
        if isinstance(statement, ast.ClassDef):
            yield from (each for each in statement.body if not isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef))
        elif not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.Import | ast.ImportFrom):
            yield statement


def _defined(statement: ast.stmt) -> list[str]:
    targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
    return [each.id for target in targets if target for each in ast.walk(target) if isinstance(each, ast.Name)]


def _names(node: ast.AST) -> set[str]:
    """Returns every name, attribute and keyword in the tree below a node."""
    found = set()
    for each in ast.walk(node):
        if isinstance(each, ast.Name):
            found.add(each.id)
        elif isinstance(each, ast.Attribute):
            found.add(each.attr)
        elif isinstance(each, ast.keyword) and each.arg:
            found.add(each.arg)
    return found
