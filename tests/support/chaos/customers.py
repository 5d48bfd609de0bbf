"""The customers, who buy while the system is struck, and pause, resume, retry and cancel what they bought."""

import asyncio
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import aiohttp

from sandbox.github.generation import Plan
from sandbox.github.generation import repository as generate
from sandbox.github.world.repositories import Repository
from tests.support import shop
from tests.support.backfill.purchase import add
from tests.support.chaos.system import System
from tests.support.waiting import PATIENCE, eventually

DONE = ("completed", "failed", "canceled")
LARGE = Plan(
    "",
    pull_requests=60,
    issues=200,
    discussions=20,
    reviews=1.5,
    review_comments=1.5,
    comments=1.5,
    events=2,
    stars=30,
    forks=6,
    releases=5,
    pushes=30,
    deep_threads=1,
    deep_comments=60,
    deep_pull_requests=1,
    deep_reviews=60,
    years=1.5,
)
SMALL = Plan("", pull_requests=4, issues=5, discussions=2, stars=3, forks=1, releases=1, pushes=3, years=0.5)


TOLD_EVERY = 15.0
"""Seconds after which it is said what jobs wait for, once nothing strikes them any more."""
WAITS = """
select r.full_name, s.data_type, s.status, concat_ws(', ',
  case when s.lease_owner is null then 'nobody is at it' else
    'taken ' || round(extract(epoch from clock_timestamp() - s.leased_at)) || ' s ago' end,
  'committed ' || round(extract(epoch from clock_timestamp() - s.committed_at)) || ' s ago',
  nullif(s.attempts, 0) || ' attempts', s.error ->> 'code', 'waits for ' || (s.waits_for ->> 'job_id'),
  'waiting: ' || (p.metadata ->> 'waiting')) as state
from backfill_sweeps s join workspace_backfill_progress p using (backfill_job_id, repository_id)
join workspace_backfill_jobs j on j.id = s.backfill_job_id join repositories r on r.id = s.repository_id
where s.status in ('pending', 'in_progress') and j.status in ('pending', 'in_progress') order by 1, 2
"""


