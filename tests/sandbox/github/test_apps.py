"""GitHub Apps in the stand-in: who is let in by a signed token, what an installation sees, and what it may use."""

from collections.abc import Callable
from typing import Any

import jwt
import pytest

from sandbox.github import Clock, Limits, World
from sandbox.github.faults import BadGateway
from sandbox.github.world.apps import App, Installation
from sandbox.github.world.repositories import Repository
from tests.support.keys import private_key, public_key

BY_NAME = '{ repository(owner: "octo", name: "hello") { name } }'
BY_IDS = "query($ids: [ID!]!) { nodes(ids: $ids) { id } }"
BY_ID = "query($id: ID!) { node(id: $id) { id } }"
VIEWER = "{ viewer { login databaseId } }"


@pytest.fixture
def app(world: World) -> App:
    return world.add_app(public_key(), app_id=7)


@pytest.fixture
def installation(app: App, repository: Repository) -> Installation:
    return app.install(repository.owner.login)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def signed(clock: Clock, issued: float = -60, expires: float = 540, key: str = "app", **claims: Any) -> dict[str, str]:
    """The header of an App; `issued` and `expires` are seconds from now."""
    now = int(clock.now().timestamp())
    payload = {"iat": int(now + issued), "exp": int(now + expires), "iss": "7"} | claims
    return bearer(jwt.encode(payload, private_key(key), algorithm="RS256"))


def created(client: Any, clock: Clock, installation: Installation) -> dict[str, str]:
    """The header of a new token, asked for as GitHub wants it."""
    path = f"/app/installations/{installation.database_id}/access_tokens"
    reply = client.send("POST", path, b"", signed(clock))
    assert reply.status == 201, reply.json
    return bearer(reply.json["token"])


@pytest.mark.parametrize(
    ("wrong", "status", "words"),
    [
        ({"key": "another"}, 401, "A JSON web token could not be decoded"),
        ({"iss": "8"}, 404, "Integration not found"),
        ({"issued": 2}, 401, "'Issued at' claim ('iat') must be an Integer"),
        ({"iat": "now"}, 401, "'Issued at' claim ('iat') must be an Integer"),
        ({"expires": 601}, 401, "'Expiration time' claim ('exp') is too far in the future"),
        ({"expires": 0}, 401, "'Expiration time' claim ('exp') must be a numeric value"),
        ({"exp": None}, 401, "'Expiration time' claim ('exp') must be a numeric value"),
    ],
)
def test_a_json_web_token_that_is_refused(
    client: Any, clock: Clock, app: App, wrong: dict[str, Any], status: int, words: str
) -> None:
    assert app.database_id == 7
    reply = client.get("/app/installations", signed(clock, **wrong))
    assert (reply.status, words in reply.json["message"]) == (status, True)


def test_only_a_json_web_token_opens_the_routes_of_an_app_and_no_others(client: Any, clock: Clock, app: App) -> None:
    assert client.get("/app/installations", signed(clock, iss=str(app.database_id))).json == []
    assert client.get("/app/installations").json["message"] == "A JSON web token could not be decoded"
    assert client.get("/repos/octo/hello", signed(clock)).status == 401
    assert [entry.account for entry in client.github.log] == ["app:7", "", ""]


def test_installations_are_listed_in_pages(client: Any, clock: Clock, app: App) -> None:
    made = [app.install(f"owner-{number}") for number in range(5)]
    made[1].suspend()
    reply = client.get("/app/installations?per_page=3", signed(clock))
    assert [each["account"]["login"] for each in reply.json] == ["owner-0", "owner-1", "owner-2"]
    assert [each["suspended_at"] for each in reply.json] == [None, "2026-03-01T12:00:00Z", None]
    assert 'page=2>; rel="next"' in reply.headers["Link"]
    assert len(client.get("/app/installations?per_page=3&page=2", signed(clock)).json) == 2


def test_a_token_of_an_installation_lives_as_long_as_it_is_told(
    client: Any, clock: Clock, app: App, installation: Installation
) -> None:
    app.token_seconds = 30
    path = f"/app/installations/{installation.database_id}/access_tokens"
    reply = client.send("POST", path, b"", signed(clock))
    assert reply.json["expires_at"] == "2026-03-01T12:00:30Z"
    assert reply.json["permissions"]["issues"] == "read"
    header = bearer(reply.json["token"])
    assert client.get("/repos/octo/hello", header).status == 200
    clock.advance(30)
    reply = client.get("/repos/octo/hello", header)
    assert (reply.status, reply.json["message"]) == (401, "Bad credentials")


def test_a_token_that_is_revoked(client: Any, clock: Clock, installation: Installation) -> None:
    header, other = created(client, clock, installation), created(client, clock, installation)
    client.github.refuse_token(header["Authorization"].partition(" ")[2])
    assert client.get("/repos/octo/hello", header).status == 401
    assert client.get("/repos/octo/hello", other).status == 200


def test_suspended_and_uninstalled(client: Any, clock: Clock, installation: Installation) -> None:
    header = created(client, clock, installation)
    path = f"/app/installations/{installation.database_id}/access_tokens"
    installation.suspend()
    for reply in (
        client.get("/user", header),
        client.ask(VIEWER, header),
        client.send("POST", path, b"", signed(clock)),
    ):
        assert (reply.status, reply.json["message"]) == (403, "This installation has been suspended")
    installation.unsuspend()
    assert client.ask(VIEWER, header).status == 200
    installation.uninstall()
    assert client.ask(VIEWER, header).status == 401
    assert client.send("POST", path, b"", signed(clock)).status == 404


