"""What GitHub does to those who read it for long: refused fields, hidden people, lists that are blank or never end."""

from collections.abc import Callable
from typing import Any

import pytest

from sandbox.github import World
from sandbox.github.faults import (
    Blank,
    BlankList,
    BrokenField,
    CircularLinks,
    EndlessPages,
    GoneCommits,
    Miscounted,
    Poorer,
    Refused,
    ServerError,
    refused_commits,
    refused_teams,
)
from sandbox.github.world.repositories import Repository
from sandbox.github.world.threads import TimelineEvent
from tests.support.sandbox.client import Client

ISSUES = """
query Issues($first: Int!, $after: String, $itemTypes: [IssueTimelineItemsItemType!]) {
  repository(owner: "octo", name: "hello") { issues(first: $first, after: $after) {
    totalCount pageInfo { hasNextPage endCursor } nodes { number updatedAt
      comments(first: 10) { totalCount nodes { body } }
      timelineItems(first: 10, itemTypes: $itemTypes) { totalCount filteredCount nodes {
        __typename ... on CrossReferencedEvent { source { __typename ... on Issue { number } } }
        ... on ConnectedEvent { subject { __typename } }
      } } } } } }
"""
PULLS = """
{ repository(owner: "octo", name: "hello") { pullRequests(first: 5) { nodes { number
    commits { totalCount } reviewRequests(first: 5) { nodes { id requestedReviewer { __typename } } } } } } }
"""
NODE = "query ($id: ID!) { node(id: $id) { id } }"


def issues(reply: Any) -> Any:
    return reply.json["data"]["repository"]["issues"]


def items(reply: Any, number: int) -> Any:
    [found] = [each for each in issues(reply)["nodes"] if each and each["number"] == number]
    return found["timelineItems"]


# --- what is refused, or never comes


def test_a_refused_field_that_cannot_be_null_takes_its_node_along(client: Client, repository: Repository) -> None:
    repository.issue(6).event("CrossReferencedEvent", None, source=repository.issue(7))
    repository.issue(8).event("ConnectedEvent", None, source=repository.issue(7))
    client.github.faults.add(Refused("CrossReferencedEvent", "source"), times=None)
    client.github.faults.add(Refused("ConnectedEvent", "subject", "SAML"), times=None, account="viewer")
    reply = client.ask(ISSUES, first=5)
    assert [node and node["__typename"] for node in items(reply, 6)["nodes"]][-1] is None
    assert items(reply, 6)["filteredCount"] == 4
    assert {error["type"] for error in reply.json["errors"]} == {"FORBIDDEN"}
    assert {error["path"][-1]: error["message"] for error in reply.json["errors"]} == {
        "source": "Resource not accessible by personal access token",
        "subject": "SAML",
    }
    assert reply.json["errors"][0]["path"][:4] == ["repository", "issues", "nodes", 0]


def test_a_team_that_an_app_may_not_see_is_null(client: Client, world: World, repository: Repository) -> None:
    repository.pull_request(1).request_review(world.team("octo", "core"))
    repository.pull_request(1).request_review(world.account("ann"))
    client.github.faults.add(refused_teams())
    reply = client.ask(PULLS)
    [first, *_] = reply.json["data"]["repository"]["pullRequests"]["nodes"]
    assert [each["requestedReviewer"] for each in first["reviewRequests"]["nodes"]] == [None, {"__typename": "User"}]
    assert reply.error["message"] == "Resource not accessible by integration"


def test_without_contents_an_app_is_refused_the_commits_of_every_pull_request(client: Client) -> None:
    client.github.faults.add(refused_commits())
    reply = client.ask(PULLS)
    assert reply.json["data"]["repository"]["pullRequests"]["nodes"] == [None] * 5
    assert [error["path"][-2:] for error in reply.json["errors"]] == [[place, "commits"] for place in range(5)]


@pytest.mark.parametrize("whole", [True, False])
def test_a_timeline_that_never_comes(whole: bool, client: Client) -> None:
    client.github.faults.add(BrokenField("*.timelineItems", number=7, whole=whole), times=None)
    for first in (5, 2):
        reply = client.ask(ISSUES, first=first)
        assert "Something went wrong" in reply.error["message"]
        if whole:
            assert reply.json["data"] is None
        else:
            assert [node and node["number"] for node in issues(reply)["nodes"]] == [6, None, 8, 9, 10][:first]
    assert client.ask(ISSUES, first=1).data


