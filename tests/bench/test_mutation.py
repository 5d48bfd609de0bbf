"""`make mutate`: the changes that it makes to SQL, and the tests that it asks."""

import random
from pathlib import Path

import pytest

from bench.mutation.__main__ import ROOT, places
from bench.mutation.plan import subjects
from bench.mutation.sql_clause import variants

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


def test_comparisons_are_exchanged_one_at_a_time() -> None:
    assert STATEMENT.replace(" < ", " <= ") in list(variants(STATEMENT))
    assert STATEMENT.replace("is null", "is not null") in list(variants(STATEMENT))


@pytest.mark.parametrize("text", ['"a plain sentence, and nothing of a statement"', '"a < b"'])
def test_text_that_is_no_statement_is_left_alone(text: str) -> None:
    assert not list(variants(text))


def test_every_module_has_tests_that_answer_for_it() -> None:
    without = [str(each.module) for each in subjects(ROOT) if not each.tests]
    assert without == []


def test_one_seed_draws_the_same_changes() -> None:
    module = Path("store/comments.py")
    first, second = (places(ROOT, module, random.Random("1")) for _ in range(2))
    assert [(each.name, each.occurrence) for each in first] == [(each.name, each.occurrence) for each in second]
    assert {"SqlClause"} <= {each.name for each in first}
