"""Each fault, as a client meets it: for the requests it is meant for, as often as it is meant."""

import http.client
import threading
import time
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from sandbox.github import Clock, Limits, Pace, World
from sandbox.github.faults import (
    BadCredentials,
    BadGateway,
    Edited,
    Effect,
    Forbidden,
    GatewayTimeout,
    Hang,
    Headers,
    Held,
    Latency,
    NullNode,
    PrimaryLimit,
    Reset,
    ResourceLimits,
    SecondaryLimit,
    ServerError,
    SomethingWentWrong,
    StaleUsed,
    Touch,
    Truncated,
)
from sandbox.github.generation import measured, repository
from sandbox.github.world.repositories import Repository
from tests.support.waiting import until

VIEWER = "query Viewer { viewer { login } }"
LIST = """
query List($first: Int!) { repository(owner: "octo", name: "hello") { pullRequests(first: $first) {
  nodes { number } edges { cursor node { number } } } } }
"""
WHOLE = """
query Whole($first: Int!) { repository(owner: "octo", name: "hello") { pullRequests(first: $first) {
  nodes { number timelineItems(first: 100) { nodes { __typename } } } } } }
"""
PARTS = """
query Parts($id: ID!) { node(id: $id) { ... on PullRequest { number comments(first: 100) { nodes { id } } } } }
"""


def nodes(reply: Any) -> list[Any]:
    found = reply.json["data"]["repository"]["pullRequests"]["nodes"]
    return [node and node["number"] for node in found]


@pytest.mark.parametrize(
    ("effect", "status", "words", "html"),
    [
        (BadGateway(), 502, b"We had issues producing", True),
        (BadGateway(json=True), 502, b'{"data":null,"errors":[{"message"', False),
        (GatewayTimeout(), 504, b"We couldn't respond to your request in time", True),
        (GatewayTimeout(json=True), 504, b"errors", False),
        (ServerError(), 500, b"Server Error", False),
        (Forbidden(), 403, b"Resource not accessible by personal access token", False),
        (BadCredentials(), 401, b"Bad credentials", False),
        (SomethingWentWrong(), 200, b"Something went wrong while executing your query", False),
    ],
)
def test_an_answer_of_its_own(client: Any, effect: Effect, status: int, words: bytes, html: bool) -> None:
    fault = client.github.faults.add(effect, times=2)
    for _ in range(2):
        reply = client.ask(VIEWER)
        assert (reply.status, words in reply.body) == (status, True)
        assert reply.headers["Content-Type"].startswith("text/html" if html else "application/json")
        assert reply.headers["x-ratelimit-remaining"]
    assert client.ask(VIEWER).data == {"viewer": {"login": "viewer"}}
    assert fault.hits == 2


def test_something_went_wrong_names_the_request(client: Any) -> None:
    client.github.faults.add(SomethingWentWrong())
    reply = client.ask(VIEWER)
    assert f"Please include `{reply.headers['X-GitHub-Request-Id']}`" in reply.error["message"]
    assert reply.json["data"] is None


def test_a_timeout_costs_extra(client: Any) -> None:
    client.github.faults.add(BadGateway(extra_cost=20))
    assert client.ask(VIEWER).headers["x-ratelimit-used"] == "21"
    assert client.github.log[0].cost == 21
    client.github.faults.add(SecondaryLimit())
    client.ask(VIEWER)
    assert client.github.log[1].cost == 0


def test_faults_are_matched(world: World, repository: Repository, serve: Callable[..., Any]) -> None:
    client = serve(world, tokens={"a": "ann", "b": "bob"})
    add = client.github.faults.add

    def struck(**how: Any) -> list[bool]:
        fault = add(ServerError(), times=None, **how)
        asked = [
            client.ask(VIEWER),
            client.ask(LIST, first=2),
            client.ask(LIST, first=5),
            client.get("/repos/octo/hello/issues/comments?page=2"),
            client.ask(VIEWER, {"Authorization": "bearer b"}),
        ]
        client.github.faults.remove(fault)
        return [reply.status == 500 for reply in asked]

    assert struck() == [True] * 5
    assert struck(kind="rest") == [False, False, False, True, False]
    assert struck(kind="graphql") == [True, True, True, False, True]
    assert struck(operation="List") == [False, True, True, False, False]
    assert struck(page_over=2) == [False, False, True, False, False]
    assert struck(path="*/issues/comments*page=2") == [False, False, False, True, False]
    assert struck(account="bob") == [False, False, False, False, True]
    assert struck(when=lambda request: request.variables.get("first") == 2) == [False, True, False, False, False]
    assert repository.pull_requests


