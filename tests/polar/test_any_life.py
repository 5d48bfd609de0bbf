"""Whatever a buyer, Polar and people do to jobs, in whatever order: nothing is done twice, and what people said holds.

A worker of the simplest kind stands in for workflows and sweeps: it runs one job of the workspace at a time, and reads
the pages of a repository from its newest on. Everything else is the real thing.
"""

from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, note, settings
from hypothesis import strategies as st

from errors import BadInput, Conflict
from messages import PartStatus, RepositoryOutcome, RepositoryRef, RepositoryTransition
from store import job_end, job_pauses, job_requests, job_signals, transitions
from store.database import Connection, Database
from tests.support import shop
from tests.support.polar.purchases import Shop
from tests.support.polar.story import AT
from tests.support.thoroughness import examples

NAMES = ("octo/a", "octo/b", "octo/c")
PAGES = {365: 2, 3650: 4}
"""How many pages of a repository are within so many days."""
SUBSCRIPTIONS = ("one", "two")
DONE = ("completed", "failed", "skipped")
ENDED = ("completed", "failed", "canceled")

POLAR: dict[str, dict[str, Any]] = {
    "buy": {"kind": "active"},
    "buy the larger": {"kind": "active", "product": shop.DECADE},
    "upgrade": {"product": shop.DECADE},
    "downgrade": {"product": shop.YEAR},
    "cancel for later": {"kind": "canceled", "cancel_at_period_end": True},
    "uncancel": {"kind": "uncanceled"},
    "revoke": {"kind": "revoked", "status": "canceled", "ended_at": AT.isoformat()},
    "pause the subscription": {"kind": "paused", "status": "paused"},
}
STEPS = st.one_of(
    st.tuples(st.sampled_from(sorted(POLAR)), st.sampled_from(SUBSCRIPTIONS)),
    st.tuples(st.sampled_from(["revoke", "buy", "buy the larger"]), st.just("one")),
    st.just(("refund", "")),
    *[st.just(("work", ""))] * 4,
    st.just(("work", "fails")),
    st.tuples(st.sampled_from(["cancel", "pause", "resume", "retry"]), st.just("")),
    st.tuples(st.sampled_from(["cancel one", "retry one", "remove", "add"]), st.sampled_from(NAMES)),
)
Step = tuple[str, str]
BEGIN = READ = END = ("work", "")
BEGUN: list[Step] = [("buy", "one"), BEGIN]
WORK: list[Step] = [READ] * 6


