"""Servers whose schema lacks what github.com has: what they say of a query that asks for it, and of themselves."""

from collections.abc import Callable
from typing import Any

from graphql import build_client_schema, get_introspection_query

from sandbox.github import World
from sandbox.github.graphql.schema import schema
from sandbox.github.graphql.servers import ENTERPRISE_2024
from sandbox.github.world.projects import Deployment, IssueType, Project
from sandbox.github.world.repositories import Repository
from tests.support.sandbox.client import Client

TIMELINE = """
query Timeline($types: [IssueTimelineItemsItemType!]) { repository(owner: "octo", name: "hello") {
  issue(number: 6) { timelineItems(first: 20, itemTypes: $types) { nodes { __typename %s } } } } }
"""


def enterprise(world: World, serve: Callable[..., Client]) -> Client:
    return serve(world, lacks=ENTERPRISE_2024)


def test_a_field_that_the_server_lacks(world: World, repository: Repository, serve: Callable[..., Client]) -> None:
    client = enterprise(world, serve)
    query = """query Page { repository(owner: "octo", name: "hello") { issues(first: 1) { nodes {
        ...Whole } } } } fragment Whole on Issue { fullDatabaseId assignedActors(first: 1) { totalCount } }"""
    reply = client.ask(query)
    assert reply.status == 200
    assert "data" not in reply.json
    assert [error["message"] for error in reply.json["errors"]] == [
        "Field 'fullDatabaseId' doesn't exist on type 'Issue'",
        "Field 'assignedActors' doesn't exist on type 'Issue'",
    ]
    first = reply.json["errors"][0]
    assert first["path"] == ["fragment Whole", "fullDatabaseId"]
    assert first["extensions"] == {"code": "undefinedField", "typeName": "Issue", "fieldName": "fullDatabaseId"}
    assert "type" not in first
    assert client.github.log[-1].cost == 0
    assert repository.issues


def test_a_type_that_the_server_lacks(world: World, repository: Repository, serve: Callable[..., Client]) -> None:
    client = enterprise(world, serve)
    reply = client.ask(TIMELINE % "... on AddedToProjectV2Event { createdAt }")
    assert reply.error["message"] == "No such type AddedToProjectV2Event, so it can't be a fragment condition"
    assert reply.error["extensions"] == {"code": "undefinedType", "typeName": "AddedToProjectV2Event"}
    assert reply.error["path"][-1] == "... on AddedToProjectV2Event"
    assert reply.error["path"][0] == "query Timeline"
    assert repository.issues


def test_a_value_that_the_server_lacks(world: World, repository: Repository, serve: Callable[..., Client]) -> None:
    client = enterprise(world, serve)
    reply = client.ask(TIMELINE % "", types=["CLOSED_EVENT", "ISSUE_TYPE_ADDED_EVENT"])
    words = 'Expected "ISSUE_TYPE_ADDED_EVENT" to be one of: ADDED_TO_PROJECT_EVENT, ASSIGNED_EVENT'
    start = "Variable $types of type [IssueTimelineItemsItemType!] was provided invalid value for 1 ("
    assert reply.error["message"].startswith(start + words)
    [problem] = reply.error["extensions"]["problems"]
    assert (problem["path"], problem["explanation"].startswith(words)) == ([1], True)
    assert repository.issues


def test_a_value_that_the_server_lacks_in_the_text_of_the_query(client: Client) -> None:
    query = """{ repository(owner: "octo", name: "hello") { issue(number: 6) {
        timelineItems(first: 1, itemTypes: [CLOSED_EVENT, NO_SUCH_EVENT]) { totalCount } } } }"""
    error = client.ask(query).error
    assert error["message"] == (
        "Argument 'itemTypes' on Field 'timelineItems' has an invalid value ([CLOSED_EVENT, NO_SUCH_EVENT]). "
        "Expected type '[IssueTimelineItemsItemType!]'."
    )
    assert error["extensions"]["code"] == "argumentLiteralsIncompatible"
    assert error["path"] == ["query", "repository", "issue", "timelineItems", "itemTypes"]


def test_a_server_tells_its_schema(world: World, repository: Repository, serve: Callable[..., Client]) -> None:
    client = serve(world)
    told = build_client_schema(client.ask(get_introspection_query(descriptions=False)).data)
    assert told.type_map.keys() == schema().type_map.keys()
    names = '{ __type(name: "Issue") { fields(includeDeprecated: true) { name } } }'
    has = [
        {each["name"] for each in asked.ask(names).data["__type"]["fields"]}
        for asked in (client, enterprise(world, serve))
    ]
    assert {"assignedActors", "fullDatabaseId", "issueType"} <= has[0] - has[1]
    assert "databaseId" in has[1]
    assert client.github.log[-1].cost == 1
    assert repository.issues


