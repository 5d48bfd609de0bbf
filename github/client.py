"""The client for GitHub that all other packages use. It sends GraphQL operations through gql, and GET requests to REST
paths. It also learns how much requests cost and how long they take.
"""

from collections.abc import Collection, Mapping, Sequence
from copy import copy
from types import TracebackType
from typing import Any

import structlog
from gql import Client
from gql.client import AsyncClientSession

from budget.account import Ask, Pool
from budget.breaker import Availability
from budget.prices import Prices
from github.answers.reading import Answer
from github.queries.documents import Request
from github.transport.connection import Connection, repository_of, route_of
from github.transport.credentials import Credentials
from github.transport.gql_transport import GitHubTransport
from github.transport.prefetched import Prefetched

log = structlog.get_logger(__name__)

GRAPHQL_SECONDS = 1.0
REST_SECONDS = 0.3
"""Assumed duration of a request until a similar one has been measured."""


class GitHub:
    """A client for one GitHub server. It uses the accounts of `credentials`, the budgets of `pool`, and the breaker of
    `availability`. While GitHub is down, every request raises `RetryLater` (github_away).

    Use as an async context manager. `on_behalf_of` returns a client for one repository that uses the same connections.
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
        self._transport = GitHubTransport(Connection(api_url, graphql_url), credentials, pool, availability)
        # Each request has its own time (`github.transport.connection`), and may wait for a budget before.
        self._session = AsyncClientSession(Client(transport=self._transport, execute_timeout=None))
        self._pool = pool
        self.prices = prices or Prices()
        self._repository = ""
        self._names: dict[str, str] = {}
        """Variables that every operation on the repository takes."""
        self._fence: object = None
        self._account: str | None = None
        self._prefetched: Prefetched | None = None

    def on_behalf_of(
        self,
        full_name: str,
        fence: object = None,
        account: str | None = None,
        prefetched: Prefetched | None = None,
    ) -> "GitHub":
        """Returns a client for the requests of one repository. If `account` is given, only that account sends requests.
        `fence` is the sweep whose lease is checked before each request. If `fence` is None, no lease is checked.

        `prefetched` holds answers that were read earlier. A request is not sent if its answer was prefetched. Each
        prefetched answer is used once.
        """
        bound = copy(self)
        bound._repository, bound._fence, bound._account = full_name, fence, account
        bound._prefetched = prefetched or self._prefetched
        bound._names = dict(zip(("owner", "name"), full_name.split("/", 1), strict=True))
        return bound

    async def __aenter__(self) -> "GitHub":
        await self._session.connect()  # type: ignore[no-untyped-call]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()  # type: ignore[no-untyped-call]

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
        """Sends an operation of `queries/` and returns the answer. A prefetched answer is returned without a request.
        Raises every class of the taxonomy, among them `InvalidCursor`.

        The client adds the variables `$owner` and `$name`. `aliases` is how often the operation's field is repeated
        (`aliased`), or 0 for an operation without repetition. `requests` is the number of requests that would fill the
        operation's connections. `parents` is the number of parents that have these connections. The client estimates
        the operation's price from these two numbers (`budget.prices`). With `keep_lost`, nodes that GitHub failed to
        load are null in the answer. Otherwise such a node raises `TooLarge`.

        In `data`, marks replace the nodes that are gone or hidden (`nodes.nulls`). A nullable field is None if this
        account may not see its value, such as a reference into a private repository.
        """
        if self._prefetched is not None and (had := self._prefetched.take(operation, variables)) is not None:
            return had
        ask = Ask(
            "graphql",
            operation,
            self.prices.estimate(operation, requests),
            self.prices.seconds(operation, GRAPHQL_SECONDS),
            self._repository,
            self._fence,
        )

        request = Request(operation, {**self._names, **variables}, aliases)
        answer = await self._session.execute(
            request, get_execution_result=True, ask=ask, only=self._account, keep_lost=keep_lost
        )
        assert isinstance(answer, Answer), "the transport's results are answers"
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

    def prefetched_reviews(self, ids: Sequence[str]) -> list[str]:
        """Takes the account that has read the first prefetched review in `ids`, and returns all prefetched reviews in
        `ids` that this account has read. One answer can hold the comments of these reviews, because an answer belongs
        to one account. Returns an empty list if no review was prefetched.
        """
        return self._prefetched.reviews_at_once(ids) if self._prefetched is not None else []

    async def rest(self, path: str) -> Answer:
        """Sends a GET request to a REST path (with its query) and returns the answer. Follows renames (301). Raises
        `Gone`, `PartOver` and the other errors of `graphql`.
        """
        route = route_of(path)
        seconds = self.prices.seconds(route, REST_SECONDS)
        ask = Ask("core", route, 1, seconds, self._repository or repository_of(path), self._fence)

        answer = await self._transport.get(path, ask, only=self._account)
        self.prices.took(route, answer.seconds)
        return answer

    async def accounts(self) -> list[str]:
        """Returns the accounts that can send requests for the repository now: the accounts whose credentials GitHub
        accepts. Whether GitHub shows the repository to these accounts is not checked.
        """
        return await self._transport.accounts(self._repository, only=self._account)

    async def introduce(self) -> None:
        """Looks up the account and the remaining budget of each token, for one point a token. A token whose account is
        known is not looked up again.

        Raises an error of the taxonomy if a lookup fails. The next request then looks up the remaining tokens.
        """
        await self._transport.introduce()

    # --- The server's schema

    @property
    def left_out(self) -> frozenset[str]:
        """The fields that requests leave out because this server's schema lacks them. Coverage records these fields."""
        return self._transport.documents.left_out

    async def has_learned(self, left_out: Collection[str]) -> bool:
        """Returns whether this server's schema now has one of the fields `left_out`, which earlier requests had to
        leave out.
        """
        return await self._transport.documents.has_learned(left_out)
