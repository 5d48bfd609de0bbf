"""One HTTP session to GitHub: sends GraphQL operations and REST requests, and tells what each answer means.

Every refusal becomes one error of the taxonomy, decided in one place from status, headers and body (`_refusal`).
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from math import ceil
from time import monotonic, time
from types import TracebackType
from typing import Any

import aiohttp
import orjson
import structlog

from errors import BackfillError, PartOver, RetryLater, RetryNow, TooLarge
from github import documents
from github.budget import Budget, Resource, Token

log = structlog.get_logger(__name__)

TIMEOUT_SECONDS = 15.0
"""GitHub itself gives up after 10 s; a connection silent for longer is dead."""
USER_AGENT = "workspace-backfill"


class InvalidCursor(RetryNow):
    """GitHub no longer takes this cursor; the place must be found again."""


class Gone(PartOver):
    """GitHub does not have it, or not for these tokens (404): a repository, or a route of it."""


class SwitchedOff(PartOver):
    """The repository is there, and has this switched off (410)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What GitHub said. `asked_at` is its `Date` less the time it took; `missing` are paths of nodes that are not."""

    data: Any
    asked_at: datetime
    seconds: float
    cost: int = 0
    node_count: int = 0
    next_path: str | None = None
    """REST: path and query of the next page, from the `Link` header."""
    missing: frozenset[tuple[str | int, ...]] = field(default=frozenset())
    refused: Mapping[tuple[str | int, ...], str] = field(default_factory=dict)
    """Paths of fields that these tokens may not see, with GitHub's words. A field that cannot be null takes what is
    above it along, up to the whole repository."""


class _ScopeMissing(PartOver):
    """A field of the query needs a scope that the token lacks; GitHub answers nothing of the query then."""


class GitHub:
    """A client for one base address with a pool of tokens. Use as an async context manager."""

    def __init__(self, api_url: str, graphql_url: str, tokens: tuple[str, ...], share: float) -> None:
        self._api_url = api_url
        self._graphql_url = graphql_url
        self._budget = Budget(tokens, share)
        self._session: aiohttp.ClientSession | None = None
        self._sees_teams = True

    async def __aenter__(self) -> "GitHub":
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

    async def graphql(self, operation: str, variables: Mapping[str, Any], aliases: int = 0) -> Answer:
        """Run an operation of `queries/`. Raises every class of the taxonomy, `InvalidCursor` among them.

        Nodes that GitHub says do not exist are None in `data` and listed in `missing`. A field deep inside that this
        token may not see (a reference into a private repository) is None; any other error raises.
        """
        try:
            return await self._graphql(operation, variables, aliases)
        except _ScopeMissing as error:
            if not self._sees_teams:
                raise PartOver(
                    "forbidden", error.message, "give the token the scopes that the message names"
                ) from error
            # GitHub refuses the whole query for one field. Without teams it needs no scope.
            self._sees_teams = False
            log.warning("requested teams are left out: no token has the scope read:org", why=error.message)
            return await self._graphql(operation, variables, aliases)

    async def _graphql(self, operation: str, variables: Mapping[str, Any], aliases: int) -> Answer:
        query = documents.text(operation, aliases, teams=self._sees_teams)
        body = orjson.dumps({"query": query, "operationName": operation, "variables": variables})
        status, headers, raw, seconds, token = await self._send("graphql", "POST", self._graphql_url, body)
        asked_at = _asked_at(headers, seconds)
        content = decode(raw) if status == 200 else None
        if not isinstance(content, dict) or ("data" not in content and "errors" not in content):
            raise self._refusal(token, "graphql", status, headers, raw, operation)
        data = content.get("data")
        missing, refused = [], {}
        for error in content.get("errors") or ():
            path = tuple(error.get("path") or ())
            hidden = error.get("type") in ("NOT_FOUND", "FORBIDDEN")
            if error.get("type") == "NOT_FOUND" and len(path) <= 2 and path and path[0] != "repository":
                missing.append(path)
            elif not hidden or path in ((), ("repository",), ("repository", "threads")):
                raise self._graphql_error(token, headers, error, operation)
            else:
                refused[path] = str(error.get("message") or error.get("type"))[:500]
                log.info("hidden from this token", operation=operation, path=path, why=error.get("message"))
        if not isinstance(data, dict):
            raise RetryNow("bad_answer", f"GitHub answered {operation} with neither data nor an error")
        rate = data.get("rateLimit") or {}
        if rate:
            self._budget.hear(
                token, "graphql", rate["limit"], rate["used"], (_time(rate["resetAt"]) - _date(headers)).total_seconds()
            )
        self._budget.accepted(token, "graphql")
        return Answer(
            data,
            asked_at,
            seconds,
            rate.get("cost", 0),
            rate.get("nodeCount", 0),
            missing=frozenset(missing),
            refused=refused,
        )

    async def rest(self, path: str) -> Answer:
        """GET a REST path (with its query). Follows renames (301). Raises `Gone`, `PartOver`, ... as `graphql` does."""
        status, headers, raw, seconds, token = await self._send("core", "GET", f"{self._api_url}{path}", None)
        if status != 200:
            raise self._refusal(token, "core", status, headers, raw, path.partition("?")[0])
        content = decode(raw)
        if content is None:
            raise RetryNow("bad_answer", f"GitHub's answer to {path.partition('?')[0]} is not JSON")
        self._budget.accepted(token, "core")
        return Answer(content, _asked_at(headers, seconds), seconds, cost=1, next_path=self._next(headers))

    async def _send(
        self, resource: Resource, method: str, url: str, body: bytes | None
    ) -> tuple[int, Mapping[str, str], bytes, float, Token]:
        if self._session is None:
            raise RuntimeError("the client is not open: use `async with GitHub(...)`")
        token = self._budget.take(resource)
        started = monotonic()
        try:
            async with self._session.request(
                method,
                url,
                data=body,
                headers={"Authorization": f"Bearer {token.secret}", "Content-Type": "application/json"},
            ) as response:
                raw = await response.read()
                status, headers = response.status, response.headers
        except TimeoutError as error:
            raise TooLarge("timeout", f"GitHub did not answer within {TIMEOUT_SECONDS:.0f} s") from error
        except aiohttp.ClientConnectorError as error:
            raise RetryNow("unreachable", f"GitHub cannot be reached: {error}") from error
        except (aiohttp.ClientError, asyncio.IncompleteReadError) as error:
            raise RetryNow("connection", f"the connection to GitHub broke: {type(error).__name__}: {error}") from error
        finally:
            self._budget.settle(token, resource)
        seconds = monotonic() - started
        limit, used, reset = (headers.get(f"x-ratelimit-{name}") for name in ("limit", "used", "reset"))
        if limit and used and reset and limit.isdigit() and used.isdigit() and reset.isdigit():
            self._budget.hear(token, resource, int(limit), int(used), float(reset) - _date(headers).timestamp())
        return status, headers, raw, seconds, token

    def _next(self, headers: Mapping[str, str]) -> str | None:
        for link in headers.get("Link", "").split(","):
            address, _, relation = link.partition(";")
            if 'rel="next"' in relation:
                return address.strip().removeprefix("<").removesuffix(">").removeprefix(self._api_url)
        return None

    def _limited(self, token: Token, resource: Resource, headers: Mapping[str, str]) -> RetryLater:
        """In GitHub's order: retry-after; else, with nothing remaining, the reset; else a minute and growing."""
        retry_after = headers.get("retry-after", "")
        if retry_after.isdigit():
            return self._budget.limited(token, resource, float(retry_after))
        reset = headers.get("x-ratelimit-reset", "")
        if headers.get("x-ratelimit-remaining") == "0" and reset.isdigit():
            wait = float(reset) - _date(headers).timestamp()
            if wait > 0:
                return self._budget.limited(token, resource, wait)
        return self._budget.limited(token, resource, None)

    def _refusal(
        self, token: Token, resource: Resource, status: int, headers: Mapping[str, str], raw: bytes, what: str
    ) -> BackfillError:
        """The error that an answer other than a good one means. `what` names the operation or the route."""
        message = _message(raw)
        words = message.lower()
        if status == 401:
            log.warning("token refused", token=token.name)
            return self._budget.refuse(token)
        if status == 429 or (
            status == 403
            and (
                headers.get("retry-after", "").isdigit()
                or headers.get("x-ratelimit-remaining") == "0"
                or "rate limit" in words
                or "abuse" in words
            )
        ):
            return self._limited(token, resource, headers)
        if status == 403:
            return PartOver(
                "forbidden", f"GitHub forbids {what} (403): {message}", "give the token access to the repository"
            )
        if status == 404:
            return Gone("gone", f"GitHub has no {what} (404): {message}", "the repository was deleted, or is private")
        if status == 410:
            return SwitchedOff("disabled", f"GitHub has {what} switched off (410): {message}")
        if status == 451:
            return PartOver("taken_down", f"GitHub blocks {what} for legal reasons (451): {message}")
        if status == 409:
            return PartOver("empty", f"the repository is empty (409): {message}")
        if status in (502, 504):
            return TooLarge(f"http_{status}", f"GitHub gave up on {what} ({status})")
        if status >= 500:
            return RetryNow(f"http_{status}", f"GitHub failed at {what} ({status}): {message}")
        if status == 200:
            return RetryNow("bad_answer", f"GitHub's answer to {what} is cut short or not JSON")
        return PartOver(f"http_{status}", f"GitHub refuses {what} ({status}): {message}", "this is a bug of ours")

    def _graphql_error(
        self, token: Token, headers: Mapping[str, str], error: Mapping[str, Any], operation: str
    ) -> BackfillError:
        """The error that an entry of `errors` inside HTTP 200 means."""
        kind = str(error.get("type") or (error.get("extensions") or {}).get("code") or "")
        message = str(error.get("message") or "")[:500]
        words = message.lower()
        if kind in ("RATE_LIMITED", "RATE_LIMIT") or "rate limit" in words:
            return self._limited(token, "graphql", headers)
        if kind in ("RESOURCE_LIMITS_EXCEEDED", "TIMEOUT") or any(
            sign in words for sign in ("something went wrong", "timeout", "timed out", "resource limits")
        ):
            return TooLarge("too_large", f"GitHub could not finish {operation}: {message}")
        if kind in ("INVALID_CURSOR_ARGUMENTS", "INVALID_CURSOR") or "valid cursor" in words:
            return InvalidCursor("invalid_cursor", message)
        if kind == "NOT_FOUND":
            return Gone("gone", message, "the repository was deleted, renamed away, or is private")
        if kind == "INSUFFICIENT_SCOPES":
            return _ScopeMissing("forbidden", message)
        if "access blocked" in words:
            return PartOver("taken_down", message)
        if kind == "FORBIDDEN" or "saml" in words:
            return PartOver("forbidden", message, "give the token access to the repository")
        if kind in ("SERVICE_UNAVAILABLE", "INTERNAL", "LOADING") or not kind:
            return RetryNow("github_error", f"GitHub failed at {operation}: {message}")
        return PartOver("query_refused", f"GitHub refuses {operation} ({kind}): {message}", "this is a bug of ours")