def test_a_server_that_is_upgraded(world: World, repository: Repository, serve: Callable[..., Client]) -> None:
    client = enterprise(world, serve)
    query = '{ repository(owner: "octo", name: "hello") { issue(number: 6) { fullDatabaseId } } }'
    assert client.ask(query).error
    client.github.lacks = frozenset()
    assert client.ask(query).data
    assert repository.issues


def test_what_github_added(client: Client, world: World, repository: Repository) -> None:
    """Projects, types of issues, sub-issues and what blocks what, and bots among the assignees."""
    octo, issue, other = world.account("octo"), repository.issue(6), repository.issue(7)
    project = Project(octo, 5, 1, "Roadmap", "2026-01-01T00:00:00Z")
    kinds = [IssueType(octo, number, name) for number, name in enumerate(("Bug", "Task"), 1)]
    issue.event("AddedToProjectV2Event", octo, project=project)
    issue.event("ProjectV2ItemStatusChangedEvent", octo, project=project, previous_status="Todo", status="Done")
    issue.event("IssueTypeChangedEvent", octo, issue_type=kinds[0], previous_issue_type=kinds[1])
    issue.event("SubIssueAddedEvent", octo, sub_issue=other)
    issue.event("BlockedByAddedEvent", octo, blocking_issue=other)
    fields = """
        ... on AddedToProjectV2Event { id databaseId wasAutomated project { title number url } }
        ... on ProjectV2ItemStatusChangedEvent { previousStatus status }
        ... on IssueTypeChangedEvent { issueType { name } prevIssueType { name } }
        ... on SubIssueAddedEvent { subIssue { number } }
        ... on BlockedByAddedEvent { blockingIssue { number } }
    """
    nodes = client.ask(TIMELINE % fields).data["repository"]["issue"]["timelineItems"]["nodes"]
    named = {each.pop("__typename"): each for each in nodes}
    assert named["AddedToProjectV2Event"]["project"] == {
        "title": "Roadmap",
        "number": 1,
        "url": "https://github.com/orgs/octo/projects/1",
    }
    assert named["ProjectV2ItemStatusChangedEvent"] == {"previousStatus": "Todo", "status": "Done"}
    assert named["IssueTypeChangedEvent"] == {"issueType": {"name": "Bug"}, "prevIssueType": {"name": "Task"}}
    assert named["SubIssueAddedEvent"] == {"subIssue": {"number": 7}}
    assert named["BlockedByAddedEvent"] == {"blockingIssue": {"number": 7}}


def test_a_deployment_is_shown_to_who_may_see_it(client: Client, world: World, repository: Repository) -> None:
    made = Deployment(repository, 9, "production", world.account("ann"), "2026-02-01T00:00:00Z")
    repository.pull_request(1).event("DeployedEvent", world.account("ann"), deployment=made)
    query = """{ repository(owner: "octo", name: "hello") { pullRequest(number: 1) {
        timelineItems(last: 1) { nodes { ... on DeployedEvent { deployment { environment } } } } } } }"""
    [node] = client.ask(query).data["repository"]["pullRequest"]["timelineItems"]["nodes"]
    assert node == {"deployment": {"environment": "production"}}


def test_bots_are_assignees_only_as_actors(client: Client, world: World, repository: Repository) -> None:
    issue = repository.issue(6)
    issue.assign(world.account("ann"))
    issue.assign(world.account("copilot-swe-agent", "Bot"))
    query = """{ repository(owner: "octo", name: "hello") { issue(number: 6) {
        assignees(first: 5) { totalCount nodes { login } }
        assignedActors(first: 5) { totalCount nodes { __typename ... on Bot { login databaseId } } } } } }"""
    shown: Any = client.ask(query).data["repository"]["issue"]
    assert shown["assignees"] == {"totalCount": 1, "nodes": [{"login": "ann"}]}
    assert [each["__typename"] for each in shown["assignedActors"]["nodes"]] == ["User", "Bot"]
    rest = client.get("/repos/octo/hello/issues/6").json["assignees"]
    assert [each["login"] for each in rest] == ["ann", "copilot-swe-agent[bot]"]
