"""What people ask of jobs changes their rows, once, with who asked; what cannot be done is refused by name."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from errors import BadInput, Conflict
from messages import DATA_TYPES, Failure, Pace
from progress.views import JobView
from store import (
    addon_jobs,
    job_attempts,
    job_end,
    job_estimates,
    job_pauses,
    job_requests,
    job_signals,
    job_start,
    job_views,
)
from store.database import Database
from store.job_requests import AUDITED, Actor
from store.job_signals import Stopping
from tests.support import shop

MEMBER = Actor("user:00000000-0000-4000-8000-0000000000a1", "api", "192.0.2.7")
SERVICE = Actor("service", "host", "192.0.2.8")
ENDED = ("completed", "failed", "canceled")
Request = Callable[["World"], Awaitable[Any]]


@dataclass
class World:
    """A workspace with two repositories, whose owner bought 365 days, and a job of it."""

    pool: Database
    host: asyncpg.Connection
    buyer: shop.Buyer
    workspace_id: str
    job_id: str = ""

    async def ask_for(self, actor: Actor = shop.OPERATOR, **asked: Any) -> str:
        async with self.pool.transaction() as connection:
            return await job_requests.ask_for(connection, workspace=self.workspace_id, actor=actor, **asked)

    async def retry(self, actor: Actor = shop.OPERATOR, **selected: Any) -> str:
        async with self.pool.transaction() as connection:
            return await job_requests.ask_again(connection, self.job_id, actor=actor, **selected)

    async def cancel(self, actor: Actor = shop.OPERATOR) -> Any:
        async with self.pool.transaction() as connection:
            return await job_requests.ask_to_stop(connection, self.job_id, actor=actor)

    async def pause(self, actor: Actor = shop.OPERATOR) -> Any:
        async with self.pool.transaction() as connection:
            return await job_requests.pause(connection, self.job_id, actor=actor)

    async def resume(self, actor: Actor = shop.OPERATOR) -> Any:
        async with self.pool.transaction() as connection:
            return await job_requests.resume(connection, self.job_id, actor=actor)

    async def begin(self) -> None:
        async with self.pool.transaction() as connection:
            await job_start.begin(connection, self.job_id, Pace())

    async def finish(self, *, canceled: bool = False) -> str:
        async with self.pool.transaction() as connection:
            attempt = await connection.fetchval(
                "select attempt from workspace_backfill_jobs where id = $1", self.job_id
            )
            return (await job_end.finish(connection, self.job_id, attempt, canceled=canceled)).status

    async def fails(self, name: str, status: str = "failed") -> None:
        """A repository ends so."""
        await self.host.execute(
            """
            update workspace_backfill_progress p set status = $2, data_types_failed = $3
            from repositories r where r.id = repository_id and full_name = $1
            """,
            name,
            status,
            list(DATA_TYPES) if status == "failed" else [],
        )

    async def sweep(self, name: str) -> None:
        """Half of a sweep's pull requests are stored."""
        await self.host.execute(
            """
            insert into backfill_sweeps (
                backfill_job_id, repository_id, data_type, status, position, counts, expected, lease_owner, leased_at
            )
            select $1, id, 'pull_requests', 'in_progress', $3, $4, 100, 'somebody', now()
            from repositories where full_name = $2
            """,
            self.job_id,
            name,
            {"cursor": "abc"},
            {"pull_requests": 50},
        )

    async def counted(self) -> None:
        """Half of every type that GitHub counts is stored, after an hour."""
        await self.host.execute(
            """
            insert into backfill_sweeps (backfill_job_id, repository_id, data_type, status, counts, expected)
            select $1, repository_id, data_type, 'in_progress',
                jsonb_build_object(data_type, case when data_type = 'embeddings' then 150 else 50 end), 100
            from workspace_backfill_progress, unnest($2::text[]) data_type where backfill_job_id = $1
            on conflict do nothing
            """,
            self.job_id,
            ["pull_requests", "issues", "discussions", "embeddings"],
        )
        await self.set(started_at=datetime.now(UTC) - timedelta(hours=1))

    async def set(self, **columns: Any) -> None:
        for name, value in columns.items():
            await self.host.execute(f"update workspace_backfill_jobs set {name} = $2 where id = $1", self.job_id, value)

    async def look(self) -> JobView:
        async with self.pool.transaction() as connection:
            return await job_views.look(connection, self.job_id)

    async def row(self) -> dict[str, Any]:
        return dict(await self.host.fetchrow("select * from workspace_backfill_jobs where id = $1", self.job_id) or {})

    async def metadata(self) -> dict[str, Any]:
        metadata: dict[str, Any] = (await self.row())["metadata"]
        return metadata

    async def audit(self) -> list[dict[str, Any]]:
        audited: list[dict[str, Any]] = (await self.metadata())["audit"]
        return audited

    async def told(self) -> list[str]:
        return [row["status"] for row in await shop.rows(self.host, "notifications", "created_at")]

    async def changes(self) -> list[job_pauses.PauseChange]:
        async with self.pool.transaction() as connection:
            return await job_pauses.changes(connection)