def test_switching_off(client: Any) -> None:
    client.github.faults.add(ServerError(), times=None)
    assert client.ask(VIEWER).status == 500
    client.github.faults.clear()
    assert client.ask(VIEWER).status == 200


# --- nodes


def test_a_null_at_large_pages(client: Any) -> None:
    client.github.faults.add(NullNode(over=2), times=None)
    reply = client.ask(LIST, first=4)
    assert nodes(reply) == [1, 2, 3, None]
    assert reply.json["data"]["repository"]["pullRequests"]["edges"][3]["node"] is None
    assert reply.json["data"]["repository"]["pullRequests"]["edges"][3]["cursor"]
    assert [error["path"] for error in reply.json["errors"]] == [
        ["repository", "pullRequests", "nodes", 3],
        ["repository", "pullRequests", "edges", 3, "node"],
    ]
    assert all("Something went wrong" in error["message"] for error in reply.json["errors"])
    assert nodes(client.ask(LIST, first=2)) == [1, 2]


def test_a_thread_that_cannot_be_fetched_whole(client: Any, repository: Repository) -> None:
    """At any size: but listed it can be, and fetched in parts."""
    client.github.faults.add(NullNode(number=1, asking=frozenset({"timelineItems"})), times=None)
    assert nodes(client.ask(WHOLE, first=3)) == [None, 2, 3]
    assert nodes(client.ask(WHOLE, first=1)) == [None]
    assert nodes(client.ask(LIST, first=3)) == [1, 2, 3]
    parts = client.ask(PARTS, id=repository.pull_request(1).node_id(True)).data
    assert len(parts["node"]["comments"]["nodes"]) == 2
    whole = (
        "query ($id: ID!) { node(id: $id) { ... on PullRequest { timelineItems(first: 1) { nodes { __typename } } } } }"
    )
    assert client.ask(whole, id=repository.pull_request(1).node_id(True)).json["data"] == {"node": None}
    assert client.ask(whole, id=repository.pull_request(2).node_id(True)).data


def test_a_thread_that_cannot_be_fetched_at_all(client: Any, repository: Repository) -> None:
    client.github.faults.add(NullNode(number=6), times=None)
    reply = client.ask('{ repository(owner: "octo", name: "hello") { issue(number: 6) { id } } }')
    assert reply.json["data"] == {"repository": {"issue": None}}
    reply = client.ask("query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", ids=[repository.issue(6).node_id(True)])
    assert reply.json["data"] == {"nodes": [None]}
    assert reply.error["path"] == ["nodes", 0]


def test_resource_limits_with_partial_data(client: Any) -> None:
    client.github.faults.add(ResourceLimits(served=2))
    reply = client.ask(WHOLE, first=4)
    assert nodes(reply) == [1, 2, None, None]
    assert {error["type"] for error in reply.json["errors"]} == {"RESOURCE_LIMITS_EXCEEDED"}
    assert reply.json["errors"][0]["path"] == ["repository", "pullRequests", "nodes", 2]
    assert reply.json["errors"][0]["message"] == "Resource limits for this query exceeded."


# --- limits


