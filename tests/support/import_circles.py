"""Finds circles of imports: `python -m tests.support.import_circles` prints one and exits with 1. `make check` runs it.

import-linter knows only packages. This looks at every module, those at the top and tests included, and at imports
inside functions and for types only.
"""

import ast
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import grimp

Imports = dict[str, set[str]]
"""Which modules each module imports."""


def imports(root: Path) -> Imports:
    """Returns the imports of all modules below `root`, which has to be on `sys.path`."""
    at_the_top = {path.stem for path in root.glob("*.py")}
    packages = {path.parent.name for path in root.glob("*/__init__.py")}
    if (root / "tests").is_dir():
        packages.add("tests")
    graph = grimp.build_graph(*sorted(packages), include_external_packages=True, cache_dir=None)
    found = {
        module: set(graph.find_modules_directly_imported_by(module))
        for module in graph.modules
        if module.partition(".")[0] in packages
    }
    for module in at_the_top:
        found[module] = set()
        for node in ast.walk(ast.parse((root / f"{module}.py").read_text())):
            if isinstance(node, ast.Import):
                found[module] |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                submodules = {f"{node.module}.{alias.name}" for alias in node.names}
                found[module] |= {each if each in graph.modules else node.module for each in submodules}
    return found


def circle(found: Imports) -> list[str]:
    """Returns a circle: modules each of which imports the next, and the last one the first. Empty if there is none."""
    try:
        TopologicalSorter(found).prepare()
    except CycleError as error:
        way: list[str] = error.args[1]
        return way[::-1]
    return []


if __name__ == "__main__":
    if way := circle(imports(Path.cwd())):
        sys.exit(f"a circle of imports: {' -> '.join(way)}")
