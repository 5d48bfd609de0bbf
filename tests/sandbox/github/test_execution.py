"""GraphQL as GitHub answers it, over HTTP."""

from collections.abc import Callable
from typing import Any

import pytest

from sandbox.github import World
from sandbox.github.exchange.refusals import NotModelled
from sandbox.github.world import node_ids
from sandbox.github.world.repositories import Repository

LIST = """
query List($first: Int, $last: Int, $after: String, $before: String, $direction: OrderDirection!,
           $field: IssueOrderField!) {
  repository(owner: "octo", name: "hello") {
    pullRequests(first: $first, last: $last, after: $after, before: $before,
                 orderBy: {field: $field, direction: $direction}) {
      totalCount
      pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
      nodes { number updatedAt }
    }
  }
}
"""
TIMELINE = """
query Timeline($number: Int!, $first: Int, $after: String, $itemTypes: [PullRequestTimelineItemsItemType!],
               $since: DateTime) {
  repository(owner: "octo", name: "hello") {
    pullRequest(number: $number) {
      timelineItems(first: $first, after: $after, itemTypes: $itemTypes, since: $since) {
        totalCount filteredCount pageCount
        pageInfo { hasNextPage endCursor }
        nodes { __typename ... on Node { id } }
      }
    }
  }
}
"""


def numbers(reply: Any) -> list[int]:
    return [node["number"] for node in reply.data["repository"]["pullRequests"]["nodes"]]


def page(reply: Any) -> Any:
    return reply.data["repository"]["pullRequests"]


# --- who may ask


def test_a_token_is_required(client: Any) -> None:
    for header in ("", "bearer wrong", "Basic dG9rZW4="):
        reply = client.ask("{ viewer { login } }", {"Authorization": header})
        assert reply.status == 401
        assert "message" in reply.json
    assert client.ask("{ viewer { login } }", {"Authorization": "bearer wrong"}).json["message"] == "Bad credentials"
    assert client.ask("{ viewer { login } }", {"Authorization": "token token"}).data == {"viewer": {"login": "viewer"}}


def test_a_user_agent_is_required(client: Any) -> None:
    reply = client.ask("{ viewer { login } }", {"User-Agent": ""})
    assert reply.status == 403
    assert b"User-Agent" in reply.body


def test_only_post_and_only_json(client: Any) -> None:
    assert client.get("/graphql").status == 404
    assert client.send("POST", "/graphql", b"{").status == 400
    assert "query attribute" in client.send("POST", "/graphql", b"[]").error["message"]


# --- refused before it is run


def test_validation_errors_have_githubs_codes(client: Any) -> None:
    reply = client.ask("{ viewer { nickname } }")
    assert reply.status == 200
    assert reply.error["extensions"]["code"] == "undefinedField"
    assert "nickname" in reply.error["message"]
    assert reply.error["locations"] == [{"line": 1, "column": 12}]
    assert "data" not in reply.json
    assert client.ask("{ viewer { login(size: 3) } }").error["extensions"]["code"] == "argumentNotAccepted"
    assert client.ask("{ node { id } }").error["extensions"]["code"] == "missingRequiredArguments"
    assert client.ask("query ($a: Int) { viewer { login } }").error["message"]
    assert "Parse error" in client.ask("{ viewer {").error["message"]


def test_variables_are_checked(client: Any) -> None:
    reply = client.ask(LIST, first=3, direction="DOWN", field="UPDATED_AT")
    assert "direction" in reply.error["message"]
    assert "problems" in reply.error["extensions"]


@pytest.mark.parametrize(
    ("arguments", "type_", "words"),
    [
        ("", "MISSING_PAGINATION_BOUNDARIES", "You must provide a `first` or `last` value to properly paginate the"),
        (
            "(first: 101)",
            "EXCESSIVE_PAGINATION",
            "Requesting 101 records on the `issues` connection exceeds the `first`",
        ),
        ("(last: 200)", "EXCESSIVE_PAGINATION", "exceeds the `last` limit of 100 records."),
        ("(first: 0)", "INVALID_PAGINATION_BOUNDARIES", "cannot be less than one"),
        ("(first: 1, last: 1)", "INVALID_PAGINATION_BOUNDARIES", "Passing both `first` and `last`"),
    ],
)
def test_pages_have_bounds(client: Any, arguments: str, type_: str, words: str) -> None:
    for inside in ("nodes { id }", "edges { node { id } }"):
        query = f'{{ repository(owner: "octo", name: "hello") {{ issues{arguments} {{ {inside} }} }} }}'
        error = client.ask(query).error
        assert error["type"] == type_
        assert words in error["message"]
        assert error["path"] == ["repository", "issues"]
        assert error["locations"]


