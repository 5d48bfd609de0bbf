"""The API over real HTTP on a real Postgres, the tokens of its callers, and workspaces with people and jobs."""

import itertools
import json
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import asyncpg
import jwt
from aiohttp import web

from api import server
from api.access import Access
from api.limits import FailedAuthentications, Network
from api.live import LiveJobs
from api.tokens import ServiceToken, SigningKeys, UserTokens
from messages import DATA_TYPES
from store.database import Database
from tests.support import shop
from tests.support.serving import serving
from tests.support.shop import Buyer

SECRET = "a-secret-of-the-tests-that-is-long-enough"
SERVICE = "service-token-of-the-tests"
ORIGIN = "https://app.example.com"


def user_token(user: uuid.UUID | str, *, secret: str = SECRET, without: str = "", **claims: Any) -> str:
    """Returns a token as Supabase would sign it. `claims` replace claims of it, `without` names one to leave out."""
    now = datetime.now(UTC)
    whole = {
        "sub": str(user),
        "aud": "authenticated",
        "role": "authenticated",
        "iss": "https://project.supabase.co/auth/v1",
        "iat": now,
        "exp": now + timedelta(hours=1),
        **claims,
    }
    whole.pop(without, None)
    return jwt.encode(whole, secret, algorithm="HS256")


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@dataclass
class Answer:
    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


@dataclass
class Api:
    """An API that is served. `hurried` counts how often the API wanted Temporal to be told something."""

    url: str
    http: aiohttp.ClientSession
    hurried: list[None]

    async def ask(
        self, method: str, path: str, *, token: str | None = None, headers: Mapping[str, str] | None = None, **sent: Any
    ) -> Answer:
        given = {**(bearer(token) if token else {}), **(headers or {})}
        async with self.http.request(method, f"{self.url}{path}", headers=given, **sent) as response:
            return Answer(response.status, response.headers.copy(), await response.text())


@asynccontextmanager
async def serving_api(
    dsn: str,
    *,
    secret: str | None = SECRET,
    service: str | None = SERVICE,
    keys: SigningKeys | None = None,
    failures: FailedAuthentications | None = None,
    proxies: Sequence[Network] = (),
) -> AsyncIterator[Api]:
    """Serves the API. Unless `failures` is given, failed authentications are never too many."""
    hurried: list[None] = []
    failures = failures if failures is not None else FailedAuthentications(clock=itertools.count(0, 1_000).__next__)
    access = Access(UserTokens(secret, keys), ServiceToken(service), failures, proxies=proxies)
    async with Database(dsn) as database, aiohttp.ClientSession() as http:
        app = web.Application()
        app.add_subapp(
            server.PREFIX,
            server.application(
                database, access, lambda: hurried.append(None), origins=[ORIGIN], more=LiveJobs(database).routes
            ),
        )
        async with serving(app) as url:
            yield Api(url, http, hurried)


@dataclass
class Tenant:
    """A workspace with its people. `owner` has no other role than being `workspaces.owner_id`."""

    workspace_id: str
    owner: Buyer
    people: dict[str, Buyer] = field(default_factory=dict)

    def token(self, role: str) -> str:
        """Returns a token of a person with this role. For `service` it is the service's own token."""
        if role == "service":
            return SERVICE
        person = self.owner if role == "owner_id" else self.people[role]
        return user_token(person.auth_user_id)


ROLES = ("owner", "admin", "editor", "viewer")


async def tenant(host: asyncpg.Connection, *repositories: str, days: int | None = 365) -> Tenant:
    """Creates a workspace with one person of each role, a person without a role, and an invited person. Its owner
    bought `days`.
    """
    owner = await shop.buyer(host)
    made = Tenant(await shop.workspace(host, owner, *(repositories or ("octo/rocket",))), owner)
    for role in (*ROLES, "stranger"):
        made.people[role] = await shop.buyer(host, subscribed=False)
    for role in ROLES:
        await host.execute(
            "insert into workspace_members (workspace_id, user_id, role) values ($1, $2, $3)",
            made.workspace_id,
            made.people[role].app_user_id,
            role,
        )
    if days:
        await addon(host, owner, days)
    return made


async def addon(
    host: asyncpg.Connection, owner: Buyer, days: int, status: str = "active", **metadata: Any
) -> uuid.UUID:
    """Creates an add-on of the owner; returns its id."""
    addon_id: uuid.UUID = await host.fetchval(
        """
        insert into subscription_addons (
            user_id, addon_type, addon_product_id, polar_subscription_id, retention_days, status, purchased_at,
            activated_at, metadata
        ) values ($1, 'extended_data_retention', 'product', $2, $3, $4, now(), now(), $5) returning id
        """,
        owner.auth_user_id,
        str(uuid.uuid4()),
        days,
        status,
        metadata,
    )
    return addon_id


async def job(
    host: asyncpg.Connection,
    workspace_id: str,
    status: str = "pending",
    *,
    days: int = 365,
    metadata: Mapping[str, Any] | None = None,
) -> str:
    """Creates a job with this status, of all repositories of the workspace; returns its id. If it failed, some of its
    types have failed.
    """
    ended = status in ("completed", "failed", "canceled")
    job_id: uuid.UUID = await host.fetchval(
        """
        insert into workspace_backfill_jobs (
            workspace_id, retention_days, cutoff_at, backfill_types, requested_by, status, signaled_at, started_at,
            completed_at, metadata, created_at
        ) values (
            $1, $2::int, now() - make_interval(days => $2::int), $3, 'operator', $4, now(),
            case when $4 <> 'pending' then now() end, case when $5 then now() end, $6, clock_timestamp()
        ) returning id
        """,
        workspace_id,
        days,
        list(DATA_TYPES),
        status,
        ended,
        dict(metadata or {}),
    )
    if status != "pending":
        await host.execute(
            """
            insert into workspace_backfill_progress (backfill_job_id, repository_id, status, started_at)
            select $1, repository_id, $3, now() from workspace_repositories where workspace_id = $2
            """,
            job_id,
            workspace_id,
            status,
        )
    return str(job_id)


async def notification(
    host: asyncpg.Connection, workspace_id: str, job_id: str, user: uuid.UUID, *, status: str = "completed"
) -> str:
    notification_id: uuid.UUID = await host.fetchval(
        """
        insert into notifications (user_id, operation_id, operation_type, status, title, message, metadata, created_at)
        values ($1, $2, 'backfill', $3, 'Backfill', 'All of it.', jsonb_build_object('workspace_id', $4::text),
                clock_timestamp())
        returning id
        """,
        user,
        job_id,
        status,
        workspace_id,
    )
    return str(notification_id)
