"""What happens to a repository, as GitHub tells it: stars, forks, releases, and the events of everything."""

from itertools import pairwise
from typing import Any

import pytest

from sandbox.github import Clock, World
from sandbox.github.faults import BadGateway, Latency, NullNode, ServerError
from sandbox.github.world import events
from sandbox.github.world.clock import after, moment
from sandbox.github.world.repositories import Repository
from tests.support.sandbox.events import EVENTS, NOW, STARS, pages, told
from tests.support.sandbox.pricing import priced

FORKS = """
query Forks($first: Int!, $after: String) {
  repository(owner: "octo", name: "hello") {
    forkCount
    forks(first: $first, after: $after, orderBy: {field: CREATED_AT, direction: DESC}) {
      totalCount pageInfo { hasNextPage endCursor }
      nodes { nameWithOwner createdAt isFork parent { nameWithOwner } owner { __typename login } }
    }
  }
}
"""
RELEASES = """
query Releases($first: Int!, $after: String) {
  repository(owner: "octo", name: "hello") {
    latestRelease { tagName }
    releases(first: $first, after: $after, orderBy: {field: CREATED_AT, direction: DESC}) {
      totalCount pageInfo { hasNextPage endCursor }
      nodes {
        id databaseId name tagName description url isDraft isPrerelease isLatest createdAt publishedAt updatedAt
        author { login } tag { name prefix } tagCommit { oid }
      }
    }
  }
}
"""
STARGAZERS = "/repos/octo/hello/stargazers"


@pytest.fixture
def starred(repository: Repository, world: World) -> Repository:
    """octo/hello with stars of gazer-0 to gazer-9, an hour apart, the last two at once."""
    for number in range(10):
        at = after("2026-02-20T00:00:00Z", min(number, 8) * 3_600)
        repository.star(world.account(f"gazer-{number}"), at)
    return repository


def seconds_between(one: str, other: str) -> float:
    return abs((moment(one) - moment(other)).total_seconds())


# --- stars


@pytest.mark.usefixtures("starred")
def test_stargazers_by_time(client: Any) -> None:
    after_, seen, dates = None, [], []
    while True:
        reply = client.ask(STARS, first=4, after=after_, direction="DESC").data
        page = reply["repository"]["stargazers"]
        assert (reply["rateLimit"]["cost"], page["totalCount"], reply["repository"]["stargazerCount"]) == (1, 10, 10)
        assert [each["login"] for each in page["nodes"]] == [each["node"]["login"] for each in page["edges"]]
        assert page["pageInfo"]["endCursor"] == page["edges"][-1]["cursor"]
        seen += [each["node"]["login"] for each in page["edges"]]
        dates += [each["starredAt"] for each in page["edges"]]
        after_ = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert seen == [f"gazer-{number}" for number in reversed(range(10))]
    assert dates == sorted(dates, reverse=True)
    ascending = client.ask(STARS, first=100, after=None, direction="ASC").data["repository"]["stargazers"]["nodes"]
    assert [each["login"] for each in ascending] == seen[::-1]
    assert priced(STARS, first=100, direction="ASC").node_count == 100


@pytest.mark.usefixtures("starred")
def test_stargazers_in_rest(client: Any) -> None:
    """Oldest first; their dates only for who accepts them."""
    found = pages(client, f"{STARGAZERS}?per_page=4", {"Accept": "application/vnd.github.star+json"})
    assert [len(page) for page in found] == [4, 4, 2]
    assert [each["user"]["login"] for page in found for each in page] == [f"gazer-{number}" for number in range(10)]
    assert found[0][1]["starred_at"] == "2026-02-20T01:00:00Z"
    assert [each["login"] for each in client.get(STARGAZERS).json] == [f"gazer-{number}" for number in range(10)]
    assert client.get(f"{STARGAZERS}/count").json == {"count": 10}


@pytest.mark.usefixtures("starred")
def test_rest_stops_at_forty_thousand_stargazers(client: Any) -> None:
    assert client.get(f"{STARGAZERS}?per_page=100&page=400").json == []
    for query in ("per_page=100&page=401", "per_page=1&page=40001"):
        reply = client.get(f"{STARGAZERS}?{query}")
        assert (reply.status, "pagination is limited" in reply.json["message"]) == (422, True)


