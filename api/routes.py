"""The type of the API's routes, from which both the server and the OpenAPI description are built."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from aiohttp import web
from pydantic import BaseModel

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Security = Literal["bearer", "host", "none"]
"""`host`: a bearer token, or the service's token in `X-API-Key`, where the host application's client puts it."""


@dataclass(frozen=True)
class Route:
    """One route of the API. `path` is the path below `/api`. `answers` maps each HTTP status of success to the model of
    the answer's body. `errors` are error statuses that the handler itself can cause.
    """

    method: Literal["GET", "POST"]
    path: str
    handler: Handler
    summary: str
    answers: Mapping[int, type[BaseModel] | None]
    body: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    errors: frozenset[int] = frozenset()
    security: Security = "bearer"
    repeatable: bool = False
    """Whether requests with the same `Idempotency-Key` take effect once."""
    streams: bool = False
    """Whether the answer lasts as long as the caller listens: without time limit, as `text/event-stream`."""

    @property
    def refusals(self) -> frozenset[int]:
        """The error statuses with which the route can answer: those in `errors`, and those that follow from the route's
        other fields, such as 401. Statuses of a broken server (5xx) are included only if they are in `errors`.
        """
        found = set(self.errors)
        if self.security != "none":
            found |= {401, 429}
        if "{" in self.path:
            found.add(404)
        if self.query is not None:
            found.add(400)
        if self.body is not None:
            found |= {400, 408, 413, 415}
        return frozenset(found)
