"""GitHub at random: all that it answers is what its schema allows, and what is odd is odd for as long as it is on."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from sandbox.github import World
from sandbox.github.faults import Babble, OddTenth
from sandbox.github.faults.chance import ODDITIES, Oddity
from sandbox.github.generation import Plan
from sandbox.github.generation import repository as generate
from sandbox.github.graphql.execution import prepare
from sandbox.github.server.conformance import check_graphql
from sandbox.github.world.repositories import Repository
from tests.support.sandbox.client import Client

PLAN = Plan("octo/odd", pull_requests=30, issues=30, stars=20, releases=5)
PAGE = """
query Page($after: String) { repository(owner: "octo", name: "odd") { databaseId
  issues(first: 10, after: $after) { totalCount pageInfo { hasNextPage endCursor }
    edges { cursor node { id } }
    nodes { id number title milestone { title } author { login } labels(first: 5) { totalCount nodes { name } }
      timelineItems(first: 20) { filteredCount pageInfo { hasNextPage endCursor }
        nodes { __typename ... on IssueComment { id body author { login } }
          ... on CrossReferencedEvent { source { __typename } } } } } }
  stargazers(first: 20) { totalCount edges { starredAt node { login } } nodes { login } }
  object(oid: "0000000000000000000000000000000000000000") { oid } } }
"""


@pytest.fixture
def odd(world: World) -> Repository:
    return generate(world, PLAN, end="2026-03-01T12:00:00Z")


def issues(reply: Any) -> Any:
    return reply.json["data"]["repository"]["issues"]


@pytest.mark.parametrize("seed", range(6))
def test_babble_is_what_the_schema_allows(
    seed: int, world: World, odd: Repository, serve: Callable[..., Client]
) -> None:
    client = serve(world)
    assert odd.issues
    plain = client.ask(PAGE).json
    client.github.faults.add(Babble(seed, odds=0.2), times=None)
    replies = [client.ask(PAGE) for _ in range(15)]
    query = prepare(PAGE, None, {})
    for reply in replies:
        check_graphql(query, reply.json)
    assert len({reply.body for reply in replies}) == 15
    assert plain not in [reply.json for reply in replies]
    listed = [client.get("/repos/octo/odd/issues/comments?per_page=5") for _ in range(20)]
    assert len({(reply.status, reply.body, reply.headers["Link"]) for reply in listed}) > 3
    assert not client.github.failures


def test_the_same_seed_babbles_the_same(world: World, odd: Repository, serve: Callable[..., Client]) -> None:
    assert odd.issues
    said = []
    for seed in (1, 1, 2):
        client = serve(world)
        client.github.faults.add(Babble(seed, odds=0.2), times=None)
        replies = [client.ask(PAGE).json for _ in range(5)]
        said.append(orjson.dumps([(reply["data"], len(reply.get("errors", ()))) for reply in replies]))
    assert said[0] == said[1] != said[2]


def test_a_tenth_is_odd_and_then_nothing_is(world: World, odd: Repository, serve: Callable[..., Client]) -> None:
    client = serve(world)
    before = client.ask(PAGE).json
    tenth = OddTenth(seed=3, share=0.3)
    fault = client.github.faults.add(tenth, times=None)
    query = prepare(PAGE, None, {})
    first, again = client.ask(PAGE), client.ask(PAGE)
    check_graphql(query, first.json)
    assert first.json == again.json != before
    kinds = Counter(tenth.oddity(each) for each in [*odd.issues.values(), *odd.issue_comments.values()])
    assert set(kinds) == {*ODDITIES, None}
    client.github.faults.remove(fault)
    assert client.ask(PAGE).json == before


@pytest.mark.parametrize("kind", ODDITIES)
def test_how_a_thread_is_odd(kind: Oddity, world: World, odd: Repository, serve: Callable[..., Client]) -> None:
    client = serve(world)
    issue = min(odd.issues.values(), key=lambda each: each.created_at)
    one = OddTenth(only=(kind,))
    one.oddity = lambda thing: kind if thing is issue else None  # type: ignore[method-assign]
    listed = client.get("/repos/octo/odd/issues?state=all&per_page=100").json
    client.github.faults.add(one, times=None)
    reply = client.ask(PAGE)
    page = issues(reply)
    assert page["totalCount"] == 30
    [found] = client.ask("query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", ids=[issue.node_id(True)]).json["data"][
        "nodes"
    ]
    shown = client.get("/repos/octo/odd/issues?state=all&per_page=100").json
    errors = [error["path"] for error in reply.json.get("errors", ())]
    if kind == "hidden":
        assert len(page["nodes"]) == 9
        assert not errors
    elif kind == "refused":
        assert page["nodes"][0] is None
        assert ["repository", "issues", "nodes", 0] in errors
    elif kind == "null":
        assert (page["nodes"][0], errors) == (None, [])
    elif kind == "miscounted":
        timeline = page["nodes"][0]["timelineItems"]
        assert timeline["filteredCount"] == len(timeline["nodes"]) + 1
    else:
        timeline = page["nodes"][0]["timelineItems"]
        assert (timeline["nodes"], timeline["filteredCount"] > 0) == ([], True)
        assert client.get(f"/repos/octo/odd/issues/{issue.number}/timeline").json == []
    assert (found is None) is (kind in ("hidden", "refused", "null"))
    assert len(shown) == len(listed) - (kind in ("hidden", "refused"))


# --- who is who


def test_two_accounts_of_one_login_and_one_of_two(client: Client, world: World, repository: Repository) -> None:
    reviewer, coder = world.copilots()
    ann = world.account("ann")
    ann.picture = "abc"
    double = world.mannequin("ann")
    issue = repository.issue(6)
    for account in (ann, double, reviewer, coder):
        issue.comment(account, "hello")
    query = """{ repository(owner: "octo", name: "hello") { issue(number: 6) { comments(last: 4) { nodes { author {
        __typename login avatarUrl ... on User { databaseId } ... on Bot { databaseId }
        ... on Mannequin { databaseId } } } } } } }"""
    nodes = client.ask(query).data["repository"]["issue"]["comments"]["nodes"]
    told = [(each["author"]["__typename"], each["author"]["login"]) for each in nodes]
    assert told == [
        ("User", "ann"),
        ("Mannequin", "ann"),
        ("Bot", "copilot-pull-request-reviewer"),
        ("Bot", "copilot-swe-agent"),
    ]
    rest = client.get("/repos/octo/hello/issues/6/comments?per_page=100").json[-4:]
    assert [each["user"]["login"] for each in rest] == ["ann", "ann", "Copilot", "Copilot"]
    assert [each["user"]["id"] for each in rest] == [each["author"]["databaseId"] for each in nodes]
    assert [each["user"]["id"] for each in rest[2:]] == [175728472, 198982749]
    assert nodes[0]["author"]["avatarUrl"] == rest[0]["user"]["avatar_url"].replace("?", "?u=abc&")


def test_a_deleted_name_is_somebody_elses(client: Client, world: World, repository: Repository) -> None:
    first = world.account("bob")
    first.delete()
    second = world.account("bob")
    repository.issue(6).comment(second, "I am new here")
    shown = client.get("/repos/octo/hello/issues/6/comments").json
    assert [each["user"]["login"] for each in shown] == ["ghost", "ghost", "bob"]
    assert shown[2]["user"]["id"] == second.database_id != first.database_id
