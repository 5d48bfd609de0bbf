"""REST's lists of issues, pull requests and their events, in their orders and pages, and who and what is in one."""

import re
from typing import Any

from sandbox.github import World
from sandbox.github.exchange.refusals import NotModelled
from sandbox.github.world.repositories import Repository


def walked(client: Any, url: str) -> list[dict[str, Any]]:
    """All pages, by their links."""
    things: list[dict[str, Any]] = []
    while url:
        reply = client.get(url)
        assert reply.status == 200
        things += reply.json
        following = re.search(r'<([^>]*)>; rel="next"', reply.headers.get("Link", ""))
        url = following[1].removeprefix(client.github.url) if following else ""
    return things


def numbers(things: list[dict[str, Any]]) -> list[int]:
    return [each["number"] for each in things]


def test_issues_are_listed_with_pull_requests_and_go_on_from_cursors(client: Any) -> None:
    assert numbers(client.get("/repos/octo/hello/issues").json) == [*range(10, 0, -1)]
    assert numbers(walked(client, "/repos/octo/hello/issues?per_page=3&direction=asc")) == [*range(1, 11)]
    assert "after=" in client.get("/repos/octo/hello/issues?per_page=3").headers["Link"]
    by_number = [client.get(f"/repos/octo/hello/issues?per_page=4&page={page}").json for page in (1, 2, 3, 4)]
    assert [numbers(page) for page in by_number] == [[10, 9, 8, 7], [6, 5, 4, 3], [2, 1], []]
    found = client.get("/repos/octo/hello/issues?direction=asc&per_page=100").json
    assert ["pull_request" in each for each in found] == [True] * 5 + [False] * 5
    assert found[0] == client.get("/repos/octo/hello/issues/1").json


def test_issues_by_state_order_and_date(client: Any, world: World, repository: Repository) -> None:
    repository.issue(7).close(world.account("bob"))
    repository.pull_request(2).merge(world.account("bob"))
    assert numbers(client.get("/repos/octo/hello/issues?state=closed&direction=asc").json) == [2, 7]
    assert len(client.get("/repos/octo/hello/issues").json) == 8
    updated = "/repos/octo/hello/issues?state=all&sort=updated&per_page=1"
    assert numbers(client.get(updated).json) == [7]
    assert numbers(walked(client, f"{updated}&since=2026-03-01T00:00:00Z")) == [7, 2]


def test_no_numbered_page_of_issues_beyond_the_hundredth(client: Any) -> None:
    assert client.get("/repos/octo/hello/issues?page=100").json == []
    assert client.get("/repos/octo/hello/issues?page=101").status == 422
    assert client.get("/repos/octo/hello/issues?after=nonsense").status == 422


def test_pull_requests_are_listed_without_what_is_told_of_one_alone(client: Any, world: World) -> None:
    bob = world.account("bob")
    pull = world.repository("octo/hello").pull_request(3)
    pull.request_review(bob)
    pull.comment(bob, "bumps it")
    listed = walked(client, "/repos/octo/hello/pulls?per_page=2")
    assert numbers(listed) == [5, 4, 3, 2, 1]
    assert numbers(client.get("/repos/octo/hello/pulls?sort=updated&direction=desc&per_page=1").json) == [3]
    assert numbers(client.get("/repos/octo/hello/pulls?sort=updated").json)[-1] == 3
    alone = client.get("/repos/octo/hello/pulls/3").json
    assert alone.keys() - listed[2].keys() >= {"merged_by", "additions", "review_comments"}
    assert listed[2] == {name: alone[name] for name in listed[2]}
    pull.close(bob)
    assert numbers(client.get("/repos/octo/hello/pulls?state=closed").json) == [3]


def test_events_of_all_threads_newest_first_without_cross_references(
    client: Any, world: World, repository: Repository
) -> None:
    bob = world.account("bob")
    repository.issue(6).edit(title="Renamed", by=bob)
    repository.pull_request(1).event("CrossReferencedEvent", bob, source=repository.issue(6))
    repository.pull_request(1).request_review(world.team("octo", "core"), by=bob)
    requested, renamed, labeled, *_ = walked(client, "/repos/octo/hello/issues/events?per_page=4")
    assert {renamed["event"], requested["event"]} == {"renamed", "review_requested"}
    renamed, requested = sorted((requested, renamed), key=lambda each: str(each["event"]))
    assert renamed["rename"] == {"from": "Issue 6", "to": "Renamed"}
    assert (requested["requested_team"]["slug"], requested["issue"]["number"]) == ("core", 1)
    assert (labeled["event"], labeled["label"]["name"], labeled["issue"]["number"]) == ("labeled", "bug", 10)
    assert labeled["node_id"] == repository.issue(10).events[0].node_id(False)
    assert len(walked(client, "/repos/octo/hello/issues/events?per_page=4")) == 12


def test_who_is_asked_for_a_review_and_what_is_committed(client: Any, world: World, repository: Repository) -> None:
    pull = repository.pull_request(1)
    pull.request_review(world.account("bob"))
    pull.request_review(world.team("octo", "core"))
    found = client.get("/repos/octo/hello/pulls/1/requested_reviewers").json
    assert [each["login"] for each in found["users"]] == ["bob"]
    assert [each["slug"] for each in found["teams"]] == ["core"]
    pull.commit_count = 3
    commits = walked(client, "/repos/octo/hello/pulls/1/commits?per_page=2")
    assert [each["commit"]["message"] for each in commits] == ["Pull 1 0", "Pull 1 1", "Pull 1 2"]
    assert commits[-1]["sha"] == pull.head_ref_oid


def test_users(client: Any, world: World) -> None:
    world.account("dependabot", "Bot")
    assert client.get("/users/Ann").json["login"] == "ann"
    assert client.get("/users/dependabot[bot]").json["type"] == "Bot"
    assert client.get("/users/dependabot").status == client.get("/users/nobody/orgs").status == 404
    assert client.get("/users/ann/orgs").json == []
    assert client.get("/users/ghost").json["id"] == 10137


def test_rest_is_also_where_enterprise_servers_have_it(client: Any) -> None:
    assert client.get("/api/v3/repos/octo/hello/issues/6").json == client.get("/repos/octo/hello/issues/6").json


def test_what_is_not_modelled_of_lists_is_said(client: Any) -> None:
    assert client.get("/repos/octo/hello/issues?labels=bug").status == 501
    assert isinstance(client.github.failures.pop(), NotModelled)