def test_a_timeline_that_never_comes_for_some_of_its_items(client: Client) -> None:
    broken = BrokenField("*.timelineItems", number=7, item_types=frozenset({"LABELED_EVENT"}))
    client.github.faults.add(broken, times=None)
    assert client.ask(ISSUES, first=5, itemTypes=["ISSUE_COMMENT", "CLOSED_EVENT"]).data
    assert client.ask(ISSUES, first=5, itemTypes=["LABELED_EVENT"]).json["data"] is None
    assert client.ask(ISSUES, first=5).json["data"] is None


def test_rest_has_the_timeline_of_one_thread(client: Client, world: World, repository: Repository) -> None:
    pull = repository.pull_request(2)
    pull.review(world.account("bob"), body="fine")
    pull.event("CrossReferencedEvent", world.account("bob"), source=repository.issue(7))
    shown = client.get("/repos/octo/hello/issues/2/timeline?per_page=100").json
    kinds = ["committed", "commented", "commented", "labeled", "reviewed", "cross-referenced"]
    assert sorted(each["event"] for each in shown) == sorted(kinds)
    named = {each["event"]: each for each in shown}
    assert named["commented"]["actor"]["login"] == "bob"
    assert named["reviewed"]["state"] == "COMMENTED"
    assert named["cross-referenced"]["source"]["issue"]["number"] == 7
    assert "id" not in named["cross-referenced"] and "issue" not in named["labeled"]
    assert client.get("/repos/octo/hello/issues/99/timeline").status == 404
    client.github.faults.add(ServerError(500), path="*/issues/2/timeline*")
    assert client.get("/repos/octo/hello/issues/2/timeline").status == 500


COMMIT = """
query ($oid: GitObjectID!) { repository(owner: "octo", name: "hello") {
  object(oid: $oid) { ... on Commit { history(first: 1) { nodes { oid } } } } } }
"""


def test_a_commit_that_is_gone(client: Client, world: World, repository: Repository) -> None:
    kept, gone = (repository.push(world.account("ann"), force=True).after for _ in range(2))
    client.github.faults.add(GoneCommits(frozenset({gone})), times=None)
    for _ in range(2):
        reply = client.ask(COMMIT, oid=gone)
        assert reply.json["data"] == {"repository": {"object": None}}
        assert (reply.error["type"], reply.error["path"]) == ("NOT_FOUND", ["repository", "object"])
    assert client.ask(COMMIT, oid=kept).data["repository"]["object"]


# --- who is hidden, and from whom


def counted(client: Client) -> dict[int, tuple[int, int]]:
    return {
        each["number"]: (each["comments"]["totalCount"], len(each["comments"]["nodes"]))
        for each in issues(client.ask(ISSUES, first=10))["nodes"]
    }


def test_what_a_flagged_account_wrote_is_counted_and_not_shown(
    client: Client, world: World, repository: Repository
) -> None:
    before = client.ask(ISSUES, first=10).json
    spam = world.account("bob")
    listed = client.get("/repos/octo/hello/issues/comments?per_page=100").json
    spam.flag()
    assert counted(client) == dict.fromkeys(range(6, 11), (2, 0))
    timeline = items(client.ask(ISSUES, first=10), 6)
    assert (timeline["totalCount"], timeline["filteredCount"], timeline["nodes"]) == (3, 3, [])
    reply = client.get("/repos/octo/hello/issues/comments?per_page=1")
    assert (len(listed), reply.json) == (20, [])
    assert "page=20" in reply.headers["Link"]
    assert client.ask(NODE, id=repository.issue(6).comments[0].node_id(True)).error["type"] == "NOT_FOUND"
    spam.unflag()
    assert client.ask(ISSUES, first=10).json == before


def test_the_threads_of_a_flagged_account_leave_every_list_and_come_back(
    client: Client, world: World, repository: Repository
) -> None:
    spam = world.account("spam")
    thread = repository.open_issue(spam, "buy")
    comment = thread.comment(world.account("ann"), "no", bump=False)
    before = client.ask(ISSUES, first=10).json
    spam.flag()
    after = issues(client.ask(ISSUES, first=10))
    assert (after["totalCount"], len(after["nodes"])) == (6, 5)
    for hidden in (thread, comment):
        assert client.ask(NODE, id=hidden.node_id(True)).json["data"] == {"node": None}
    number = f'{{ repository(owner: "octo", name: "hello") {{ issue(number: {thread.number}) {{ id }} }} }}'
    assert client.ask(number).error["type"] == "NOT_FOUND"
    assert client.get(f"/repos/octo/hello/issues/{thread.number}").status == 404
    assert thread.number not in [each["number"] for each in client.get("/repos/octo/hello/issues?state=all").json]
    spam.unflag()
    assert client.ask(ISSUES, first=10).json == before


