"""A test cannot ask the stand-in for an answer that GitHub could not send."""

from collections.abc import Callable
from typing import Any

import pytest

from sandbox.github.faults import Edited
from sandbox.github.server.conformance import ImpossibleAnswer
from sandbox.github.world.repositories import Repository

PAGE = """
query Page($first: Int!, $more: Boolean = false) { repository(owner: "octo", name: "hello") {
  issues(first: $first) { totalCount pageInfo { hasNextPage endCursor } nodes {
    id number state fullDatabaseId createdAt closedAt url title @include(if: $more)
    author { login ... on User { databaseId } }
    timelineItems(first: 10) { nodes {
      __typename ... on LabeledEvent { label { name } }
      ... on CrossReferencedEvent { id source { ... on Issue { number } } }
    } } } } } }
"""
ISSUES = ("repository", "issues", "nodes")


def inside(content: dict[str, Any], *path: str | int) -> Any:
    value: Any = content["data"]
    for step in path:
        value = value[step]
    return value


def put(value: Any, *path: str | int, refused: tuple[str | int, ...] = ()) -> Callable[[dict[str, Any]], None]:
    """An edit that puts a value at a path, with an error at `refused`."""

    def edit(content: dict[str, Any]) -> None:
        inside(content, *path[:-1])[path[-1]] = value
        if refused:
            error = {"type": "FORBIDDEN", "path": list(refused), "message": "Resource not accessible by integration"}
            content.setdefault("errors", []).append(error)

    return edit


def drop(*path: str | int) -> Callable[[dict[str, Any]], None]:
    def edit(content: dict[str, Any]) -> None:
        del inside(content, *path[:-1])[path[-1]]

    return edit


def fail(**error: Any) -> Callable[[dict[str, Any]], None]:
    def edit(content: dict[str, Any]) -> None:
        content["errors"] = [error]

    return edit


@pytest.fixture
def referenced(repository: Repository) -> Repository:
    """The first item of the first issue's timeline is a reference by the second."""
    issue = repository.issue(6)
    issue.comments.clear()
    issue.events.clear()
    issue.event("CrossReferencedEvent", issue.account, source=repository.issue(7))
    return repository