class Customers:
    """Buyers, their workspaces, and the repositories of these: one large, two small, and one whose GitHub may
    be odd.
    """

    def __init__(self, system: System, repositories: list[Repository] | None = None, *, size: float = 1) -> None:
        self.repositories: list[Repository] = []
        self.buyers: list[shop.Buyer] = []
        self._system = system
        self._given = list(repositories or ())
        self._size = size

    async def buy(self) -> int:
        """Creates a new user with a workspace, who buys ten years of history. Returns 1 once the delivery is
        accepted.
        """
        number = len(self.buyers)
        plans = [
            _scaled(replace(LARGE, name=f"acme/large-{number}", seed=number), self._size),
            _scaled(replace(LARGE, name=f"acme/odd-{number}", seed=number + 1_000), self._size / 3),
            *(replace(SMALL, name=f"acme/small-{number}-{which}", seed=which) for which in range(2)),
        ]
        repositories = await asyncio.to_thread(lambda: [generate(self._system.world, plan) for plan in plans])
        if self._given:
            repositories.append(self._given.pop())
        if self.repositories:
            # Somebody else has one of them already: one of the two jobs waits for the other.
            repositories.append(self.repositories[0])
        buyer = shop.Buyer()
        self.buyers.append(buyer)
        async with shop.connected(await self._postgres()) as host, host.transaction():
            await shop.buyer(host, someone=buyer)
            workspace_id = await shop.workspace(host, buyer)
            for each in repositories:
                await add(host, workspace_id, each)
        self.repositories += [each for each in repositories if each not in self.repositories]
        event = shop.event(
            buyer=buyer, subscription=f"polar-{uuid.uuid4().hex[:8]}", product=shop.YEAR, at=datetime.now(UTC)
        )
        await self._deliver(event)
        return 1

    async def _postgres(self) -> str:
        """Returns the address of Postgres, once it answers."""
        await self._system.rows("select 1")
        return self._system.dsn

    async def _deliver(self, event: Any) -> None:
        """Delivers an event again and again under the same id, as Polar does, until it is accepted."""
        webhook_id = f"msg_{uuid.uuid4().hex}"
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as http, asyncio.timeout(PATIENCE):
            while True:
                body, headers = shop.signed(event, webhook_id=webhook_id)
                try:
                    url = f"{self._system.webhook_url}/webhooks/polar"
                    async with http.post(url, data=body, headers=headers) as response:
                        if response.status == 202:
                            return
                except (aiohttp.ClientError, TimeoutError):
                    pass
                await asyncio.sleep(0.5)

    async def pause(self, dice: int, seconds: float) -> int:
        """Pauses a job in progress, and resumes it after `seconds`."""
        job_id = await self._pick(dice, "status in ('pending', 'in_progress') and metadata ->> 'paused_at' is null")
        if job_id is None or (await self._ask("pause", job_id)) != 0:
            return 0
        await asyncio.sleep(seconds)
        # It may have been canceled meanwhile.
        await self._ask("resume", job_id)
        return 1

    async def retry(self, dice: int) -> int:
        """Requests a retry of what failed or was canceled; if nothing was, requests a retry that is refused."""
        job_id = await self._pick(dice, "status in ('failed', 'canceled')") or await self._pick(dice, "true")
        if job_id is None:
            return 0
        exit_code = await self._ask("retry", job_id)
        return int(exit_code in (0, 2))

    async def cancel(self, dice: int) -> int:
        """Cancels a job in progress."""
        job_id = await self._pick(dice, "status in ('pending', 'in_progress')")
        if job_id is None:
            return 0
        return int(await self._ask("cancel", job_id) == 0)

    async def _pick(self, dice: int, condition: str) -> str | None:
        rows = await self._system.rows(f"select id::text from workspace_backfill_jobs where {condition} order by 1")
        return str(rows[dice % len(rows)]["id"]) if rows else None

    async def _ask(self, *arguments: str) -> int:
        """Runs a command; returns its exit code. If it cannot reach a server, it is run again."""
        for _ in range(20):
            ended = await self._system.command(*arguments)
            if ended.exit_code in (0, 2):
                return ended.exit_code
            await asyncio.sleep(0.5)
        return 3

    async def unfinished(self) -> int:
        """Returns the number of jobs that have not ended."""
        [row] = await self._system.rows(
            "select count(*) from workspace_backfill_jobs where not status = any($1::text[])", DONE
        )
        return int(row["count"])

    async def wait(self, say: Callable[[str], None]) -> None:
        """Waits until every job has ended. Fails if one does not end. From time to time, `say` gets a line for each
        sweep that still has to end.
        """

        async def ended() -> bool:
            return await self.unfinished() == 0

        telling = asyncio.create_task(self._tell_waits(say))
        try:
            await eventually(ended)
        finally:
            telling.cancel()

    async def _tell_waits(self, say: Callable[[str], None]) -> None:
        while True:
            await asyncio.sleep(TOLD_EVERY)
            for row in await self._system.rows(WAITS):
                say(f"  {row['full_name']}: {row['data_type']} {row['status']}: {row['state']}")

    async def resume_all(self) -> None:
        """Resumes every paused job."""
        for row in await self._system.rows(
            "select id::text from workspace_backfill_jobs where metadata ->> 'paused_at' is not null"
            " and not status = any($1::text[])",
            DONE,
        ):
            await self._ask("resume", row["id"])

    async def failures(self) -> list[str]:
        """Returns the failures of all jobs, with the names of the repositories."""
        rows = await self._system.rows(
            "select jsonb_array_elements(error_details) as failure from workspace_backfill_jobs"
        )
        named = ("repository", "data_type", "code", "message")
        return [": ".join(str(row["failure"].get(each)) for each in named) for row in rows]

    async def retry_all(self) -> None:
        """Retries everything that failed or was canceled."""
        for row in await self._system.rows(
            "select id::text from workspace_backfill_jobs where status <> 'completed' or failed_repositories > 0"
        ):
            await self._ask("retry", row["id"])


def _scaled(plan: Plan, size: float) -> Plan:
    return replace(
        plan,
        pull_requests=round(plan.pull_requests * size),
        issues=round(plan.issues * size),
        discussions=round(plan.discussions * size),
    )
