"""A route of the API: what is registered with the server and what is described come from the same table of these."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from aiohttp import web
from pydantic import BaseModel

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Security = Literal["bearer", "host", "none"]
"""`host`: by a bearer token, or with the service's token in `X-API-Key`, as the host application's own client does."""


@dataclass(frozen=True)
class Route:
    """`path` is below `/api`; `answers` are by HTTP status, and `errors` the statuses of its own kind of refusals."""

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
    """With the same `Idempotency-Key` it is done once."""
    streams: bool = False
    """It answers as long as the caller listens: no time limit, and `text/event-stream`."""

    @property
    def refusals(self) -> frozenset[int]:
        """Every status of an error that it can answer with, but for those of a broken server."""
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
