"""Turns an answer's status, headers and body into data, or into one error of the taxonomy. No other module
does this.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from math import isfinite
from typing import Any

import orjson
import structlog
from graphql import ExecutionResult

from budget.account import Ask
from errors import RetryNow, TooLarge
from github.answers.headers import number
from github.answers.links import links, page_of, path_below
from github.answers.refusals import FieldsRefused, SchemaMismatch, is_limit, message_of, of_error, of_http, retry_after
from github.clock import asked_at, now_by, time
from github.nodes.nulls import GoneNode, Hidden, Path, mark
from github.nodes.permissions import field_of
from github.queries.server_schema import is_mismatch

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Answer(ExecutionResult):
    """An answer of GitHub's: gql's result, with the values of some headers. `asked_at` is when the request was sent, by
    GitHub's clock: the header `Date` minus the request's duration.

    In `data`, marks replace the nodes that are hidden or gone (`github.nodes.nulls`). `errors` is None, because the
    reading of the answer has handled the errors.
    """

    data: Any
    asked_at: datetime
    seconds: float
    cost: int = 0
    estimate: int = 0
    """The estimated cost that was reserved before the request."""
    node_count: int = 0
    next_path: str | None = None
    """For REST: path and query of the next page, from the `Link` header."""
    last_page: int | None = None
    """For REST: the number of the last page, from the `Link` header; None if this is the last."""
    refused: Mapping[Path, str] = field(default_factory=dict)
    """Paths of fields that the account may not see, with GitHub's words. The paths of hidden nodes are among them."""
    account: str = ""
    """The account that sent the request."""
    missing: frozenset[Path] = frozenset()
    """Those paths of `refused` at which GitHub says that nothing exists."""
    unmarked: Mapping[Path, str] = field(default_factory=dict)
    """Those paths of `refused` at which a field, or a whole list, is null, and not a node."""
    left_out: Mapping[str, str] = field(default_factory=dict)
    """Fields that were not requested because the account lacks the permission (`nodes.permissions`), with GitHub's
    words.
    """
    errors: None = None
    extensions: None = None

    def refusal_of(self, *path: str | int) -> str | None:
        """Returns GitHub's message if GitHub refused the field at `path`, or a field below it. Returns None if no such
        field was refused.
        """
        return next((words for each, words in self.refused.items() if each[: len(path)] == path), None)


