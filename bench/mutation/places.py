"""Finds the places of the product at which something can be changed, and the changes."""

import ast
import random
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cosmic_ray.ast import ast_nodes, get_ast_from_path
from cosmic_ray.mutating import mutate_code
from cosmic_ray.operators.operator import Operator
from cosmic_ray.plugins import get_operator, operator_names

from bench.mutation.sql_clause import SqlClause

LEFT_OUT = ("BinaryOperator_BitOr", "_BitOr", "VariableReplacer", "VariableInserter", "RemoveDecorator")
"""Operators that are not used. `|` is in most annotations, where a change proves nothing; the others need arguments, or
prove little."""


@dataclass(frozen=True, slots=True)
class Place:
    """A place at which something can be changed, and the one change that was drawn for it."""

    module: Path
    operator: Operator
    occurrence: int
    line: int

    @property
    def name(self) -> str:
        return type(self.operator).__name__

    def change(self, code: str) -> str | None:
        """Returns the text of the module after the change; None if the change has no effect. `code` is the text
        before it.
        """
        changed: str | None = mutate_code(code, self.operator, self.occurrence)
        return None if changed == code else changed


def operators() -> list[Operator]:
    named = [name for name in operator_names() if not any(part in name for part in LEFT_OUT)]
    return [SqlClause(), *(get_operator(name)() for name in named)]


def places(root: Path, module: Path, draw: random.Random) -> list[Place]:
    """Returns one change for each position and family of operators. For example, the five operators that can replace
    `<` count as one.
    """
    tree = get_ast_from_path(root / module)
    proves_little = set(_guards(ast.parse((root / module).read_text())))
    found: dict[tuple[Any, ...], list[Place]] = {}
    for operator in operators():
        family = type(operator).__name__.split("_")[0]
        positions = ((node, start) for node in ast_nodes(tree) for start, _ in operator.mutation_positions(node))
        for occurrence, (_, start) in enumerate(positions):
            if start in proves_little:
                continue
            key = (family, start, occurrence) if isinstance(operator, SqlClause) else (family, start)
            found.setdefault(key, []).append(Place(module, operator, occurrence, start[0]))
    return [draw.choice(each) for each in found.values()]


def _guards(tree: ast.Module) -> Iterable[tuple[int, int]]:
    """Returns the positions of values that only guard against mistakes: `frozen`, `slots` and `kw_only` of a class,
    `strict` of a zip.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            for keyword in node.keywords:
                if keyword.arg in {"frozen", "slots", "kw_only", "strict"} and isinstance(keyword.value, ast.Constant):
                    yield keyword.value.lineno, keyword.value.col_offset