def test_a_star_is_given_once_and_taken_back(client: Any, starred: Repository, world: World) -> None:
    """Taking it back is no event, and the star's own stays; deleted accounts take both with them."""
    ann, zoe = world.account("gazer-3"), world.account("gazer-4")
    star = starred.star(ann)
    assert star.starred_at == "2026-02-20T03:00:00Z"
    starred.unstar(ann)
    zoe.delete()
    assert starred.stargazer_count == 8
    watchers = [event["actor"]["login"] for event in told(client, "WatchEvent")]
    assert "gazer-3" in watchers
    assert "gazer-4" not in watchers
    assert starred.star(ann).starred_at == NOW
    assert [event["actor"]["login"] for event in told(client, "WatchEvent")].count("gazer-3") == 2
    logins = [each["login"] for each in client.get(STARGAZERS).json]
    assert logins[-1] == "gazer-3"
    assert "gazer-4" not in logins
    with pytest.raises(ValueError, match="no user"):
        starred.star(world.account("dependabot", "Bot"))


@pytest.mark.usefixtures("starred")
def test_the_history_of_stars(client: Any, clock: Clock) -> None:
    """Weeks from Sunday on, newest first, back to the repository's creation, those without stars too."""
    found = client.get(f"{STARGAZERS}/history").json
    assert [moment(after("1970-01-01T00:00:00Z", each["week"])).isoweekday() for each in found] == [7] * 10
    assert [each["week"] - below["week"] for each, below in pairwise(found)] == [7 * 86_400] * 9
    assert found[0] == {"week": int(moment("2026-03-01").timestamp()), "total": 0, "days": [0] * 7}
    assert found[1] == {"week": int(moment("2026-02-22").timestamp()), "total": 0, "days": [0] * 7}
    # All of them on the 20th, a Friday.
    assert found[2] == {"week": int(moment("2026-02-15").timestamp()), "total": 10, "days": [0, 0, 0, 0, 0, 10, 0]}
    assert found[-1]["week"] == int(moment("2025-12-28").timestamp()), "the week of the first of January"
    clock.advance(40 * 7 * 86_400)
    found = pages(client, f"{STARGAZERS}/history?per_page=100")
    assert [len(page) for page in found] == [30, 20]
    assert sum(week["total"] for page in found for week in page) == 10


# --- who is not shown the stargazers


def asked(client: Any) -> Any:
    return client.ask(STARS, first=10, after=None, direction="DESC").json


@pytest.mark.parametrize(
    ("refusal", "status", "type_"), [("forbidden", 403, "FORBIDDEN"), ("not_found", 404, "NOT_FOUND")]
)
def test_a_refused_list_takes_the_repository_with_it(
    client: Any, starred: Repository, refusal: Any, status: int, type_: str
) -> None:
    starred.stargazers_refusal = refusal
    assert client.get(STARGAZERS).status == status
    content = asked(client)
    assert content["data"]["repository"] is None, "the field cannot be null"
    (error,) = content["errors"]
    assert (error["type"], error["path"]) == (type_, ["repository", "stargazers"])
    count = '{ repository(owner: "octo", name: "hello") { stargazerCount } }'
    assert client.ask(count).data["repository"]["stargazerCount"] == 10
    assert sum(each["total"] for each in client.get(f"{STARGAZERS}/history").json) == 10
    assert len(told(client, "WatchEvent")) == 10


def test_a_list_may_be_empty_instead(client: Any, starred: Repository) -> None:
    starred.stargazers_refusal = "empty"
    assert (client.get(STARGAZERS).status, client.get(STARGAZERS).json) == (200, [])
    found = asked(client)["data"]["repository"]
    assert (found["stargazerCount"], found["stargazers"]["totalCount"], found["stargazers"]["edges"]) == (10, 0, [])


def test_those_who_work_on_it_are_shown_it(client: Any, starred: Repository, world: World) -> None:
    starred.stargazers_refusal = "forbidden"
    starred.collaborators.append(world.account("viewer"))
    assert len(client.get(STARGAZERS).json) == 10
    assert len(asked(client)["data"]["repository"]["stargazers"]["edges"]) == 10


# --- forks and releases


