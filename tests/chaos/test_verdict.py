"""What chaos takes for a difference: each verdict finds what is wrong, and nothing where all is right."""

from functools import cache
from typing import Any

import pytest

from sandbox.embeddings import Model
from sandbox.github.exchange.requests import Entry
from tests.support.chaos import verdict
from tests.support.chaos.verdict import Committed

BEGAN = 1_000.0
OF = ("acme/rocket", "issues")
JOB: dict[str, Any] = {
    **{"id": "a", "status": "completed", "attempt": 0},
    **{"total_repositories": 2, "completed_repositories": 1, "failed_repositories": 1},
    **{"total": 2, "completed": 1, "failed": 1, "open": 0, "sweeps_open": 0, "parts": 0},
    **{"completed_at": "now", "error_message": None, "error_details": []},
}
TOLD = {"id": "a", "status": "completed", "attempt": 1, "started": 2, "ended": 2}


@cache
def model() -> Model:
    return Model()


def asked(after: str | None, started: float, operation: str = "Issues") -> Entry:
    """A page of issues behind a cursor, so many seconds after the beginning."""
    return Entry(
        sequence=0,
        at="",
        kind="graphql",
        method="POST",
        operation=operation,
        variables={"owner": "acme", "name": "rocket", "after": after},
        path="/graphql",
        after=after,
        account="viewer",
        status=200,
        cost=1,
        node_count=1,
        page_size=1,
        errors=(),
        fault="",
        seconds=0.1,
        github_seconds=0.1,
        size=1,
        started=started,
    )


def paid_twice(*log: Entry, takeovers: int = 0) -> list[str]:
    """Where the pages behind x and y were committed after 5 and 6 seconds."""
    pages = {"x": BEGAN + 5, "y": BEGAN + 6}
    return list(verdict.paid_twice({OF: Committed(pages, takeovers)}, log, BEGAN))


def test_a_page_that_is_asked_for_once_is_paid_for_once() -> None:
    assert paid_twice(asked(None, 3), asked("x", 4), asked("y", 4.5), asked("z", 6.5)) == []


def test_a_page_that_is_asked_for_until_it_is_committed_is_not_paid_for_twice() -> None:
    assert paid_twice(asked("x", 1), asked("x", 2), asked("x", 4.9)) == []


def test_a_committed_page_that_is_asked_for_again_is_noticed() -> None:
    again = "paid twice: Issues of acme/rocket after x, 2.0 s after its commit"
    assert paid_twice(asked("x", 4), asked("x", 7)) == [again]


def test_a_frozen_worker_may_ask_for_what_its_successor_has_committed_as_often_as_requests_are_under_way() -> None:
    late = [asked("x", 7), asked("y", 8)]
    assert paid_twice(*late, takeovers=1) == []
    assert len(paid_twice(*late, asked("y", 9), takeovers=1)) == 3


def test_a_later_job_may_ask_for_the_first_page_and_list_what_changed() -> None:
    assert paid_twice(asked(None, 9), asked("x", 9, "IssueListing")) == []


def test_a_repository_of_which_nothing_was_committed_is_not_paid_for_twice() -> None:
    assert list(verdict.paid_twice({}, [asked("x", 4), asked("x", 7)], BEGAN)) == []


def test_a_job_that_is_as_it_should_be_is_no_difference() -> None:
    assert verdict.of_job(JOB) == []
    assert verdict.of_job(JOB | {"status": "canceled", "error_message": "canceled"}) == []


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"status": "in_progress"}, "has not ended"),
        ({"completed_repositories": 2}, "its counts are not those of its repositories"),
        ({"failed": 0}, "its counts are not those of its repositories"),
        ({"open": 1}, "1 open"),
        ({"sweeps_open": 2}, "2 sweeps_open"),
        ({"parts": 3}, "3 parts"),
        ({"completed_at": None}, "no completed_at"),
        ({"error_message": "1 of 2 failed"}, "1 of 2 failed"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_a_job_that_is_not_as_it_should_be_is_a_difference(wrong: dict[str, Any], said: str) -> None:
    [found] = verdict.of_job(JOB | wrong)
    assert said in found


def test_an_owner_who_was_told_of_each_attempt_once_is_no_difference() -> None:
    assert verdict.told_of(TOLD) == []
    # Of an attempt that was canceled before it began, nobody need be told.
    assert verdict.told_of(TOLD | {"started": 1, "status": "canceled", "ended": 0}) == []


@pytest.mark.parametrize("wrong", [{"started": 0}, {"started": 3}, {"ended": 3}, {"ended": 0}], ids="-".join)
def test_an_owner_who_was_told_too_often_or_not_at_all_is_a_difference(wrong: dict[str, int]) -> None:
    [found] = verdict.told_of(TOLD | wrong)
    assert "told of" in found


def test_a_fault_of_the_schedule_that_did_not_happen_is_a_difference() -> None:
    assert verdict.faults(["kill", "cut", "kill"], {"kill": 2, "cut": 1}) == []
    assert verdict.faults(["kill", "cut"], {"kill": 2, "cut": 0}) == ["the fault did not happen: cut"]


def thread(title: str, vector: str | None) -> dict[str, Any]:
    return {"name": f"acme/rocket {title}", "title": title, "body": None, "vector": vector}


def test_a_thread_with_the_vector_of_its_text_is_no_difference() -> None:
    vector = model().vector(model().tokens("one"), 8).tolist()
    assert list(verdict.of_vectors([thread("one", str(vector))], model())) == []


def test_a_thread_without_a_vector_or_with_that_of_another_text_is_a_difference() -> None:
    vector = model().vector(model().tokens("one"), 8).tolist()
    assert list(verdict.of_vectors([thread("one", None), thread("two", str(vector))], model())) == [
        "acme/rocket one is not embedded",
        "acme/rocket two has the vector of another text",
    ]


def test_the_vector_of_a_text_that_was_too_long_to_embed_whole_is_no_difference() -> None:
    vector = model().vector(model().tokens("one"), 8).tolist()
    assert list(verdict.of_vectors([thread("one two " * 9_000, str(vector))], model())) == []


def test_a_text_that_is_embedded_more_often_than_threads_have_it_is_a_difference() -> None:
    threads = [thread("one", None), thread("one", None), thread("two", None)]
    assert verdict.bought_twice(threads, {"one": 2, "two": 1, "of yesterday": 3}, 0) == []
    assert verdict.bought_twice(threads, {"one": 2, "two": 2}, 0) == [
        "1 texts were embedded again; 0 sweeps were taken over"
    ]
    assert verdict.bought_twice(threads, {"one": 2, "two": 2}, 1) == [], "it was under way at a worker that died"
