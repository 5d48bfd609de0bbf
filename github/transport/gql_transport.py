"""gql's transport to GitHub: it chooses the account, reserves budget, sends the request, and handles refusals.

`github.answers.reading` interprets the answers; the `Pool` decides when a request may be sent.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from time import monotonic

import structlog
from gql import GraphQLRequest
from gql.transport import AsyncTransport
from graphql import ExecutionResult

from budget.account import Ask, Pool, Reservation, Told
from budget.breaker import Availability
from errors import PartOver, RetryLater, RetryNow
from github.answers.reading import Answer, Raw, all_windows, read_graphql, read_rest, windows_of
from github.answers.refusals import FieldsRefused, Limited, ScopeMissing, Unauthorized
from github.nodes.permissions import TEAMS, Withheld
from github.queries.documents import Request
from github.queries.server_schema import INTROSPECTION
from github.transport.accounts import LIMITED_SECONDS, Accounts
from github.transport.call import Call
from github.transport.connection import Connection
from github.transport.credentials import Credential, Credentials, Installation
from github.transport.guard import Guard
from github.transport.server_documents import ServerDocuments

log = structlog.get_logger(__name__)

MOST_LIMITED = 3
"""Rate limits that one request meets before it raises `RetryLater`, however short a wait GitHub names."""

Send = Callable[[frozenset[str], str], Awaitable[Raw]]
"""Sends a request with these arguments: the fields to leave out, and the token of the account."""


class GitHubTransport(AsyncTransport):
    """Sends each request through an account that has budget left. The installation of the repository's owner is
    preferred, then the account with the largest remaining budget. If GitHub limits or refuses the account, another
    account sends the request. While GitHub is down, every request raises `RetryLater` (github_away).

    All requests to one server share one transport. The argument `only` of a method restricts a request to one account.
    """

    def __init__(
        self, connection: Connection, credentials: Credentials, pool: Pool, availability: Availability | None
    ) -> None:
        self._connection = connection
        self._credentials = credentials
        self._pool = pool
        self._guard = Guard(availability, self._probe) if availability else None
        self._accounts = Accounts(credentials, connection, pool)
        self._denied: dict[tuple[str, str], set[str]] = {}
        """(repository, operation) -> accounts that are tried last, because GitHub refused them."""
        self._withheld = Withheld()
        self.documents = ServerDocuments(self._introspect)

    async def connect(self) -> None:
        await self._connection.__aenter__()

    async def close(self) -> None:
        await self._connection.__aexit__(None, None, None)

    async def execute(
        self, request: GraphQLRequest, ask: Ask | None = None, *, only: str | None = None, keep_lost: bool = False
    ) -> Answer:
        """Sends a request and returns the answer. An operation of `queries/` is sent without the names that the
        server's schema lacks.

        Without `ask`, the request is assumed to cost one point. With `keep_lost`, nodes that GitHub failed to load are
        null in the answer. Otherwise such a node raises `TooLarge`. Raises every class of the taxonomy. The returned
        answer has no errors.
        """
        wanted = ask or Ask("graphql", request.operation_name or "")
        read = partial(read_graphql, keep_lost=keep_lost)
        if not isinstance(request, Request):
            return await self._guarded(wanted, lambda _, secret: self._connection.graphql(request, secret), read, only)

        async def send(withheld: frozenset[str], secret: str) -> Raw:
            return await self._connection.graphql(self.documents.fitted(request, withheld), secret)

        return await self.documents.fitting(request, lambda: self._guarded(wanted, send, read, only))

    def subscribe(self, request: GraphQLRequest) -> AsyncGenerator[ExecutionResult, None]:
        raise NotImplementedError("GitHub has no subscriptions")

    async def get(self, path: str, ask: Ask, *, only: str | None = None) -> Answer:
        """Sends a GET request to a REST path (with its query) and returns the answer. Follows renames (301). Raises as
        `execute` does.
        """
        return await self._guarded(
            ask,
            lambda _, secret: self._connection.get(path, secret),
            lambda ask, raw: read_rest(ask, raw, self._connection.api_url),
            only,
        )

    async def accounts(self, repository: str, *, only: str | None = None) -> list[str]:
        """Returns the accounts that can send requests for the repository now: the accounts whose credentials GitHub
        accepts. Whether GitHub shows the repository to these accounts is not checked. If `only` is given, other
        accounts are left out.
        """
        return sorted(await self._accounts.candidates(repository, Call(set()), only=only))

    async def introduce(self) -> None:
        """Looks up the account and the remaining budget of each token, for one point a token. A token whose account is
        known is not looked up again.
        """
        if self._guard is not None:
            await self._guard.admit("graphql")
        await self._accounts.candidates("", Call(set()))

    async def _introspect(self) -> Answer:
        return await self.execute(GraphQLRequest(INTROSPECTION, operation_name="Introspection"))

    async def _probe(self, api: str) -> None:
        """Sends the smallest request of the API. Raises `RetryNow` if there is no answer."""
        credential = (await self._credentials.of(None))[0]
        await self._connection.probe(api, await credential.secret())

    async def _guarded(self, ask: Ask, send: Send, read: Callable[[Ask, Raw], Answer], only: str | None) -> Answer:
        """Sends a request, if need be from one account after the other (`_ask`). While GitHub is down, raises
        `RetryLater` at once. `read` converts GitHub's raw answer to an `Answer`. If `only` is given, only that account
        sends the request.
        """
        if self._guard is None:
            return await self._ask(ask, send, read, only)
        return await self._guard.run(ask.resource, lambda: self._ask(ask, send, read, only))

    async def _ask(self, ask: Ask, send: Send, read: Callable[[Ask, Raw], Answer], only: str | None) -> Answer:
        call = Call(self._denied.setdefault((ask.repository, ask.operation), set()))
        while candidates := await self._accounts.candidates(ask.repository, call, only=only):
            reservation = await self._reserve(ask, candidates)
            account, credential = reservation.account, candidates[reservation.account]
            call.sent(credential.label)
            withheld = self._withheld.of(account, ask.repository)
            secret = ""  # nosec B105 # none yet
            told = Told("failed", 0.0)
            started = monotonic()
            try:
                secret = await credential.secret()
                raw = await send(frozenset(withheld), secret)
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
        """Reserves budget of the owner's installation, because this installation sees private repositories. If the
        installation is no candidate, or has no budget left, reserves budget of any candidate.
        """
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