def test_forks(client: Any, repository: Repository, world: World) -> None:
    ann, guild = world.account("ann"), world.account("guild", "Organization")
    first = repository.fork(ann, "2026-02-10T00:00:00Z")
    second = repository.fork(guild, "2026-02-11T00:00:00Z", by=ann)
    third = repository.fork(ann)
    assert (first.name_with_owner, third.name_with_owner) == ("ann/hello", "ann/hello-1")
    page = client.ask(FORKS, first=2, after=None).data["repository"]
    assert (page["forkCount"], page["forks"]["totalCount"]) == (3, 3)
    assert page["forks"]["nodes"] == [
        {
            "nameWithOwner": fork.name_with_owner,
            "createdAt": fork.created_at,
            "isFork": True,
            "parent": {"nameWithOwner": "octo/hello"},
            "owner": {"__typename": fork.owner.typename, "login": fork.owner.login},
        }
        for fork in (third, second)
    ]
    rest = client.ask(FORKS, first=2, after=page["forks"]["pageInfo"]["endCursor"]).data["repository"]["forks"]
    assert [each["nameWithOwner"] for each in rest["nodes"]] == ["ann/hello"]
    assert [each["id"] for each in client.get("/repos/octo/hello/forks?sort=newest").json] == [
        third.database_id,
        second.database_id,
        first.database_id,
    ]
    assert client.get("/repos/ann/hello").json["fork"] is True
    event = next(each for each in told(client, "ForkEvent") if each["payload"]["forkee"]["id"] == second.database_id)
    assert event["actor"]["login"] == "ann", "who made it, not whose it is"
    assert event["payload"]["forkee"]["owner"]["login"] == "guild"
    third.become("gone")
    assert (repository.fork_count, len(told(client, "ForkEvent"))) == (2, 3)
    assert client.get("/repos/octo/hello").json["forks_count"] == 2
    ann.delete()
    assert (repository.fork_count, first.state) == (1, "gone")
    assert told(client, "ForkEvent") == []


def test_releases(client: Any, repository: Repository, world: World) -> None:
    ann, bot = world.account("ann"), world.account("github-actions", "Bot")
    first = repository.release(ann, "v1", "2026-02-10T00:00:00Z", name="One", body="notes")
    before = repository.release(bot, "v2-rc", "2026-02-11T00:00:00Z", is_prerelease=True)
    draft = repository.release(ann, "v3", "2026-02-12T00:00:00Z", is_draft=True)
    found = client.ask(RELEASES, first=10, after=None, headers={"X-Github-Next-Global-ID": "1"}).data["repository"]
    assert (found["latestRelease"], found["releases"]["totalCount"]) == ({"tagName": "v1"}, 2)
    assert found["releases"]["nodes"][1] == {
        "id": first.node_id(True),
        "databaseId": first.database_id,
        "name": "One",
        "tagName": "v1",
        "description": "notes",
        "url": "https://github.com/octo/hello/releases/tag/v1",
        "isDraft": False,
        "isPrerelease": False,
        "isLatest": True,
        "createdAt": "2026-02-10T00:00:00Z",
        "publishedAt": "2026-02-10T00:00:00Z",
        "updatedAt": "2026-02-10T00:00:00Z",
        "author": {"login": "ann"},
        "tag": {"name": "v1", "prefix": "refs/tags/"},
        "tagCommit": {"oid": repository.commits[0].oid},
    }
    assert found["releases"]["nodes"][0]["author"] is None, "a bot has no place where the type is User"
    in_rest = client.get("/repos/octo/hello/releases").json
    assert [each["author"]["login"] for each in in_rest] == ["github-actions[bot]", "ann"]
    draft.publish()
    (event, *_) = told(client, "ReleaseEvent")
    assert (event["payload"]["action"], event["payload"]["release"]["tag_name"]) == ("published", "v3")
    assert event["payload"]["release"]["created_at"] == "2026-02-12T00:00:00Z"
    tags = [event["payload"] for event in told(client, "CreateEvent")]
    assert {(each["ref_type"], each["ref"], each["full_ref"]) for each in tags} == {
        ("tag", "v1", "refs/tags/v1"),
        ("tag", "v2-rc", "refs/tags/v2-rc"),
        ("tag", "v3", "refs/tags/v3"),
    }
    before.delete()
    assert [each["payload"]["release"]["tag_name"] for each in told(client, "ReleaseEvent")] == ["v3", "v1"]


# --- events


def test_the_shape_of_an_event(client: Any, repository: Repository, world: World) -> None:
    ann = world.account("ann")
    repository.star(ann)
    (event, *_) = told(client)
    assert isinstance(event.pop("id"), str)
    assert seconds_between(event.pop("created_at"), NOW) <= 5
    assert event == {
        "type": "WatchEvent",
        "actor": {
            "id": ann.database_id,
            "login": "ann",
            "display_login": "ann",
            "gravatar_id": "",
            "url": f"{client.github.url}/users/ann",
            "avatar_url": ann.avatar_url,
        },
        "repo": {
            "id": repository.database_id,
            "name": "octo/hello",
            "url": f"{client.github.url}/repos/octo/hello",
        },
        "payload": {"action": "started"},
        "public": True,
        "org": {
            "id": repository.owner.database_id,
            "login": "octo",
            "gravatar_id": "",
            "url": f"{client.github.url}/orgs/octo",
            "avatar_url": repository.owner.avatar_url,
        },
    }