def test_a_count_needs_no_bounds(client: Any) -> None:
    query = '{ repository(owner: "octo", name: "hello") { issues { totalCount } pullRequest(number: 1) {'
    query += " timelineItems(itemTypes: [LABELED_EVENT]) { filteredCount } } } }"
    assert client.ask(query).data["repository"] == {
        "issues": {"totalCount": 5},
        "pullRequest": {"timelineItems": {"filteredCount": 1}},
    }


def test_too_many_nodes_are_refused(client: Any) -> None:
    query = """{ repository(owner: "octo", name: "hello") { pullRequests(first: 100) { nodes {
        reviews(first: 100) { nodes { comments(first: 100) { nodes { id } } } } } } } }"""
    error = client.ask(query).error
    assert error["type"] == "MAX_NODE_LIMIT_EXCEEDED"
    assert "1,010,100 possible nodes which exceeds the maximum limit of 500,000" in error["message"]


def test_what_is_not_modelled_is_said(world: World, repository: Repository, serve: Callable[..., Any]) -> None:
    client = serve(world)
    reply = client.ask('{ repository(owner: "octo", name: "hello") { diskUsage } }')
    assert reply.status == 501
    assert reply.json["message"] == "NotModelled: the stand-in does not model Repository.diskUsage"
    (failure,) = client.github.failures
    assert isinstance(failure, NotModelled)
    client.github.failures.clear()
    assert repository.pull_requests


def test_an_unmodelled_request_fails_whoever_runs_the_stand_in(world: World, repository: Repository) -> None:
    from sandbox.github import StandIn

    github = StandIn(world)
    github.start()
    github.failures.append(NotModelled(repository.name))
    with pytest.raises(ExceptionGroup, match="the stand-in failed"):
        github.__exit__(None, None, None)


# --- what is there and what is not


def test_a_missing_repository(client: Any) -> None:
    reply = client.ask('{ repository(owner: "octo", name: "nothing") { id } }')
    assert reply.status == 200
    assert reply.json["data"] == {"repository": None}
    assert reply.error["type"] == "NOT_FOUND"
    assert reply.error["path"] == ["repository"]
    assert reply.error["message"] == "Could not resolve to a Repository with the name 'octo/nothing'."


@pytest.mark.parametrize(
    ("state", "type_", "words"),
    [
        ("gone", "NOT_FOUND", "Could not resolve to a Repository"),
        ("forbidden", "FORBIDDEN", "Resource not accessible"),
        ("taken_down", "FORBIDDEN", "Repository access blocked"),
    ],
)
def test_a_repository_that_is_not_served(
    client: Any, repository: Repository, state: Any, type_: str, words: str
) -> None:
    node = repository.pull_request(1).node_id(True)
    repository.become(state)
    error = client.ask('{ repository(owner: "octo", name: "hello") { id } }').error
    assert (error["type"], words in error["message"]) == (type_, True)
    reply = client.ask("query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", ids=[node])
    assert reply.json["data"] == {"nodes": [None]}
    assert reply.error["type"] == type_


def test_missing_numbers(client: Any) -> None:
    repo = 'repository(owner: "octo", name: "hello")'
    error = client.ask(f"{{ {repo} {{ pullRequest(number: 6) {{ id }} }} }}").error
    assert error["message"] == "Could not resolve to a PullRequest with the number of 6."
    assert error["path"] == ["repository", "pullRequest"]
    error = client.ask(f"{{ {repo} {{ issue(number: 1) {{ id }} }} }}").error
    assert error["message"] == "Could not resolve to an Issue with the number of 1."
    data = client.ask(f"{{ {repo} {{ issueOrPullRequest(number: 6) {{ __typename }} }} }}").data
    assert data["repository"]["issueOrPullRequest"] == {"__typename": "Issue"}


def test_renames_are_followed_unless_told_otherwise(client: Any, repository: Repository) -> None:
    repository.rename("octo/renamed")
    assert client.ask('{ repository(owner: "octo", name: "hello") { nameWithOwner } }').data == {
        "repository": {"nameWithOwner": "octo/renamed"}
    }
    error = client.ask('{ repository(owner: "octo", name: "hello", followRenames: false) { id } }').error
    assert error["type"] == "NOT_FOUND"


