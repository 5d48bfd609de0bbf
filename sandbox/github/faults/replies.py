# ruff: noqa: ARG002 (every effect has the signatures of Effect, whatever it uses)
"""Faults that replace the whole answer: a gateway gives up, a server fails, a token is refused."""

from dataclasses import dataclass
from typing import ClassVar

from sandbox.github.exchange.limits import Budget
from sandbox.github.exchange.refusals import something_went_wrong
from sandbox.github.exchange.requests import Reply, Request, json_reply, message_reply
from sandbox.github.faults.effect import Effect

UNICORN = (
    b"<!DOCTYPE html>\n<html>\n<head><title>Unicorn! &middot; GitHub</title></head>\n<body><p>%s</p></body>\n</html>"
)


@dataclass
class BadGateway(Effect):
    """Answers 502, as HTML or JSON. `extra_cost` is how many points GitHub charges for a timeout, in addition to the
    price of the query.
    """

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
    """Answers with HTTP status 200, no data, and the error "Something went wrong", which names the request's id."""

    charged: ClassVar[bool] = True

    def instead(self, request: Request, budget: Budget) -> Reply:
        return json_reply(200, {"data": None, "errors": [{"message": something_went_wrong(request.id)}]})


@dataclass
class Forbidden(Effect):
    """Answers a 403 for lack of permission. It is not a rate limit, so waiting does not help."""

    message: str = "Resource not accessible by personal access token"

    def instead(self, request: Request, budget: Budget) -> Reply:
        return message_reply(403, self.message)


@dataclass
class BadCredentials(Effect):
    """Answers 401, as GitHub does for a token that was revoked or has expired."""

    def instead(self, request: Request, budget: Budget) -> Reply:
        return bad_credentials()


@dataclass
class ServerError(Effect):
    """Answers 500, or another `status`, with the plain message "Server Error"."""

    status: int = 500

    def instead(self, request: Request, budget: Budget) -> Reply:
        return message_reply(self.status, "Server Error")


@dataclass
class ProxyPage(Effect):
    """Answers an HTML page that blocks the request, as a proxy in front of GitHub does."""

    status: int = 405

    def instead(self, request: Request, budget: Budget) -> Reply:
        return Reply(self.status, b"<html><h1>Request blocked</h1></html>", {"Content-Type": "text/html"})


def gateway_error(status: int, words: str, *, json: bool) -> Reply:
    if json:
        return json_reply(status, {"data": None, "errors": [{"message": f"{words} (status {status})"}]})
    return Reply(status, UNICORN % words.encode(), {"Content-Type": "text/html; charset=utf-8"})


def bad_credentials() -> Reply:
    return message_reply(401, "Bad credentials")
