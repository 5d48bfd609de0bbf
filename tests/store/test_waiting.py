"""Who waits for whom at the same type of the same repository: never two for each other, and nobody for ever."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, Literal, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from messages import LEGS, Leg, Pace, RepositoryOutcome, RepositoryRef, RepositoryTransition, Waiting
from store import addon_jobs, job_end, job_requests, job_start, sweeps, transitions, waiting
from store.database import Database
from store.sweeps import Sweep
from store.waiting import PATIENCE, SILENCE
from tests.support import shop
from tests.support.thoroughness import examples

NUMBERS = count(1)
CUTOFF = datetime(2020, 1, 1, tzinfo=UTC)
Step = Literal["take", "look", "page", "end leg", "fail", "die", "pass ten minutes"]


@dataclass
class Job:
    """A job's sweep of issues of one repository, driven as its activities do it."""

    database: Database
    job_id: str
    repository: RepositoryRef
    legs: list[Leg] = field(default_factory=lambda: list(LEGS))
    """Those that are not over."""
    sweep: Sweep | None = None
    may_read: bool = False
    """It looked, and nothing was in its way."""
    waits: bool = False
    pages: int = 0

    @property
    def ended(self) -> bool:
        return not self.legs

    async def take(self) -> None:
        self.sweep = await sweeps.take(
            self.database, self.job_id, self.repository, "issues", CUTOFF, "worker", leg=self.legs[0]
        )
        self.may_read = bool(self.sweep.position) and "leg_over" not in self.sweep.position

    async def look(self) -> str | None:
        assert self.sweep is not None
        async with self.database.transaction() as connection:
            other = await waiting.wait_for_another(connection, self.sweep)
        self.waits, self.may_read = other is not None, other is None
        if self.waits:
            self.sweep = None
        return other

    async def page(self) -> None:
        assert self.sweep is not None
        self.pages += 1
        await self._commit({"cursor": str(self.pages)}, "in_progress")

    async def end_leg(self) -> None:
        self.legs.pop(0)
        await self._commit({"cursor": "x", "leg_over": True}, "pending" if self.legs else "completed")
        self.sweep, self.may_read = None, False

    async def _commit(self, position: dict[str, Any], status: str) -> None:
        assert self.sweep is not None
        async with self.database.transaction() as connection:
            await sweeps.fence(connection, self.sweep)
            await sweeps.commit(connection, self.sweep, position=position, counts=self.sweep.counts, status=status)

    async def fail(self) -> None:
        """An attempt that brings nothing."""
        assert self.sweep is not None
        await sweeps.release(self.database, self.sweep)
        self.sweep, self.may_read = None, False

    async def may_go_on(self) -> bool:
        async with self.database.transaction() as connection:
            return await waiting.may_go_on(connection, self.job_id, [self.repository.repository_id]) != []

    async def set(self, what: str, **values: Any) -> None:
        async with self.database.transaction() as connection:
            await connection.execute(
                f"update backfill_sweeps set {what} where backfill_job_id = $1", self.job_id, *values.values()
            )

    async def record(self, wait: Waiting | None, until: datetime | None = None) -> None:
        outcome = RepositoryOutcome(repository=self.repository, status="in_progress")
        async with self.database.transaction() as connection:
            last = await transitions.last_transition(connection, self.job_id, self.repository.repository_id, 0)
            change = RepositoryTransition(
                job_id=self.job_id,
                attempt=0,
                sequence=last.sequence + 1,
                outcome=outcome,
                waiting=wait,
                waiting_until=until,
            )
            await transitions.record(connection, change)


MakeJobs = Callable[[int], Awaitable[list[Job]]]


@pytest.fixture
async def make_jobs(module_database: str) -> AsyncIterator[MakeJobs]:
    """So many jobs in progress, each of a workspace of its own, on one new repository."""
    async with Database(module_database) as database, shop.connected(module_database) as host:

        async def make(count: int) -> list[Job]:
            name = f"o/{next(NUMBERS)}"
            made = []
            for _ in range(count):
                workspace_id = await shop.workspace(host, await shop.buyer(host), name)
                async with database.transaction() as connection:
                    job_id = await job_requests.ask_for(
                        connection, workspace=workspace_id, data_types=("issues",), actor=shop.OPERATOR
                    )
                    await job_start.begin(connection, job_id, Pace())
                    [repository] = await transitions.next_repositories(connection, job_id, None, 10)
                made.append(Job(database, job_id, repository))
            return made

        yield make