def test_nodes_keep_their_places(client: Any, repository: Repository) -> None:
    pull, issue = repository.pull_request(1), repository.issue(6)
    ids = [pull.node_id(True), "PR_nonsense", issue.node_id(False), pull.node_id(False)]
    reply = client.ask("query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }", ids=ids)
    pull_node = {"__typename": "PullRequest", "id": pull.node_id(False)}
    assert reply.json["data"]["nodes"] == [
        pull_node,
        None,
        {"__typename": "Issue", "id": issue.node_id(False)},
        pull_node,
    ]
    assert reply.error["type"] == "NOT_FOUND"
    assert reply.error["path"] == ["nodes", 1]
    assert reply.error["message"] == "Could not resolve to a node with the global id of 'PR_nonsense'"


def test_an_id_names_its_repository(client: Any, world: World, repository: Repository) -> None:
    """The number alone is not enough: it is another object's id in another repository."""
    number = repository.pull_request(1).database_id
    other = world.add_repository("octo/other")
    forged = node_ids.new("PullRequest", other.database_id, number)
    error = client.ask("query ($id: ID!) { node(id: $id) { id } }", id=forged).error
    assert error["type"] == "NOT_FOUND"


def test_events_of_deleted_accounts(client: Any, world: World, repository: Repository) -> None:
    leaver = world.account("leaver")
    pull = repository.pull_request(1)
    pull.assign(leaver)
    pull.request_review(leaver, by=leaver)
    leaver.delete()
    query = """{ repository(owner: "octo", name: "hello") { pullRequest(number: 1) {
        assignees(first: 9) { totalCount }
        timelineItems(first: 9, itemTypes: [ASSIGNED_EVENT, REVIEW_REQUESTED_EVENT]) { nodes {
            ... on AssignedEvent { assignee { __typename } }
            ... on ReviewRequestedEvent { actor { login } requestedReviewer { __typename } } } } } } }"""
    found = client.ask(query).data["repository"]["pullRequest"]
    assert found["assignees"] == {"totalCount": 0}
    expected: list[Any] = [{"assignee": None}, {"actor": None, "requestedReviewer": None}]
    assert sorted(found["timelineItems"]["nodes"], key=len) == expected


def test_at_most_a_hundred_nodes(client: Any) -> None:
    error = client.ask("query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", ids=["x"] * 101).error
    assert error["message"] == "You may not provide more than 100 node ids; you provided 101."


def test_the_format_of_ids_is_the_clients_choice(client: Any, repository: Repository) -> None:
    query = '{ repository(owner: "octo", name: "hello") { pullRequest(number: 1) { id } } }'
    old = client.ask(query).data["repository"]["pullRequest"]["id"]
    new = client.ask(query, {"X-Github-Next-Global-ID": "1"}).data["repository"]["pullRequest"]["id"]
    assert new.startswith("PR_kw")
    assert {old, new} == {repository.pull_request(1).node_id(False), repository.pull_request(1).node_id(True)}
    for each in (old, new):
        found = client.ask("query ($id: ID!) { node(id: $id) { ... on PullRequest { number } } }", id=each)
        assert found.data == {"node": {"number": 1}}


def test_ids_beyond_32_bits(client: Any, repository: Repository) -> None:
    big = repository.open_issue(None, "big", database_id=2**31)
    bigger = repository.open_issue(None, "bigger", database_id=2**33)
    small = repository.open_issue(None, "small", database_id=2**31 - 1)
    query = "query ($ids: [ID!]!) { nodes(ids: $ids) { ... on Issue { databaseId fullDatabaseId author { login } } } }"
    ids = [each.node_id(True) for each in (big, bigger, small)]
    assert client.ask(query, ids=ids).data["nodes"] == [
        {"databaseId": None, "fullDatabaseId": str(2**31), "author": None},
        {"databaseId": None, "fullDatabaseId": str(2**33), "author": None},
        {"databaseId": 2**31 - 1, "fullDatabaseId": str(2**31 - 1), "author": None},
    ]


