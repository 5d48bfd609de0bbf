"""Classifies GitHub's refusals, in the same way for GraphQL and REST.

`of_http` reads an answer with an HTTP error status. `of_error` reads an entry of `errors` in an answer with status 200.
Both return a `Refusal`, from which the caller makes the error for its request.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from budget.account import LONGEST_WAIT
from errors import PartOver, RetryNow, TooLarge
from github.answers.grants import grant
from github.answers.headers import number
from github.clock import date_of, now_by

Kind = Literal[
    "limited",
    "unauthorized",
    "forbidden",
    "scope",
    "missing",
    "off",
    "blocked",
    "empty",
    "cursor",
    "too_large",
    "failed",
    "not_understood",
]
"""limited: a rate limit. unauthorized: the token is unknown. forbidden, scope: this token lacks a right. missing: it
does not exist, or this token may not see it. off: switched off. blocked: taken down. empty: a repository without
commits. cursor: the cursor is no longer known. too_large: a smaller request may succeed. failed: a passing failure.
not_understood: the request is wrong, in GitHub's own words.
"""
Headers = Mapping[str, str]


class InvalidCursor(RetryNow):
    """Raised when GitHub no longer accepts a cursor. The caller has to find the place in the list again."""


class Gone(PartOver):
    """Raised for a 404: a repository or one of its routes does not exist, or is hidden from this account."""


class SwitchedOff(PartOver):
    """Raised if the repository exists and a feature of it is switched off (410)."""


class ScopeMissing(PartOver):
    """Raised if a field of the query needs a scope that the token lacks. GitHub then does not answer the query
    at all.
    """


class FieldsRefused(PartOver):
    """Raised if GitHub refuses fields of a thread because the account lacks the permission that these fields need.
    `words` maps each refused field to GitHub's message.
    """

    def __init__(self, operation: str, words: Mapping[str, str]) -> None:
        super().__init__("forbidden", f"GitHub refuses {', '.join(words)} in {operation}: {'; '.join(words.values())}")
        self.words = words


class SchemaMismatch(PartOver):
    """Raised if the document uses a name that this server's schema lacks. `errors` holds the entries of the answer's
    `errors` that report unknown names.
    """

    def __init__(self, operation: str, errors: Sequence[Mapping[str, Any]]) -> None:
        words = "; ".join(str(error.get("message")) for error in errors[:3])[:500]
        super().__init__("query_refused", f"{operation} does not fit GitHub's schema: {words}", _BUG)
        self.errors = errors


class Limited(Exception):
    """Raised for a rate limit. `wait` is how many seconds GitHub asks to wait, or None if GitHub does not say."""

    def __init__(self, wait: float | None) -> None:
        super().__init__("limited")
        self.wait = wait


class Unauthorized(Exception):
    """Raised if GitHub does not accept this token (401)."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refusal by GitHub. `code` is one word for programs, such as `gone` or `http_502`. `words` is GitHub's message,
    cut to 500 characters.
    """

    kind: Kind
    code: str
    words: str
    status: int
    wait: float | None = None
    """For a limit: seconds until the next attempt; None if the server does not say."""
    action: str = ""
    """What a person can do about it."""

    def error(self, what: str) -> Exception:
        """Returns the error for this refusal: an error of the taxonomy, `Limited` or `Unauthorized`. `what` names the
        operation or the route in the error's message.
        """
        said = f"{what} ({self.status})" if self.status != 200 else what
        words = f": {self.words}" if self.words else ""
        if self.kind == "limited":
            return Limited(self.wait)
        if self.kind == "unauthorized":
            return Unauthorized()
        if self.kind == "too_large":
            return TooLarge(self.code, f"GitHub could not finish {said}{words}")
        if self.kind == "failed":
            return RetryNow(self.code, f"GitHub failed at {said}{words}")
        if self.kind == "cursor":
            return InvalidCursor(self.code, self.words)
        message = f"GitHub {_DENIES[self.kind].format(said)}{words}"
        return _ERRORS.get(self.kind, PartOver)(self.code, message, self.action)


_DENIES: dict[Kind, str] = {
    "forbidden": "forbids {}",
    "scope": "forbids {}",
    "missing": "has no {}",
    "off": "has {} switched off",
    "blocked": "blocks {}",
    "empty": "says that the repository is empty, asked for {}",
    "not_understood": "refuses {}",
}
_ERRORS: dict[Kind, type[PartOver]] = {"scope": ScopeMissing, "missing": Gone, "off": SwitchedOff}
_OUT_OF_TIME = ("something went wrong", "timeout", "timed out", "resource limits")
_QUOTED_NAME = re.compile(r"(['`\"])[^\s'`\"]+\1")
_PASSING_STATUSES = (408, 409, 421, 425)
"""Statuses of RFC 9110 and RFC 8470 that ask for another attempt: a timeout, a conflict, a connection to the wrong
server, a request that came too early. A 409 that does not say that the repository is empty says nothing of it.
"""
_PASSING = ("SERVICE_UNAVAILABLE", "INTERNAL", "LOADING", "")
_BUG = "this is a bug of ours"
_GONE = "the repository was deleted, renamed away, or is private"


def of_http(status: int, headers: Headers, body: Any) -> Refusal:
    """Returns the refusal in an answer with an HTTP error. `body` is raw bytes, or parsed JSON."""
    content = _parsed(body)
    words = message_of(content)

    def refusal(kind: Kind, code: str, action: str = "", wait: float | None = None) -> Refusal:
        return Refusal(kind, code, words, status, wait, action)

    if status == 401 or (status == 403 and "installation has been suspended" in words.lower()):
        return refusal("unauthorized", "unauthorized")
    if status == 429 or (status == 403 and (_tells_of_a_limit(headers) or is_limit(words))):
        return refusal("limited", "rate_limited", wait=wait_of(headers))
    if block := _block(status, content):
        return Refusal("blocked", "taken_down", f"{words} {block}".strip(), status)
    if status == 403:
        return refusal("forbidden", "forbidden", grant(words, headers))
    if status == 404 and not _is_html(content):
        return refusal("missing", "gone", _GONE)
    if status == 409 and "is empty" in words.lower():
        return refusal("empty", "empty")
    if status == 410 and not _is_html(content):
        return refusal("off", "disabled")
    if status in (413, 502, 504):
        return refusal("too_large", f"http_{status}")
    if 400 <= status < 500 and status not in _PASSING_STATUSES and _is_githubs(content):
        return refusal("not_understood", f"http_{status}", _BUG)
    # Also 202, with which GitHub says that it is still computing what was asked for; every other status that is no
    # refusal; and what a proxy or a CDN before GitHub answers in its place.
    return refusal("failed", f"http_{status}")


def of_error(error: Mapping[str, Any], headers: Headers) -> Refusal:
    """Returns the refusal that an entry of `errors` reports, in an answer with status 200."""
    kind = str(error.get("type") or (error.get("extensions") or {}).get("code") or "")
    message = str(error.get("message") or "")[:500]
    words = _said(message)

    def refusal(kind: Kind, code: str, action: str = "", wait: float | None = None) -> Refusal:
        return Refusal(kind, code, message, 200, wait, action)

    if kind in ("RATE_LIMITED", "RATE_LIMIT") or is_limit(message):
        return refusal("limited", "rate_limited", wait=wait_of(headers))
    if kind in ("RESOURCE_LIMITS_EXCEEDED", "TIMEOUT") or any(sign in words for sign in _OUT_OF_TIME):
        return refusal("too_large", "too_large")
    if kind in ("INVALID_CURSOR_ARGUMENTS", "INVALID_CURSOR") or "valid cursor" in words:
        return refusal("cursor", "invalid_cursor")
    if kind == "NOT_FOUND":
        return refusal("missing", "gone", _GONE)
    if "access blocked" in words:
        return refusal("blocked", "taken_down")
    if kind == "INSUFFICIENT_SCOPES":
        return refusal("scope", "forbidden", grant(message, headers))
    if kind == "FORBIDDEN" or (error.get("extensions") or {}).get("saml_failure") or "saml" in words:
        return refusal("forbidden", "forbidden", grant(message, headers))
    if kind in _PASSING:
        return refusal("failed", "github_error")
    return refusal("not_understood", "query_refused", _BUG)


def is_limit(message: str) -> bool:
    """Returns whether GitHub's message says that a rate limit was reached. Only key words are looked for, because
    GitHub words such messages in many ways.
    """
    words = _said(message)
    return "rate limit" in words or "abuse" in words


def wait_of(headers: Headers) -> float | None:
    """Returns how many seconds to wait before the next attempt, at most `LONGEST_WAIT`. Returns None if the server does
    not say.

    The header `retry-after` is used first, as GitHub documents. Without this header, the wait ends at the reset of the
    budget. The reset is used only if no budget remains and the reset is not in the past.
    """
    longest = LONGEST_WAIT.total_seconds()
    if (seconds := retry_after(headers)) is not None:
        return min(seconds, longest)
    reset = number(headers, "x-ratelimit-reset")
    if headers.get("x-ratelimit-remaining") == "0" and reset is not None:
        wait = reset - now_by(headers).timestamp()
        if wait >= 0:
            return min(wait, longest)
    return None


def retry_after(headers: Headers) -> float | None:
    """Returns the seconds to wait that the header `retry-after` gives, as a number or as a date (RFC 9110). Returns
    None if the header is missing or unreadable.
    """
    if (seconds := number(headers, "retry-after")) is not None:
        return float(seconds)
    until = date_of(headers, "retry-after")
    return None if until is None else max((until - now_by(headers)).total_seconds(), 0.0)


def message_of(content: Any) -> str:
    """Returns the message in a body: the field `message` of parsed JSON, or the beginning of any other text."""
    if isinstance(content, bytes):
        return " ".join(content[:200].decode("utf-8", "replace").split())
    return str(content.get("message", ""))[:500] if isinstance(content, dict) else ""


def _is_githubs(content: Any) -> bool:
    """Returns whether a refusal has GitHub's shape: JSON with a `message`. A refusal of another shape may be from a
    proxy or a CDN.
    """
    return isinstance(content, dict) and isinstance(content.get("message"), str)


def _is_html(content: Any) -> bool:
    """Returns whether an answer is an HTML page for people. A proxy or a CDN sends such pages. GitHub's own 404 and 410
    are never HTML.
    """
    return isinstance(content, bytes) and content.lstrip().startswith(b"<")


def _parsed(body: Any) -> Any:
    if not isinstance(body, bytes):
        return body
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return body


def _tells_of_a_limit(headers: Headers) -> bool:
    return bool(headers.get("retry-after")) or headers.get("x-ratelimit-remaining") == "0"


def _said(message: str) -> str:
    """Returns the message in lower case, without the names that it quotes. Quoted names are removed because a
    repository may be called `abuse-reports` or `timeout`.
    """
    return _QUOTED_NAME.sub("", message).lower()


def _block(status: int, content: Any) -> str:
    """Returns the reason why a repository was taken down, in brackets. Returns an empty text if the repository was not
    taken down.

    For a repository that was taken down, REST answers with status 451, or with status 403 and `block: {reason: tos |
    sensitive_data | ..., html_url}` (PyGithub#1015).
    """
    block = content.get("block") if isinstance(content, dict) else None
    if isinstance(block, dict) or status == 451:
        told = block or {}
        reason = ", ".join(str(told[key]) for key in ("reason", "html_url") if told.get(key))
        return f"({reason[:300]})" if reason else "(for legal reasons)" if status == 451 else "(no reason given)"
    if status == 403 and re.search(r"access blocked", message_of(content), re.IGNORECASE):
        return "(no reason given)"
    return ""
