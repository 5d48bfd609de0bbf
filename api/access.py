"""Authenticates callers and decides what they may do. Members of a workspace may read it. Its owners and admins may
also change it. Anybody else gets 404. The service may read and change every workspace.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

import structlog
from aiohttp import web

from api.answers import Refusal, not_found
from api.limits import FailedAuthentications, Network, address_of
from api.tokens import Rejected, ServiceToken, UserTokens
from store import membership
from store.database import Connection
from store.job_requests import Actor
from store.membership import Role, Seen

CHANGING: frozenset[Role] = frozenset({"owner", "admin"})
CHALLENGE = {"WWW-Authenticate": 'Bearer realm="workspace-backfill"'}

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Caller:
    """The sender of a request: a user of the host application, or the service. `user_id` is the user's auth user id, or
    None for the service.
    """

    user_id: UUID | None
    address: str | None
    expires_at: datetime | None = None
    """When a user's token expires, at which a stream ends."""

    @property
    def who(self) -> str:
        """The caller as text: `user:<auth user id>` or `service`."""
        return f"user:{self.user_id}" if self.user_id else "service"

    def actor(self, source: Literal["api", "host"] = "api") -> Actor:
        """Returns the caller as the actor of a change to a job, for the job's audit. `source` is `host` if the request
        came by the host application's old routes.
        """
        return Actor(self.who, source, self.address)


CALLER = web.RequestKey("caller", Caller)


class Access:
    """Authenticates requests by their bearer token. `proxies` are the networks of trusted proxies, which name the
    caller's address in a header.
    """

    def __init__(
        self,
        users: UserTokens,
        service: ServiceToken,
        failures: FailedAuthentications | None = None,
        *,
        proxies: Sequence[Network] = (),
    ) -> None:
        self._users = users
        self._service = service
        self._proxies = proxies
        self._failures = FailedAuthentications() if failures is None else failures

    async def authenticate(self, request: web.Request, *, host: bool = False) -> Caller:
        """Authenticates the request. Returns the caller and also stores it in `request[CALLER]`.

        With `host`, the service's token may also be in the header `X-API-Key`, as the host's own client sends it.

        Raises a `Refusal` with status 401, or with 429 after too many failures. Raises `Unreachable` if the key that
        signed a user's token cannot be looked up.
        """
        token, address = _bearer(request), address_of(request, self._proxies)
        if self._service.matches(token) or (host and self._service.matches(request.headers.get("X-API-Key", ""))):
            caller = Caller(None, address)
        else:
            verified = await self._users.verify(token) if token else Rejected("there is none")
            if isinstance(verified, Rejected):
                raise self._refused(request, address, verified.reason)
            caller = Caller(verified.user_id, address, verified.expires_at)
        request[CALLER] = caller
        return caller

    def _refused(self, request: web.Request, address: str | None, reason: str) -> Refusal:
        wait = self._failures.add(address)
        if wait is not None:
            headers = {"Retry-After": str(int(wait) + 1)}
            return Refusal(429, "too_many_failures", "too many requests without a good token; try again later", headers)
        log.info("token refused", reason=reason, remote=address, path=request.path)
        return Refusal(401, "unauthorized", "a bearer token that is valid is needed", CHALLENGE)


def _bearer(request: web.Request) -> str:
    """Returns the bearer token. Returns an empty text unless the request has exactly one Authorization header, with the
    scheme Bearer.
    """
    given = request.headers.getall("Authorization", [])
    scheme, _, token = given[0].strip().partition(" ") if len(given) == 1 else ("", "", "")
    return token.strip() if scheme.lower() == "bearer" else ""


async def workspace(connection: Connection, request: web.Request, *, change: bool = False) -> Seen:
    """Returns the workspace that the request's URL names. `change` says whether the request changes the workspace.

    Raises a `Refusal`: 404 if `request[CALLER]` may not see the workspace, 403 if the caller may see it but not change
    it.
    """
    workspace_id = _uuid(request.match_info["id"])
    if workspace_id is None:
        raise not_found()
    return _allowed(await membership.of_workspace(connection, workspace_id, request[CALLER].user_id), change)


async def job(connection: Connection, request: web.Request, *, change: bool = False) -> Seen:
    """Returns the job that the request's URL names. `change` says whether the request changes the job.

    Raises a `Refusal`: 404 if `request[CALLER]` may not see the job, 403 if the caller may see it but not change it.
    """
    job_id = _uuid(request.match_info["job_id"])
    if job_id is None:
        raise not_found()
    return _allowed(await membership.of_job(connection, job_id, request[CALLER].user_id), change)


def _allowed(seen: Seen | None, change: bool) -> Seen:
    if seen is None:
        raise not_found()
    if change and seen.role not in CHANGING:
        raise Refusal(403, "forbidden", "your role in this workspace may see its backfills, and not change them")
    return seen


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