def test_all_kinds_of_authors(client: Any, world: World, repository: Repository) -> None:
    for kind in ("Bot", "Mannequin", "Organization", "EnterpriseUserAccount"):
        repository.issue(6).comment(world.account(f"a-{kind.lower()}", kind), kind)
    ghost = world.account("leaver")
    repository.issue(6).comment(ghost, "gone")
    ghost.delete()
    query = """{ repository(owner: "octo", name: "hello") { issue(number: 6) { comments(last: 5) { nodes {
        author { __typename login ... on User { databaseId } ... on Bot { databaseId } } } } } } }"""
    nodes = client.ask(query).data["repository"]["issue"]["comments"]["nodes"]
    authors = [node["author"] and node["author"]["__typename"] for node in nodes]
    assert authors == ["Bot", "Mannequin", "Organization", "EnterpriseUserAccount", None]


# --- pages


@pytest.mark.parametrize("field", ["UPDATED_AT", "CREATED_AT"])
@pytest.mark.parametrize("direction", ["ASC", "DESC"])
@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
def test_pages_are_a_partition(client: Any, field: str, direction: str, size: int) -> None:
    seen: list[int] = []
    after = None
    while True:
        got = page(client.ask(LIST, first=size, after=after, direction=direction, field=field))
        seen += [node["number"] for node in got["nodes"]]
        assert got["totalCount"] == 5
        assert got["pageInfo"]["hasPreviousPage"] == (after is not None)
        after = got["pageInfo"]["endCursor"]
        if not got["pageInfo"]["hasNextPage"]:
            break
    assert seen == ([1, 2, 3, 4, 5] if direction == "ASC" else [5, 4, 3, 2, 1])


def test_last_and_before_go_backwards(client: Any) -> None:
    got = page(client.ask(LIST, last=2, direction="DESC", field="UPDATED_AT"))
    assert [node["number"] for node in got["nodes"]] == [2, 1]
    before = got["pageInfo"]["startCursor"]
    assert numbers(client.ask(LIST, last=2, before=before, direction="DESC", field="UPDATED_AT")) == [4, 3]


def test_a_cursor_survives_its_item(client: Any, repository: Repository) -> None:
    after = page(client.ask(LIST, first=2, direction="DESC", field="UPDATED_AT"))["pageInfo"]["endCursor"]
    repository.pull_request(4).edit(body="moved to the top")
    assert numbers(client.ask(LIST, first=2, after=after, direction="DESC", field="UPDATED_AT")) == [3, 2]
    repository.pull_request(4).delete()
    assert numbers(client.ask(LIST, first=2, after=after, direction="DESC", field="UPDATED_AT")) == [3, 2]
    assert numbers(client.ask(LIST, first=9, direction="DESC", field="UPDATED_AT")) == [5, 3, 2, 1]


def test_what_is_no_cursor(client: Any) -> None:
    for cursor in ("abc", "Y3Vyc29yOnYyOg==", "Y3Vyc29yOnYyOlsxXQ=="):
        reply = client.ask(LIST, first=2, after=cursor, direction="DESC", field="UPDATED_AT")
        assert reply.error["type"] == "INVALID_CURSOR_ARGUMENTS"
        assert reply.error["message"] == f"`{cursor}` does not appear to be a valid cursor."
        assert reply.error["path"] == ["repository", "pullRequests"]


def test_a_refused_cursor(client: Any) -> None:
    after = page(client.ask(LIST, first=2, direction="DESC", field="UPDATED_AT"))["pageInfo"]["endCursor"]
    client.github.faults.refuse_cursor(after)
    for _ in range(2):
        reply = client.ask(LIST, first=2, after=after, direction="DESC", field="UPDATED_AT")
        assert reply.error["type"] == "INVALID_CURSOR_ARGUMENTS"
    client.github.faults.clear()
    assert numbers(client.ask(LIST, first=2, after=after, direction="DESC", field="UPDATED_AT")) == [3, 2]


def test_issues_are_filtered(client: Any, repository: Repository) -> None:
    repository.issue(7).close()
    repository.issue(8).label("rare")
    query = """query ($states: [IssueState!], $by: IssueFilters, $labels: [String!]) {
        repository(owner: "octo", name: "hello") { issues(first: 10, states: $states, filterBy: $by, labels: $labels) {
            totalCount nodes { number } } } }"""

    def found(**variables: Any) -> list[int]:
        issues = client.ask(query, **variables).data["repository"]["issues"]
        assert issues["totalCount"] == len(issues["nodes"])
        return [node["number"] for node in issues["nodes"]]

    assert found() == [6, 7, 8, 9, 10]
    assert found(states=["CLOSED"]) == [7]
    assert found(labels=["rare"]) == [8]
    assert found(by={"since": "2026-03-01T11:00:00+00:00"}) == [7, 8]
    assert found(by={"since": "2026-02-01T00:09:00Z", "states": ["OPEN"]}) == [8, 9, 10]