class Life(Shop):
    """A workspace, what happens to it, and what must hold of it."""

    def __init__(self, pool: Database, host: Any, buyer: shop.Buyer, workspace_id: str) -> None:
        super().__init__(pool, host, buyer, [workspace_id])
        self.read = Counter[tuple[str, int]]()
        """Pages that were paid for, by repository and number."""
        self.covered: dict[str, int] = {}
        """How many pages of a repository a complete sweep has covered."""
        self.stopped = set[tuple[str, str]]()
        """Job and repository that a person canceled, and has not retried."""
        self.canceled = set[tuple[str, str]]()
        """Those of `stopped` that have been seen canceled."""
        self.ends = Counter[str]()
        """How often each job has come to an end of which its owner is told."""
        self.forgiven = set[str]()
        """Repositories that a job left unfinished, as a person said or GitHub: another job reads their pages again."""
        self._sequence = 0

    async def does(self, step: Step) -> None:
        what, on = step
        if what in POLAR:
            await self.say(subscription=on, **POLAR[what])
        elif what == "refund":
            await self.tell({"type": "order.refunded", "timestamp": AT.isoformat(), "data": {"id": "order"}})
        elif what in ("add", "remove"):
            await self._list(on, added=what == "add")
        elif what == "work":
            await self.work(fails=on == "fails")
        else:
            for job in reversed(await self.jobs()):
                try:
                    await self._ask(what, str(job["id"]), on)
                    break
                except (Conflict, BadInput):
                    continue  # refused, by name: the job before may take it
        await self.follow()
        await self.holds()

    async def _list(self, name: str, *, added: bool) -> None:
        query = (
            "insert into workspace_repositories (workspace_id, repository_id)"
            " select $1, id from repositories where full_name = $2 on conflict do nothing"
            if added
            else "delete from workspace_repositories using repositories"
            " where workspace_id = $1 and repository_id = repositories.id and full_name = $2"
        )
        await self.host.execute(query, self.workspaces[0], name)
        if not added:
            self.forgiven.add(name)

    async def _ask(self, what: str, job_id: str, name: str) -> None:
        """Does what a person asks of a job. Raises as the request does."""
        at = shop.OPERATOR
        async with self.pool.transaction() as connection:
            match what:
                case "cancel":
                    await job_requests.ask_to_stop(connection, job_id, actor=at)
                case "cancel one":
                    await job_requests.ask_to_stop_repositories(connection, job_id, [name], actor=at)
                case "pause":
                    await job_requests.pause(connection, job_id, actor=at)
                case "resume":
                    await job_requests.resume(connection, job_id, actor=at)
                case _:
                    await job_requests.ask_again(connection, job_id, actor=at, repositories=[name] if name else [])
        those = {name} if name else set(await self._repositories(job_id))
        if what.startswith("cancel"):
            statuses = await self._repositories(job_id)
            self.stopped |= {(job_id, each) for each in those if statuses[each] not in DONE}
        elif what.startswith("retry"):
            self.stopped -= {(job_id, each) for each in those}
        if what != "resume":
            self.forgiven |= those

    # --- The worker

    async def work(self, *, fails: bool = False) -> None:
        """Goes on with the workspace's job, or begins the oldest one that waits; or ends it, if nothing is left."""
        job = await self._running()
        if job is None:
            await self.hear()
            for each in await self.jobs():
                if each["status"] == "pending" and (await self.begin_one(str(each["id"]))).status == "in_progress":
                    return
            return
        job_id = str(job["id"])
        async with self.pool.transaction() as connection:
            if "cancel_requested_at" in job["metadata"]:
                await job_end.finish(connection, job_id, job["attempt"], canceled=True)
                return
            for change in await job_pauses.changes(connection, job_id=job_id):
                await job_pauses.heard_of(connection, change)
            for stop in await job_signals.stopping(connection, job_id=job_id):
                await job_signals.heard_to_stop(connection, stop)
            left = await transitions.next_repositories(connection, job_id, None, 10)
            if not left:
                outcome = await job_end.finish(connection, job_id, job["attempt"], canceled=False)
                self.ends[job_id] += outcome.status in ("completed", "failed")
                return
            await self._read_a_page(connection, job, left[0], fails=fails)

    async def _running(self) -> Any:
        running = [each for each in await self.jobs() if each["status"] == "in_progress"]
        going = [
            each for each in running if {"paused_at", "cancel_requested_at"} & each["metadata"].keys() != {"paused_at"}
        ]
        assert len(going) <= 1, "one at a time"
        return going[0] if going else None

    async def _read_a_page(self, connection: Connection, job: Any, of: RepositoryRef, *, fails: bool) -> None:
        key, name = (job["id"], of.repository_id), of.full_name
        if of.repository_id in job["metadata"].get("stopping", []):
            await self._record(connection, job, of, "canceled")
            return
        if not await connection.fetchval(
            "select exists (select from workspace_repositories where workspace_id = $1 and repository_id = $2)",
            job["workspace_id"],
            of.repository_id,
        ):
            await self._record(connection, job, of, "skipped")
            return
        if fails:
            self.forgiven.add(name)
            await self._record(connection, job, of, "failed")
            return
        place = await connection.fetchval(
            "select position ->> 'page' from backfill_sweeps where backfill_job_id = $1 and repository_id = $2", *key
        )
        page = max(int(place or 0), self.covered.get(name, 0))
        last = PAGES[job["retention_days"]]
        if page < last:
            self.read[name, page] += 1
            page += 1
        await connection.execute(
            """
            insert into backfill_sweeps (backfill_job_id, repository_id, data_type, status, position)
            values ($1, $2, 'issues', 'in_progress', $3) on conflict (backfill_job_id, repository_id, data_type)
            do update set position = excluded.position, status = 'in_progress'
            """,
            *key,
            {"page": page},
        )
        if page >= last:
            self.covered[name] = page
            await connection.execute(
                "update backfill_sweeps set status = 'completed' where backfill_job_id = $1 and repository_id = $2",
                *key,
            )
            await self._record(connection, job, of, "completed")

    async def _record(self, connection: Connection, job: Any, of: RepositoryRef, status: PartStatus) -> None:
        self._sequence += 1
        outcome = RepositoryOutcome(repository=of, status=status)
        change = RepositoryTransition(
            job_id=str(job["id"]), attempt=job["attempt"], sequence=self._sequence, outcome=outcome
        )
        await transitions.record(connection, change)

    # --- What holds

    async def holds(self) -> None:
        addons = await self.addons()
        days = max((each["retention_days"] for each in addons.values() if each["status"] == "active"), default=0)
        assert await self.keeps() == [max(days, 30)], "what is kept is what the largest active add-on grants"
        jobs = await self.jobs()
        alike = Counter(
            (job["subscription_addon_id"], job["retention_days"])
            for job in jobs
            if job["status"] not in ENDED and job["repositories_selected"] is None and not job["attempt"]
        )
        # A job goes on under another add-on than its own, which has a job of its own: the later one finds all covered.
        assert max(alike.values(), default=0) <= len(addons), "a purchase is one job"
        for job in jobs:
            job_id = str(job["id"])
            over = job["status"] in ENDED
            for name, status in (await self._repositories(job_id)).items():
                if (job_id, name) in self.stopped:
                    assert status in ("canceled", "skipped") or not (over or (job_id, name) in self.canceled), name
                    self.canceled |= {(job_id, name)} if status == "canceled" else set()
                else:
                    self.canceled.discard((job_id, name))
            if job["status"] == "in_progress" and not days and job["subscription_addon_id"]:
                assert "cancel_requested_at" in job["metadata"], "nobody pays for it"
        told = Counter(
            row["operation_id"]
            for row in await self.host.fetch("select operation_id from notifications where status <> 'started'")
        )
        assert told == +self.ends, "each end is told once"
        twice = {page: times for page, times in self.read.items() if times > 1 and page[0] not in self.forgiven}
        assert not twice, "no page is paid for again"

    async def _repositories(self, job_id: str) -> dict[str, str]:
        rows = await self.host.fetch(
            "select full_name, status from workspace_backfill_progress join repositories r on r.id = repository_id"
            " where backfill_job_id = $1",
            job_id,
        )
        return {row["full_name"]: row["status"] for row in rows}


