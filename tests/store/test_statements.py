"""Values reach Postgres as parameters. What is put into a statement's text is ours: constants, and names of tables."""

import ast
import re
from pathlib import Path

import pytest

from tests.support.layout import ROOT

CONSTANT = re.compile(r"_?[A-Z][A-Z_]*")
STATEMENT = re.compile(r"\s*(select|insert into|update|delete from|with|values|union)\b")
OURS = {"DataType", "ThreadTable"}
"""Annotations of parameters that can only be a name of ours."""
TOLD_BY_A_CALLER_BESIDE_IT = {("deliveries.py", "payload")}
MODULES = sorted((ROOT / "store").glob("*.py"))


def statements(tree: ast.AST) -> list[tuple[ast.AST, ast.JoinedStr]]:
    """Each f-string that is SQL, with the function that it is in."""
    found: dict[ast.JoinedStr, ast.AST] = {}
    for outer in ast.walk(tree):
        if isinstance(outer, (ast.Module, ast.FunctionDef, ast.AsyncFunctionDef)):
            for node in ast.walk(outer):
                if isinstance(node, ast.JoinedStr) and STATEMENT.match(
                    ast.unparse(node).lstrip("f'\"").replace("\\n", " ")
                ):
                    found[node] = outer  # an inner function comes later than what it is in
    return [(outer, node) for node, outer in found.items()]


def is_ours(expression: ast.AST, function: ast.AST, at: str) -> bool:
    """Whether nothing of a customer's, of GitHub's or of Polar's can be in it."""
    match expression:
        case ast.Constant() | ast.FormattedValue(value=ast.Constant()):
            return True
        case ast.FormattedValue(value=inner) | ast.Subscript(value=inner):
            return is_ours(inner, function, at)
        case ast.JoinedStr(values=parts):
            return all(is_ours(each, function, at) for each in parts)
        case ast.IfExp(body=one, orelse=other):
            return is_ours(one, function, at) and is_ours(other, function, at)
        case ast.Call(func=ast.Attribute(value=inner, attr="format" | "replace" | "join"), args=args, keywords=named):
            given = [*args, *(each.value for each in named)]
            return all(is_ours(each, function, at) for each in (inner, *given))
        case ast.BinOp(left=one, right=other):
            return is_ours(one, function, at) and is_ours(other, function, at)
        case ast.GeneratorExp(elt=element):
            return is_ours(element, function, at)
        case ast.Name(id=name):
            return (
                CONSTANT.fullmatch(name) is not None
                or (at, name) in TOLD_BY_A_CALLER_BESIDE_IT
                or known(name, function, at)
            )
    return False


def known(name: str, function: ast.AST, at: str) -> bool:
    """Whether it is a parameter that is one of ours, runs through a constant, or was put together of what is ours."""
    for node in ast.walk(function):
        match node:
            case ast.arg(arg=arg, annotation=ast.Name(id=annotation)) if arg == name and annotation in OURS:
                return True
            case ast.arg(arg=arg, annotation=ast.Subscript(value=ast.Name(id="Literal"))) if arg == name:
                return True
            case (
                ast.comprehension(target=target, iter=ast.Name(id=over))
                | ast.For(target=target, iter=ast.Name(id=over))
            ):
                names = {each.id for each in ast.walk(target) if isinstance(each, ast.Name)}
                if name in names and CONSTANT.fullmatch(over):
                    return True
            case ast.comprehension(target=ast.Name(id=target), iter=ast.Tuple(elts=elements)) if target == name:
                return all(isinstance(each, ast.Constant) for each in elements)
            case ast.Assign(targets=[ast.Name(id=target)], value=value) if target == name:
                return is_ours(value, function, at)
    return False


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_a_statement_holds_no_value(path: Path) -> None:
    for function, statement in statements(ast.parse(path.read_text())):
        for part in statement.values:
            assert is_ours(part, function, path.name), f"line {statement.lineno}: {ast.unparse(part)}"