def test_switched_off_issues_are_an_empty_list(client: Any, repository: Repository) -> None:
    repository.has_issues_enabled = False
    query = (
        '{ repository(owner: "octo", name: "hello") { hasIssuesEnabled issues(first: 9) { totalCount nodes { id } } } }'
    )
    assert client.ask(query).data["repository"] == {
        "hasIssuesEnabled": False,
        "issues": {"totalCount": 0, "nodes": []},
    }


def test_switched_off_discussions_are_an_empty_list(client: Any) -> None:
    query = '{ repository(owner: "octo", name: "hello") { discussions(first: 9) { totalCount nodes { id } } } }'
    assert client.ask(query).data["repository"] == {"discussions": {"totalCount": 0, "nodes": []}}


def test_timeline_counts(client: Any, repository: Repository) -> None:
    pull = repository.pull_request(1)
    pull.commit_count = 3
    pull.review(None, "APPROVED", comments=("one", "two"))
    wanted = ["ISSUE_COMMENT", "PULL_REQUEST_REVIEW"]
    items = client.ask(TIMELINE, number=1, first=2, itemTypes=wanted).data["repository"]["pullRequest"]["timelineItems"]
    # Two comments, a review, a labeled event, three commits.
    assert (items["totalCount"], items["filteredCount"], items["pageCount"]) == (7, 3, 2)
    assert [node["__typename"] for node in items["nodes"]] == ["IssueComment", "IssueComment"]
    rest = client.ask(TIMELINE, number=1, first=2, itemTypes=wanted, after=items["pageInfo"]["endCursor"])
    items = rest.data["repository"]["pullRequest"]["timelineItems"]
    assert [node["__typename"] for node in items["nodes"]] == ["PullRequestReview"]
    assert not items["pageInfo"]["hasNextPage"]
    whole = client.ask(TIMELINE, number=1, first=100).data["repository"]["pullRequest"]["timelineItems"]
    assert (whole["totalCount"], whole["filteredCount"]) == (7, 7)
    since = client.ask(TIMELINE, number=1, first=100, since="2026-03-01T00:00:00Z")
    assert since.data["repository"]["pullRequest"]["timelineItems"]["pageCount"] == 1


def test_timeline_items_of_one_second_and_one_id(client: Any, repository: Repository) -> None:
    """A cursor between two items that differ in type only loses neither."""
    pull = repository.pull_request(1)
    at = "2026-02-02T00:00:00Z"
    comment = pull.comment(None, "same", database_id=77_000_000, at=at)
    review = pull.review(None, "APPROVED", at=at)
    repository.world.forget(review)
    review.database_id = comment.database_id
    repository.world.remember(review)
    wanted = ["ISSUE_COMMENT", "PULL_REQUEST_REVIEW"]
    seen = []
    after = None
    for _ in range(4):
        reply = client.ask(TIMELINE, number=1, first=1, after=after, itemTypes=wanted)
        items = reply.data["repository"]["pullRequest"]["timelineItems"]
        seen += [node["id"] for node in items["nodes"]]
        after = items["pageInfo"]["endCursor"]
    assert len(set(seen)) == 4
    assert {comment.node_id(False), review.node_id(False)} < set(seen)


def test_pending_reviews_are_their_authors_alone(
    world: World, repository: Repository, serve: Callable[..., Any]
) -> None:
    client = serve(world, tokens={"token": "viewer", "other": "bob"})
    pull = repository.pull_request(1)
    before = pull.updated_at
    pending = pull.review(world.account("bob"), "PENDING", comments=("hidden",))
    assert pull.updated_at == before
    query = """query ($id: ID!) { node(id: $id) { ... on PullRequest { reviews(first: 9) { totalCount nodes { state
        submittedAt } } timelineItems(first: 9, itemTypes: [PULL_REQUEST_REVIEW]) { filteredCount } } } }"""
    hidden = client.ask(query, id=pull.node_id(True)).data["node"]
    assert hidden == {"reviews": {"totalCount": 0, "nodes": []}, "timelineItems": {"filteredCount": 0}}
    shown = {
        "reviews": {"totalCount": 1, "nodes": [{"state": "PENDING", "submittedAt": None}]},
        "timelineItems": {"filteredCount": 1},
    }
    assert client.ask(query, {"Authorization": "bearer other"}, id=pull.node_id(True)).data["node"] == shown
    assert (
        client.ask("query ($id: ID!) { node(id: $id) { id } }", id=pending.node_id(True)).error["type"] == "NOT_FOUND"
    )
    world.shows_pending_reviews = True
    assert client.ask(query, id=pull.node_id(True)).data["node"] == shown


