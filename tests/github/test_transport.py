"""GitHub is spoken to through gql: our transport is gql's, with the accounts and budgets of everything else."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from gql import Client, GraphQLRequest
from gql import client as gql_client

from budget.prices import Prices
from errors import PartOver
from github.client import GitHub
from github.queries.documents import Request
from github.transport.connection import Connection
from github.transport.credentials import Credentials
from github.transport.gql_transport import GitHubTransport
from sandbox.github import StandIn, World
from store.budgets import Budgets
from store.database import Database

TOKEN = "ghp_ann"


@pytest.fixture(scope="module")
def stand_in() -> Any:
    with StandIn(World(), tokens={TOKEN: "ann"}) as stand_in:
        yield stand_in


@pytest.fixture
async def pool(database: str) -> AsyncIterator[Budgets]:
    async with Database(database, size=3) as opened:
        yield Budgets(opened, 1, Prices())


async def test_any_request_of_gql_is_paid_by_an_account_and_recorded(stand_in: StandIn, pool: Budgets) -> None:
    recorded = []
    pool._ended = lambda account, ask, told: recorded.append((account, ask.operation, told.outcome))
    connection = Connection(stand_in.url, f"{stand_in.url}/graphql")
    transport = GitHubTransport(connection, Credentials((TOKEN,), None), pool, None)
    async with Client(transport=transport) as session:
        said = await session.execute(GraphQLRequest("query Who { viewer { login databaseId } }", operation_name="Who"))
        with pytest.raises(PartOver):
            await session.execute(GraphQLRequest("query Nothing { nothing }", operation_name="Nothing"))
    assert said["viewer"]["login"] == "ann"
    account = f"user:{said['viewer']['databaseId']}"
    assert ("Who", "answered") in {each[1:] for each in recorded if each[0] == account}
    assert [entry.operation for entry in stand_in.log] == ["Viewer", "Who", "Nothing"]


async def test_gql_sets_no_time_of_its_own_to_a_request_that_waits_for_a_budget(
    stand_in: StandIn, pool: Budgets, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = []
    fail_after = vars(gql_client)["fail_after"]

    def noting(delay: float | None) -> Any:
        limits.append(delay)
        return fail_after(delay)

    monkeypatch.setattr(gql_client, "fail_after", noting)
    async with GitHub(stand_in.url, f"{stand_in.url}/graphql", Credentials((TOKEN,), None), pool) as github:
        answer = await github.graphql("Viewer", {})
    assert answer.data["viewer"]["login"] == "ann"
    assert limits == [None]


def test_a_document_is_printed_once_for_all_requests_of_its_operation() -> None:
    first, second = (Request("PullRequests", {"first": each}) for each in (1, 2))
    assert first.payload["query"] is second.payload["query"]
    assert (
        first.without(frozenset({"commits"})).payload["query"]
        is second.without(frozenset({"commits"})).payload["query"]
    )
    assert [each.payload["variables"] for each in (first, second)] == [{"first": 1}, {"first": 2}]
