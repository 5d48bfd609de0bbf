# ruff: noqa: ARG002 (every effect has the signatures of Effect, whatever it uses)
"""Faults of limits: a limit is reached, or headers about limits are wrong."""

from dataclasses import dataclass, field

from sandbox.github.exchange.limits import Budget, Resource
from sandbox.github.exchange.requests import Kind, Reply, Request, json_reply, message_reply
from sandbox.github.faults.effect import Effect

SECONDARY = (
    "You have exceeded a secondary rate limit. Please wait a few minutes before you try again. "
    "If you reach out to GitHub Support for help, please include the request ID {}."
)
SECONDARY_DOCUMENTATION = (
    "https://docs.github.com/graphql/using-the-rest-api/rate-limits-for-the-rest-api#about-secondary-rate-limits"
)


@dataclass
class PrimaryLimit(Effect):
    """Uses up the account's window: GitHub refuses this request and all later ones until the reset."""

    status: int = 403
    type: str = "RATE_LIMITED"
    """The type of the error. GitHub has also sent `RATE_LIMIT`."""

    def instead(self, request: Request, budget: Budget) -> Reply:
        budget.exhaust(resource_of(request.kind))
        return primary_limit(request, self.status, self.type)


@dataclass
class SecondaryLimit(Effect):
    """Answers with a secondary limit. `retry_after` is the number of seconds in the header of that name. If
    `retry_after` is None, the header is missing. With `status` 200 the answer has a form that GraphQL sometimes uses.
    """

    retry_after: int | None = 60
    status: int = 403

    def instead(self, request: Request, budget: Budget) -> Reply:
        return secondary_limit(request, self.retry_after, self.status)


@dataclass
class Headers(Effect):
    """Removes headers from a good answer (`drop`), or gives them wrong values (`set`), such as a reset in the past or
    an absurd number.
    """

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
    """Makes the headers of a good answer show `behind` points too few as used, as if answers had arrived out of
    order.
    """

    behind: int = 100

    def afterwards(self, request: Request, reply: Reply) -> Reply:
        used, limit = int(reply.headers["x-ratelimit-used"]), int(reply.headers["x-ratelimit-limit"])
        stale = max(0, used - self.behind)
        reply.headers |= {"x-ratelimit-used": str(stale), "x-ratelimit-remaining": str(limit - stale)}
        return reply


def resource_of(kind: Kind) -> Resource:
    return "graphql" if kind == "graphql" else "core"


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