def test_links_between_pull_requests_and_issues(client: Any, repository: Repository) -> None:
    issue = repository.issue(6)
    for number in (1, 2, 3):
        repository.pull_request(number).will_close(issue)
    repository.pull_request(2).close()
    repository.pull_request(3).merge()
    query = """query ($closed: Boolean) { repository(owner: "octo", name: "hello") {
        issue(number: 6) { state closedByPullRequestsReferences(first: 9, includeClosedPrs: $closed) {
            totalCount nodes { number state } }
            timelineItems(last: 1, itemTypes: [CLOSED_EVENT]) { nodes { ... on ClosedEvent { stateReason closer {
                ... on PullRequest { number } } } } } }
        pullRequest(number: 3) { closingIssuesReferences(first: 9) { nodes { number } } } } }"""
    found = client.ask(query).data["repository"]
    assert [node["number"] for node in found["issue"]["closedByPullRequestsReferences"]["nodes"]] == [1, 3]
    assert found["issue"]["state"] == "CLOSED"
    closed = {"stateReason": "COMPLETED", "closer": {"number": 3}}
    assert found["issue"]["timelineItems"]["nodes"] == [closed]
    assert found["pullRequest"]["closingIssuesReferences"]["nodes"] == [{"number": 6}]
    found = client.ask(query, closed=True).data["repository"]
    assert found["issue"]["closedByPullRequestsReferences"]["totalCount"] == 3


def test_requested_reviewers(client: Any, world: World, repository: Repository) -> None:
    pull = repository.pull_request(1)
    leaver = world.account("leaver")
    pull.request_review(world.account("bob"))
    pull.request_review(world.team("octo", "core"))
    pull.request_review(leaver)
    leaver.delete()
    query = """{ repository(owner: "octo", name: "hello") { pullRequest(number: 1) { reviewRequests(first: 9) { nodes {
        requestedReviewer { __typename ... on User { login } ... on Team { slug } } } } } } }"""
    nodes = client.ask(query).data["repository"]["pullRequest"]["reviewRequests"]["nodes"]
    assert [node["requestedReviewer"] for node in nodes] == [
        {"__typename": "User", "login": "bob"},
        {"__typename": "Team", "slug": "core"},
        None,
    ]


def test_aliases_directives_and_rate_limit(client: Any, repository: Repository) -> None:
    query = """query ($a: ID!, $b: ID!, $yes: Boolean!, $no: Boolean!) {
        rateLimit { limit cost remaining used nodeCount resetAt }
        a: node(id: $a) { ... on PullRequest { comments(first: 10) { nodes { id } } } }
        b: node(id: $b) { ... on PullRequest { comments(first: 10) @include(if: $yes) { nodes { id } }
            reviews(first: 90) @skip(if: $yes) { nodes { id } } labels(first: 90) @include(if: $no) { nodes { id } } } }
    }"""
    ids = {"a": repository.pull_request(1).node_id(True), "b": repository.pull_request(2).node_id(True)}
    data = client.ask(query, **ids, yes=True, no=False).data
    assert set(data["b"]) == {"comments"}
    assert data["rateLimit"] == {
        "limit": 5000,
        "cost": 1,
        "remaining": 4999,
        "used": 1,
        "nodeCount": 20,
        "resetAt": "2026-03-01T13:00:00Z",
    }


def test_whether_a_pull_request_could_be_merged(client: Any, world: World, repository: Repository) -> None:
    repository.pull_request(2).merge(world.account("bob"))
    fields = "mergeable canBeRebased mergeStateStatus maintainerCanModify author { ... on User { isSiteAdmin } }"
    query = f'{{repository(owner: "octo", name: "hello") {{pullRequests(first: 2) {{nodes {{{fields}}}}}}}}}'
    first, second = client.ask(query).data["repository"]["pullRequests"]["nodes"]
    assert [*first.values()] == ["MERGEABLE", True, "CLEAN", False, {"isSiteAdmin": False}]
    assert [*second.values()][:3] == ["UNKNOWN", False, "UNKNOWN"]