async def in_the_middle(job: Job, leg: Leg) -> None:
    while job.legs[0] != leg:
        await job.take()
        await job.end_leg()
    await job.take()
    await job.look()
    await job.page()


async def arrive(job: Job, leg: Leg) -> str | None:
    """At the beginning of this leg; answers whom it waits for."""
    if leg == "historical":
        await job.take()
        await job.end_leg()
    await job.take()
    return await job.look()


# --- Whom ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mine", "others", "waits"),
    [
        ("recent", "recent", True),
        ("recent", "historical", False),
        ("historical", "recent", True),
        ("historical", "historical", True),
    ],
)
async def test_a_recent_leg_waits_for_recent_ones_alone(
    make_jobs: MakeJobs, mine: Leg, others: Leg, waits: bool
) -> None:
    [one, other] = await make_jobs(2)
    await in_the_middle(other, others)
    assert await arrive(one, mine) == (other.job_id if waits else None)


async def test_of_two_at_the_beginning_of_a_leg_the_one_with_the_later_lease_waits(make_jobs: MakeJobs) -> None:
    [first, later] = await make_jobs(2)
    await first.take()
    await later.take()
    assert await first.look() is None
    assert await later.look() == first.job_id


async def test_a_sweep_of_a_release_without_legs_is_waited_for(make_jobs: MakeJobs) -> None:
    [one, other] = await make_jobs(2)
    await in_the_middle(other, "historical")
    await other.set("leg = null")
    assert await arrive(one, "recent") == other.job_id


async def test_a_sweep_that_waits_is_not_counted_as_an_attempt_and_blocks_nobody(make_jobs: MakeJobs) -> None:
    [one, other, third] = await make_jobs(3)
    await in_the_middle(other, "recent")
    assert await arrive(one, "recent") == other.job_id
    async with one.database.transaction() as connection:
        row = await connection.fetchrow("select * from backfill_sweeps where backfill_job_id = $1", one.job_id)
    assert row is not None
    assert (row["status"], row["attempts"], row["lease_owner"]) == ("pending", 0, None)
    assert list(row["waits_for"]) == [other.job_id]
    await other.end_leg()
    assert await arrive(third, "recent") is None


async def test_a_waiting_repository_may_go_on_when_the_other_job_lets_it_or_it_was_removed(
    make_jobs: MakeJobs,
) -> None:
    [one, other] = await make_jobs(2)
    await in_the_middle(other, "recent")
    await arrive(one, "recent")
    assert not await one.may_go_on()
    async with one.database.transaction() as connection:
        await connection.execute(
            "delete from workspace_repositories r using workspace_backfill_jobs j"
            " where j.id = $1 and r.workspace_id = j.workspace_id",
            one.job_id,
        )
    assert await one.may_go_on()
    async with one.database.transaction() as connection:
        await connection.execute(
            "insert into workspace_repositories (workspace_id, repository_id, added_by)"
            " select j.workspace_id, $2, w.owner_id from workspace_backfill_jobs j"
            " join workspaces w on w.id = j.workspace_id where j.id = $1",
            one.job_id,
            one.repository.repository_id,
        )
    assert not await one.may_go_on()
    await other.end_leg()
    assert await one.may_go_on()


# --- One that stopped and goes on -------------------------------------------------------------------------------------


async def execute(job: Job, statement: str, *values: Any) -> None:
    async with job.database.transaction() as connection:
        await connection.execute(statement, *values)


async def stop(job: Job) -> None:
    """Its add-on ends in the middle of a leg, and is paid for again. No round has resumed the job yet."""
    async with job.database.transaction() as connection:
        await connection.execute(
            """
            with addon as (
                insert into subscription_addons (user_id, addon_type, retention_days, status, polar_subscription_id)
                select auth_user_id, 'extended_data_retention', 365, 'active', $1::text
                from workspace_backfill_jobs j join workspaces w on w.id = workspace_id
                join app_users u on u.id = owner_id where j.id = $1::text::uuid
                returning id
            )
            update workspace_backfill_jobs set subscription_addon_id = addon.id, retention_days = 365,
                metadata = metadata || jsonb_build_object('addon_ended_at', now(), 'cancel_requested_at', now())
            from addon where workspace_backfill_jobs.id = $1::text::uuid
            """,
            job.job_id,
        )
        assert (await job_end.finish(connection, job.job_id, 0, canceled=True)).status == "canceled"
    job.sweep, job.may_read = None, False


async def resume(job: Job) -> None:
    async with job.database.transaction() as connection:
        assert job.job_id in await addon_jobs.resume_paid(connection, None)


