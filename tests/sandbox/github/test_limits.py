"""Budgets: what the headers say, who shares, and how GitHub refuses."""

import threading
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Any

from sandbox.github import Clock, Limits, World
from sandbox.github.faults import Held
from sandbox.github.world.repositories import Repository
from tests.support.waiting import until

from_graphql = "{ rateLimit { limit remaining used cost resetAt } viewer { login } }"


def limits(reply: Any) -> tuple[str, int, int, int]:
    headers = reply.headers
    return (
        headers["x-ratelimit-resource"],
        int(headers["x-ratelimit-limit"]),
        int(headers["x-ratelimit-used"]),
        int(headers["x-ratelimit-remaining"]),
    )


def test_every_answer_has_the_headers(client: Any, clock: Clock) -> None:
    for place in (1, 2):
        reply = client.ask(from_graphql)
        assert limits(reply) == ("graphql", 5_000, place, 5_000 - place)
        assert reply.data["rateLimit"]["used"] == place
        reply = client.get("/repos/octo/hello")
        assert limits(reply) == ("core", 5_000, place, 5_000 - place)
        assert parsedate_to_datetime(reply.headers["Date"]) == clock.now()
        assert int(reply.headers["x-ratelimit-reset"]) == int(clock.now().timestamp()) + 3_600
        assert reply.headers["x-github-request-id"]


def test_tokens_of_one_account_share_and_others_do_not(world: World, serve: Callable[..., Any]) -> None:
    client = serve(world, tokens={"a1": "ann", "a2": "ann", "b": "bob"})
    used = [limits(client.ask(from_graphql, {"Authorization": f"bearer {token}"}))[2] for token in ("a1", "a2", "b")]
    assert used == [1, 2, 1]


def test_the_rate_limit_route_is_free(client: Any) -> None:
    client.ask(from_graphql)
    for _ in range(3):
        reply = client.get("/rate_limit")
        assert reply.json["resources"]["graphql"]["used"] == 1
        assert reply.json["resources"]["core"] == reply.json["rate"]
        assert reply.json["rate"]["used"] == 0


def test_the_primary_limit_until_the_reset(
    world: World, repository: Repository, serve: Callable[..., Any], clock: Clock
) -> None:
    client = serve(world, limits=Limits(graphql=3, core=2, window_seconds=10))
    used = [client.ask(from_graphql).data["rateLimit"]["remaining"] for _ in range(3)]
    assert used == [2, 1, 0]
    number = world.account("viewer").database_id
    reply = client.ask(from_graphql)
    assert reply.status == 200
    assert reply.error == {
        "type": "RATE_LIMITED",
        "message": f"API rate limit already exceeded for user ID {number}.",
    }
    assert limits(reply) == ("graphql", 3, 3, 0)
    assert [client.get("/repos/octo/hello").status for _ in range(3)] == [200, 200, 403]
    reply = client.get("/repos/octo/hello")
    assert f"API rate limit exceeded for user ID {number}" in reply.json["message"]
    assert limits(reply) == ("core", 2, 2, 0)
    clock.advance(10)
    assert client.ask(from_graphql).data["rateLimit"]["remaining"] == 2
    assert client.get(f"/repos/{repository.name_with_owner}").status == 200


def test_a_query_may_overdraw_but_once(world: World, repository: Repository, serve: Callable[..., Any]) -> None:
    client = serve(world, limits=Limits(graphql=5))
    query = """{ repository(owner: "octo", name: "hello") { pullRequests(first: 100) { nodes {
        labels(first: 1) { totalCount } comments(first: 1) { totalCount } reviews(first: 1) { totalCount } } } } }"""
    assert [limits(client.ask(query))[2:] for _ in range(3)] == [(3, 2), (5, 0), (5, 0)]
    assert client.ask(query).error["type"] == "RATE_LIMITED"
    assert repository.pull_requests


def test_too_many_a_minute(world: World, serve: Callable[..., Any], clock: Clock) -> None:
    client = serve(world, limits=Limits(graphql_per_minute=3, core_per_minute=2))
    assert [client.ask(from_graphql).status for _ in range(4)] == [200, 200, 200, 403]
    assert [client.get("/user").status for _ in range(3)] == [200, 200, 403]
    reply = client.ask(from_graphql)
    assert "secondary rate limit" in reply.json["message"]
    assert reply.headers["retry-after"] == "60"
    assert limits(reply)[2:] == (3, 4_997)
    clock.advance(60)
    assert client.ask(from_graphql).status == 200


def test_too_many_at_once(world: World, serve: Callable[..., Any]) -> None:
    client = serve(world, limits=Limits(concurrent=3))
    client.github.faults.add(held := Held(), times=3)
    threads = [threading.Thread(target=client.ask, args=(from_graphql,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    until(lambda: held.waiting == 3)
    reply = client.ask(from_graphql)
    assert (reply.status, "secondary" in reply.json["message"]) == (403, True)
    held.release()
    for thread in threads:
        thread.join()
    assert client.ask(from_graphql).status == 200


def test_a_refused_query_costs_nothing(client: Any) -> None:
    client.ask("{ nonsense }")
    assert client.ask(from_graphql).data["rateLimit"]["used"] == 1
