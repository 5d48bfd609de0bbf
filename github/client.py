"""One HTTP session to GitHub: sends GraphQL operations and REST requests, each with the account that has most left.

What an answer means is decided in `github.answers`; what may be asked, and when, by the `Pool`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from copy import copy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from time import monotonic
from types import TracebackType
from typing import Any

import orjson
import structlog

from budget.account import Ask, Pool, Reservation, Told
from budget.breaker import Availability
from budget.prices import Prices
from errors import PartOver, RetryLater, RetryNow
from github.accounts import LIMITED_SECONDS, Accounts
from github.answers import (
    Answer,
    Raw,
    all_windows,
    read_graphql,
    read_rest,
    windows_of,
)
from github.call import Call
from github.connection import Connection, repository_of, route_of
from github.credentials import Credential, Credentials, Installation
from github.guard import Guard
from github.permissions import TEAMS, Withheld
from github.refusals import FieldsRefused, Limited, ScopeMissing, Unauthorized
from github.server_documents import ServerDocuments
from github.server_schema import INTROSPECTION

log = structlog.get_logger(__name__)

GRAPHQL_SECONDS = 1.0
REST_SECONDS = 0.3
"""What a request is taken to take until one like it was made."""
MOST_LIMITED = 3
"""Refusals for now of one request after which its slot is given back, whatever GitHub says of how long."""


class GitHub:
    """A client for one base address, with the accounts of `credentials`, the budgets of `pool`, and the breaker of
    `availability`: while GitHub answers nobody, every request raises `RetryLater` (github_away).

    Use as an async context manager; `on_behalf_of` answers one for a repository, on the same connections.
    """

    def __init__(
        self,
        api_url: str,
        graphql_url: str,
        credentials: Credentials,
        pool: Pool,
        prices: Prices | None = None,
        availability: Availability | None = None,
    ) -> None:
        self._connection = Connection(api_url, graphql_url)
        self._guard = Guard(availability, self._probe) if availability else None
        self._credentials = credentials
        self._pool = pool
        self.prices = prices or Prices()
        self._documents = ServerDocuments(self._introspect)
        self._accounts = Accounts(credentials, self._connection, pool)
        self._denied: dict[tuple[str, str], set[str]] = {}
        """(repository, operation) -> accounts that were denied it, while another may be allowed."""
        self._withheld = Withheld()
        self._repository = ""
        self._names: dict[str, str] = {}
        """Variables of every operation about the repository."""
        self._fence: object = None
        self._account: str | None = None

    def on_behalf_of(self, full_name: str, fence: object = None, account: str | None = None) -> "GitHub":
        """For a repository's requests, by `account` alone if given. `fence` has to hold for every `Pool.reserve`."""
        bound = copy(self)
        bound._repository, bound._fence, bound._account = full_name, fence, account
        bound._names = dict(zip(("owner", "name"), full_name.split("/", 1), strict=True))
        return bound

    async def __aenter__(self) -> "GitHub":
        await self._connection.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._connection.__aexit__(kind, error, trace)

    async def graphql(
        self,
        operation: str,
        variables: Mapping[str, Any],
        aliases: int = 0,
        *,
        requests: int = 1,
        parents: int = 1,
        keep_lost: bool = False,
    ) -> Answer:
        """Run an operation of `queries/`. Raises every class of the taxonomy, `InvalidCursor` among them.

        `$owner` and `$name` are filled in. `requests` are those that fill its connections, for so many `parents`: what
        its price is made of (`budget.prices`). `keep_lost` is as `read_graphql` has it. Nodes that are gone or hidden
        are marked as such in `data` (`github.nodes`). A field deep inside that this token may not see (a reference into
        a private repository) is None; any other error raises.
        """
        ask = Ask(
            "graphql",
            operation,
            self.prices.estimate(operation, requests),
            self.prices.seconds(operation, GRAPHQL_SECONDS),
            self._repository,
            self._fence,
        )

        async def send(credential: Credential, secret: str) -> Raw:
            withheld = self._withheld.of(credential.account or "", self._repository)
            query = self._documents.text(operation, aliases, frozenset(withheld))
            whole = {**self._names, **self._documents.variables(operation, aliases, variables)}
            body = orjson.dumps({"query": query, "operationName": operation, "variables": whole})
            return await self._connection.graphql(body, secret)

        answer = await self._documents.fitting(
            operation, aliases, variables, lambda: self._guarded(ask, send, partial(read_graphql, keep_lost=keep_lost))
        )
        self.prices.took(operation, answer.seconds)
        if answer.cost and self.prices.observe(operation, requests, answer.cost, parents):
            log.warning(
                "GitHub charges otherwise than by its formula",
                operation=operation,
                estimated=ask.points,
                charged=answer.cost,
                factor=round(self.prices.factor(operation), 3),
            )
            await self._pool.learn(operation)
        return answer

    async def rest(self, path: str) -> Answer:
        """GET a REST path (with its query). Follows renames (301). Raises `Gone`, `PartOver`, ... as `graphql` does."""
        route = route_of(path)
        seconds = self.prices.seconds(route, REST_SECONDS)
        ask = Ask("core", route, 1, seconds, self._repository or repository_of(path), self._fence)

        async def send(credential: Credential, secret: str) -> Raw:  # noqa: ARG001
            return await self._connection.get(path, secret)

        answer = await self._guarded(ask, send, lambda ask, raw: read_rest(ask, raw, self._connection.api_url))
        self.prices.took(route, answer.seconds)
        return answer

    async def accounts(self) -> list[str]:
        """The accounts that may be asked about the repository now."""
        return sorted(await self._candidates(Ask("graphql", "Viewer", repository=self._repository), Call(set())))

    async def introduce(self) -> None:
        """Asks GitHub whose the tokens are, and what is left of their budgets: one point each, once.

        Raises what the taxonomy has for it if that cannot be found out now; it is asked again before the first request.
        """
        if self._guard is not None:
            await self._guard.admit("graphql")
        await self._candidates(Ask("graphql", "Viewer"), Call(set()))

    # --- The server's schema

    @property
    def left_out(self) -> frozenset[str]:
        """What was not asked for, because this server's schema lacks it: part of what coverage is of."""
        return self._documents.left_out

    async def has_learned(self, left_out: Collection[str]) -> bool:
        """Whether this server has by now some of what was left out once."""
        return await self._documents.has_learned(left_out)

    async def _introspect(self) -> Answer:
        async def send(credential: Credential, secret: str) -> Raw:  # noqa: ARG001
            body = orjson.dumps({"query": INTROSPECTION, "operationName": "Introspection", "variables": {}})
            return await self._connection.graphql(body, secret)

        return await self._guarded(Ask("graphql", "Introspection"), send, read_graphql)

    # --- Asking

    async def _guarded(
        self,
        ask: Ask,
        send: Callable[[Credential, str], Awaitable[Raw]],
        read: Callable[[Ask, Raw], Answer],
    ) -> Answer:
        """As `_ask`, unless GitHub answers nobody."""
        if self._guard is None:
            return await self._ask(ask, send, read)
        return await self._guard.run(ask.resource, lambda: self._ask(ask, send, read))

    async def _probe(self, api: str) -> None:
        """The smallest request that a probe can be. Raises `RetryNow` if it gets no answer."""
        credential = (await self._credentials.of(None))[0]
        await self._connection.probe(api, await credential.secret())

    async def _ask(
        self,
        ask: Ask,
        send: Callable[[Credential, str], Awaitable[Raw]],
        read: Callable[[Ask, Raw], Answer],
    ) -> Answer:
        """Sends it with the account that has most left, and with another where that one is limited or refused."""
        call = Call(self._denied.setdefault((ask.repository, ask.operation), set()))
        while candidates := await self._candidates(ask, call):
            reservation = await self._reserve(ask, candidates)
            account, credential = reservation.account, candidates[reservation.account]
            call.sent(credential.label)
            withheld = self._withheld.of(account, ask.repository)
            secret = ""
            told = Told("failed", 0.0)
            started = monotonic()
            try:
                secret = await credential.secret()
                raw = await send(credential, secret)
                told = Told("failed", raw.seconds, windows=windows_of(raw.headers))
                answer = replace(read(ask, raw), left_out=withheld)
                told = replace(told, outcome="answered", points=answer.cost, windows=all_windows(raw, answer))
                self._accounts.accepted(credential)
                answer = replace(answer, account=account)
                if not any(len(path) <= 2 for path in answer.refused):
                    return answer
                # Another account may see what this one may not: its collaborator, perhaps.
                call.shows_less(account, answer)
            except Limited as error:
                told = replace(told, outcome="limited", wait=error.wait, points=0)
                call.limited += 1
                log.info("limited", account=account, operation=ask.operation, wait=error.wait)
                if call.limited == MOST_LIMITED:
                    # Whatever it says: not in a loop, and not with a slot in hand. The pool hears for how long each
                    # account is limited, and tells whoever asks next.
                    at = datetime.now(UTC) + timedelta(seconds=LIMITED_SECONDS)
                    raise RetryLater(
                        "rate_limited", f"GitHub limits {credential.label} ({ask.resource})", at
                    ) from error
            except Unauthorized:
                told = replace(told, outcome="answered", points=0)
                await self._accounts.refused(credential, secret)
            except ScopeMissing as error:
                told = replace(told, outcome="answered", points=0)
                if TEAMS in withheld:
                    call.denies(account, credential.label, error)
                else:
                    # GitHub refuses the whole query for one field. Without teams it needs no scope.
                    self._withheld.add(account, "", {TEAMS: error.message})
                    log.warning("requested teams are left out: no scope read:org", account=account)
            except FieldsRefused as error:
                told = replace(told, outcome="answered")
                self._withheld.add(account, ask.repository, error.words)
                log.warning("fields are left out: no permission", account=account, why=error.message)
                call.lacks_fields(account)
            except PartOver as error:
                told = replace(told, outcome="answered", points=1)
                if error.code not in ("gone", "forbidden"):
                    raise
                call.denies(account, credential.label, error)
            finally:
                if told.seconds == 0.0:
                    told = replace(told, seconds=monotonic() - started)
                await asyncio.shield(self._settle(reservation, told))
        return call.end()

    async def _reserve(self, ask: Ask, candidates: Mapping[str, Credential]) -> Reservation:
        """With the owner's own installation, which sees what is private, as long as it may be asked; else with any."""
        owner = ask.repository.partition("/")[0]
        own = [account for account, each in candidates.items() if isinstance(each, Installation) and each.is_of(owner)]
        if own and len(own) < len(candidates):
            try:
                return await self._pool.reserve(ask, own)
            except RetryLater as error:
                log.info("the owner's installation is used up", account=own[0], until=error.at.isoformat())
        return await self._pool.reserve(ask, sorted(candidates))

    async def _settle(self, reservation: Reservation, told: Told) -> None:
        try:
            await self._pool.settle(reservation, told)
        except RetryNow as error:
            # The answer is good, and paid for. What is reserved stays so until the reset: too careful, never too much.
            log.warning("a request could not be settled", account=reservation.account, why=error.message)

    async def _candidates(self, ask: Ask, call: Call) -> dict[str, Credential]:
        return await self._accounts.candidates(ask.repository, call, only=self._account)
