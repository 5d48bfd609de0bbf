# ruff: noqa: ARG002 (every effect has the signatures of Effect, whatever it uses)
"""What goes wrong with GitHub, each switched on by a test for the next requests that match.

    github.faults.add(BadGateway(), times=3, operation="PullRequests", page_over=25)
    github.faults.add(NullNode(number=7), times=None)

An effect acts at up to three moments: instead of the work, while nodes are resolved, and on the finished answer.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from fnmatch import fnmatch
from typing import Any, ClassVar

import orjson

from sandbox.github.execution import Broken
from sandbox.github.limits import Budget, Resource
from sandbox.github.refusals import GitHubError, something_went_wrong
from sandbox.github.requests import Kind, Reply, Request, json_reply, message_reply

UNICORN = (
    b"<!DOCTYPE html>\n<html>\n<head><title>Unicorn! &middot; GitHub</title></head>\n<body><p>%s</p></body>\n</html>"
)
SECONDARY = (
    "You have exceeded a secondary rate limit. Please wait a few minutes before you try again. "
    "If you reach out to GitHub Support for help, please include the request ID {}."
)
SECONDARY_DOCUMENTATION = (
    "https://docs.github.com/graphql/using-the-rest-api/rate-limits-for-the-rest-api#about-secondary-rate-limits"
)


class Effect:
    """Does nothing; the effects below override what they change."""

    seconds: float = 0
    charged: ClassVar[bool] = False
    """Whether the request costs its points, and `extra_cost`, though it is not worked on."""
    extra_cost: int = 0

    def instead(self, request: Request, budget: Budget) -> Reply | None:
        """The answer, if the request is not worked on at all."""

    def spoil(self, request: Request, thing: Any, place: int, size: int) -> Exception | None:
        """What stands in the place of a thread (or of anything that `node` and `nodes` found), if it is not served."""

    def afterwards(self, request: Request, reply: Reply) -> Reply:
        return reply


@dataclass
class BadGateway(Effect):
    """502 as HTML or JSON; a timeout costs `extra_cost` points beyond the query's own."""

    json: bool = False
    extra_cost: int = 0
    charged: ClassVar[bool] = True
    status: ClassVar[int] = 502
    words: ClassVar[str] = "We had issues producing the response to your request."

    def instead(self, request: Request, budget: Budget) -> Reply:
        return gateway_error(self.status, self.words, json=self.json)


@dataclass
class GatewayTimeout(BadGateway):
    status: ClassVar[int] = 504
    words: ClassVar[str] = "We couldn't respond to your request in time. Sorry about that."


@dataclass
class SomethingWentWrong(Effect):
    """HTTP 200 with nothing but the error that names the request."""

    charged: ClassVar[bool] = True

    def instead(self, request: Request, budget: Budget) -> Reply:
        return json_reply(200, {"data": None, "errors": [{"message": something_went_wrong(request.id)}]})


@dataclass
class ResourceLimits(Effect):
    """RESOURCE_LIMITS_EXCEEDED: the threads from place `served` of a page on are null, the others good."""

    served: int = 0

    def spoil(self, request: Request, thing: Any, place: int, size: int) -> Exception | None:
        if place < self.served:
            return None
        return GitHubError("RESOURCE_LIMITS_EXCEEDED", "Resource limits for this query exceeded.")


@dataclass
class NullNode(Effect):
    """A thread is null in its page: that of `number`, else the last one.

    `over`: only in pages larger than this. `asking`: only when the nodes of one of these connections are asked for
    (`{"timelineItems"}`: the thread can be listed, and fetched in parts by other connections).
    """

    number: int | None = None
    over: int = 0
    asking: frozenset[str] = frozenset()

    def spoil(self, request: Request, thing: Any, place: int, size: int) -> Exception | None:
        if size <= self.over or (self.asking and not self.asking & request.asked):
            return None
        hit = place == size - 1 if self.number is None else getattr(thing, "number", None) == self.number
        return Broken() if hit else None


@dataclass
class PrimaryLimit(Effect):
    """The account's window is used up, by whoever: the request is refused, and so are all until the reset."""

    status: int = 403
    type: str = "RATE_LIMITED"
    """`RATE_LIMIT` has been seen too."""

    def instead(self, request: Request, budget: Budget) -> Reply:
        budget.exhaust(resource_of(request.kind))
        return primary_limit(request, self.status, self.type)


