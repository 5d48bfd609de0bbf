"""The stand-in without its HTTP server. It turns a request into a reply, and applies GitHub's rules in GitHub's
order.
"""

import asyncio
import time
from collections.abc import Mapping
from email.utils import format_datetime
from math import inf
from typing import Any
from urllib.parse import parse_qsl

import orjson

from sandbox.github.exchange.limits import Budget, Limits
from sandbox.github.exchange.pace import Pace, null_rest
from sandbox.github.exchange.requests import Entry, Reply, Request, json_reply, message_reply
from sandbox.github.faults import (
    BadGateway,
    Effect,
    Faults,
    bad_credentials,
    gateway_error,
    primary_limit,
    resource_of,
    secondary_limit,
)
from sandbox.github.faults.outages import Outage
from sandbox.github.graphql import execution
from sandbox.github.graphql.context import Context, Field, Rate
from sandbox.github.graphql.execution import Query, Refused
from sandbox.github.graphql.schema import NOTHING
from sandbox.github.rest import apps as rest_apps
from sandbox.github.rest import archive
from sandbox.github.rest import routes as rest
from sandbox.github.rest.calls import Refusal
from sandbox.github.server.conformance import check_graphql, check_rest
from sandbox.github.world.world import World

NO_AGENT = (
    "Request forbidden by administrative rules. Please make sure your request has a User-Agent header "
    "(https://docs.github.com/en/rest/overview/resources-in-the-rest-api#user-agent-required). "
    "Check https://developer.github.com for other possible causes.\n"
)