def _message(raw: bytes) -> str:
    """What a body says, in one short line: JSON's `message`, or a page's beginning."""
    try:
        content = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return " ".join(raw[:200].decode("utf-8", "replace").split())
    return str(content.get("message", ""))[:500] if isinstance(content, dict) else ""


def _date(headers: Mapping[str, str]) -> datetime:
    """GitHub's clock; ours only where the header is missing or unreadable."""
    try:
        return parsedate_to_datetime(headers["Date"]).astimezone(UTC)
    except (KeyError, ValueError, TypeError):
        return datetime.fromtimestamp(time(), UTC)


def _asked_at(headers: Mapping[str, str], seconds: float) -> datetime:
    """When the question left, on GitHub's clock: its `Date` is the answer's, and what changed between is not in it."""
    return _date(headers) - timedelta(seconds=ceil(seconds))


def _time(value: str) -> datetime:
    return datetime.fromisoformat(value)


def decode(raw: bytes) -> Any:
    """Parsed JSON without what Postgres cannot hold: NUL characters and lone surrogates. None if it is not JSON."""
    nul = b"\\u0000" in raw
    if nul and b"\\\\u0000" not in raw:
        # No backslash before it, so it is the character and not its spelling: gone without walking the answer.
        raw, nul = raw.replace(b"\\u0000", b""), False
    try:
        content = orjson.loads(raw)
    except orjson.JSONDecodeError:
        if b"\\ud" not in raw.lower():
            return None
        try:
            content = json.loads(raw)
        except ValueError:
            return None
        return _storable(content)
    return _storable(content) if nul else content


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, list):
        return [_storable(each) for each in value]
    if isinstance(value, dict):
        return {key: _storable(each) for key, each in value.items()}
    return value
