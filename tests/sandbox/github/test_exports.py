"""A loaded export has every record of the file as it is there, and what it adds is the same every time."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sandbox.github import World
from sandbox.github.generation import exports as loading
from sandbox.github.world.accounts import Account
from sandbox.github.world.pull_requests import PullRequest
from sandbox.github.world.repositories import Repository
from sandbox.github.world.threads import Issue, Thread

NAMES = ("cfrg__draft-irtf-cfrg-hpke", "mlswg__mls-protocol", "tlswg__draft-ietf-tls-esni")


@pytest.fixture(scope="session")
def raw(exports: Path) -> dict[str, dict[str, Any]]:
    return {name: loading.read(exports / f"{name}.json.gz") for name in NAMES}


@pytest.fixture(scope="session")
def loaded(exports: Path) -> dict[str, Repository]:
    world = World()
    return {name: loading.load(world, exports / f"{name}.json.gz") for name in NAMES}


def login(account: Account | None) -> str | None:
    return account.login if account else None


def by_text(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=repr)


def thread_record(thread: Thread, number: int) -> dict[str, Any]:
    return {
        "number": number,
        "id": thread.node_id(False),
        "title": thread.title,
        "url": thread.url,
        "state": thread.state,
        "author": login(thread.author),
        "authorAssociation": thread.author_association,
        "assignees": [account.login for account in thread.assignees],
        "labels": [label.name for label in thread.labels],
        "body": thread.body,
        "createdAt": thread.created_at,
        "updatedAt": thread.updated_at,
        "closedAt": thread.closed_at,
        "comments": by_text(
            [
                {
                    "author": login(comment.author),
                    "authorAssociation": comment.author_association,
                    "body": comment.body,
                    "createdAt": comment.created_at,
                    "updatedAt": comment.updated_at,
                }
                for comment in thread.comments
            ]
        ),
    }


def pull_record(pull: PullRequest) -> dict[str, Any]:
    return thread_record(pull, pull.number) | {
        "mergedAt": pull.merged_at,
        "mergedBy": login(pull.merged_by),
        "mergeCommit": {"oid": pull.merge_commit.oid} if pull.merge_commit else None,
        "baseRepository": pull.base_repository.name_with_owner,
        "baseRefName": pull.base_ref_name,
        "baseRefOid": pull.base_ref_oid,
        "headRepository": pull.head_repository.name_with_owner if pull.head_repository else None,
        "headRefName": pull.head_ref_name,
        "headRefOid": pull.head_ref_oid,
        "reviews": by_text(
            [
                {
                    "id": review.node_id(False),
                    "commit": {"abbreviatedOid": review.commit.abbreviated_oid},
                    "author": login(review.author),
                    "authorAssociation": review.author_association,
                    "state": review.state,
                    "body": review.body,
                    "createdAt": review.created_at,
                    "updatedAt": review.updated_at,
                    "comments": by_text(
                        [
                            {
                                "originalPosition": comment.original_position,
                                "body": comment.body,
                                "createdAt": comment.created_at,
                                "updatedAt": comment.updated_at,
                            }
                            for comment in review.comments
                        ]
                    ),
                }
                for review in pull.reviews
            ]
        ),
    }


def unordered(record: dict[str, Any]) -> dict[str, Any]:
    """The file's record with its lists of children in the order that the comparison uses."""
    reviews = [review | {"comments": by_text(review["comments"])} for review in record.get("reviews", ())]
    return record | {"comments": by_text(record["comments"])} | ({"reviews": by_text(reviews)} if reviews else {})


@pytest.mark.parametrize("name", NAMES)
def test_every_record_is_the_files(name: str, raw: dict[str, dict[str, Any]], loaded: dict[str, Repository]) -> None:
    content, repository = raw[name], loaded[name]
    assert repository.name_with_owner == content["repo"]
    assert {(label.name, label.color, label.description) for label in repository.labels.values()} == {
        (label["name"], label["color"], label["description"]) for label in content["labels"]
    }
    assert sorted(repository.issues) == [record["number"] for record in content["issues"]]
    for record in content["issues"]:
        assert thread_record(repository.issue(record["number"]), record["number"]) == unordered(record)
    assert sorted(repository.pull_requests) == [record["number"] for record in content["pulls"]]
    for record in content["pulls"]:
        found = pull_record(repository.pull_request(record["number"]))
        assert found == unordered(record | {"reviews": record["reviews"]})


def test_the_numbers_of_mls(loaded: dict[str, Repository]) -> None:
    counts = loaded["mlswg__mls-protocol"].counts()
    assert {name: counts[name] for name in counts if name != "issue_events"} == {
        "pull_requests": 582,
        "issues": 303,
        "reviews": 1_370,
        "review_comments": 1_720,
        "comments": 1_435,
        "discussions": 0,
        "discussion_comments": 0,
        "stars": 0,
        "forks": 0,
        "releases": 0,
        "pushes": 0,
    }
    assert 2_500 < counts["issue_events"] < 6_000