@pytest.fixture(scope="module")
async def pool(module_database: str) -> AsyncIterator[Database]:
    async with Database(module_database) as pool:
        yield pool


@settings(max_examples=examples(4, 300), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(STEPS, min_size=3, max_size=25).map(lambda steps: [*BEGUN, *steps]))
@example([*BEGUN, ("cancel one", "octo/a"), ("revoke", "one"), END, ("buy", "one"), *WORK])
@example([*BEGUN, ("cancel", ""), END, ("retry one", "octo/a"), BEGIN, ("revoke", "one"), END, ("buy", "one"), *WORK])
@example([*BEGUN, ("revoke", "one"), ("cancel", ""), END, ("buy", "one"), *WORK])
@example([("buy the larger", "two"), BEGIN, READ, ("buy", "one"), ("revoke", "two"), END, *WORK])
@example([("buy the larger", "two"), BEGIN, *WORK, ("buy", "one"), ("revoke", "two"), *WORK, ("upgrade", "one"), *WORK])
async def test_whatever_happens_in_whatever_order(module_database: str, pool: Database, steps: list[Step]) -> None:
    async with shop.emptied(module_database) as host:
        buyer = await shop.buyer(host)
        workspace_id = await shop.workspace(host, buyer, *NAMES[:2])
        await shop.workspace(host, await shop.buyer(host), NAMES[2])
        life = Life(pool, host, buyer, workspace_id)
        note(str(steps))
        for step in steps:
            await life.does(step)
