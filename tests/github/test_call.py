"""A call ends, whatever GitHub says to whom: each account has its say once, and what may pass is counted."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import count
from typing import Any, ClassVar, Literal
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from budget.account import Ask, Reservation, Told
from errors import BackfillError, PartOver
from github.answers.reading import Answer
from github.answers.refusals import Gone
from github.client import GitHub
from github.transport.call import MOST_REQUESTS, Call
from github.transport.connection import MOST_REDIRECTS
from github.transport.credentials import Credentials
from sandbox.github import StandIn, World
from sandbox.github.exchange.limits import Budget
from sandbox.github.exchange.refusals import GitHubError
from sandbox.github.exchange.requests import Reply, Request, json_reply
from sandbox.github.faults import BadCredentials, Effect, Forbidden, SecondaryLimit, ServerError
from sandbox.github.generation import Plan
from sandbox.github.generation import repository as generate
from sandbox.github.graphql.context import Field
from tests.support.thoroughness import examples

Mood = Literal["answers", "401", "403", "404", "limited", "scope", "hides", "hides all", "fails"]
MOODS: tuple[Mood, ...] = ("answers", "401", "403", "404", "limited", "scope", "hides", "hides all", "fails")
NAMES = ("ann", "bob", "cy")


class Moody(Effect):
    """Each account is answered by its own moods, in turn and from the beginning again."""

    def __init__(self, moods: Sequence[Sequence[Mood]]) -> None:
        self._moods = dict(zip(NAMES, moods, strict=False))
        self._places: dict[str, Iterator[int]] = {name: count() for name in NAMES}

    def instead(self, request: Request, budget: Budget) -> Reply | None:
        moods = self._moods[request.payer]
        mood = moods[next(self._places[request.payer]) % len(moods)]
        if mood == "401":
            return BadCredentials().instead(request, budget)
        if mood == "403":
            return Forbidden().instead(request, budget)
        if mood == "404":
            return ServerError(404).instead(request, budget)
        if mood == "fails":
            return ServerError(502).instead(request, budget)
        if mood == "limited":
            return SecondaryLimit(retry_after=0).instead(request, budget)
        if mood == "scope":
            return json_reply(200, {"errors": [{"type": "INSUFFICIENT_SCOPES", "message": "no scope"}]})
        request.noticed.add(mood)
        return None

    resolves: ClassVar[bool] = True

    def resolved(self, request: Request, field: Field, value: Any) -> Any:
        hidden = "Repository.forks" if "hides" in request.noticed else "Query.repository"
        if field.name == hidden and request.noticed & {"hides", "hides all"}:
            raise GitHubError("FORBIDDEN", "Resource not accessible by personal access token")
        return value


class Generous:
    """A pool without limits: it gives whoever was asked least, so that nothing but the call itself ends it."""

    def __init__(self) -> None:
        self._given: Counter[str] = Counter()

    async def reserve(self, ask: Ask, accounts: Sequence[str]) -> Reservation:
        account = min(accounts, key=lambda each: (self._given[each], each))
        self._given[account] += 1
        return Reservation(uuid4(), account, ask)

    async def settle(self, reservation: Reservation, told: Told) -> None: ...

    async def hear(self, account: str, told: Told, operation: str) -> None: ...

    async def learn(self, operation: str) -> None: ...


@pytest.fixture(scope="module")
def stand_in() -> Iterator[StandIn]:
    world = World()
    generate(world, Plan("acme/rocket", pull_requests=0, issues=0))
    tokens = {f"ghp_{name}_{index}": name for name in NAMES for index in range(2)}
    with StandIn(world, tokens=tokens) as running:
        yield running


async def _call(stand_in: StandIn, tokens: Sequence[str], calls: int) -> None:
    """So many calls, one after the other; each ends with an answer or an error of the taxonomy."""
    client = GitHub(stand_in.url, f"{stand_in.url}/graphql", Credentials(tokens), Generous())
    async with asyncio.timeout(60), client as github:
        await github.introduce()
        bound = github.on_behalf_of("acme/rocket")
        for _ in range(calls):
            before = _asked(stand_in)
            with suppress(BackfillError):
                await bound.graphql("Forks", {"first": 10, "after": None})
            sent = _asked(stand_in) - before
            assert sent <= MOST_REQUESTS * len(tokens), f"{sent} requests of one call"


def _asked(stand_in: StandIn) -> int:
    return sum(entry.operation == "Forks" for entry in stand_in.log)


@settings(max_examples=examples(15, 300))
@given(
    moods=st.lists(st.lists(st.sampled_from(MOODS), min_size=1, max_size=6), min_size=3, max_size=3),
    each=st.integers(1, 2),
)
def test_no_call_needs_more_than_a_few_requests_for_each_token(
    stand_in: StandIn, moods: list[list[Mood]], each: int
) -> None:
    """Whatever the accounts are answered, and in which order."""
    stand_in.faults.clear()
    stand_in.faults.add(Moody(moods), times=None, operation="Forks")
    tokens = [f"ghp_{name}_{index}" for index in range(each) for name in NAMES]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("github.transport.accounts.DOUBT", 0)
        patch.setattr("github.transport.accounts.SET_ASIDE", 0)
        asyncio.run(_call(stand_in, tokens, 3))


def _answer(*refused: str) -> Answer:
    return Answer({}, datetime.now(UTC), 0.1, refused={("repository", field): "no" for field in refused})


class TestCall:
    def test_each_account_has_its_say_once(self) -> None:
        call = Call(set())
        assert call.open_to(["ann", "bob"]) == ["ann", "bob"]
        call.denies("ann", "token 1", Gone("gone", "no such repository"))
        assert call.open_to(["ann", "bob"]) == ["bob"]
        call.shows_less("bob", _answer("stargazers"))
        assert call.open_to(["ann", "bob"]) == []

    def test_who_was_denied_before_is_asked_last(self) -> None:
        denied: set[str] = set()
        Call(denied).denies("ann", "token 1", Gone("gone", "no such repository"))
        call = Call(denied)
        assert call.open_to(["ann", "bob"]) == ["bob"]
        call.denies("bob", "token 2", Gone("gone", "no such repository"))
        assert call.open_to(["ann", "bob"]) == ["ann"]

    def test_where_all_were_denied_the_next_call_asks_all_again(self) -> None:
        denied: set[str] = set()
        call = Call(denied)
        for account in ("ann", "bob"):
            call.denies(account, account, Gone("gone", "no such repository"))
        with pytest.raises(Gone):
            call.end()
        assert Call(denied).open_to(["ann", "bob"]) == ["ann", "bob"]

    def test_the_answer_that_shows_most_is_the_calls(self) -> None:
        call = Call(set())
        call.shows_less("ann", _answer("stargazers", "forks"))
        call.shows_less("bob", best := _answer("stargazers"))
        call.denies("cy", "token 3", Gone("gone", "no such repository"))
        assert call.end() is best

    def test_the_refusal_that_a_person_can_mend_is_the_calls_and_names_the_token(self) -> None:
        call = Call(set())
        call.denies("ann", "token 1 of 2", Gone("gone", "no such repository", "is it private?"))
        call.denies("bob", "token 2 of 2", PartOver("forbidden", "SAML", "authorize the token"))
        with pytest.raises(PartOver) as refused:
            call.end()
        assert (refused.value.code, refused.value.action) == ("forbidden", "authorize the token (token 2 of 2)")


def test_a_list_hidden_from_two_accounts_while_the_third_ones_token_is_revoked(stand_in: StandIn) -> None:
    """501 requests were made of it."""
    stand_in.faults.clear()
    moods: list[list[Mood]] = [["hides"], ["hides"], ["401"]]
    stand_in.faults.add(Moody(moods), times=None, operation="Forks")
    before = _asked(stand_in)
    asyncio.run(_call(stand_in, [f"ghp_{name}_0" for name in NAMES], 1))
    assert _asked(stand_in) - before == 3


class InACircle(Effect):
    """A redirect to where the request came from."""

    def instead(self, request: Request, budget: Budget) -> Reply:  # noqa: ARG002 (an effect's signature)
        return Reply(301, b"{}", {"Location": request.path})


def test_redirects_in_a_circle_end(stand_in: StandIn) -> None:
    stand_in.faults.clear()
    stand_in.faults.add(InACircle(), times=None, kind="rest", path="*/releases*")

    async def ask() -> None:
        client = GitHub(stand_in.url, f"{stand_in.url}/graphql", Credentials(["ghp_ann_0"]), Generous())
        async with client as github:
            await github.rest("/repos/acme/rocket/releases")

    before = len(stand_in.log)
    with pytest.raises(Gone) as gone:
        asyncio.run(ask())
    assert (gone.value.code, gone.value.message) == ("redirected", "GitHub redirects releases in a circle")
    asked = [entry for entry in stand_in.log[before:] if entry.operation != "Viewer"]
    assert 1 < len(asked) <= MOST_REDIRECTS + 1