@dataclass
class SecondaryLimit(Effect):
    """`retry_after`: the header's seconds, or no header. `status` 200 is how GraphQL sometimes says it."""

    retry_after: int | None = 60
    status: int = 403

    def instead(self, request: Request, budget: Budget) -> Reply:
        return secondary_limit(request, self.retry_after, self.status)


@dataclass
class Forbidden(Effect):
    """A 403 that is neither limit: final."""

    message: str = "Resource not accessible by personal access token"

    def instead(self, request: Request, budget: Budget) -> Reply:
        return message_reply(403, self.message)


@dataclass
class BadCredentials(Effect):
    """401 as for a token that was revoked or has expired."""

    def instead(self, request: Request, budget: Budget) -> Reply:
        return bad_credentials()


@dataclass
class ServerError(Effect):
    """500, or any other status, with GitHub's plain words."""

    status: int = 500

    def instead(self, request: Request, budget: Budget) -> Reply:
        return message_reply(self.status, "Server Error")


@dataclass
class Headers(Effect):
    """A good answer with some headers missing (`drop`) or wrong (`set`): a reset in the past, an absurd number."""

    drop: tuple[str, ...] = ()
    set: dict[str, str] = field(default_factory=dict)

    def afterwards(self, request: Request, reply: Reply) -> Reply:
        named = {name.lower() for name in self.set}
        kept = {name: value for name, value in reply.headers.items() if name.lower() not in named}
        reply.headers = kept | self.set
        reply.dropped += self.drop
        return reply


@dataclass
class StaleUsed(Effect):
    """A good answer with the limit headers of `behind` points ago, as when answers overtake each other."""

    behind: int = 100

    def afterwards(self, request: Request, reply: Reply) -> Reply:
        used, limit = int(reply.headers["x-ratelimit-used"]), int(reply.headers["x-ratelimit-limit"])
        stale = max(0, used - self.behind)
        reply.headers |= {"x-ratelimit-used": str(stale), "x-ratelimit-remaining": str(limit - stale)}
        return reply


@dataclass
class Reset(Effect):
    """The connection is reset in the middle of a good answer."""

    def afterwards(self, request: Request, reply: Reply) -> Reply:
        reply.cut = "reset"
        return reply


@dataclass
class Truncated(Effect):
    """Half of a good answer, as if it were all: JSON that does not parse."""

    def afterwards(self, request: Request, reply: Reply) -> Reply:
        reply.cut = "short"
        return reply


@dataclass
class Latency(Effect):
    """The answer takes this much longer."""

    seconds: float = 0.2


@dataclass
class Hang(Effect):
    """No answer, ever: the connection stays open until the client gives up."""

    seconds: float = float("inf")


@dataclass
class Touch(Effect):
    """Calls `do` with the request before it is worked on: a change to the world at an exact moment."""

    do: Callable[[Request], None]

    def instead(self, request: Request, budget: Budget) -> Reply | None:
        self.do(request)
        return None


@dataclass
class Edited(Effect):
    """A good GraphQL answer whose JSON `edit` changes in place."""

    edit: Callable[[dict[str, Any]], None]

    def afterwards(self, request: Request, reply: Reply) -> Reply:
        content = orjson.loads(reply.body)
        self.edit(content)
        reply.body = orjson.dumps(content)
        return reply


EFFECTS: dict[str, type[Effect]] = {
    effect.__name__: effect
    for effect in (
        BadGateway,
        GatewayTimeout,
        SomethingWentWrong,
        ResourceLimits,
        NullNode,
        PrimaryLimit,
        SecondaryLimit,
        Forbidden,
        BadCredentials,
        ServerError,
        Headers,
        StaleUsed,
        Reset,
        Truncated,
        Latency,
        Hang,
    )
}
"""Those that a control request can switch on by name."""


@dataclass
class Fault:
    """An effect, and which requests it meets. `path` is a pattern of the URL's path and query (`*/pulls/comments*`),
    `account` is who pays (`Request.payer`)."""

    effect: Effect
    times: int | None = 1
    kind: Kind | None = None
    operation: str | None = None
    path: str | None = None
    page_over: int = 0
    account: str | None = None
    when: Callable[[Request], bool] | None = None
    hits: int = 0

    def matches(self, request: Request) -> bool:
        return (
            self.kind in (None, request.kind)
            and self.operation in (None, request.operation)
            and (self.path is None or fnmatch(request.path, self.path))
            and request.page_size >= (self.page_over + 1 if self.page_over else 0)
            and self.account in (None, request.payer or None)
            and (self.when is None or self.when(request))
        )

    @property
    def over(self) -> bool:
        return self.times is not None and self.hits >= self.times


