"""Three nulls: hidden, gone and lost are told apart before a mapper sees the answer."""

from typing import Any

import orjson
import pytest

from budget.account import Ask
from errors import RetryNow, TooLarge
from github.answers.reading import Answer, Raw, read_graphql
from github.nodes.nulls import GoneNode, Hidden, shown

WORDS = "Resource not accessible by personal access token"


def answer(data: Any, *errors: tuple[str, list[str | int]]) -> Answer:
    body = {"data": data, "errors": [{"type": kind, "path": path, "message": WORDS} for kind, path in errors]}
    return read_graphql(Ask("graphql", "Issues"), Raw(200, {}, orjson.dumps(body), 0.1))


def timeline(*items: Any) -> dict[str, Any]:
    return {"repository": {"threads": {"nodes": [{"timelineItems": {"nodes": list(items)}}]}}}


ITEMS: list[str | int] = ["repository", "threads", "nodes", 0, "timelineItems", "nodes"]


def items_of(read: Answer) -> list[Any]:
    found: list[Any] = read.data["repository"]["threads"]["nodes"][0]["timelineItems"]["nodes"]
    return found


@pytest.mark.parametrize("below", [[], ["source"], ["source", "repository"]])
def test_a_null_above_a_refused_path_is_hidden(below: list[str | int]) -> None:
    read = answer(timeline({"id": "A"}, None), ("FORBIDDEN", [*ITEMS, 1, *below]))
    assert items_of(read) == [{"id": "A"}, Hidden(WORDS)]
    found = shown(items_of(read), "timeline items", "cursor")
    assert (found.nodes, found.hidden) == ([{"id": "A"}], [WORDS])
    assert found.keys == ["h:cursor:1"], "it counts towards the connection's total, once a page and place"


def test_a_null_that_no_error_explains_is_lost() -> None:
    read = answer(timeline(None, None), ("FORBIDDEN", [*ITEMS, 0, "source"]))
    assert items_of(read) == [Hidden(WORDS), None]
    with pytest.raises(TooLarge):
        shown(items_of(read), "timeline items")


def test_a_null_in_place_of_a_list_is_lost() -> None:
    with pytest.raises(TooLarge):
        shown(None, "timeline items")


def test_a_refused_field_that_can_be_null_leaves_its_node() -> None:
    read = answer(timeline({"id": "A", "closer": None}), ("FORBIDDEN", [*ITEMS, 0, "closer"]))
    assert shown(items_of(read), "timeline items").nodes == [{"id": "A", "closer": None}]
    assert list(read.unmarked) == [(*ITEMS, 0, "closer")]


def test_an_id_that_does_not_exist_is_gone_and_one_that_is_refused_is_hidden() -> None:
    read = answer(
        {"nodes": [None, None, {"id": "C"}], "n0": None, "n1": None},
        ("NOT_FOUND", ["nodes", 0]),
        ("FORBIDDEN", ["nodes", 1, "title"]),
        ("NOT_FOUND", ["n0"]),
        ("FORBIDDEN", ["n1"]),
    )
    assert read.data["nodes"] == [GoneNode(), Hidden(WORDS), {"id": "C"}]
    assert (read.data["n0"], read.data["n1"]) == (GoneNode(), Hidden(WORDS))


def test_a_refused_thread_is_null_in_its_edge() -> None:
    read = answer(
        {"repository": {"threads": {"edges": [{"cursor": "c", "node": None}]}}},
        ("FORBIDDEN", ["repository", "threads", "edges", 0, "node", "title"]),
    )
    assert read.data["repository"]["threads"]["edges"][0]["node"] == Hidden(WORDS)


def test_what_is_hidden_twice_is_marked_once() -> None:
    read = answer(timeline(None), ("FORBIDDEN", [*ITEMS, 0, "source"]), ("FORBIDDEN", [*ITEMS, 0, "subject"]))
    assert items_of(read) == [Hidden(WORDS)]
    assert not read.unmarked


def test_a_list_that_is_refused_may_take_the_whole_repository_along() -> None:
    read = answer({"repository": None}, ("FORBIDDEN", ["repository", "stargazers"]))
    assert read.data["repository"] is None
    assert read.refusal_of("repository", "stargazers") == WORDS


def test_a_node_that_github_fails_at_makes_the_page_smaller_not_the_server_away() -> None:
    failed = ("SERVICE_UNAVAILABLE", [*ITEMS, 0])
    with pytest.raises(TooLarge) as raised:
        answer(timeline(None), failed)
    assert raised.value.code == "node_failed", "GitHub answers: it is no outage"
    with pytest.raises(RetryNow) as whole:
        answer({"repository": None}, ("SERVICE_UNAVAILABLE", ["repository"]))
    assert whole.value.code == "github_error"


def test_a_list_that_is_null_is_lost() -> None:
    with pytest.raises(TooLarge):
        shown(None, "timeline items")