def test_events_of_threads(client: Any, repository: Repository, world: World) -> None:
    ann, bob = world.account("ann"), world.account("bob")
    issue, pull = repository.issue(6), repository.pull_request(1)
    issue.close(bob)
    issue.reopen(bob)
    issue.assign(ann, bob)
    pull.review(bob, "APPROVED", comments=("look",))
    pull.review(bob, "PENDING", comments=("hidden",))
    pull.merge(bob)
    repository.has_discussions_enabled = True
    repository.open_discussion(ann, "Talk")
    lately = [event for event in told(client) if event["created_at"] >= "2026-03"]
    assert sorted((event["type"], event["payload"].get("action", "")) for event in lately) == [
        ("DiscussionEvent", "created"),
        ("IssuesEvent", "assigned"),
        ("IssuesEvent", "closed"),
        ("IssuesEvent", "reopened"),
        ("PullRequestEvent", "closed"),
        ("PullRequestReviewCommentEvent", "created"),
        ("PullRequestReviewEvent", "created"),
        ("PushEvent", ""),
    ]
    by_kind = {(event["type"], event["payload"].get("action")): event["payload"] for event in lately}
    assert by_kind["IssuesEvent", "assigned"]["assignee"]["login"] == "ann"
    assert by_kind["IssuesEvent", "closed"]["issue"]["number"] == 6
    side = {"id": repository.database_id, "url": f"{client.github.url}/repos/octo/hello", "name": "hello"}
    assert by_kind["PullRequestEvent", "closed"] == {
        "action": "closed",
        "number": 1,
        "pull_request": {
            "url": f"{client.github.url}/repos/octo/hello/pulls/1",
            "id": pull.database_id,
            "number": 1,
            "head": {"ref": "patch-1", "sha": pull.head_ref_oid, "repo": side},
            "base": {"ref": "main", "sha": pull.base_ref_oid, "repo": side},
        },
    }, "trimmed: no title, no state, nor whether it was merged"
    older = [(event["type"], event["payload"]["action"]) for event in told(client) if event["created_at"] < "2026-03"]
    assert {kind: older.count(kind) for kind in older} == {
        ("IssuesEvent", "opened"): 5,
        ("PullRequestEvent", "opened"): 5,
        ("IssueCommentEvent", "created"): 20,
        ("IssuesEvent", "labeled"): 5,
        ("PullRequestEvent", "labeled"): 5,
    }


@pytest.mark.usefixtures("starred")
def test_events_stay_the_same_and_are_in_order(client: Any, clock: Clock) -> None:
    first = told(client)
    clock.advance(60)
    assert told(client) == first
    assert [each["created_at"] for each in first] == sorted((each["created_at"] for each in first), reverse=True)
    assert len({each["id"] for each in first}) == len(first)
    source = {f"gazer-{number}": after("2026-02-20T00:00:00Z", min(number, 8) * 3_600) for number in range(10)}
    shifts = {
        seconds_between(event["created_at"], source[event["actor"]["login"]]) for event in told(client, "WatchEvent")
    }
    assert max(shifts) <= 5
    assert len(shifts) > 2, "hardly one is at its source's second"


def test_no_event_is_of_the_future(client: Any, repository: Repository, world: World) -> None:
    for number in range(20):
        repository.star(world.account(f"gazer-{number}"))
    moments = [event["created_at"] for event in told(client, "WatchEvent")]
    assert len(moments) == 20
    assert min(moments) < max(moments) <= NOW


def test_no_more_than_three_hundred(client: Any, repository: Repository, world: World) -> None:
    for number in range(400):
        repository.star(world.account(f"gazer-{number}"), after(NOW, -number * 60))
    assert [len(page) for page in pages(client, f"{EVENTS}?per_page=100")] == [100, 100, 100]
    assert [event["actor"]["login"] for event in told(client)] == [f"gazer-{number}" for number in range(300)]
    assert len(pages(client, EVENTS)) == 10, "30 a page unless told"
    for query in ("per_page=100&page=4", "page=11", "per_page=60&page=6"):
        reply = client.get(f"{EVENTS}?{query}")
        assert (reply.status, reply.json["message"]) == (
            422,
            "In order to keep the API fast for everyone, pagination is limited for this resource.",
        )
    assert client.get(f"{EVENTS}?per_page=100&page=3").status == 200
    assert client.get(EVENTS).headers["X-Poll-Interval"] == "60"