def test_who_an_installation_is(client: Any, world: World, clock: Clock, app: App, installation: Installation) -> None:
    header = created(client, clock, installation)
    assert client.ask(VIEWER, header).data["viewer"] == {
        "login": "backfill[bot]",
        "databaseId": app.bot.database_id,
    }
    reply = client.get("/user", header)
    assert (reply.status, reply.json["message"]) == (403, "Resource not accessible by integration")
    person = world.account("viewer").database_id
    assert client.ask(VIEWER).data["viewer"] == {"login": "viewer", "databaseId": person}
    assert client.get("/user").json["id"] == person


def test_each_installation_has_its_own_budget(client: Any, world: World, clock: Clock, app: App) -> None:
    world.add_repository("acme/rocket")
    octo, acme = app.install("octo"), app.install("acme")
    first, second, other = (created(client, clock, each) for each in (octo, octo, acme))
    used = [client.get("/repos/octo/hello", each).headers["x-ratelimit-used"] for each in (first, second, other)]
    assert used == ["1", "2", "1"]
    client.github.budget(octo.payer).limits = Limits(graphql=0)
    reply = client.ask(VIEWER, first)
    assert (reply.error["type"], f"installation ID {octo.database_id}" in reply.error["message"]) == (
        "RATE_LIMITED",
        True,
    )
    assert client.ask(VIEWER, other).status == 200
    assert client.github.log[-1].account == f"installation:{acme.database_id}"


def test_a_fault_meets_one_installation(client: Any, clock: Clock, app: App) -> None:
    octo, acme = app.install("octo"), app.install("acme")
    client.github.faults.add(BadGateway(), account=acme.payer, times=None)
    assert client.ask(VIEWER, created(client, clock, octo)).status == 200
    assert client.ask(VIEWER, created(client, clock, acme)).status == 502


def sees(client: Any, repository: Repository, header: dict[str, str]) -> set[str]:
    """The ways on which the repository, or something inside it, is found. Each that fails says NOT_FOUND."""
    found = set()
    if client.get("/repos/octo/hello", header).status == 200:
        found.add("by name")
    if client.get(f"/repositories/{repository.database_id}", header).status == 200:
        found.add("by id")
    if client.get("/repos/octo/hello/issues/comments", header).status == 200:
        found.add("its comments")
    pull = repository.pull_request(1)
    things: list[Any] = [repository, pull, pull.comments[0], pull.labels[0], pull.events[0]]
    ids = [each.node_id(True) for each in things]
    for name, query, variables in (
        ("repository", BY_NAME, {}),
        ("node", BY_ID, {"id": ids[1]}),
        ("nodes", BY_IDS, {"ids": ids}),
    ):
        content = client.ask(query, header, **variables).json
        if errors := content.get("errors"):
            assert {each["type"] for each in errors} == {"NOT_FOUND"}
            assert content["data"] in ({"repository": None}, {"node": None}, {"nodes": [None] * len(ids)})
        else:
            found.add(name)
    return found


EVERY_WAY = {"by name", "by id", "its comments", "repository", "node", "nodes"}


def test_a_private_repository_is_there_for_those_who_have_access(
    world: World, repository: Repository, serve: Callable[..., Any], clock: Clock, app: App, installation: Installation
) -> None:
    repository.is_private = True
    repository.collaborators.append(world.account("friend"))
    client = serve(world, tokens={"friend": "friend", "stranger": "stranger", "owner": "octo"})
    elsewhere = app.install("elsewhere")
    assert sees(client, repository, bearer("friend")) == EVERY_WAY
    assert sees(client, repository, bearer("owner")) == EVERY_WAY
    assert sees(client, repository, created(client, clock, installation)) == EVERY_WAY
    assert sees(client, repository, bearer("stranger")) == set()
    assert sees(client, repository, created(client, clock, elsewhere)) == set()
    repository.is_private = False
    assert sees(client, repository, created(client, clock, elsewhere)) == EVERY_WAY


def test_an_installation_of_selected_repositories(
    client: Any, world: World, repository: Repository, clock: Clock, app: App
) -> None:
    repository.is_private = True
    selected = app.install("octo", world.add_repository("octo/selected", is_private=True))
    header = created(client, clock, selected)
    assert client.get("/repos/octo/selected", header).status == 200
    assert sees(client, repository, header) == set()


def test_what_closes_an_issue_from_a_hidden_repository_is_left_out(
    client: Any, world: World, repository: Repository
) -> None:
    query = """{ repository(owner: "octo", name: "hello") { issue(number: 6) {
        closedByPullRequestsReferences(first: 5, includeClosedPrs: true) { nodes { number } } } } }"""
    hidden = world.add_repository("octo/hidden", is_private=True)
    repository.issue(6).closed_by.append(hidden.open_pull_request(None, "closes it"))
    assert not client.ask(query).data["repository"]["issue"]["closedByPullRequestsReferences"]["nodes"]
    hidden.collaborators.append(world.account("viewer"))
    assert client.ask(query).data["repository"]["issue"]["closedByPullRequestsReferences"]["nodes"]


def test_stargazers_are_shown_to_an_installation_that_may_write_contents(
    client: Any, world: World, repository: Repository, clock: Clock, app: App
) -> None:
    repository.stargazers_refusal = "forbidden"
    repository.star(world.account("ann"))
    reads = app.install("octo")
    assert client.get("/repos/octo/hello/stargazers", created(client, clock, reads)).status == 403
    reads.uninstall()
    writes = app.install("octo", contents="write")
    assert client.get("/repos/octo/hello/stargazers", created(client, clock, writes)).status == 200