def fingerprint(repository: Repository) -> list[Any]:
    facts: list[Any] = []
    threads: list[Thread] = [*repository.issues.values(), *repository.pull_requests.values()]
    for thread in threads:
        facts.append((thread.number, thread.database_id, thread.milestone and thread.milestone.title))
        facts += [(comment.database_id, comment.node_id(True)) for comment in thread.comments]
        facts += [
            (event.typename, event.database_id, event.created_at, login(event.actor), sorted(event.data))
            for event in thread.events
        ]
        if isinstance(thread, PullRequest):
            facts.append((thread.additions, thread.commit_count, [issue.number for issue in thread.closes]))
            facts += [(request.database_id, request.reviewer.url) for request in thread.review_requests]
            facts += [
                (
                    each.database_id,
                    each.path,
                    each.position,
                    each.diff_hunk,
                    each.reply_to and each.reply_to.database_id,
                )
                for each in thread.review_comments()
            ]
    return facts


def test_what_is_derived_is_the_same_at_every_load(exports: Path, loaded: dict[str, Repository]) -> None:
    """Whatever else the world holds."""
    for name in NAMES:
        assert fingerprint(loading.load(World(), exports / f"{name}.json.gz")) == fingerprint(loaded[name])


def test_what_is_derived_is_consistent(loaded: dict[str, Repository]) -> None:
    for repository in loaded.values():
        closing = replies = outdated = 0
        kinds: Counter[str] = Counter()
        requested: Counter[str] = Counter()
        for thread in [*repository.issues.values(), *repository.pull_requests.values()]:
            names = [event.typename for event in thread.events]
            kinds.update(names)
            assert [event.created_at for event in thread.events] == sorted(event.created_at for event in thread.events)
            for label in thread.labels:
                assert any(e.typename == "LabeledEvent" and e.data["label"] is label for e in thread.events)
            if thread.closed_at:
                assert any(e.typename == "ClosedEvent" and e.created_at == thread.closed_at for e in thread.events)
            if isinstance(thread, PullRequest):
                closing += len(thread.closes)
                assert ("MergedEvent" in names) == thread.merged
                for issue in thread.closes:
                    assert isinstance(issue, Issue)
                    assert thread in issue.closed_by
                    assert f"#{issue.number}" in thread.body
                requested.update(request.reviewer.typename for request in thread.review_requests)
                assert all(review.submitted_at == review.created_at for review in thread.reviews)
                for comment in thread.review_comments():
                    outdated += comment.position is None
                    if comment.reply_to is not None:
                        replies += 1
                        assert comment.reply_to.reply_to is None
                        assert comment.reply_to.original_position == comment.original_position
                        assert comment.reply_to.created_at <= comment.created_at
                        assert comment.reply_to.path == comment.path
        assert closing > 10
        assert replies > 100
        assert outdated > 50
        assert requested["User"] > 10
        assert requested["Team"] > 0
        assert len(kinds) >= 15
        assert sum(issue.milestone is not None for issue in repository.issues.values()) > 5


def test_it_is_served_whole(exports: Path, serve: Callable[..., Any]) -> None:
    """Every pull request by pages of 25, and the timeline's items are those of the file and the derived ones."""
    world = World()
    repository = loading.load(world, exports / f"{NAMES[0]}.json.gz")
    client = serve(world)
    query = """query ($after: String) { repository(owner: "cfrg", name: "draft-irtf-cfrg-hpke") {
        pullRequests(first: 25, after: $after, orderBy: {field: UPDATED_AT, direction: DESC}) {
            totalCount pageInfo { hasNextPage endCursor }
            nodes { number updatedAt timelineItems(first: 100) { totalCount nodes { __typename
                ... on IssueComment { body } ... on PullRequestReview { body } } } } } } }"""
    seen: dict[int, Any] = {}
    after = None
    updated: list[str] = []
    while True:
        page = client.ask(query, after=after).data["repository"]["pullRequests"]
        seen |= {node["number"]: node for node in page["nodes"]}
        updated += [node["updatedAt"] for node in page["nodes"]]
        if not page["pageInfo"]["hasNextPage"]:
            break
        after = page["pageInfo"]["endCursor"]
    assert sorted(seen) == sorted(repository.pull_requests)
    assert updated == sorted(updated, reverse=True)
    for number, pull in repository.pull_requests.items():
        items = seen[number]["timelineItems"]
        bodies = sorted(item["body"] for item in items["nodes"] if "body" in item)
        assert bodies == sorted(written.body for written in [*pull.comments, *pull.reviews])
        assert items["totalCount"] == len(items["nodes"])
        assert items["totalCount"] == len(bodies) + len(pull.events) + pull.commit_count
