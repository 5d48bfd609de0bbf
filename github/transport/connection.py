"""HTTP to GitHub. Each request returns one raw answer, or raises an error if there is no answer. `answers.reading`
interprets the answers.
"""

import asyncio
from time import monotonic
from types import TracebackType

import aiohttp
import orjson
from gql import GraphQLRequest

from budget.account import Ask
from errors import PartOver, RetryLater, RetryNow, TooLarge
from github.answers.reading import Raw, read_graphql, read_rest
from github.answers.refusals import Gone, Limited, Unauthorized
from github.queries.documents import Request

TIMEOUT_SECONDS = 15.0
"""Seconds until a request is given up. GitHub itself gives up after 10 s, so a connection silent for longer is dead."""
USER_AGENT = "workspace-backfill"
MOST_REDIRECTS = 3
"""Most redirects of one request. A repository is redirected to its present name at once, so more are a loop."""


class Connection:
    """An HTTP session to one server. Use as an async context manager."""

    def __init__(self, api_url: str, graphql_url: str) -> None:
        self.api_url = api_url
        self._graphql_url = graphql_url
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> "Connection":
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS),
            headers={
                "User-Agent": USER_AGENT,
                "Accept": "application/vnd.github+json",
                "X-GitHub-Api-Version": "2022-11-28",
                # Two formats of node ids exist; asked for the new one, GitHub answers with it everywhere.
                "X-Github-Next-Global-ID": "1",
            },
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def graphql(self, request: GraphQLRequest, secret: str) -> Raw:
        """Sends a GraphQL request and returns the answer. Raises `TooLarge` or `RetryNow` if there is no answer, and
        `Gone` if redirects lead in a circle.
        """
        return await self._exchange("POST", self._graphql_url, orjson.dumps(request.payload), secret)

    async def get(self, path: str, secret: str) -> Raw:
        """Sends a GET request to a REST path with its query, and returns the answer. Raises `TooLarge` or `RetryNow` if
        there is no answer, and `Gone` if redirects lead in a circle.
        """
        return await self._exchange("GET", f"{self.api_url}{path}", None, secret)

    async def viewer(self, secret: str) -> Raw:
        """Requests the token's account and its remaining budget, by GraphQL, for one point."""
        return await self.graphql(Request("Viewer", {}), secret)

    async def user(self, secret: str) -> Raw:
        """Requests the token's account, by REST."""
        return await self.get("/user", secret)

    async def probe(self, api: str, secret: str) -> None:
        """Sends the smallest request of the API (`graphql` or `core`). Raises `RetryNow` if there is no answer. A
        refusal counts as an answer.
        """
        try:
            if api == "graphql":
                read_graphql(Ask("graphql", "Viewer"), await self.viewer(secret))
            else:
                read_rest(Ask("core", "user"), await self.user(secret), self.api_url)
        except (Limited, Unauthorized, PartOver, RetryLater):
            return

    async def _exchange(self, method: str, url: str, body: bytes | None, secret: str) -> Raw:
        if self._session is None:
            raise RuntimeError("the client is not open: use `async with GitHub(...)`")
        started = monotonic()
        try:
            async with self._session.request(
                method,
                url,
                data=body,
                headers={"Authorization": f"Bearer {secret}", "Content-Type": "application/json"},
                max_redirects=MOST_REDIRECTS,
            ) as response:
                raw = await response.read()
                return Raw(response.status, response.headers, raw, monotonic() - started, 1 + len(response.history))
        except TimeoutError as error:
            raise TooLarge("timeout", f"GitHub did not answer within {TIMEOUT_SECONDS:.0f} s") from error
        except aiohttp.TooManyRedirects as error:
            what = route_of(url.removeprefix(self.api_url))
            raise Gone(
                "redirected", f"GitHub redirects {what} in a circle", "open the repository in a browser: is it there?"
            ) from error
        except BROKEN as error:
            raise broken(error) from error


BROKEN = (aiohttp.ClientError, asyncio.IncompleteReadError)


def broken(error: Exception, server: str = "GitHub", address: str = "") -> RetryNow:
    """Returns the error of the taxonomy for an exception of `BROKEN`: the server cannot be reached, or the connection
    broke. `server` and `address` name the server in the message.
    """
    if isinstance(error, aiohttp.ClientConnectorError):
        return RetryNow("unreachable", f"{server}{address} cannot be reached: {error}")
    return RetryNow("connection", f"the connection to {server} broke: {type(error).__name__}: {error}")


def route_of(path: str) -> str:
    """Returns the route of a REST path, such as `pulls/comments` or `issues/{}/timeline`. The route lacks the
    repository, and has `{}` in place of each number. The route of the repository itself is `repository`.
    """
    parts = path.partition("?")[0].strip("/").split("/")
    rest = parts[2:] if parts[0] == "repositories" else parts[3:] if parts[0] == "repos" else parts
    return "/".join("{}" if part.isdigit() else part for part in rest) or "repository"


def repository_of(path: str) -> str:
    """Returns the owner/name in a REST path. Returns an empty text if the path has no owner/name."""
    parts = path.partition("?")[0].strip("/").split("/")
    return "/".join(parts[1:3]) if parts[0] == "repos" else ""
