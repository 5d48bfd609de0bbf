"""Changes the SQL in Python strings, which Cosmic Ray does not read."""

import re
from collections.abc import Iterator
from typing import Any

import parso
from cosmic_ray.operators.operator import Example, Operator

_STATEMENT = re.compile(r"\b(select|insert into|update|delete from)\b", re.IGNORECASE)
_CONDITION = re.compile(r"^[ \t]*(and|or)\b[^\n]*\n?", re.MULTILINE)
_CONDITION_WITHIN_A_LINE = re.compile(r"(?<=\S) and [^()\n]+?(?=( and | or |\)|\n|\"|$))")
_SWAPS = (
    (re.compile(r"(?<![<>=-])>=(?!=)"), ">"),
    (re.compile(r"(?<![<>=])<=(?!=)"), "<"),
    (re.compile(r"(?<=\s)<(?=\s)"), "<="),
    (re.compile(r"(?<=\s)>(?=\s)"), ">="),
    (re.compile(r"\bis not null\b"), "is null"),
    (re.compile(r"\bis null\b"), "is not null"),
    (re.compile(r"\bnot exists\b"), "exists"),
    (re.compile(r"\bis distinct from\b"), "="),
    (re.compile(r"\bgreatest\("), "least("),
    (re.compile(r"\bleast\("), "greatest("),
    (re.compile(r"\s+for update\b( skip locked)?"), ""),
    (re.compile(r"(?<=\w) \+ (?=\w)"), " - "),
    (re.compile(r"(?<=\w) - (?=\w)"), " + "),
)


def variants(text: str) -> Iterator[str]:
    """Yields `text` with one condition removed, or with one comparison, lock or function replaced; nothing if it is not
    SQL.
    """
    if not _STATEMENT.search(text):
        return
    for match in _CONDITION.finditer(text):
        # A condition that opens or closes a parenthesis for other lines cannot be left out alone.
        if match[0].count("(") == match[0].count(")"):
            yield text[: match.start()] + text[match.end() :]
    for match in _CONDITION_WITHIN_A_LINE.finditer(text):
        yield text[: match.start()] + text[match.end() :]
    for pattern, other in _SWAPS:
        for match in pattern.finditer(text):
            yield text[: match.start()] + other + text[match.end() :]


class SqlClause(Operator):  # type: ignore[misc]  # Cosmic Ray has no types
    """One condition, comparison, lock or function of a statement."""

    def mutation_positions(self, node: Any) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
        if node.type == "string" and not _is_docstring(node):
            for _ in variants(node.value):
                yield node.start_pos, node.end_pos

    def mutate(self, node: Any, index: int) -> Any:
        changed = list(variants(node.value))[index]
        return parso.python.tree.String(changed, node.start_pos, prefix=node.prefix)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (Example('x = "select 1 where a < 2"', 'x = "select 1 where a <= 2"'),)


def _is_docstring(node: Any) -> bool:
    return node.parent is not None and node.parent.type == "simple_stmt"
