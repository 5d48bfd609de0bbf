"""What an organization forbids, and repositories that are blocked, with GitHub's words."""

from typing import Any

import pytest

from sandbox.github import World
from sandbox.github.faults import Policy
from sandbox.github.faults.policies import Rule
from sandbox.github.world.repositories import Repository
from tests.support.sandbox.client import Client

BY_NAME = '{ repository(owner: "octo", name: "hello") { id } }'
BY_ID = "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }"
WORDS: dict[Rule, str] = {
    "saml": "Resource protected by organization SAML enforcement.",
    "ip_allow_list": "the `octo` organization has an IP allow list enabled",
    "token_lifetime": "The 'octo' organization forbids access via a fine-grained personal access tokens if",
    "classic_tokens": "The 'octo' organization forbids access via a personal access token (classic).",
    "oauth_apps": "the `octo` organization has enabled OAuth App access restrictions",
}


@pytest.mark.parametrize("rule", WORDS)
def test_what_an_organization_forbids(rule: Rule, client: Client, world: World, repository: Repository) -> None:
    other = world.add_repository("other/one").open_issue(None, "elsewhere")
    client.github.faults.add(Policy("octo", rule), times=None, account="viewer")
    whole = client.ask(BY_NAME)
    nodes = client.ask(BY_ID, ids=[other.node_id(True), repository.issue(6).node_id(True)])
    assert whole.json["data"] == {"repository": None}
    assert nodes.json["data"]["nodes"][1] is None
    assert nodes.json["data"]["nodes"][0]
    for reply, refused in ((whole, ["repository"]), (nodes, ["nodes", 1])):
        assert (reply.error["type"], reply.error["path"]) == ("FORBIDDEN", refused)
        assert WORDS[rule] in reply.error["message"]
        assert reply.error["extensions"] == {"saml_failure": rule == "saml"}
        assert (reply.headers["X-GitHub-SSO"] or "").startswith("required; url=https" if rule == "saml" else "")
    for path in ("/repos/octo/hello/issues/6", f"/repositories/{repository.database_id}"):
        reply = client.get(path)
        assert (reply.status, WORDS[rule] in reply.json["message"]) == (403, True)
        assert bool(reply.headers["X-GitHub-SSO"]) is (rule == "saml")
    assert client.get("/repos/other/one").status == 200
    assert client.ask("{ viewer { login } }").headers["X-GitHub-SSO"] is None


def test_a_reference_into_a_protected_organization_is_refused(
    client: Client, world: World, repository: Repository
) -> None:
    secret = world.add_repository("acme/secret").open_issue(None, "secret")
    repository.issue(6).event("CrossReferencedEvent", None, source=secret)
    client.github.faults.add(Policy("acme"))
    query = """{ repository(owner: "octo", name: "hello") { issue(number: 6) {
        timelineItems(last: 1) { nodes { ... on CrossReferencedEvent { source { __typename } } } } } } }"""
    reply = client.ask(query)
    assert reply.json["data"]["repository"]["issue"]["timelineItems"]["nodes"] == [None]
    assert reply.error["path"] == ["repository", "issue", "timelineItems", "nodes", 0, "source"]


@pytest.mark.parametrize(("reason", "status"), [("dmca", 451), ("tos", 403), ("sensitive_data", 403)])
def test_a_repository_that_is_blocked_says_why(
    reason: str, status: int, client: Client, repository: Repository
) -> None:
    repository.block_reason = reason
    repository.become("taken_down")
    reply: Any = client.get("/repos/octo/hello")
    assert (reply.status, reply.json["message"]) == (status, "Repository access blocked")
    assert reply.json["block"]["reason"] == reason
    assert client.ask(BY_NAME).error["message"] == "Repository access blocked"