def test_the_primary_limit_of_an_account(world: World, serve: Callable[..., Any], clock: Clock) -> None:
    client = serve(world, tokens={"a1": "ann", "a2": "ann", "b": "bob"}, limits=Limits(window_seconds=30))
    client.github.faults.add(PrimaryLimit(), kind="graphql")
    for token in ("a1", "a2"):
        reply = client.ask(VIEWER, {"Authorization": f"bearer {token}"})
        assert (reply.status, reply.error["type"]) == (200, "RATE_LIMITED")
        assert reply.headers["x-ratelimit-remaining"] == "0"
    assert client.ask(VIEWER, {"Authorization": "bearer b"}).data
    assert client.get("/user").status == 200
    clock.advance(30)
    assert client.ask(VIEWER).data
    client.github.faults.add(PrimaryLimit(type="RATE_LIMIT"), kind="graphql")
    assert client.ask(VIEWER).error["type"] == "RATE_LIMIT"
    client.github.faults.add(PrimaryLimit(status=429), kind="rest")
    assert client.get("/user").status == 429
    reply = client.get("/user")
    assert (reply.status, reply.headers["x-ratelimit-remaining"]) == (403, "0")


@pytest.mark.parametrize(("retry_after", "status"), [(7, 403), (None, 403), (7, 200), (None, 200)])
def test_the_secondary_limit(client: Any, retry_after: int | None, status: int) -> None:
    client.github.faults.add(SecondaryLimit(retry_after, status))
    reply = client.ask(VIEWER)
    assert reply.status == status
    assert b"You have exceeded a secondary rate limit" in reply.body
    assert reply.headers["retry-after"] == (None if retry_after is None else str(retry_after))
    assert int(reply.headers["x-ratelimit-remaining"]) > 0
    assert client.ask(VIEWER).data


def test_headers_missing_and_absurd(client: Any) -> None:
    names = ("x-ratelimit-reset", "X-RateLimit-Remaining", "date")
    client.github.faults.add(Headers(drop=names))
    reply = client.ask(VIEWER)
    assert reply.data
    assert [reply.headers[name] for name in names] == [None, None, None]
    assert client.ask(VIEWER).headers["Date"]
    client.github.faults.add(Headers(set={"x-ratelimit-reset": "12", "x-ratelimit-remaining": "0"}))
    reply = client.ask(VIEWER)
    assert reply.data
    assert (reply.headers["x-ratelimit-reset"], reply.headers["x-ratelimit-remaining"]) == ("12", "0")


def test_used_out_of_order(client: Any) -> None:
    for _ in range(5):
        client.ask(VIEWER)
    client.github.faults.add(StaleUsed(behind=4))
    reply = client.ask(VIEWER)
    assert (reply.headers["x-ratelimit-used"], reply.headers["x-ratelimit-remaining"]) == ("2", "4998")
    assert client.ask(VIEWER).headers["x-ratelimit-used"] == "7"


def test_a_token_refused_from_now_on(world: World, serve: Callable[..., Any]) -> None:
    client = serve(world, tokens={"a": "ann", "b": "bob"})
    assert client.ask(VIEWER).data
    client.github.refuse_token("a")
    assert client.ask(VIEWER).status == 401
    assert client.get("/user").status == 401
    assert client.ask(VIEWER, {"Authorization": "bearer b"}).data
    client.github.tokens["a"] = "ann"
    assert client.ask(VIEWER).data


# --- the connection, and time


def test_a_reset_in_the_middle(client: Any) -> None:
    client.github.faults.add(Reset())
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        client.ask(VIEWER)
    assert client.ask(VIEWER).data
    assert client.github.log[0].status == 200


def test_half_an_answer(client: Any) -> None:
    client.github.faults.add(Truncated())
    reply = client.ask(VIEWER)
    assert reply.status == 200
    with pytest.raises(orjson.JSONDecodeError):
        _ = reply.json
    assert client.ask(VIEWER).data


def test_a_hang(client: Any) -> None:
    client.github.faults.add(Hang())
    body = orjson.dumps({"query": VIEWER})
    with pytest.raises(TimeoutError):
        client.send("POST", "/graphql", body, timeout=0.2)
    assert client.ask(VIEWER).data
    until(lambda: len(client.github.log) == 2)
    (hung,) = [entry for entry in client.github.log if entry.fault == "Hang"]
    assert hung.status == 0
    assert client.github.budget("viewer").running == 0


def test_latency(world: World, serve: Callable[..., Any]) -> None:
    client = serve(world, latency=0.1)
    client.github.faults.add(Latency(0.2), operation="Viewer")
    for expected in (0.3, 0.1):
        started = time.monotonic()
        assert client.ask(VIEWER).data
        assert expected <= time.monotonic() - started
        assert client.github.log[-1].seconds >= expected