ITEM = (*ISSUES, 0, "timelineItems", "nodes", 0)
POSSIBLE: dict[str, Callable[[dict[str, Any]], None]] = {
    "a nullable node that is null without a word": put(None, *ISSUES, 1),
    "a refused field that cannot be null takes its node along": put(None, *ITEM, refused=(*ITEM, "source")),
    "a nullable field that is refused": put(None, *ISSUES, 0, "author", refused=(*ISSUES, 0, "author")),
    "the whole repository": put(None, "repository", refused=("repository", "issues")),
    "a page without an end cursor that has a next page": put(
        {"hasNextPage": True, "endCursor": None}, "repository", "issues", "pageInfo"
    ),
    "a count that is not that of the nodes": put(0, "repository", "issues", "totalCount"),
    "an empty page": put([], *ISSUES),
}
IMPOSSIBLE: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "a field that cannot be null is": (put(None, *ITEM, "source"), "timelineItems.nodes.0.source is null"),
    "a node kept though what it cannot be without was refused": (
        put(None, *ITEM, "source", refused=(*ITEM, "source")),
        "timelineItems.nodes.0.source is null",
    ),
    "more gone than was refused": (
        put(None, *ISSUES, 0, refused=(*ITEM, "source")),
        "nodes.0 is null, which an error at",
    ),
    "an error where there is a value": (fail(message="no", path=[*ITEM, "source"]), "has an error, and a value"),
    "an error at what was not asked for": (
        put(None, *ISSUES, 0, refused=(*ISSUES, 0, "milestone")),
        "nodes.0.milestone has an error, and was not asked for",
    ),
    "an error beyond a list": (fail(message="no", path=[*ISSUES, 9]), "nowhere in the data"),
    "an error without a message": (fail(type="FORBIDDEN"), "errors.0.message is no text"),
    "an error of an odd type": (fail(type="forbidden", message="no"), "errors.0.type"),
    "an error with keys of its own": (fail(message="no", status=403), "is no entry of errors"),
    "no errors in errors": (lambda content: content.update(errors=[]), "errors is no list, or an empty one"),
    "no data and no error": (lambda content: content.update(data=None), "data is missing"),
    "a field that is missing": (drop(*ISSUES, 0, "number"), "nodes.0.number was asked for and is missing"),
    "a field that nobody asked for": (put("x", *ISSUES, 0, "body"), "nodes.0.body was not asked for"),
    "a field that @include leaves out": (put("x", *ISSUES, 0, "title"), "nodes.0.title was not asked for"),
    "a number that is a text": (put("6", *ISSUES, 0, "number"), "nodes.0.number is '6', and its type is Int"),
    "a number beyond 32 bits": (put(2**31, *ISSUES, 0, "number"), "its type is Int"),
    "a big number that is none": (put(6, *ISSUES, 0, "fullDatabaseId"), "its type is BigInt"),
    "a value that the enum lacks": (put("MERGED", *ISSUES, 0, "state"), "its type is IssueState"),
    "a moment that is none": (put("yesterday", *ISSUES, 0, "createdAt"), "its type is DateTime"),
    "an address that is none": (put("here", *ISSUES, 0, "url"), "its type is URI"),
    "a list that is none": (put({}, *ISSUES), "nodes is no list"),
    "an object that is none": (put("ann", *ISSUES, 0, "author"), "author is no object"),
    "a type that the union lacks": (put({"__typename": "MergedEvent"}, *ITEM), "is of none of the types"),
    "a field of another type": (
        put({"__typename": "LabeledEvent", "id": "x"}, *ITEM),
        "timelineItems.nodes.0.",
    ),
}


@pytest.mark.parametrize("name", POSSIBLE)
def test_what_github_may_send_is_sent(name: str, client: Any, referenced: Repository) -> None:
    assert referenced.issues
    client.github.faults.add(Edited(POSSIBLE[name]))
    assert client.ask(PAGE, first=3).status == 200
    assert not client.github.failures


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_what_github_cannot_send_fails_the_test(name: str, client: Any, referenced: Repository) -> None:
    assert referenced.issues
    edit, words = IMPOSSIBLE[name]
    client.github.faults.add(Edited(edit))
    assert client.ask(PAGE, first=3).status == 501
    [failure] = client.github.failures
    client.github.failures.clear()
    assert isinstance(failure, ImpossibleAnswer)
    assert words in str(failure)


def test_a_page_has_no_more_than_was_asked_for(client: Any) -> None:
    def double(content: dict[str, Any]) -> None:
        inside(content, *ISSUES).extend(inside(content, *ISSUES))

    client.github.faults.add(Edited(double))
    assert client.ask(PAGE, first=3).json["message"].endswith("nodes has 6 things, and 3 were asked for")
    client.github.failures.clear()


def shorten(content: Any) -> None:
    del content[0]


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (shorten, ""),
        (lambda content: content.clear(), ""),
        (lambda content: content[0].update(user=None), ""),
        (lambda content: content[0].update(id=None), "0.id is never null"),
        (lambda content: content[0].update(id="7"), "0.id is a string, and not a scalar"),
        (lambda content: content[0].pop("body"), "0 has other keys than what was listed"),
        (lambda content: content.append(None), "10 is no object"),
    ],
)
def test_lists_of_rest_keep_their_shape(edit: Callable[[Any], Any], words: str, client: Any) -> None:
    client.github.faults.add(Edited(edit))
    reply = client.get("/repos/octo/hello/issues/comments?per_page=10")
    assert reply.status == (501 if words else 200)
    assert words in (reply.json["message"] if words else "")
    client.github.failures.clear()