def test_the_newest_three_hundred_of_a_crowd(client: Any, repository: Repository, world: World) -> None:
    """By their own moments, not by those of what happened."""
    for number in range(400):
        repository.star(world.account(f"gazer-{number}"), after(NOW, -(number // 8) - 10))
    everything = sorted(events.between(repository, after(NOW, -3_600), NOW), key=events.order, reverse=True)
    assert [event["id"] for event in told(client)] == [str(event.id) for event in everything[:300]]


def test_no_older_than_thirty_days(client: Any, repository: Repository, world: World, clock: Clock) -> None:
    repository.star(world.account("old"), after(NOW, -30 * 86_400 - 10))
    repository.star(world.account("new"), after(NOW, -30 * 86_400 + 10))
    assert [event["actor"]["login"] for event in told(client, "WatchEvent")] == ["new"]
    clock.advance(30)
    assert told(client, "WatchEvent") == []
    assert client.get(f"{EVENTS}?per_page=100&page=3").json == []


def test_events_may_be_late(client: Any, repository: Repository, world: World, clock: Clock) -> None:
    repository.events_latency = 300
    repository.star(world.account("ann"))
    clock.advance(290)
    assert told(client, "WatchEvent") == []
    clock.advance(20)
    assert len(told(client, "WatchEvent")) == 1


def test_raw_events(client: Any, repository: Repository, world: World) -> None:
    ann = world.account("ann")
    repository.add_event("MemberEvent", ann, {"action": "added", "member": {"login": "bob"}})
    repository.add_event("GollumEvent", ann, {"pages": []}, archived=True)
    assert [event["payload"]["action"] for event in told(client, "MemberEvent")] == ["added"]
    assert told(client, "GollumEvent") == []


def test_events_of_deleted_accounts_and_of_nobody_are_not_told(
    client: Any, repository: Repository, world: World
) -> None:
    repository.issue(6).close()
    bob = world.account("bob")
    repository.push(bob)
    repository.push(None)
    assert len(told(client, "PushEvent")) == 1
    bob.delete()
    assert told(client, "PushEvent") == []
    assert {event["actor"]["login"] for event in told(client)} == {"ann"}


@pytest.mark.parametrize("what", ["events", "activity", "stargazers", "stargazers/history", "forks", "releases"])
def test_repositories_that_are_not_there(client: Any, repository: Repository, what: str) -> None:
    path = f"/repos/octo/hello/{what}"
    repository.empty()
    assert client.get(path).status == 200
    assert what == "stargazers/history" or client.get(path).json == []
    repository.rename("octo/other")
    assert client.get(f"{path}?per_page=2").status == 301
    states: list[tuple[Any, int]] = [("gone", 404), ("forbidden", 403), ("taken_down", 451)]
    for state, status in states:
        repository.become(state)
        assert client.get(f"/repos/octo/other/{what}").status == status


# --- faults


@pytest.mark.parametrize("what", ["events", "activity", "stargazers", "stargazers/history", "forks"])
@pytest.mark.usefixtures("starred")
def test_faults_strike_these_paths(client: Any, what: str) -> None:
    path = f"/repos/octo/hello/{what}"
    fault = client.github.faults.add(BadGateway(), kind="rest", path=f"*/{what}?*")
    client.github.faults.add(ServerError(422), path=f"*/{what}*page=2*")
    assert client.get(path).status == 200
    assert client.get(f"{path}?per_page=5").status == 502
    assert fault.hits == 1
    assert client.get(f"{path}?page=2").status == 422


def test_faults_strike_these_operations(client: Any, starred: Repository, world: World) -> None:
    add = client.github.faults.add
    add(Latency(0.01), operation="Forks")
    add(BadGateway(), operation="Stars", page_over=50)
    assert client.ask(STARS, first=51, after=None, direction="ASC").status == 502
    client.ask(FORKS, first=5, after=None)
    assert client.github.log[-1].fault == "Latency"
    starred.fork(world.account("ann"))
    starred.release(None, "v1")
    add(NullNode(), times=None)
    content = asked(client)
    stars = content["data"]["repository"]["stargazers"]
    assert ([stars["nodes"][-1], stars["edges"][-1]], len(stars["nodes"])) == ([None, None], 10)
    for query, name in ((FORKS, "forks"), (RELEASES, "releases")):
        assert client.ask(query, first=5, after=None).json["data"]["repository"][name]["nodes"] == [None]


def test_no_release_is_published_of_a_repository_without_commits() -> None:
    repository = World().add_repository("acme/empty", is_empty=True)
    with pytest.raises(ValueError, match="without commits"):
        repository.release(None, "v1")
    repository.push(None)
    assert repository.release(None, "v1").tag_name == "v1"