class Service:
    """Answers requests from a world, and logs them.

    `tokens` maps a token to the login of an account. Tokens of the same account share its budget. The world's Apps have
    tokens of their own. `log` has the requests in the order in which they ended. `failures` has an exception for each
    request that the stand-in itself failed to answer: because of a bug, because it does not model something, or because
    a fault made an impossible answer. Such a request gets a 501.
    """

    def __init__(
        self,
        world: World,
        tokens: Mapping[str, str] | None = None,
        *,
        limits: Limits | None = None,
        pace: Pace | None = None,
        latency: float = 0,
        lacks: frozenset[str] = NOTHING,
    ) -> None:
        self.world = world
        self.lacks = lacks
        """What this server's schema lacks (`servers.py`). It may change while the server runs, as by an upgrade."""
        self.tokens = dict({"token": "viewer"} if tokens is None else tokens)
        self.limits = limits or Limits()
        self.pace = pace
        self.latency = latency
        self.faults = Faults()
        self.log: list[Entry] = []
        self.failures: list[Exception] = []
        self.outage: Outage | None = None
        self.url = ""
        """The server's own address, used in answers."""
        self._budgets: dict[str, Budget] = {}
        self._sequence = 0
        for login in self.tokens.values():
            world.account(login)

    def budget(self, payer: str) -> Budget:
        """Returns the budget of an account, an App or an installation. `payer` is the owner's name as in
        `Request.payer`.
        """
        return self._budgets.setdefault(payer.lower(), Budget(self.world.clock, self.limits))

    def refuse_token(self, token: str) -> None:
        """Makes GitHub answer 401 to this token from now on. The token may belong to an installation."""
        self.tokens.pop(token, None)
        if (installation := self.world.installation_of(token)) is not None:
            del installation.tokens[token]

    def stats(self) -> dict[str, Any]:
        """Returns how many requests, points and seconds are in the log, and what the world contains."""
        kinds = ("graphql", "rest")
        return {
            "requests": {kind: sum(entry.kind == kind for entry in self.log) for kind in kinds},
            "points": {kind: sum(entry.cost for entry in self.log if entry.kind == kind) for kind in kinds},
            "seconds": sum(entry.seconds for entry in self.log),
            "bytes": sum(entry.size for entry in self.log),
            "failures": [str(failure) for failure in self.failures],
            "repositories": {
                each.name_with_owner: each.counts() for each in self.world.repositories.values() if not each.is_fork
            },
            "now": self.world.clock.stamp(),
        }

    async def answer(self, request: Request) -> Reply:
        """Answers a request after the time that GitHub would take. Waits forever if a fault withholds the answer."""
        self._sequence += 1
        request.world = self.world
        sequence, at, started = self._sequence, self.world.clock.stamp(), time.monotonic()
        reply: Reply | None = None
        try:
            reply = await self._answer(request, started)
        except Exception as error:  # noqa: BLE001 (kept, and raised when the stand-in ends)
            self.failures.append(error)
            reply = json_reply(501, {"message": f"{type(error).__name__}: {error}"})
        finally:
            self.log.append(_entry(sequence, at, request, reply, started))
        return reply

    async def _answer(self, request: Request, started: float) -> Reply:
        if request.kind == "archive":
            return await self._archive(request)
        if self.outage is not None:
            return await _away(self.outage)
        reply = self._refuse(request)
        if reply is not None:
            return self._signed(request, reply)
        assert request.account is not None
        query = None
        if request.kind == "graphql":
            try:
                query = _prepare(request, self.lacks)
            except Refused as refused:
                return self._signed(request, json_reply(200, refused.body))
            except _Unreadable as unreadable:
                return self._signed(request, unreadable.reply)
        effects = self.faults.match(request)
        budget = self.budget(request.payer)
        budget.running += 1
        try:
            reply = self._signed(request, self._work(request, query, budget, effects))
            for effect in effects:
                reply = effect.afterwards(request, reply)
            _check(query, reply)
            pause = self.latency + sum(effect.seconds for effect in effects)
            pause += reply.github_seconds * self.pace.scale if self.pace else 0
            pause -= time.monotonic() - started
            if pause > 0:
                await (asyncio.sleep(pause) if pause < inf else asyncio.Event().wait())
            for effect in effects:
                await effect.hold()
        finally:
            budget.running -= 1
        return reply

    async def _archive(self, request: Request) -> Reply:
        effects = self.faults.match(request)
        instead = (effect.instead(request, self.budget("")) for effect in effects)
        reply = next((each for each in instead if each is not None), None)
        if reply is None:
            content = archive.hour(self.world, request.path.partition("?")[0].rpartition("/")[2])
            reply = Reply(404, b"") if content is None else Reply(200, content, {"Content-Type": "application/gzip"})
        for effect in effects:
            reply = effect.afterwards(request, reply)
        pause = self.latency + sum(effect.seconds for effect in effects)
        if pause > 0:
            await (asyncio.sleep(pause) if pause < inf else asyncio.Event().wait())
        for effect in effects:
            await effect.hold()
        return reply

    def _refuse(self, request: Request) -> Reply | None:
        """Returns a refusal if the caller has no access. Otherwise stores the caller's account in the request and
        returns None.
        """
        if not request.headers.get("User-Agent"):
            return Reply(403, NO_AGENT.encode(), {"Content-Type": "text/plain; charset=utf-8"})
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        request.token = token if scheme.lower() in ("bearer", "token") else ""
        if request.kind == "rest" and request.path.startswith("/app/"):
            try:
                request.app = rest_apps.authenticate(self.world, request.token)
            except Refusal as refusal:
                return refusal.reply
            request.account = request.app.bot
        elif request.token in self.tokens:
            request.account = self.world.account(self.tokens[request.token])
        elif (installation := self.world.installation_of(request.token)) is not None:
            if installation.suspended_at:
                return message_reply(403, rest_apps.SUSPENDED)
            request.account, request.installation = installation.app.bot, installation
        elif request.kind == "graphql" and not token:
            return message_reply(401, "This endpoint requires you to be authenticated.")
        else:
            return bad_credentials()
        return None

    def _work(self, request: Request, query: Query | None, budget: Budget, effects: list[Effect]) -> Reply:
        resource = resource_of(request.kind)
        if request.path == "/rate_limit":
            return _rate_limit(budget)
        if budget.too_fast(resource):
            return secondary_limit(request, 60)
        if budget.window(resource).remaining == 0:
            return primary_limit(request)
        for effect in effects:
            reply = effect.instead(request, budget)
            if reply is not None:
                if effect.charged:
                    self._charge(request, budget, (request.cost or 1) + effect.extra_cost)
                return reply
        reply = self._rest(request, budget) if query is None else self._graphql(request, query, budget, effects)
        reply.genuine = reply.body
        return reply

    def _rest(self, request: Request, budget: Budget) -> Reply:
        new_ids, etag = _wants_new_ids(request), request.headers.get("If-None-Match")
        reply = rest.answer(self.world, self.url, new_ids, request, etag)
        reply.github_seconds = self.pace.rest if self.pace else 0
        if reply.status != 304:
            self._charge(request, budget, 1)
        return reply

    def _graphql(self, request: Request, query: Query, budget: Budget, effects: list[Effect]) -> Reply:
        assert request.account is not None
        self._charge(request, budget, request.cost)
        window = budget.window("graphql")
        used = min(window.used, window.limit)
        rate = Rate(window.limit, request.cost, window.remaining, used, window.reset_at, request.node_count)
        context = Context(
            self.world,
            request.account,
            request.installation,
            _wants_new_ids(request),
            rate,
            self.faults.refused_cursors,
        )
        if effects:
            context.spoilt = lambda *of_a_page: _spoilt(request, effects, *of_a_page)
            if resolving := [effect for effect in effects if effect.resolves]:
                context.resolved = lambda field, value: _resolved(request, resolving, field, value)
            context.selected = request.selected
        body = execution.run(query, context, request.id)
        if self.pace is None:
            return json_reply(200, body)
        seconds = self.pace.graphql(context.connections_served, context.nodes_served)
        if seconds > self.pace.gives_up_after:
            self._charge(request, budget, self.pace.extra_cost)
            reply = gateway_error(502, BadGateway.words, json=False)
        else:
            if seconds > self.pace.nulls_after:
                null_rest(body, self.pace.nulls_after / seconds, request.id)
            reply = json_reply(200, body)
        reply.github_seconds = min(seconds, self.pace.gives_up_after)
        budget.took(reply.github_seconds)
        return reply

    @staticmethod
    def _charge(request: Request, budget: Budget, points: int) -> None:
        budget.window(resource_of(request.kind)).used += points
        request.charged += points

    def _signed(self, request: Request, reply: Reply) -> Reply:
        """Adds the headers that every answer of GitHub has, and returns the reply."""
        if request.account is not None:
            resource = resource_of(request.kind)
            reply.headers |= self.budget(request.payer).window(resource).headers(resource)
        reply.headers |= {
            "Date": format_datetime(self.world.clock.now(), usegmt=True),
            "Server": "github.com",
            "X-GitHub-Request-Id": request.id,
        }
        return reply