@dataclass(frozen=True, slots=True)
class Raw:
    """An answer that is not interpreted yet: its status, headers and body."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float
    requests: int = 1
    """Requests sent for this answer. Redirects are included, because GitHub counts each."""


_ABOVE_THE_LIST: tuple[Path, ...] = ((), ("repository",), ("repository", "threads"))
"""A refusal at one of these paths refuses everything that was requested."""
_OF_A_PLACE = ("missing", "forbidden", "scope", "blocked")
"""Kinds of refusals that concern only the place that their path names; the rest of the answer is valid."""


def read_graphql(ask: Ask, raw: Raw, *, keep_lost: bool = False) -> Answer:
    """Returns a GraphQL answer. Raises every class of the taxonomy, `Limited` for a rate limit, and `Unauthorized` for
    a token that GitHub does not accept.

    With `keep_lost`, nodes that GitHub failed to load are null in the answer. Otherwise such a node raises `TooLarge`.
    `TooLarge` is also raised if the request names several repositories and the account lacks a permission for one of
    them, because missing permissions are recorded by repository.
    """
    content = decode(raw.body) if raw.status == 200 else None
    if not isinstance(content, dict) or ("data" not in content and "errors" not in content):
        raise _no_answer(raw, ask.operation)
    data, errors = content.get("data"), _errors(content, ask.operation)
    if not data and (mismatches := [error for error in errors if is_mismatch(error)]):
        raise SchemaMismatch(ask.operation, mismatches)
    refused: dict[Path, str] = {}
    unmarked: dict[Path, str] = {}
    missing: set[Path] = set()
    for error in errors:
        path = _path(error)
        if error.get("type") == "NOT_FOUND" and len(path) <= 2 and path and path[0] != "repository":
            mark(data, path, GoneNode())
            continue
        refusal = of_error(error, raw.headers)
        if refusal.kind in ("failed", "too_large") and data and path not in _ABOVE_THE_LIST:
            # GitHub answers, and fails at this node: a smaller page may bring it, and does bring the others.
            if keep_lost and any(isinstance(step, int) for step in path):
                continue
            code = refusal.code if refusal.kind == "too_large" else "node_failed"
            raise TooLarge(code, f"GitHub failed at a node of {ask.operation}: {refusal.words}")
        if refusal.kind not in _OF_A_PLACE or not data or path in _ABOVE_THE_LIST:
            raise refusal.error(ask.operation)
        words = refusal.words or str(error.get("type"))
        refused[path] = words
        if refusal.kind == "missing":
            missing.add(path)
        if not mark(data, path, Hidden(words)):
            unmarked[path] = words
    if fields := {field: words for path, words in refused.items() if (field := field_of(path))}:
        if keep_lost and isinstance(data, dict) and "n1" in data:
            # Of several repositories: a permission is remembered by repository, and the request is of the first one.
            raise TooLarge("fields_refused", f"GitHub refuses fields of one of several: {', '.join(sorted(fields))}")
        raise FieldsRefused(ask.operation, fields)
    if refused:
        log.info("hidden from this token", operation=ask.operation, paths=list(refused)[:3], number=len(refused))
    if not isinstance(data, dict):
        raise RetryNow("bad_answer", f"GitHub answered {ask.operation} with neither data nor an error")
    rate = _rate(data)
    return Answer(
        data,
        asked_at(raw.headers, raw.seconds),
        raw.seconds,
        _count(rate, "cost"),
        ask.points,
        _count(rate, "nodeCount"),
        refused=refused,
        missing=frozenset(missing),
        unmarked=unmarked,
    )


def read_rest(ask: Ask, raw: Raw, base: str) -> Answer:
    """Returns a REST answer. Raises the same errors as `read_graphql`. `base` is the API's address, with which the
    addresses of other pages begin.
    """
    if raw.status != 200:
        raise of_http(raw.status, raw.headers, raw.body).error(ask.operation)
    content = decode(raw.body)
    if content is None:
        raise RetryNow("bad_answer", f"GitHub's answer to {ask.operation} is not JSON")
    pages = links(raw.headers)
    return Answer(
        content,
        asked_at(raw.headers, raw.seconds),
        raw.seconds,
        cost=raw.requests,
        estimate=1,
        next_path=path_below(pages.get("next"), base),
        last_page=page_of(pages.get("last")),
    )


def _no_answer(raw: Raw, operation: str) -> Exception:
    """Returns the error for an answer that is not a GraphQL result."""
    if raw.status != 200:
        return of_http(raw.status, raw.headers, raw.body).error(operation)
    content = decode(raw.body)
    if isinstance(content, dict) and is_limit(message_of(content)):
        # GitHub says of a secondary limit that it may come as 200, and not in what shape.
        return of_http(429, raw.headers, content).error(operation)
    return RetryNow("bad_answer", f"GitHub's answer to {operation} is cut short or not JSON")


def windows_of(headers: Mapping[str, str]) -> tuple[tuple[int, int, float], ...]:
    """Returns the budget's window that the headers report, as (limit, used, seconds until the reset).

    Returns no window if a header is missing. Also returns no window if there is a `retry-after`, because that header
    says how long to wait, and the reset may be much later.
    """
    if retry_after(headers) is not None:
        return ()
    limit, used, reset = (number(headers, f"x-ratelimit-{name}") for name in ("limit", "used", "reset"))
    if limit is None or used is None or reset is None:
        return ()
    return ((limit, used, reset - now_by(headers).timestamp()),)


def all_windows(raw: Raw, answer: Answer) -> tuple[tuple[int, int, float], ...]:
    """Returns the budget's windows that an answer reports: the window in the headers and, for GraphQL, the window in
    the body.
    """
    heard, rate = windows_of(raw.headers), _rate(answer.data)
    try:
        wait = (time(rate["resetAt"]) - now_by(raw.headers)).total_seconds()
        return (*heard, (int(rate["limit"]), int(rate["used"]), wait))
    except (KeyError, TypeError, ValueError):
        return heard  # it does not say, as REST, and as a query that does not ask for it


def _rate(data: Any) -> Mapping[str, Any]:
    """Returns the field `rateLimit` of an answer. Returns an empty mapping if the field is missing."""
    rate = data.get("rateLimit") if isinstance(data, dict) else None
    return rate if isinstance(rate, dict) else {}


def _count(rate: Mapping[str, Any], name: str) -> int:
    count = rate.get(name)
    return count if isinstance(count, int) else 0


def _errors(content: Mapping[str, Any], operation: str) -> list[Mapping[str, Any]]:
    """Returns the entries of `errors`. Raises `RetryNow` if an entry does not have the shape that GraphQL prescribes,
    because such an answer may not be GitHub's.
    """
    errors = content.get("errors") or []
    if not isinstance(errors, list) or not all(_is_error(each) for each in errors):
        raise RetryNow("bad_answer", f"the errors in the answer to {operation} are not GraphQL's: {str(errors)[:200]}")
    return errors


def _is_error(entry: Any) -> bool:
    return isinstance(entry, dict) and isinstance(entry.get("extensions") or {}, dict)


def _path(error: Mapping[str, Any]) -> Path:
    """Returns the path that an error names: the place in the answer that failed. Returns an empty path if the error
    names no place.
    """
    path = error.get("path")
    return tuple(path) if isinstance(path, list) and all(isinstance(step, str | int) for step in path) else ()


def decode(raw: bytes) -> Any:
    """Returns the parsed JSON of `raw`. NUL characters are removed and lone surrogates are replaced, because Postgres
    cannot store them. Returns None if `raw` is not JSON, or is nested too deeply to be an answer.
    """
    nul = b"\\u0000" in raw
    if nul and b"\\\\u0000" not in raw:
        # No backslash before it, so it is the character and not its spelling: gone without walking the answer.
        raw, nul = raw.replace(b"\\u0000", b""), False
    try:
        content = orjson.loads(raw)
    except orjson.JSONDecodeError:
        # orjson refuses lone surrogates, json reads them.
        return _decode_surrogates(raw) if b"\\ud" in raw.lower() else None
    try:
        return _storable(content) if nul else content
    except RecursionError:
        return None


def _decode_surrogates(raw: bytes) -> Any:
    """Returns the parsed JSON of `raw`, with `?` in place of each lone surrogate. Returns None if `raw` is not JSON."""
    try:
        return _storable(json.loads(raw, parse_constant=_number, parse_float=_number, parse_int=_whole))
    except (ValueError, RecursionError):
        return None


def _number(text: str) -> float:
    """Returns the number in `text`. Raises ValueError for NaN and infinities, because they are not valid JSON although
    Python's `json` reads them.
    """
    if isfinite(number := float(text)):
        return number
    raise ValueError(f"{text} is no number of JSON")


def _whole(text: str) -> int | float:
    """Returns the whole number in `text`. A number beyond 64 bits becomes a float, as in orjson, because orjson cannot
    write a larger int.
    """
    number = int(text)
    return number if -(2**63) <= number < 2**64 else _number(text)


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, list):
        return [_storable(each) for each in value]
    if isinstance(value, dict):
        return {_storable(key): _storable(each) for key, each in value.items()}
    return value
