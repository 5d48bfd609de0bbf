"""`make mutate`: the changes that it makes to SQL, and the tests that it asks."""

import hashlib
import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from bench.mutation.places import places
from bench.mutation.plan import PACKAGES, modules
from bench.mutation.reach import Reach
from bench.mutation.sql_clause import variants

ROOT = Path(__file__).parents[2]
STATEMENT = """
delete from comments c
where c.thread = $1
  and c.created_at < w.began_at
  and (c.seen is null
    or c.seen)
"""


def test_every_condition_of_a_statement_is_left_out_once() -> None:
    without = [each for each in variants(STATEMENT) if "began_at" not in each]
    assert without == [STATEMENT.replace("  and c.created_at < w.began_at\n", "")]


def test_a_condition_that_shares_its_parentheses_with_another_line_stays() -> None:
    assert all("(c.seen" in each for each in variants(STATEMENT))


def test_a_condition_within_a_line_is_left_out_alone() -> None:
    text = "select 1 from t join c on c.t = t.id and c.at < $1 and c.kind = 'a'"
    assert [each for each in variants(text) if " < " not in each and "<=" not in each] == [
        text.replace(" and c.at < $1", "")
    ]
    assert text.replace(" and c.kind = 'a'", "") in list(variants(text))


def test_comparisons_are_exchanged_one_at_a_time() -> None:
    assert STATEMENT.replace(" < ", " <= ") in list(variants(STATEMENT))
    assert STATEMENT.replace("is null", "is not null") in list(variants(STATEMENT))


@pytest.mark.parametrize("text", ['"a plain sentence, and nothing of a statement"', '"a < b"'])
def test_text_that_is_no_statement_is_left_alone(text: str) -> None:
    assert not list(variants(text))


MODULE = """
_LIMIT = 3
_STATEMENT = f"select 1 limit {_LIMIT}"


class Store:
    def write(self):
        def once():
            return 1
        return once()

    def read(self):
        return _STATEMENT


def _made(of):
    return _TEMPLATE.format(of)


_TEMPLATE = "select {}"
_STATEMENTS = [_made("1")]


def some():
    return _STATEMENTS
"""


@pytest.fixture
def reach(tmp_path: Path) -> Reach:
    """Of three tests: one writes, one reads, and one does both, which takes long."""
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "things.py").write_text(MODULE)
    kept = tmp_path / "reach.json"
    write, once, read = (f"store/things.py:Store.{each}" for each in ("write", "write.<locals>.once", "read"))
    tests = [["writes", 0.1, [write, once]], ["reads", 0.1, [read]], ["both", 4, [write, once, read]]]
    tests.append(["some", 5, ["store/things.py:some"]])
    (tmp_path / "test_things.py").write_text("")
    kept.write_text(json.dumps({"test_things.py": {"text": hashlib.sha256(b"").hexdigest(), "tests": tests}}))
    return Reach(tmp_path, kept)


@pytest.mark.parametrize(
    ("line", "tests"),
    [(8, ["writes", "both"]), (9, ["writes", "both"]), (13, ["reads", "both"]), (3, ["reads", "both"])],
    ids=["a function", "a function in a function", "another", "a constant that one uses"],
)
def test_those_tests_answer_that_call_what_is_changed_the_quickest_first(
    reach: Reach, line: int, tests: list[str]
) -> None:
    reach.measure(None, ["test_things.py"], print)
    assert [each.name for each in reach.tests(Path("store/things.py"), line)] == tests


def test_a_constant_answers_for_the_constants_made_of_it(reach: Reach) -> None:
    reach.measure(None, ["test_things.py"], print)
    assert [each.name for each in reach.tests(Path("store/things.py"), 2)] == ["reads", "both"]


def test_what_is_made_when_the_module_is_loaded_is_answered_for_by_who_uses_it(reach: Reach) -> None:
    reach.measure(None, ["test_things.py"], print)
    lines = MODULE.splitlines()
    template = next(number for number, line in enumerate(lines, start=1) if line.startswith("_TEMPLATE"))
    assert [each.name for each in reach.tests(Path("store/things.py"), template)] == ["some"]
    inside = next(number for number, line in enumerate(lines, start=1) if "_TEMPLATE.format" in line)
    assert "some" in [each.name for each in reach.tests(Path("store/things.py"), inside)]


def test_what_only_keeps_us_from_mistakes_is_not_changed(tmp_path: Path) -> None:
    (tmp_path / "things.py").write_text("pairs = zip(one, other, strict=True)\nchecked = check(pairs, deep=True)\n")
    assert [each.line for each in places(tmp_path, Path("things.py"), random.Random("1"))] == [2]


def test_every_package_is_changed() -> None:
    assert {each.parts[0] for each in modules(ROOT)} == set(PACKAGES)


def test_one_seed_draws_the_same_changes() -> None:
    module = Path("store/comments.py")
    first, second = (places(ROOT, module, random.Random("1")) for _ in range(2))
    assert [(each.name, each.occurrence) for each in first] == [(each.name, each.occurrence) for each in second]
    assert {"SqlClause"} <= {each.name for each in first}


FORKED = """
from pathlib import Path
from bench.mutation.forked import ForkedTests

if __name__ == "__main__":
    with ForkedTests(Path.cwd()) as forked:
        print(forked.run(["{test}"], 60))
"""


def test_a_test_gets_its_database_from_the_server_that_all_share() -> None:
    """In a process of its own, because such runs change what their process has loaded."""
    code = FORKED.format(
        test="tests/store/test_contributors.py::test_a_mannequin_that_bears_a_users_login_takes_it_from_nobody"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.stdout.startswith("Verdict(passed=True"), ended.stdout + ended.stderr
