"""What GitHub's answers mean: data, or one error of the taxonomy, decided here alone, from status, headers and body."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from math import ceil
from time import time
from typing import Any

import orjson
import structlog

from budget.account import LONGEST_WAIT, Ask
from errors import PartOver, RetryNow, TooLarge
from github.nodes import GoneNode, Hidden, Path, mark

log = structlog.get_logger(__name__)


class InvalidCursor(RetryNow):
    """GitHub no longer takes this cursor; the place must be found again."""


class Gone(PartOver):
    """GitHub does not have it, or not for these tokens (404): a repository, or a route of it."""


class SwitchedOff(PartOver):
    """The repository is there, and has this switched off (410)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What GitHub said. `asked_at` is its `Date` less the time it took.

    In `data`, nodes that are hidden or gone are marked as such (`github.nodes`).
    """

    data: Any
    asked_at: datetime
    seconds: float
    cost: int = 0
    estimate: int = 0
    """What it was taken to cost before it was asked."""
    node_count: int = 0
    next_path: str | None = None
    """REST: path and query of the next page, from the `Link` header."""
    last_page: int | None = None
    """REST: the number of the last page, from the `Link` header; None where this is the last."""
    refused: Mapping[Path, str] = field(default_factory=dict)
    """Paths of fields that these tokens may not see, with GitHub's words, those of hidden nodes among them."""
    unmarked: Mapping[Path, str] = field(default_factory=dict)
    """Of `refused`, fields that can be null and are, in nodes that are shown; and whole lists."""

    def refusal_of(self, *path: str | int) -> str | None:
        """GitHub's words for why the field at `path`, or something below it, is refused; None if it is not."""
        return next((words for each, words in self.refused.items() if each[: len(path)] == path), None)