def test_an_answer_is_held_until_it_is_released(client: Any) -> None:
    client.github.faults.add(held := Held())
    asking = threading.Thread(target=client.ask, args=(VIEWER,))
    asking.start()
    until(lambda: held.waiting == 1)
    assert client.ask(VIEWER).data, "others are answered"
    assert asking.is_alive()
    held.release()
    asking.join()
    assert held.waiting == 0


def test_an_exact_moment(client: Any, repository: Repository) -> None:
    client.github.faults.add(Touch(lambda _request: repository.pull_request(1).delete()), operation="List")
    assert nodes(client.ask(LIST, first=9)) == [2, 3, 4, 5]


def test_an_edited_answer(client: Any) -> None:
    client.github.faults.add(Edited(lambda content: content["data"]["viewer"].update(login="other")))
    assert client.ask(VIEWER).data == {"viewer": {"login": "other"}}
    assert client.ask(VIEWER).data == {"viewer": {"login": "viewer"}}


# --- GitHub's pace

PAGE = """
query Page($first: Int!, $items: Int!) { repository(owner: "octo", name: "large") {
  pullRequests(first: $first, orderBy: {field: UPDATED_AT, direction: DESC}) { nodes { number
    labels(first: 20) { nodes { name } } assignees(first: 20) { nodes { login } } commits { totalCount }
    reviewRequests(first: 20) { nodes { id } } reviews { totalCount }
    timelineItems(first: $items) { nodes { __typename } } } } } }
"""


def test_time_grows_with_what_is_asked(world: World, serve: Callable[..., Any]) -> None:
    """Users report 25 in 2.5 s, 50 in 4.9 s, and of 100 the rest null after 8 s."""
    repository(world, measured("octo/large", scale=0.3), end="2026-03-01T12:00:00Z")
    client = serve(world, pace=Pace(scale=0.02))
    for first, seconds in ((1, 0.2), (25, 2.5), (50, 4.9), (100, 8.0)):
        client.ask(PAGE, first=first, items=100)
        entry = client.github.log[-1]
        assert entry.github_seconds == pytest.approx(seconds, rel=0.3)
        assert entry.seconds >= entry.github_seconds * 0.02
    client.get("/user")
    assert client.github.log[-1].github_seconds == 0.3


def test_what_takes_too_long_is_null(world: World, serve: Callable[..., Any]) -> None:
    repository(world, measured("octo/large", scale=0.3), end="2026-03-01T12:00:00Z")
    client = serve(world, pace=Pace(scale=0, gives_up_after=60))
    reply = client.ask(PAGE, first=100, items=100)
    found = reply.json["data"]["repository"]["pullRequests"]["nodes"]
    assert found[0] is not None
    assert found[-1] is None
    assert "Something went wrong" in reply.json["errors"][0]["message"]
    assert len(reply.json["errors"]) == sum(node is None for node in found)


def test_what_takes_far_too_long_is_a_502_and_costs_more(world: World, serve: Callable[..., Any]) -> None:
    repository(world, measured("octo/large", scale=0.3), end="2026-03-01T12:00:00Z")
    client = serve(world, pace=Pace(scale=0, gives_up_after=5))
    assert client.ask(PAGE, first=20, items=100).status == 200
    used = int(client.ask(VIEWER).headers["x-ratelimit-used"])
    reply = client.ask(PAGE, first=100, items=100)
    assert reply.status == 502
    assert int(reply.headers["x-ratelimit-used"]) - used == 6 + 10


def test_githubs_seconds_are_limited_too(world: World, serve: Callable[..., Any], clock: Clock) -> None:
    repository(world, measured("octo/large", scale=0.3), end="2026-03-01T12:00:00Z")
    limits = Limits(graphql_seconds_per_minute=5, minute_seconds=10)
    client = serve(world, pace=Pace(scale=0), limits=limits)
    statuses = [client.ask(PAGE, first=25, items=100).status for _ in range(4)]
    assert statuses[0] == 200
    assert statuses[-1] == 403
    clock.advance(10)
    assert client.ask(PAGE, first=25, items=100).status == 200