async def begin(job: Job) -> None:
    async with job.database.transaction() as connection:
        assert (await job_start.begin(connection, job.job_id, Pace())).status == "in_progress"


RESUMING = {"stopped": [stop], "pending": [stop, resume], "begun": [stop, resume, begin]}


@pytest.mark.parametrize("how_far", RESUMING)
async def test_a_job_that_stopped_in_the_middle_of_a_leg_and_goes_on_is_waited_for(
    make_jobs: MakeJobs, how_far: str
) -> None:
    """The same repository in two workspaces: whose workflow is quicker must not matter, or every page is paid twice."""
    [one, other] = await make_jobs(2)
    await in_the_middle(other, "recent")
    for step in RESUMING[how_far]:
        await step(other)
    assert await arrive(one, "recent") == other.job_id
    for step in [stop, resume, begin][len(RESUMING[how_far]) :]:
        assert not await one.may_go_on()
        await step(other)
    assert not await one.may_go_on()
    await other.take()
    assert other.may_read, "it never waits in the middle of a leg"
    assert not await one.may_go_on()
    await other.end_leg()
    assert await one.may_go_on()
    assert await arrive_again(one)


LONG_AGO = f"now() - interval '{SILENCE.total_seconds() + 1} s'"
UNPAID = "update subscription_addons set status = 'canceled' where polar_subscription_id = $1"
STOPPED_LONG_AGO = f"update workspace_backfill_jobs set completed_at = {LONG_AGO} where id::text = $1"
ASKED_LONG_AGO = f"""
update workspace_backfill_jobs set metadata = jsonb_set(metadata, '{{retry,requested_at}}', to_jsonb({LONG_AGO}))
where id::text = $1
"""
OTHER_TYPES = """
update workspace_backfill_jobs set metadata = jsonb_set(metadata, '{retry,data_types}', '["events"]')
where id::text = $1
"""
PAUSED = """
update workspace_backfill_jobs set metadata = metadata || '{"paused_at": "2026-11-28T00:00:00Z"}' where id::text = $1
"""
CANCELED = """
update workspace_backfill_jobs set metadata = metadata || '{"cancel_requested_at": "2026-11-28T00:00:00Z"}'
where id::text = $1
"""
REPOSITORY_ENDED = "update workspace_backfill_progress set status = 'failed' where backfill_job_id::text = $1"
BEHIND_A_JOB = """
insert into workspace_backfill_jobs (workspace_id, retention_days, cutoff_at, backfill_types, status)
select workspace_id, 30, now(), '{events}', 'in_progress' from workspace_backfill_jobs where id::text = $1
"""
BY_A_PERSON = "update workspace_backfill_jobs set metadata = metadata - 'addon_ended_at' where id::text = $1"


@pytest.mark.parametrize(
    ("how_far", "but"),
    [
        ("stopped", UNPAID),
        ("stopped", BY_A_PERSON),
        ("stopped", STOPPED_LONG_AGO),
        ("pending", ASKED_LONG_AGO),
        ("pending", OTHER_TYPES),
        ("pending", PAUSED),
        *((how_far, BEHIND_A_JOB) for how_far in RESUMING),
        ("begun", PAUSED),
        ("begun", CANCELED),
        ("begun", REPOSITORY_ENDED),
    ],
)
async def test_a_job_that_stopped_and_does_not_go_on_is_not_waited_for(
    make_jobs: MakeJobs, how_far: str, but: str
) -> None:
    [one, other] = await make_jobs(2)
    await in_the_middle(other, "recent")
    for step in RESUMING[how_far]:
        await step(other)
    await execute(other, but, other.job_id)
    assert await arrive(one, "recent") is None


async def test_a_retry_behind_a_running_job_of_its_workspace_is_not_waited_for_by_that_job(make_jobs: MakeJobs) -> None:
    """Each would wait for the other."""
    [one, other] = await make_jobs(2)
    await in_the_middle(other, "recent")
    for step in (stop, resume):
        await step(other)
    of_one = "(select workspace_id from workspace_backfill_jobs where id::text = $2)"
    to_one = f"update workspace_backfill_jobs set workspace_id = {of_one} where id::text = $1"
    await execute(other, to_one, other.job_id, one.job_id)
    assert await arrive(one, "recent") is None