class Faults:
    """The faults that are switched on, in the order in which they were; a request meets every one that matches."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._cursors: set[str] = set()

    def add(self, effect: Effect, **how: Any) -> Fault:
        """`how` are `Fault`'s other fields; `times=None` is for ever. The fault's `hits` tell how often it struck."""
        fault = Fault(effect, **how)
        with self._lock:
            self._faults.append(fault)
        return fault

    def remove(self, fault: Fault) -> None:
        with self._lock:
            if fault in self._faults:
                self._faults.remove(fault)

    def clear(self) -> None:
        with self._lock:
            self._faults.clear()
            self._cursors.clear()

    def refuse_cursor(self, cursor: str) -> None:
        """From now on GitHub does not know this cursor."""
        with self._lock:
            self._cursors.add(cursor)

    @property
    def refused_cursors(self) -> frozenset[str]:
        with self._lock:
            return frozenset(self._cursors)

    def meeting(self, request: Request) -> list[Effect]:
        """The effects that this request meets, each counted."""
        with self._lock:
            met = [fault for fault in self._faults if fault.matches(request)]
            for fault in met:
                fault.hits += 1
            self._faults = [fault for fault in self._faults if not fault.over]
        return [fault.effect for fault in met]

    def described(self) -> list[dict[str, Any]]:
        """For people: what is switched on."""
        with self._lock:
            return [_described(fault) for fault in self._faults]


def _described(fault: Fault) -> dict[str, Any]:
    return {"effect": repr(fault.effect), "hits": fault.hits} | {name: getattr(fault, name) for name in HOW}


HOW: tuple[str, ...] = ("times", "kind", "operation", "path", "page_over", "account")


def from_control(wanted: dict[str, Any]) -> tuple[Effect, dict[str, Any]]:
    """An effect by name and its fields, and how it is switched on, from a control request's JSON.

    `ValueError` if there is none of that name, `TypeError` if it has no such field.
    """
    options = dict(wanted)
    name = options.pop("effect", None)
    if name not in EFFECTS:
        raise ValueError(f"effect: {name!r} is none of {', '.join(sorted(EFFECTS))}")
    how = {key: options.pop(key) for key in HOW if key in options}
    if "asking" in options:
        options["asking"] = frozenset(options["asking"])
    return EFFECTS[name](**options), how


def resource_of(kind: Kind) -> Resource:
    return "graphql" if kind == "graphql" else "core"


def gateway_error(status: int, words: str, *, json: bool) -> Reply:
    if json:
        return json_reply(status, {"data": None, "errors": [{"message": f"{words} (status {status})"}]})
    return Reply(status, UNICORN % words.encode(), {"Content-Type": "text/html; charset=utf-8"})


def primary_limit(request: Request, status: int = 403, type_: str = "RATE_LIMITED") -> Reply:
    account = request.account
    asker = f"user ID {account.database_id if account is not None else 0}"
    if request.installation is not None:
        asker = f"installation ID {request.installation.database_id}"
    if request.kind == "graphql":
        message = f"API rate limit already exceeded for {asker}."
        return json_reply(200, {"errors": [{"type": type_, "message": message}]})
    message = (
        f"API rate limit exceeded for {asker}. If you reach out to GitHub Support for help, "
        f"please include the request ID {request.id}."
    )
    return message_reply(status, message, "https://docs.github.com/rest/overview/rate-limits-for-the-rest-api")


def secondary_limit(request: Request, retry_after: int | None, status: int = 403) -> Reply:
    message = SECONDARY.format(request.id)
    reply = message_reply(status, message, SECONDARY_DOCUMENTATION)
    if status == 200:
        reply = json_reply(200, {"errors": [{"type": "RATE_LIMITED", "message": message}]})
    if retry_after is not None:
        reply.headers["retry-after"] = str(retry_after)
    return reply


def bad_credentials() -> Reply:
    return message_reply(401, "Bad credentials")