def test_one_account_is_shown_fewer_and_lower_counts(
    world: World, repository: Repository, serve: Callable[..., Client]
) -> None:
    assert repository.issues
    client = serve(world, tokens={"rich": "ann", "poor": "bob"})
    poorer = Poorer(lambda thing: not isinstance(thing, TimelineEvent))
    client.github.faults.add(poorer, times=None, account="bob")
    rich, poor = (client.ask(ISSUES, {"Authorization": f"bearer {token}"}, first=5) for token in ("rich", "poor"))
    timelines = [items(reply, 6) for reply in (rich, poor)]
    assert [(each["totalCount"], each["filteredCount"], len(each["nodes"])) for each in timelines] == [
        (3, 3, 3),
        (2, 2, 2),
    ]
    fewer = client.get("/repos/octo/hello/issues/6/timeline", {"Authorization": "bearer poor"}).json
    assert [each["event"] for each in fewer] == ["commented", "commented"]


def test_an_app_without_contents_reads_no_commits(
    world: World, repository: Repository, serve: Callable[..., Client]
) -> None:
    client = serve(world)
    installation = world.add_app("", slug="reader").install("octo", contents="none")
    token, _ = installation.create_token()
    asker = {"Authorization": f"bearer {token}"}
    reply = client.ask(PULLS, asker)
    assert reply.json["data"]["repository"]["pullRequests"]["nodes"] == [None] * len(repository.pull_requests)
    assert reply.json["errors"][0]["message"] == "Resource not accessible by integration"
    for path in ("pulls/1/commits", "activity", "releases"):
        assert client.get(f"/repos/octo/hello/{path}", asker).status == 403
    assert client.get("/repos/octo/hello/pulls/1/reviews", asker).status == 200


# --- pages that are blank, miscounted, or lead nowhere


@pytest.mark.parametrize(("counts", "count"), [("kept", 3), ("zero", 0)])
def test_a_blank_list_is_an_answer_like_any_other(counts: Any, count: int, client: Client) -> None:
    client.github.faults.add(Blank("Issue.timelineItems", counts, number=7))
    reply = client.ask(ISSUES, first=5)
    assert "errors" not in reply.json
    assert (items(reply, 7)["nodes"], items(reply, 7)["filteredCount"]) == ([], count)
    assert len(items(reply, 6)["nodes"]) == 3
    client.github.faults.add(Blank("Repository.issues"))
    blank = issues(client.ask(ISSUES, first=5))
    assert blank == {"totalCount": 5, "pageInfo": {"hasNextPage": False, "endCursor": None}, "nodes": []}


def test_a_blank_list_of_rest(client: Client) -> None:
    client.github.faults.add(BlankList(), path="*/comments?*", times=2)
    reply = client.get("/repos/octo/hello/issues/comments?per_page=1")
    assert (reply.status, reply.json, reply.headers["Link"]) == (200, [], None)
    assert client.get("/repos/octo/hello/issues/6").json["number"] == 6
    assert not client.github.failures


def test_counts_that_fall(client: Client) -> None:
    client.github.faults.add(Miscounted("*.comments", to=0), times=None)
    client.github.faults.add(Miscounted("*.timelineItems", by=2), times=None)
    assert counted(client) == dict.fromkeys(range(6, 11), (0, 2))
    assert items(client.ask(ISSUES, first=5), 6)["filteredCount"] == 5


@pytest.mark.parametrize(("cursor", "different"), [("null", 1), ("same", 1), ("alternating", 2)])
def test_pages_without_an_end(cursor: Any, different: int, client: Client) -> None:
    client.github.faults.add(EndlessPages("Repository.issues", cursor), times=None)
    after, seen = None, []
    for _ in range(6):
        page = issues(client.ask(ISSUES, first=2, after=after))
        assert page["pageInfo"]["hasNextPage"] is True
        after = page["pageInfo"]["endCursor"]
        seen.append(after)
    assert len(set(seen)) == different
    assert (None in seen) is (cursor == "null")


@pytest.mark.parametrize("to", ["itself", "first"])
def test_links_in_a_circle(to: Any, client: Client) -> None:
    client.github.faults.add(CircularLinks(to), times=None)
    path = "/repos/octo/hello/issues/comments?per_page=5&page=2"
    reply = client.get(path)
    following = reply.headers["Link"].partition(">")[0].removeprefix(f"<{client.github.url}")
    assert following == (path if to == "itself" else path.replace("&page=2", ""))
    assert 'rel="last"' in reply.headers["Link"]