@dataclass(frozen=True, slots=True)
class Raw:
    """An answer as it came."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float


class Limited(Exception):
    """GitHub refuses for now; `wait` in seconds, if it says how long."""

    def __init__(self, wait: float | None) -> None:
        super().__init__("limited")
        self.wait = wait


class Unauthorized(Exception):
    """GitHub does not know this token (401)."""


class ScopeMissing(PartOver):
    """A field of the query needs a scope that the token lacks; GitHub answers nothing of the query then."""


_ABOVE_THE_LIST: tuple[Path, ...] = ((), ("repository",), ("repository", "threads"))
"""A refusal here is of everything that was asked for."""


def read_graphql(ask: Ask, raw: Raw) -> Answer:
    """Raises every class of the taxonomy, `Limited` and `Unauthorized`."""
    content = decode(raw.body) if raw.status == 200 else None
    if not isinstance(content, dict) or ("data" not in content and "errors" not in content):
        if isinstance(content, dict) and _is_limit(_message(raw.body)):
            # GitHub says of a secondary limit that it may come as 200, and not in what shape.
            raise _limited(raw.headers)
        raise _refusal(raw, ask.operation)
    data = content.get("data")
    refused: dict[Path, str] = {}
    unmarked: dict[Path, str] = {}
    for error in content.get("errors") or ():
        path = tuple(error.get("path") or ())
        if error.get("type") == "NOT_FOUND" and len(path) <= 2 and path and path[0] != "repository":
            mark(data, path, GoneNode())
        elif error.get("type") not in ("NOT_FOUND", "FORBIDDEN") or path in _ABOVE_THE_LIST:
            raise _graphql_error(raw.headers, error, ask.operation)
        else:
            words = str(error.get("message") or error.get("type"))[:500]
            refused[path] = words
            if not mark(data, path, Hidden(words)):
                unmarked[path] = words
    if refused:
        log.info("hidden from this token", operation=ask.operation, paths=list(refused)[:3], number=len(refused))
    if not isinstance(data, dict):
        raise RetryNow("bad_answer", f"GitHub answered {ask.operation} with neither data nor an error")
    rate = data.get("rateLimit") or {}
    return Answer(
        data,
        _asked_at(raw.headers, raw.seconds),
        raw.seconds,
        rate.get("cost", 0),
        ask.points,
        rate.get("nodeCount", 0),
        refused=refused,
        unmarked=unmarked,
    )


def read_rest(ask: Ask, raw: Raw, base: str) -> Answer:
    """Raises as `read_graphql` does. `base` is the address that the paths of other pages begin with."""
    if raw.status != 200:
        raise _refusal(raw, ask.operation)
    content = decode(raw.body)
    if content is None:
        raise RetryNow("bad_answer", f"GitHub's answer to {ask.operation} is not JSON")
    links = _links(raw.headers, base)
    last = re.search(r"[?&]page=(\d+)", links.get("last", ""))
    return Answer(
        content,
        _asked_at(raw.headers, raw.seconds),
        raw.seconds,
        cost=1,
        estimate=1,
        next_path=links.get("next"),
        last_page=int(last[1]) if last else None,
    )


def _links(headers: Mapping[str, str], base: str) -> dict[str, str]:
    """Paths of other pages, by relation (`next`, `last`)."""
    links = {}
    for link in headers.get("Link", "").split(","):
        address, _, relation = link.partition(";")
        if name := re.search(r'rel="(\w+)"', relation):
            links[name[1]] = address.strip().removeprefix("<").removesuffix(">").removeprefix(base)
    return links


def _refusal(raw: Raw, what: str) -> Exception:
    """The error that an answer other than a good one means. `what` names the operation or the route."""
    status, headers = raw.status, raw.headers
    message = _message(raw.body)
    words = message.lower()
    if status == 401 or (status == 403 and "installation has been suspended" in words):
        return Unauthorized()
    if status == 429 or (
        status == 403
        and (
            headers.get("retry-after", "").isdigit()
            or headers.get("x-ratelimit-remaining") == "0"
            or _is_limit(message)
        )
    ):
        return _limited(headers)
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


def _graphql_error(headers: Mapping[str, str], error: Mapping[str, Any], operation: str) -> Exception:
    """The error that an entry of `errors` inside HTTP 200 means."""
    kind = str(error.get("type") or (error.get("extensions") or {}).get("code") or "")
    message = str(error.get("message") or "")[:500]
    words = message.lower()
    if kind in ("RATE_LIMITED", "RATE_LIMIT") or _is_limit(message):
        return _limited(headers)
    if kind in ("RESOURCE_LIMITS_EXCEEDED", "TIMEOUT") or any(
        sign in words for sign in ("something went wrong", "timeout", "timed out", "resource limits")
    ):
        return TooLarge("too_large", f"GitHub could not finish {operation}: {message}")
    if kind in ("INVALID_CURSOR_ARGUMENTS", "INVALID_CURSOR") or "valid cursor" in words:
        return InvalidCursor("invalid_cursor", message)
    if kind == "NOT_FOUND":
        return Gone("gone", message, "the repository was deleted, renamed away, or is private")
    if kind == "INSUFFICIENT_SCOPES":
        return ScopeMissing("forbidden", message)
    if "access blocked" in words:
        return PartOver("taken_down", message)
    if kind == "FORBIDDEN" or "saml" in words:
        return PartOver("forbidden", message, "give the token access to the repository")
    if kind in ("SERVICE_UNAVAILABLE", "INTERNAL", "LOADING") or not kind:
        return RetryNow("github_error", f"GitHub failed at {operation}: {message}")
    return PartOver("query_refused", f"GitHub refuses {operation} ({kind}): {message}", "this is a bug of ours")


def _is_limit(message: str) -> bool:
    words = message.lower()
    return "rate limit" in words or "abuse" in words


def _limited(headers: Mapping[str, str]) -> Limited:
    """In GitHub's order: retry-after; else, with nothing remaining, the reset; else it does not say."""
    longest = LONGEST_WAIT.total_seconds()
    retry_after = headers.get("retry-after", "")
    if retry_after.isdigit():
        return Limited(min(float(retry_after), longest))
    reset = headers.get("x-ratelimit-reset", "")
    if headers.get("x-ratelimit-remaining") == "0" and reset.isdigit():
        wait = float(reset) - _date(headers).timestamp()
        if wait >= 0:
            return Limited(min(wait, longest))
    return Limited(None)


def windows_of(headers: Mapping[str, str]) -> tuple[tuple[int, int, float], ...]:
    """The window that the headers tell of: (limit, used, seconds to its reset).

    Not beside `retry-after`: that goes first, and a reset an hour ahead is a false alarm then.
    """
    if headers.get("retry-after", "").isdigit():
        return ()
    limit, used, reset = (headers.get(f"x-ratelimit-{name}", "") for name in ("limit", "used", "reset"))
    if limit.isdigit() and used.isdigit() and reset.isdigit():
        return ((int(limit), int(used), float(reset) - _date(headers).timestamp()),)
    return ()


def all_windows(raw: Raw, answer: Answer) -> tuple[tuple[int, int, float], ...]:
    """Those of the headers, and what a GraphQL answer says itself."""
    heard = windows_of(raw.headers)
    rate = answer.data.get("rateLimit") if isinstance(answer.data, dict) else None
    if not rate or "resetAt" not in rate:
        return heard
    wait = (_time(rate["resetAt"]) - _date(raw.headers)).total_seconds()
    return (*heard, (rate["limit"], rate["used"], wait))


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