async def test_a_job_that_stopped_between_two_legs_is_not_waited_for(make_jobs: MakeJobs) -> None:
    [one, other] = await make_jobs(2)
    await in_the_middle(other, "recent")
    await other.end_leg()
    for step in (stop, resume, begin):
        await step(other)
    assert await arrive(one, "recent") is None
    await one.page()
    await other.take()
    assert await other.look() == one.job_id, "it begins its historical leg behind the recent one"


# --- How long at most -------------------------------------------------------------------------------------------------


async def test_a_dead_sweep_is_taken_over(make_jobs: MakeJobs) -> None:
    [one, other] = await make_jobs(2)
    await in_the_middle(other, "recent")
    await arrive(one, "recent")
    silent = f"interval '{SILENCE.total_seconds() + 1} s'"
    await other.set(f"committed_at = now() - {silent}")
    assert not await one.may_go_on(), "its lease is a sign of life"
    await other.set(f"leased_at = now() - {silent}")
    assert await one.may_go_on()
    assert await arrive(one, "recent") is None


async def test_a_sweep_that_waits_for_a_limit_is_alive_and_one_that_waits_for_another_job_is_not(
    make_jobs: MakeJobs,
) -> None:
    [one, other] = await make_jobs(2)
    await in_the_middle(other, "recent")
    await arrive(one, "recent")
    await other.set("committed_at = now() - interval '1 h', leased_at = now() - interval '1 h'")
    now = datetime.now(UTC)
    until = now + timedelta(minutes=30)
    await other.record(Waiting(reason="github_limit", since=now, until=until), until)
    assert not await one.may_go_on()
    await other.record(Waiting(reason="another_job", since=now, job_id=one.job_id))
    assert await one.may_go_on()


async def test_a_sweep_that_gives_signs_of_life_and_commits_nothing_is_not_waited_for_for_ever(
    make_jobs: MakeJobs,
) -> None:
    [one, other] = await make_jobs(2)
    await in_the_middle(other, "recent")
    await arrive(one, "recent")
    early = (datetime.now(UTC) - PATIENCE + timedelta(minutes=1)).isoformat()
    late = (datetime.now(UTC) - PATIENCE - timedelta(seconds=1)).isoformat()
    since = "waits_for = jsonb_set(waits_for, $2::text[], to_jsonb($3::text))"
    await one.set(since, path=[other.job_id, "since"], at=early)
    await other.take()
    assert not await one.may_go_on()
    await one.set(since, path=[other.job_id, "since"], at=late)
    assert await one.may_go_on()
    assert await arrive(one, "recent") is None, "it goes on beside the other"
    # A page of the other is progress: who comes then waits for it again.
    await other.page()
    assert not await arrive_again(one)


async def arrive_again(job: Job) -> bool:
    """Whether it goes on."""
    await job.take()
    return await job.look() is None


# --- In any order -----------------------------------------------------------------------------------------------------


STEPS = st.lists(st.tuples(st.integers(0, 3), st.sampled_from(get_args(Step))), max_size=40)


async def do(job: Job, step: Step) -> str | None:
    """The step, where the job's life has it next; answers whom it waits for then."""
    if job.ended:
        return None
    if step == "take" and job.sweep is None and not job.waits:
        await job.take()
    elif step == "take" and job.waits and await job.may_go_on():
        job.waits = False
        await job.take()
    elif step == "look" and job.sweep is not None and not job.may_read:
        return await job.look()
    elif step == "page" and job.may_read:
        await job.page()
    elif step == "end leg" and job.may_read and job.pages:
        await job.end_leg()
        job.pages = 0
    elif step == "fail" and job.sweep is not None:
        await job.fail()
    elif step == "die":
        # Killed: nobody releases anything. Its next attempt takes the lease.
        job.sweep, job.may_read = None, False
    elif step == "pass ten minutes":
        await job.set("leased_at = leased_at - interval '10 min', committed_at = committed_at - interval '10 min'")
    return None


@settings(
    max_examples=examples(15, 400),
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(number=st.integers(2, 4), steps=STEPS)
async def test_in_any_order_all_jobs_end_and_no_two_wait_for_each_other(
    number: int, steps: list[tuple[int, Step]], make_jobs: MakeJobs
) -> None:
    its = await make_jobs(number)
    for which, step in steps:
        other = await do(its[which % number], step)
        assert not [each for each in its if each.job_id == other and each.waits], "nobody waits for one that waits"
    # From here on everybody does what is next, and nothing else happens.
    for _ in range(8 * number):
        for job in its:
            for step in ("take", "look", "page", "end leg"):
                await do(job, step)
    assert [job.ended for job in its] == [True] * number