@pytest.fixture
async def world(module_database: str) -> AsyncIterator[World]:
    async with Database(module_database) as pool, shop.emptied(module_database) as host:
        buyer = await shop.buyer(host)
        world = World(pool, host, buyer, await shop.workspace(host, buyer, "octo/a", "octo/b"))
        await host.execute(
            """
            insert into subscription_addons (user_id, addon_type, retention_days, status, polar_subscription_id)
            values ($1, 'extended_data_retention', 365, 'active', 'p')
            """,
            buyer.auth_user_id,
        )
        world.job_id = await world.ask_for()
        yield world


class TestAudit:
    """Who asked for what, when and from where stands in the job's metadata."""

    async def test_every_request_is_kept_with_its_actor_and_selection(self, world: World) -> None:
        world.job_id = await world.ask_for(MEMBER, retention_days=90, repositories=["octo/a"], data_types=["issues"])
        await world.begin()
        await world.pause(SERVICE)
        await world.resume()
        await world.fails("octo/a")
        await world.finish()
        await world.retry(MEMBER, repositories=["octo/a"], data_types=["issues"])
        await world.cancel()
        audited = await world.audit()
        assert all(each.pop("at") for each in audited)
        member = {"who": MEMBER.who, "source": "api", "address": "192.0.2.7"}
        operator = {"who": "operator:somebody", "source": "cli", "address": None}
        selection = {"repositories": ["octo/a"], "data_types": ["issues"]}
        assert audited == [
            {"action": "start", **member, "retention_days": 90, **selection},
            {"action": "pause", "who": "service", "source": "host", "address": "192.0.2.8"},
            {"action": "resume", **operator},
            {"action": "retry", **member, **selection},
            {"action": "cancel", **operator},
        ]

    async def test_the_latest_are_kept(self, world: World) -> None:
        for _ in range(AUDITED // 2):
            await world.pause()
            await world.resume()
        audited = await world.audit()
        assert len(audited) == AUDITED
        assert audited[0]["action"] == "pause", "the job's start is the oldest"

    async def test_a_long_selection_is_shortened_and_says_so(self, world: World) -> None:
        names = [f"octo/{number}" for number in range(60)]
        workspace_id = await shop.workspace(world.host, world.buyer, *names)
        async with world.pool.transaction() as connection:
            world.job_id = await job_requests.ask_for(
                connection, workspace=workspace_id, actor=MEMBER, repositories=names
            )
        [start] = await world.audit()
        assert (start["repositories"], start["more_repositories"]) == (names[:50], 10)


class TestDays:
    """Who is bound by the purchase gets no more days than were bought."""

    @pytest.mark.parametrize("actor", [MEMBER, SERVICE], ids=["api", "host"])
    async def test_more_than_bought_is_refused_and_says_what_was_bought(self, world: World, actor: Actor) -> None:
        with pytest.raises(BadInput, match="366 days are more than the 365 that were bought"):
            await world.ask_for(actor, retention_days=366)
        world.job_id = await world.ask_for(actor, retention_days=365)
        assert (await world.look()).retention_days == 365
        world.job_id = await world.ask_for(actor)
        assert ((await world.look()).retention_days, (await world.look()).requested_by) == (365, "api")

    async def test_without_an_active_add_on_there_are_none(self, world: World) -> None:
        await world.host.execute("update subscription_addons set status = 'expired'")
        await world.host.execute("update workspaces set data_retention_days = 3650")
        for days in (None, 1):
            with pytest.raises(BadInput, match="no extended data retention was bought"):
                await world.ask_for(MEMBER, retention_days=days)

    async def test_an_operator_gets_what_he_asks_for(self, world: World) -> None:
        world.job_id = await world.ask_for(shop.OPERATOR, retention_days=3650)
        assert (await world.look()).retention_days == 3650

    async def test_an_idempotency_key_stands_for_one_job_of_its_workspace(self, world: World) -> None:
        first = await world.ask_for(MEMBER, idempotency_key="k")
        assert await world.ask_for(MEMBER, idempotency_key="k", retention_days=7) == first
        assert await world.ask_for(MEMBER, idempotency_key="another") != first
        assert await world.ask_for(MEMBER) != first
        world.workspace_id = await shop.workspace(world.host, world.buyer)
        assert await world.ask_for(MEMBER, idempotency_key="k") != first


class TestRepeating:
    """What is already so is answered alike, and changes nothing."""

    @pytest.mark.parametrize(
        ("before", "asks"),
        [
            ([World.pause], World.pause),
            ([], World.resume),
            ([World.pause, World.resume], World.resume),
            ([World.begin, World.cancel], World.cancel),
            ([World.cancel], World.cancel),
            ([World.cancel, World.retry], World.retry),
        ],
        ids=["pause", "resume", "resume again", "cancel", "cancel of a canceled one", "retry"],
    )
    async def test_a_repeated_request_changes_nothing(self, world: World, before: list[Request], asks: Request) -> None:
        for each in before:
            await each(world)
        as_it_was = await world.row()
        await asks(world)
        assert await world.row() == as_it_was

    @pytest.mark.parametrize("status", ENDED)
    @pytest.mark.parametrize("asks", [World.pause, World.resume], ids=["pause", "resume"])
    async def test_a_job_that_has_ended_is_neither_paused_nor_resumed(
        self, world: World, asks: Request, status: str
    ) -> None:
        await world.set(status=status)
        with pytest.raises(Conflict, match=f"is {status} already"):
            await asks(world)

    @pytest.mark.parametrize(
        ("asks", "words"),
        [(World.pause, "is being"), (World.resume, "is being"), (World.retry, "it can be retried once it has ended")],
        ids=["pause", "resume", "retry"],
    )
    async def test_a_job_that_is_being_canceled_does_nothing_else(
        self, world: World, asks: Request, words: str
    ) -> None:
        await world.begin()
        await world.fails("octo/a")
        await world.cancel()
        with pytest.raises(Conflict, match=words):
            await asks(world)

    @pytest.mark.parametrize("status", ["completed", "failed"])
    async def test_a_job_that_has_ended_otherwise_is_not_canceled(self, world: World, status: str) -> None:
        await world.set(status=status)
        with pytest.raises(Conflict, match=f"is {status} already"):
            await world.cancel()


async def stop_unpaid(world: World) -> tuple[str, ...]:
    async with world.pool.transaction() as connection:
        return await addon_jobs.stop_unpaid(connection, None)


class TestRetry:
    """What failed is done again in the next attempt, whether the present one has ended or not."""

    async def test_a_retry_of_a_running_job_waits_and_becomes_its_next_attempt(self, world: World) -> None:
        await world.begin()
        await world.fails("octo/a")
        await world.retry(MEMBER, repositories=["octo/a"])
        await world.retry(MEMBER, repositories=["OCTO/A"])
        job = await world.look()
        assert (job.status, job.attempt, job.retries_waiting) == ("in_progress", 0, 1)
        await world.fails("octo/b", "completed")
        assert await world.finish() == "pending"
        row = await world.row()
        assert (row["status"], row["attempt"], row["signaled_at"], row["completed_at"]) == ("pending", 1, None, None)
        repository_id = await world.host.fetchval("select id::text from repositories where full_name = 'octo/a'")
        assert row["metadata"]["retry"]["repository_ids"] == [repository_id]
        assert "retries_waiting" not in row["metadata"]
        assert await world.told() == ["started"], "it has not ended for those who are told of its end"
        await world.begin()
        statuses = {each.full_name: each.status for each in (await world.look()).repositories}
        assert statuses == {"octo/a": "pending", "octo/b": "completed"}
        await world.fails("octo/a", "completed")
        assert await world.finish() == "completed"
        assert await world.told() == ["started", "completed"]

    async def test_retries_of_different_parts_are_attempts_one_after_the_other(self, world: World) -> None:
        await world.begin()
        for name in ("octo/a", "octo/b"):
            await world.fails(name)
            await world.retry(repositories=[name])
        assert (await world.look()).retries_waiting == 2
        for attempt, open_names in ((1, ["octo/a"]), (2, ["octo/b"])):
            assert await world.finish() == "pending"
            await world.begin()
            job = await world.look()
            assert (job.attempt, job.retries_waiting) == (attempt, 2 - attempt)
            assert [each.full_name for each in job.repositories if each.status == "pending"] == open_names
            await world.fails(open_names[0], "completed")
        assert await world.finish() == "completed"

    async def test_another_selection_than_the_one_that_waits_for_its_turn_is_the_attempt_after(
        self, world: World
    ) -> None:
        await world.begin()
        for name in ("octo/a", "octo/b"):
            await world.fails(name)
        await world.finish()
        await world.retry(repositories=["octo/a"])
        await world.retry(repositories=["octo/b"])
        job = await world.look()
        assert (job.status, job.attempt, job.retries_waiting) == ("pending", 1, 1)

    async def test_the_retry_that_runs_is_not_asked_for_again_before_it_fails(self, world: World) -> None:
        await world.begin()
        await world.fails("octo/a")
        await world.fails("octo/b", "completed")
        await world.finish()
        await world.retry(repositories=["octo/a"])
        await world.begin()
        before = await world.row()
        await world.retry(repositories=["octo/a"])
        assert await world.row() == before
        await world.fails("octo/a")
        await world.retry(repositories=["octo/a"])
        assert (await world.look()).retries_waiting == 1

    async def test_nothing_failed_yet_is_refused(self, world: World) -> None:
        await world.begin()
        await world.fails("octo/a")
        with pytest.raises(Conflict, match="nothing of what was selected has failed"):
            await world.retry(repositories=["octo/b"])

    async def test_a_canceled_job_forgets_the_retries_that_waited(self, world: World) -> None:
        await world.begin()
        await world.fails("octo/a")
        await world.retry()
        await world.cancel()
        assert await world.finish(canceled=True) == "canceled"
        assert "retries_waiting" not in await world.metadata()

    async def test_a_job_that_ends_before_its_workflow_hears_of_a_cancel_forgets_them_too(self, world: World) -> None:
        await world.begin()
        await world.fails("octo/a")
        await world.fails("octo/b", "completed")
        await world.retry()
        await world.cancel()
        assert await world.finish() == "completed"
        assert "retries_waiting" not in await world.metadata()
        assert await world.told() == ["started", "completed"]

    async def test_a_job_that_ends_just_after_its_add_on_keeps_them_for_the_next_add_on(self, world: World) -> None:
        await world.begin()
        await world.fails("octo/a")
        await world.fails("octo/b", "completed")
        await world.retry()
        await world.host.execute("update subscription_addons set status = 'canceled'")
        await stop_unpaid(world)
        assert await world.finish() == "pending"
        assert await stop_unpaid(world) == (world.job_id,)
        await world.host.execute("update subscription_addons set status = 'active'")
        async with world.pool.transaction() as connection:
            assert await addon_jobs.resume_paid(connection, None) == (world.job_id,)
        assert await world.told() == ["started"]
        await world.begin()
        statuses = {each.full_name: each.status for each in (await world.look()).repositories}
        assert statuses == {"octo/a": "pending", "octo/b": "completed"}

    async def test_a_retry_that_is_canceled_before_its_turn_takes_no_added_repository_along(self, world: World) -> None:
        """The reconciler has not seen it yet, and would take it for one that has been canceled."""
        await world.begin()
        await world.fails("octo/a")
        await world.fails("octo/b", "completed")
        await world.finish()
        await world.retry()
        await world.host.execute(
            """
            with added as (
                insert into repositories (github_id, owner, name, full_name) values (99, 'octo', 'c', 'octo/c')
                returning id
            )
            insert into workspace_repositories (workspace_id, repository_id) select $1, id from added
            """,
            world.workspace_id,
        )
        await world.cancel()
        statuses = {each.full_name: each.status for each in (await world.look()).repositories}
        assert statuses == {"octo/a": "failed", "octo/b": "completed"}

    async def test_a_job_that_begins_as_a_retry_tells_once_that_it_has_started(self, world: World) -> None:
        """It was canceled before its turn came."""
        await world.cancel()
        await world.retry()
        for _ in range(2):  # as an activity whose first answer was lost
            await world.begin()
        assert await world.told() == ["started"]
        await world.cancel()
        await world.finish(canceled=True)
        await world.retry()
        await world.begin()
        assert await world.told() == ["started"]

    async def test_a_job_that_lost_its_workflow_goes_on_with_the_retry_that_waited(self, world: World) -> None:
        await world.begin()
        await world.fails("octo/a")
        await world.retry()
        async with world.pool.transaction() as connection:
            reason = Failure(code="workflow_terminated", message="it was terminated")
            await job_attempts.end(connection, world.job_id, status="failed", reason=reason)
        job = await world.look()
        assert (job.status, job.attempt, {each.status for each in job.repositories}) == ("pending", 1, {"failed"})

    async def test_who_is_bound_by_the_purchase_retries_only_while_it_is_paid(self, world: World) -> None:
        await world.cancel()
        await world.host.execute("update subscription_addons set status = 'canceled'")
        with pytest.raises(Conflict, match="was bought with has ended"):
            await world.retry(MEMBER)
        await world.host.execute("update subscription_addons set status = 'active', retention_days = 364")
        with pytest.raises(Conflict, match="has ended"):
            await world.retry(MEMBER)

    async def test_what_an_operator_retries_after_the_add_ons_end_is_not_stopped_for_it(self, world: World) -> None:
        await world.begin()
        await world.fails("octo/a")
        await world.host.execute("update subscription_addons set status = 'canceled'")
        assert await stop_unpaid(world) == (world.job_id,)
        assert await world.finish(canceled=True) == "canceled"
        await world.retry()
        assert await stop_unpaid(world) == ()
        await world.begin()
        assert await stop_unpaid(world) == ()
        job = await world.look()
        assert (job.status, job.cancel_requested_at) == ("in_progress", None)


class TestPause:
    """A paused job says so, has no end in sight, and holds up nobody."""

    async def test_who_paused_it_and_when_is_shown_and_no_end_is_estimated(self, world: World) -> None:
        await world.begin()
        await world.counted()
        async with world.pool.transaction() as connection:
            await job_estimates.estimate(connection)
        assert (await world.row())["estimated_completion_at"]
        assert (await world.look()).eta
        paused = await world.pause(MEMBER)
        job = await world.look()
        assert (paused.paused_at, paused.paused_by) == (job.paused_at, MEMBER.who)
        assert (job.status, job.eta, (await world.row())["estimated_completion_at"]) == ("in_progress", None, None)
        resumed = await world.resume()
        assert (resumed.paused_at, resumed.paused_by) == (None, None)
        assert (await world.look()).eta

    async def test_the_time_of_a_pause_does_not_slow_the_pace(self, world: World) -> None:
        await world.begin()
        await world.counted()
        await world.host.execute("update workspace_backfill_jobs set started_at = now() - interval '2 hours'")
        await world.pause()
        await world.host.execute(
            """
            update workspace_backfill_jobs set metadata = metadata
              || jsonb_build_object('paused_at', now() - interval '1 hour')
            """
        )
        await world.resume()
        job = await world.look()
        assert job.eta is not None
        # Half of what is known is stored, in one hour of work.
        assert timedelta(hours=0.9) < job.eta - job.as_of < timedelta(hours=1.5)

    async def test_its_sweeps_and_repositories_give_up_their_places(self, world: World) -> None:
        await world.begin()
        await world.sweep("octo/a")
        await world.pause()
        async with world.pool.transaction() as connection:
            await job_pauses.free_places(connection, world.job_id)
        [sweep] = await shop.rows(world.host, "backfill_sweeps")
        assert (sweep["status"], sweep["lease_owner"], sweep["position"]) == ("pending", None, {"cursor": "abc"})
        job = await world.look()
        assert {(each.status, each.waiting and each.waiting.reason) for each in job.repositories} == {
            ("pending", "paused")
        }
        assert {each.waiting and each.waiting.since for each in job.repositories} == {job.paused_at}
        assert (job.waiting, job.waiting_until) == (None, None), "that it is paused says all"
        await world.resume()
        assert {each.waiting and each.waiting.reason for each in (await world.look()).repositories} == {"turn"}

    async def test_one_that_goes_on_meanwhile_keeps_its_places(self, world: World) -> None:
        await world.begin()
        await world.sweep("octo/a")
        async with world.pool.transaction() as connection:
            await job_pauses.free_places(connection, world.job_id)
        [sweep] = await shop.rows(world.host, "backfill_sweeps")
        assert sweep["status"] == "in_progress"

    async def test_a_paused_job_does_not_begin(self, world: World) -> None:
        await world.pause()
        await world.begin()
        job = await world.look()
        assert (job.status, job.started_at, await world.told()) == ("pending", None, [])
        await world.resume()
        await world.begin()
        assert (await world.look()).status == "in_progress"

    @pytest.mark.parametrize("end", ["its repositories end", "its workflow is lost"])
    async def test_a_pause_lasts_into_the_retry_that_waits(self, world: World, end: str) -> None:
        """It was paused while its last page was read."""
        await world.begin()
        await world.fails("octo/a")
        await world.retry()
        await world.pause()
        if end == "its repositories end":
            await world.fails("octo/b", "completed")
            assert await world.finish() == "pending"
        else:
            async with world.pool.transaction() as connection:
                reason = Failure(code="workflow_terminated", message="it was terminated")
                await job_attempts.end(connection, world.job_id, status="failed", reason=reason)
        await world.begin()
        job = await world.look()
        assert (job.status, job.attempt, job.paused_by) == ("pending", 1, shop.OPERATOR.who)
        assert job.paused_at is not None
        await world.resume()
        await world.begin()
        assert (await world.look()).status == "in_progress"

    async def test_the_workflow_has_to_hear_of_each_change_until_it_has(self, world: World) -> None:
        await world.begin()
        assert await world.changes() == []
        await world.pause()
        [paused] = await world.changes()
        assert (paused.job_id, paused.workspace_id, paused.paused) == (world.job_id, world.workspace_id, True)
        await world.resume()
        async with world.pool.transaction() as connection:
            await job_pauses.heard_of(connection, paused)
        [resumed] = await world.changes()
        assert not resumed.paused, "what changed since is not taken for heard"
        async with world.pool.transaction() as connection:
            await job_pauses.heard_of(connection, resumed)
        assert await world.changes() == []

    @pytest.mark.parametrize("how", ["canceled", "the add-on ends"])
    async def test_one_that_ends_before_it_began_is_told_to_the_workflow_that_holds_it(
        self, world: World, how: str
    ) -> None:
        await world.pause()
        [paused] = await world.changes()
        async with world.pool.transaction() as connection:
            await job_pauses.heard_of(connection, paused)
        if how == "canceled":
            await world.cancel()
        else:
            await world.host.execute("update subscription_addons set status = 'canceled'")
            assert await stop_unpaid(world) == (world.job_id,)
        job = await world.look()
        assert (job.status, job.paused_at, job.paused_by) == ("canceled", None, None)
        [ended] = await world.changes()
        assert not ended.paused

    async def test_one_in_progress_whose_add_on_ends_is_to_stop(self, world: World) -> None:
        await world.begin()
        await world.pause()
        await world.host.execute("update subscription_addons set status = 'canceled'")
        await stop_unpaid(world)
        assert (await world.look()).cancel_requested_at
        assert await world.finish(canceled=True) == "canceled"
        assert not {"paused_at", "paused_by"} & (await world.metadata()).keys()


# --- One repository of a job ------------------------------------------------------------------------------------------


async def stop(world: World, *names: str) -> JobView:
    async with world.pool.transaction() as connection:
        return await job_requests.ask_to_stop_repositories(connection, world.job_id, names, actor=shop.OPERATOR)


async def to_stop(world: World) -> list[Stopping]:
    async with world.pool.transaction() as connection:
        return await job_signals.stopping(connection, job_id=world.job_id)


async def test_a_repository_that_is_canceled_alone_is_marked_once_in_its_jobs_row(world: World) -> None:
    await world.begin()
    await stop(world, "octo/a")
    before = await world.row()
    await stop(world, "Octo/A")
    assert await world.row() == before
    [asked] = [each for each in await world.audit() if each["action"] == "cancel"]
    assert (asked["repositories"], asked["source"]) == (["octo/a"], "cli")
    repository_id = await world.host.fetchval("select id::text from repositories where full_name = 'octo/a'")
    assert (await world.metadata())["stopping"] == [repository_id]
    assert (await world.row())["status"] == "in_progress"


async def test_what_has_ended_or_not_begun_is_not_canceled_alone(world: World) -> None:
    with pytest.raises(Conflict, match="has not begun"):
        await stop(world, "octo/a")
    await world.begin()
    await world.fails("octo/a")
    with pytest.raises(Conflict, match="octo/a is failed already"):
        await stop(world, "octo/a")
    with pytest.raises(Conflict, match="octo/a is failed already"):
        await stop(world, "octo/b", "octo/a")
    with pytest.raises(BadInput, match="octo/c is not part of job"):
        await stop(world, "octo/b", "octo/c")
    assert "stopping" not in await world.metadata(), "all or none"


async def test_what_is_canceled_alone_is_shown_so_until_it_has_stopped(world: World) -> None:
    await world.begin()
    shown = await stop(world, "octo/a")
    assert {each.full_name: each.cancel_requested for each in shown.repositories} == {"octo/a": True, "octo/b": False}
    await world.fails("octo/a", "canceled")
    assert not any(each.cancel_requested for each in (await stop(world, "octo/a")).repositories)


async def test_the_workflow_is_told_once_of_each_repository_that_is_canceled_alone(world: World) -> None:
    await world.begin()
    await stop(world, "octo/a")
    [first] = await to_stop(world)
    await stop(world, "octo/b")
    async with world.pool.transaction() as connection:
        await job_signals.heard_to_stop(connection, first)
    [second] = await to_stop(world)
    assert (first.whole, len(first.repositories), len(second.repositories)) == (False, 1, 2)
    async with world.pool.transaction() as connection:
        await job_signals.heard_to_stop(connection, second)
    assert await to_stop(world) == []


async def test_a_job_that_is_canceled_after_a_repository_of_it_is_told_of_again(world: World) -> None:
    await world.begin()
    await stop(world, "octo/a")
    [first] = await to_stop(world)
    async with world.pool.transaction() as connection:
        await job_signals.heard_to_stop(connection, first)
        await job_requests.ask_to_stop(connection, world.job_id, actor=shop.OPERATOR)
    [whole] = await to_stop(world)
    assert whole.whole


async def test_an_attempt_knows_nothing_of_what_the_one_before_was_to_stop(world: World) -> None:
    await world.begin()
    await stop(world, "octo/a")
    await world.fails("octo/a", "canceled")
    await world.fails("octo/b")
    await world.finish()
    await world.retry()
    assert "stopping" not in await world.metadata()


# --- An add-on that ends and returns ----------------------------------------------------------------------------------


async def ends(world: World) -> None:
    await world.host.execute("update subscription_addons set status = 'canceled'")
    await stop_unpaid(world)


async def returns(world: World) -> tuple[str, ...]:
    await world.host.execute("update subscription_addons set status = 'active'")
    async with world.pool.transaction() as connection:
        return await addon_jobs.resume_paid(connection, None)


async def statuses(world: World) -> dict[str, str]:
    return {each.full_name: each.status for each in (await world.look()).repositories}


@pytest.mark.parametrize("heard", [True, False], ids=["it has stopped", "it still stops"])
async def test_a_repository_that_is_canceled_alone_stays_so_when_the_add_on_returns(world: World, heard: bool) -> None:
    await world.begin()
    await stop(world, "octo/a")
    if heard:
        await world.fails("octo/a", "canceled")
    for attempt in (1, 2):  # the next attempt still knows
        await ends(world)
        await world.finish(canceled=True)
        assert await returns(world) == (world.job_id,)
        await world.begin()
        assert ((await world.look()).attempt, await statuses(world)) == (
            attempt,
            {"octo/a": "canceled", "octo/b": "pending"},
        )
    await world.fails("octo/b", "completed")
    await world.finish()
    await world.retry()
    await world.begin()
    assert await statuses(world) == {"octo/a": "pending", "octo/b": "completed"}, "until a person retries it"


@pytest.mark.parametrize("begun", [True, False], ids=["it runs", "it waits for its turn"])
async def test_a_retry_of_some_stays_one_of_these_when_the_add_on_returns(world: World, begun: bool) -> None:
    await world.begin()
    await world.cancel()
    await world.finish(canceled=True)
    await world.retry(repositories=["octo/a"], data_types=["issues"])
    if begun:
        await world.begin()
    await ends(world)
    await world.finish(canceled=True)
    await returns(world)
    await world.begin()
    assert await statuses(world) == {"octo/a": "pending", "octo/b": "canceled"}
    retry = (await world.metadata())["retry"]
    assert (retry["data_types"], retry["requested_by"]) == (["issues"], "purchase")


async def test_a_retry_that_waits_is_done_after_the_add_on_has_returned(world: World) -> None:
    await world.begin()
    await stop(world, "octo/a")
    await world.fails("octo/a", "canceled")
    await world.retry(repositories=["octo/a"])
    await ends(world)
    await world.finish(canceled=True)
    await returns(world)
    await world.begin()
    assert await statuses(world) == {"octo/a": "canceled", "octo/b": "pending"}
    await world.fails("octo/b", "completed")
    assert await world.finish() == "pending"
    await world.begin()
    assert await statuses(world) == {"octo/a": "pending", "octo/b": "completed"}


@pytest.mark.parametrize("when", ["it still stops", "it has stopped", "it never began"])
async def test_a_person_who_cancels_a_job_whose_add_on_has_ended_cancels_it_for_good(world: World, when: str) -> None:
    if when != "it never began":
        await world.begin()
        await world.fails("octo/a")
        await world.retry(repositories=["octo/a"])
    await ends(world)
    if when == "it has stopped":
        await world.finish(canceled=True)
    for _ in range(2):
        await world.cancel(MEMBER)
    if when == "it still stops":
        await world.finish(canceled=True)
    job = await world.look()
    assert (job.status, job.addon_ended_at, job.retries_waiting) == ("canceled", None, 0)
    assert "add-on" not in (job.error_message or "")
    assert [each["action"] for each in await world.audit()].count("cancel") == 1
    assert await returns(world) == ()
    await world.retry(MEMBER)
    await world.begin()
    assert await statuses(world) == {"octo/a": "pending", "octo/b": "pending"}, "until a person retries it"