class _Unreadable(Exception):
    """Raised if a request is not a readable GraphQL request. `reply` is the whole answer."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


def _prepare(request: Request, lacks: frozenset[str]) -> Query:
    """Returns the query with its price, and stores in the request what the query requests and costs. Raises `Refused`
    or `_Unreadable` if the query is not run.
    """
    if request.method != "POST":
        raise _Unreadable(message_reply(404, "Not Found"))
    try:
        body = orjson.loads(request.body)
    except orjson.JSONDecodeError:
        raise _Unreadable(message_reply(400, "Problems parsing JSON")) from None
    if not isinstance(body, dict) or not isinstance(body.get("query"), str):
        raise Refused([{"message": "A query attribute must be specified and must be a string."}])
    request.operation, request.variables = body.get("operationName") or "", body.get("variables") or {}
    query = execution.prepare(body["query"], request.operation, request.variables, lacks)
    request.operation = query.name
    request.page_size, request.asked = query.price.page_size, frozenset(query.price.asked)
    request.cost, request.node_count = query.price.cost, query.price.node_count
    return query


async def _away(outage: Outage) -> Reply:
    outage.requests += 1
    if outage.way == "hangs":
        await asyncio.Event().wait()
    reply = gateway_error(502, BadGateway.words, json=False)
    if outage.way != "502":
        reply = json_reply(200, {"data": None})
        reply.cut = "reset" if outage.way == "reset" else "endless"
    return reply


def _check(query: Query | None, reply: Reply) -> None:
    """Raises `ImpossibleAnswer` if a fault has made an answer that GitHub could not send."""
    if reply.status != 200 or reply.body is reply.genuine:
        return
    if query is not None:
        check_graphql(query, orjson.loads(reply.body))
    elif reply.genuine:
        check_rest(orjson.loads(reply.genuine), orjson.loads(reply.body))


def _wants_new_ids(request: Request) -> bool:
    return request.headers.get("X-Github-Next-Global-ID") == "1"


def _spoilt(request: Request, effects: list[Effect], thing: Any, place: int, size: int, key: str) -> Exception | None:
    request.answering = key
    errors = (effect.spoil(request, thing, place, size) for effect in effects)
    return next((error for error in errors if error is not None), None)


def _resolved(request: Request, resolving: list[Effect], field: Field, value: Any) -> Any:
    for effect in resolving:
        value = effect.resolved(request, field, value)
    return value


def _rate_limit(budget: Budget) -> Reply:
    core, graphql = budget.window("core").summary(), budget.window("graphql").summary()
    return json_reply(200, {"resources": {"core": core, "graphql": graphql}, "rate": core})


def _entry(sequence: int, at: str, request: Request, reply: Reply | None, started: float) -> Entry:
    """Returns the log's entry for a request. `reply` is None if the client gave up; the status is then 0."""
    asked = dict(parse_qsl(request.path.partition("?")[2])) if request.kind == "rest" else request.variables
    after = asked.get("after") or asked.get("cursor") or asked.get("page")
    return Entry(
        sequence=sequence,
        at=at,
        kind=request.kind,
        method=request.method,
        operation=request.operation,
        variables=request.variables,
        path=request.path,
        after=after if isinstance(after, str) else None,
        account=request.payer,
        status=reply.status if reply else 0,
        cost=request.charged,
        node_count=request.node_count,
        page_size=request.page_size,
        errors=_error_types(reply),
        fault=" ".join(request.faults),
        seconds=time.monotonic() - started,
        github_seconds=reply.github_seconds if reply else 0,
        size=len(reply.body) if reply and request.method != "HEAD" else 0,
        started=started,
    )


def _error_types(reply: Reply | None) -> tuple[str, ...]:
    """Returns the types of the errors in an answer, sorted, each once. An error without a type is `ERROR`."""
    if reply is None or b'"errors"' not in reply.body:
        return ()
    try:
        content = orjson.loads(reply.body)
    except orjson.JSONDecodeError:
        return ()
    errors = content.get("errors") if isinstance(content, dict) else None
    return tuple(sorted({str(error.get("type", "ERROR")) for error in errors or ()}))
