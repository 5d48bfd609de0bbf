"""Everything that a reader's page needs: a worker, the webhook server and a stand-in for GitHub, on real servers.

Each of them can be stopped in the middle, and started again.
"""

import asyncio
import signal
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import aiohttp
import asyncpg
from temporalio.client import Client

from sandbox.github import StandIn
from sandbox.github.generation import Plan
from sandbox.github.generation import repository as generate
from sandbox.github.world.repositories import Repository
from sandbox.ports import LOOPBACK, free_port
from sandbox.processes import Process
from tests.support import shop
from tests.support.api.world import ROLES, SECRET, user_token
from tests.support.programs import Programs
from tests.support.shop import Buyer
from tests.support.started import run_webhook, run_worker
from tests.support.waiting import PATIENCE, eventually

ELSEWHERE = f"http://{LOOPBACK}"
"""The origin of the host's page, up to its port."""


@dataclass(frozen=True)
class Workspace:
    """A workspace, with a person for each role in it and one without a role."""

    id: str
    owner: Buyer
    people: Mapping[str, Buyer]

    def token(self, role: str, **claims: Any) -> str:
        """Returns a token as the host's Supabase project signs it. `claims` replace claims of it."""
        return user_token(self.people[role].auth_user_id, **claims)


@dataclass
class Stack:
    """The parts that run. A test starts those that it needs, and begins with a workspace of its own."""

    dsn: str
    environment: dict[str, str]
    programs: Programs
    client: Client
    github: StandIn
    host: asyncpg.Connection
    port: int = field(default_factory=free_port)
    webhook: Process | None = None
    workers: list[Process] = field(default_factory=list)

    @property
    def url(self) -> str:
        """The address of the webhook server, also while it does not run."""
        return f"http://{LOOPBACK}:{self.port}"

    async def start_webhook(self) -> None:
        """Starts the webhook server, at the address that it had before."""
        self.webhook, _ = await run_webhook(self.programs, self.environment, self.port)

    async def stop_webhook(self) -> None:
        assert self.webhook is not None
        await asyncio.to_thread(self.webhook.stop)
        self.webhook = None

    async def start_worker(self, queues: str = "workflows,recent,historical") -> Process:
        worker = await run_worker(self.programs, self.client, self.environment | {"WORKER_QUEUES": queues})
        self.workers.append(worker)
        return worker

    async def kill(self, worker: Process) -> None:
        """Kills a worker, as the kernel does when memory runs out."""
        worker.send(signal.SIGKILL)
        await asyncio.to_thread(worker.wait, PATIENCE)
        self.workers.remove(worker)

    def repository(self, name: str, **plan: Any) -> Repository:
        """Creates a repository at GitHub. It is small unless `plan` says otherwise, but too large to be prefetched."""
        small = {"pull_requests": 6, "issues": 15, "discussions": 3, "stars": 4, "forks": 2, "years": 0.2}
        return generate(self.github.world, Plan(name, **(small | plan)))

    async def workspace(self, *repositories: Repository) -> Workspace:
        """Creates a workspace with these repositories. Nobody has bought anything yet."""
        owner = await shop.buyer(self.host)
        workspace_id = await shop.workspace(self.host, owner)
        people = {role: await shop.buyer(self.host, subscribed=False) for role in (*ROLES, "stranger")} | {
            "owner": owner
        }
        for role in ROLES:
            await self.host.execute(
                "insert into workspace_members (workspace_id, user_id, role) values ($1, $2, $3)",
                workspace_id,
                people[role].app_user_id,
                role,
            )
        for each in repositories:
            await self.host.execute(
                """
                with listed as (
                    insert into repositories (github_id, owner, name, full_name) values ($2, $3, $4, $5) returning id
                )
                insert into workspace_repositories (workspace_id, repository_id, added_by)
                select $1, id, $6 from listed
                """,
                workspace_id,
                each.database_id,
                each.owner.login,
                each.name,
                each.name_with_owner,
                owner.app_user_id,
            )
        return Workspace(workspace_id, owner, people)

    async def buy(self, workspace: Workspace, **data: Any) -> None:
        """Sends Polar's signed delivery that the workspace's owner has bought a year. `data` replaces fields of the
        subscription.
        """
        event = shop.event(buyer=workspace.owner, subscription=f"polar-{uuid.uuid4().hex[:8]}", **data)
        body, headers = shop.signed(event)
        async with (
            aiohttp.ClientSession() as http,
            http.post(f"{self.url}/webhooks/polar", data=body, headers=headers) as response,
        ):
            assert response.status == 202, await response.text()

    async def job(self, workspace: Workspace) -> asyncpg.Record:
        """Waits for a job of the workspace; returns the latest one."""
        query = "select * from workspace_backfill_jobs where workspace_id = $1 order by created_at desc limit 1"

        async def found() -> bool:
            return await self.host.fetchrow(query, workspace.id) is not None

        await eventually(found)
        row = await self.host.fetchrow(query, workspace.id)
        assert row is not None
        return row

    async def until(self, workspace: Workspace, status: str) -> asyncpg.Record:
        """Waits until the latest job of the workspace has this status; returns it."""

        async def so() -> bool:
            return bool((await self.job(workspace))["status"] == status)

        await eventually(so)
        return await self.job(workspace)

    async def now(self) -> datetime:
        moment: datetime = await self.host.fetchval("select now()")
        return moment


def settings(github: StandIn, *, origins: str = "") -> dict[str, str]:
    """Returns the settings of a `Stack`'s programs beside `program_environment`. Waits are short, because a test shows
    nothing by waiting longer.
    """
    return {
        "GITHUB_API_URL": github.url,
        "SUPABASE_JWT_SECRET": SECRET,
        "API_ALLOWED_ORIGINS": origins,
        "HEARTBEAT_TIMEOUT_SECONDS": "4",
        "WORKER_PATIENCE_SECONDS": "1",
    }
