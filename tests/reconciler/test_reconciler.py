"""Postgres and Temporal come to one mind about jobs, whichever was away and whoever was killed in between."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
import structlog
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import Client, WorkflowHandle

import reconciler.loop as ours
from errors import Unreachable
from messages import DATA_TYPES, Failure, workspace_workflow_id
from polar.inbox import Inbox
from reconciler.lives import describe
from reconciler.loop import Reconciler
from reconciler.telling import signal
from sandbox.ports import LOOPBACK
from sandbox.temporal import Temporal
from store import addon_jobs, job_requests, job_signals, job_views
from store.database import Database
from tests.support import shop
from tests.support.listener import heard
from tests.support.waiting import PATIENCE, eventually, so


@dataclass
class World:
    """A workspace with two repositories, and a reconciler that has no loop of its own."""

    database: Database
    host: asyncpg.Connection
    client: Client
    reconciler: Reconciler
    workspace_id: str
    task_queue: str

    @property
    def workflow(self) -> WorkflowHandle[Any, Any]:
        return self.client.get_workflow_handle(workspace_workflow_id(self.workspace_id))

    async def job(self, **columns: Any) -> str:
        """A job, with columns as if something had happened to it."""
        async with self.database.transaction() as connection:
            job_id = await job_requests.ask_for(connection, workspace=self.workspace_id, actor=shop.OPERATOR)
        for name, value in columns.items():
            await self.host.execute(f"update workspace_backfill_jobs set {name} = $2 where id = $1", job_id, value)
        return job_id

    async def signaled(self, job_id: str) -> datetime | None:
        at: datetime | None = await self.host.fetchval(
            "select signaled_at from workspace_backfill_jobs where id = $1", job_id
        )
        return at

    async def begin(self, job_id: str) -> None:
        """As the workflow's first activity leaves it, one sweep in its middle."""
        await self.host.execute("update workspace_backfill_jobs set status = 'in_progress' where id = $1", job_id)
        await self.host.execute(
            """
            insert into workspace_backfill_progress (backfill_job_id, repository_id, status, metadata)
            select $1, repository_id, 'in_progress', '{"waiting_until": "2026-11-23T14:05:00Z"}'
            from workspace_repositories where workspace_id = $2
            """,
            job_id,
            self.workspace_id,
        )
        await self.host.execute(
            """
            insert into backfill_sweeps (backfill_job_id, repository_id, data_type, status, position, lease_token)
            select $1, id, 'pull_requests', 'in_progress', '{"cursor": "abc"}', 7 from repositories
            where full_name = 'octo/a'
            """,
            job_id,
        )

    async def signal(self, job_id: str) -> None:
        async with self.database.transaction() as connection:
            [unheard] = await job_signals.unheard(connection, job_id=job_id)
        await signal(self.client, self.database, unheard, usable=frozenset(), task_queue=self.task_queue)

    async def look(self, job_id: str) -> dict[str, Any]:
        [job] = await self.host.fetch("select * from workspace_backfill_jobs where id = $1", job_id)
        return dict(job)


@pytest.fixture
async def world(module_database: str, temporal_client: Client, listened_queue: str) -> AsyncIterator[World]:
    async with Database(module_database) as pool, shop.emptied(module_database) as host:
        workspace_id = await shop.workspace(host, await shop.buyer(host), "octo/a", "octo/b")
        reconciler = Reconciler(pool, task_queue=listened_queue, client=temporal_client)
        yield World(pool, host, temporal_client, reconciler, workspace_id, listened_queue)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ours, "QUIET", timedelta(0))


class TestHearing:
    """What was committed is signaled, once, in the order in which it was asked for."""

    async def test_jobs_that_nobody_signaled_are_signaled_in_order(self, world: World) -> None:
        asked = [await world.job() for _ in range(3)]
        await world.reconciler.reconcile()
        await world.reconciler.reconcile()
        assert await heard(world.client, world.workspace_id) == [{"signal": "run", "job_id": each} for each in asked]
        described = await world.workflow.describe()
        for job_id in asked:
            job = await world.look(job_id)
            assert (job["status"], job["metadata"]["first_run_id"]) == ("pending", described.run_id)
            assert job["signaled_at"]
        assert await described.static_summary() == f"Backfill of {(await self.name(world))}"
        attributes = {pair.key.name: pair.value for pair in described.typed_search_attributes}
        ours_among_them = {"WorkspaceId": world.workspace_id, "RetentionDays": 30, "BackfillStatus": "pending"}
        assert ours_among_them.items() <= attributes.items()

    async def name(self, world: World) -> str:
        name: str = await world.host.fetchval("select name from workspaces")
        return name

    async def test_a_retry_is_signaled_with_its_selection(self, world: World) -> None:
        selection = {"repository_ids": [str(uuid.uuid4())], "data_types": ["issues"], "requested_at": "2026-11-23"}
        job_id = await world.job(attempt=1, metadata={"retry": selection, "kept": True})
        await world.reconciler.reconcile()
        [signal] = await heard(world.client, world.workspace_id)
        assert signal == {
            "signal": "retry",
            "job_id": job_id,
            "repository_ids": selection["repository_ids"],
            "data_types": ["issues"],
            "attempt": 1,
        }
        assert (await world.look(job_id))["metadata"].keys() == {"retry", "kept", "first_run_id"}

    @pytest.mark.parametrize("status", ["in_progress", "completed", "failed", "canceled"])
    async def test_only_pending_jobs_are_signaled(self, world: World, status: str) -> None:
        await world.job(status=status)
        async with world.database.transaction() as connection:
            assert await job_signals.unheard(connection) == []

    async def test_a_job_in_progress_that_is_to_stop_is_told_to_its_workflow_once(self, world: World) -> None:
        job_id = await world.job()
        await world.reconciler.reconcile()
        await world.begin(job_id)
        async with world.database.transaction() as connection:
            await job_requests.ask_to_stop(connection, job_id, actor=shop.OPERATOR)
        await world.reconciler.reconcile()
        await world.reconciler.reconcile()
        assert [each["signal"] for each in await heard(world.client, world.workspace_id)] == ["run", "cancel"]
        assert (await world.look(job_id))["status"] == "in_progress", "it stops at the boundary of a page"

    async def test_a_repository_that_is_to_stop_is_told_to_its_jobs_workflow_once(self, world: World) -> None:
        job_id = await world.job()
        await world.reconciler.reconcile()
        await world.begin(job_id)
        async with world.database.transaction() as connection:
            [one, *_] = (await job_views.read(connection, job_id)).repositories
            await job_requests.ask_to_stop_repositories(connection, job_id, [one.full_name], actor=shop.OPERATOR)
        await world.reconciler.reconcile()
        await world.reconciler.reconcile()
        assert [each["signal"] for each in await heard(world.client, world.workspace_id)] == ["run", "cancel"]
        assert "cancel_requested_at" not in (await world.look(job_id))["metadata"], "the others go on"

    async def test_a_workflow_that_is_gone_is_started_again_for_a_pending_job(self, world: World) -> None:
        job_id = await world.job()
        await world.reconciler.reconcile()
        before = await world.look(job_id)
        await world.workflow.terminate("by a test")
        await world.reconciler.reconcile()
        assert await heard(world.client, world.workspace_id) == [{"signal": "run", "job_id": job_id}]
        after = await world.look(job_id)
        assert after["signaled_at"] > before["signaled_at"]
        assert after["metadata"]["first_run_id"] == (await world.workflow.describe()).run_id

    async def test_a_pending_job_that_another_workflow_was_to_do_is_told_to_the_one_that_runs(
        self, world: World
    ) -> None:
        first = await world.job()
        await world.reconciler.reconcile()
        await world.workflow.terminate("by a test")
        second = await world.job()
        await world.signal(second)
        await world.reconciler.reconcile()
        assert [each["job_id"] for each in await heard(world.client, world.workspace_id)] == [second, first]

    async def test_a_run_that_continued_as_new_still_carries_its_jobs(self, world: World) -> None:
        waiting, running = await world.job(), await world.job()
        await world.reconciler.reconcile()
        await world.begin(running)
        first_run_id = (await world.workflow.describe()).run_id
        await world.workflow.signal("obey", "continue")
        await eventually(lambda: changed(world, first_run_id))
        late = await world.job()
        await world.reconciler.reconcile()
        await world.reconciler.reconcile()
        assert await heard(world.client, world.workspace_id) == [{"signal": "run", "job_id": late}]
        for job_id in (waiting, running, late):
            assert (await world.look(job_id))["metadata"]["first_run_id"] == first_run_id
        assert (await world.look(running))["status"] == "in_progress"

    async def test_a_workflow_that_ends_without_its_job_is_not_started_again_every_second(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job_id = await world.job()
        await world.reconciler.reconcile()
        await world.workflow.terminate("by a test")
        monkeypatch.setattr(ours, "QUIET", timedelta(seconds=60))
        await world.reconciler.reconcile()
        assert (await world.workflow.describe()).status is not None
        assert (await world.look(job_id))["signaled_at"]
        await world.host.execute("update workspace_backfill_jobs set signaled_at = now() - interval '61 s'")
        await world.reconciler.reconcile()
        assert await heard(world.client, world.workspace_id) == [{"signal": "run", "job_id": job_id}]


async def changed(world: World, run_id: str) -> bool:
    return (await world.workflow.describe()).run_id != run_id


class TestOrphans:
    """A job in progress whose workflow is gone ends with the reason, and so does what it was at."""

    @pytest.mark.parametrize(
        ("end", "code", "words"),
        [
            ("terminate", "workflow_terminated", "was terminated in Temporal"),
            ("fail", "workflow_failed", "failed in Temporal"),
            ("complete", "workflow_completed", "ended in Temporal"),
            ("cancel", "workflow_canceled", "was canceled in Temporal"),
            ("replace", "workflow_replaced", "was replaced in Temporal by another one"),
            ("never was", "workflow_gone", "is not known to Temporal any more"),
        ],
    )
    async def test_it_fails_by_name_with_everything_open(self, world: World, end: str, code: str, words: str) -> None:
        job_id = await world.job()
        if end != "never was":
            await world.reconciler.reconcile()
            await self.end(world, end)
        await world.begin(job_id)
        await world.reconciler.reconcile()

        job = await world.look(job_id)
        assert job["status"] == "failed"
        assert job["error_message"] == (
            f"the workflow {words} while the job was in progress"
            f" (`starter.py retry {job_id}` resumes at the committed cursors)"
        )
        assert (job["completed_repositories"], job["failed_repositories"]) == (0, 2)
        assert job["completed_at"]
        assert [
            (each["repository"], each["data_type"], each["cursor"], each["code"], each["error_class"])
            for each in job["error_details"]
        ] == [
            ("octo/a", "pull_requests", "abc", code, "job_over"),
            ("octo/b", None, None, code, "job_over"),
        ]
        assert job["metadata"]["errors"] == job["error_details"]
        [told] = await shop.rows(world.host, "notifications")
        assert (told["operation_type"], told["operation_id"], told["status"]) == ("backfill", job_id, "failed")
        assert told["user_id"] == await world.host.fetchval("select auth_user_id from app_users")
        assert told["message"] == job["error_message"]
        for progress in await shop.rows(world.host, "workspace_backfill_progress"):
            assert (progress["status"], set(progress["data_types_failed"])) == ("failed", set(DATA_TYPES))
            assert progress["error_message"] == f"{code}: the workflow {words} while the job was in progress"
            assert "waiting_until" not in progress["metadata"]
        [sweep] = await shop.rows(world.host, "backfill_sweeps")
        assert (sweep["status"], sweep["error"]["code"], sweep["position"]) == ("failed", code, {"cursor": "abc"})
        assert sweep["lease_token"] == 8, "whoever still holds the lease can commit no more"

    async def end(self, world: World, how: str) -> None:
        match how:
            case "terminate" | "replace":
                await world.workflow.terminate("by a test")
            case "cancel":
                await world.workflow.cancel()
            case _:
                await world.workflow.signal("obey", how)
        await eventually(lambda: ended(world))
        if how == "replace":
            await world.signal(await world.job())

    async def test_one_that_was_to_be_canceled_is_canceled(self, world: World) -> None:
        job_id = await world.job()
        await world.reconciler.reconcile()
        await world.begin(job_id)
        async with world.database.transaction() as connection:
            await job_requests.ask_to_stop(connection, job_id, actor=shop.OPERATOR)
        await world.workflow.terminate("by a test")
        await world.reconciler.reconcile()
        job = await world.look(job_id)
        assert (job["status"], job["error_details"]) == ("canceled", [])
        for table in ("workspace_backfill_progress", "backfill_sweeps"):
            assert {row["status"] for row in await shop.rows(world.host, table)} == {"canceled"}

    async def test_what_had_ended_before_stays_as_it_ended(self, world: World) -> None:
        job_id = await world.job()
        await world.reconciler.reconcile()
        await world.begin(job_id)
        await world.host.execute(
            """
            update workspace_backfill_progress set status = 'completed', data_types_completed = '{pull_requests,issues}'
            where repository_id = (select id from repositories where full_name = 'octo/b')
            """
        )
        await world.workflow.terminate("by a test")
        await world.reconciler.reconcile()
        job = await world.look(job_id)
        assert (job["status"], job["completed_repositories"], job["failed_repositories"]) == ("failed", 1, 1)
        assert [each["repository"] for each in job["error_details"]] == ["octo/a"]

    async def test_a_workflow_that_wrote_its_jobs_end_and_ended_is_not_contradicted(self, world: World) -> None:
        job_id = await world.job()
        await world.reconciler.reconcile()
        await world.begin(job_id)
        async with world.database.transaction() as connection:
            [seen] = await job_signals.heard_and_open(connection, quiet=timedelta(0))
        await world.host.execute("update workspace_backfill_jobs set status = 'completed'")
        async with world.database.transaction() as connection:
            assert await job_signals.abandon(connection, seen, REASON) is None
        assert (await world.look(job_id))["status"] == "completed"

    async def test_a_job_that_was_retried_meanwhile_is_left_alone(self, world: World) -> None:
        job_id = await world.job()
        await world.reconciler.reconcile()
        await world.begin(job_id)
        async with world.database.transaction() as connection:
            [seen] = await job_signals.heard_and_open(connection, quiet=timedelta(0))
        await world.host.execute("update workspace_backfill_jobs set attempt = 1")
        async with world.database.transaction() as connection:
            assert await job_signals.abandon(connection, seen, REASON) is None
            assert await job_signals.forget(connection, replace(seen, status="pending")) is False

    async def test_a_cancellation_that_came_after_the_look_counts(self, world: World) -> None:
        job_id = await world.job()
        await world.reconciler.reconcile()
        await world.begin(job_id)
        async with world.database.transaction() as connection:
            [seen] = await job_signals.heard_and_open(connection, quiet=timedelta(0))
        await world.host.execute(
            "update workspace_backfill_jobs set metadata = metadata || jsonb_build_object('cancel_requested_at', now())"
        )
        async with world.database.transaction() as connection:
            assert await job_signals.abandon(connection, seen, REASON) == "canceled"
        assert (await world.look(job_id))["status"] == "canceled"

    async def test_a_job_that_began_meanwhile_was_heard(self, world: World) -> None:
        job_id = await world.job()
        await world.reconciler.reconcile()
        async with world.database.transaction() as connection:
            [seen] = await job_signals.heard_and_open(connection, quiet=timedelta(0))
        await world.begin(job_id)
        async with world.database.transaction() as connection:
            assert await job_signals.forget(connection, seen) is False
        assert (await world.look(job_id))["signaled_at"]

    async def test_a_job_whose_workflow_runs_is_left_alone(self, world: World) -> None:
        job_id = await world.job()
        await world.reconciler.reconcile()
        await world.begin(job_id)
        before = await world.look(job_id)
        await world.reconciler.reconcile()
        assert await world.look(job_id) == before

    async def test_a_workflow_that_an_operator_has_reset_goes_on_with_its_job(self, world: World) -> None:
        job_id = await world.job()
        await world.reconciler.reconcile()
        await world.begin(job_id)
        await heard(world.client, world.workspace_id)  # so that its first task is done
        before = await world.workflow.describe()
        [task, *_] = [
            event.event_id
            for event in (await world.workflow.fetch_history()).events
            if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
        ]
        await world.client.workflow_service.reset_workflow_execution(
            ResetWorkflowExecutionRequest(
                namespace=world.client.namespace,
                workflow_execution=WorkflowExecution(workflow_id=before.id, run_id=before.run_id),
                workflow_task_finish_event_id=task,
                request_id=str(uuid.uuid4()),
            )
        )
        await eventually(lambda: changed(world, before.run_id))
        await world.reconciler.reconcile()
        assert (await world.look(job_id))["status"] == "in_progress"

    async def test_one_process_compares_at_a_time(self, world: World) -> None:
        job_id = await world.job()
        await world.reconciler.reconcile()
        await world.begin(job_id)
        await world.workflow.terminate("by a test")
        async with world.database.transaction() as connection:
            ends_at = await job_signals.take_comparison_lease(connection, timedelta(hours=1))
        assert ends_at is not None
        await world.reconciler.reconcile()
        assert (await world.look(job_id))["status"] == "in_progress"
        async with world.database.transaction() as connection:
            await job_signals.end_comparison_lease(connection, ends_at - timedelta(seconds=1))  # an earlier one
            assert await job_signals.take_comparison_lease(connection, timedelta(hours=1)) is None
            await job_signals.end_comparison_lease(connection, ends_at)
        await world.reconciler.reconcile()
        assert (await world.look(job_id))["status"] == "failed"

    async def test_the_latest_hundred_failures_are_in_metadata(self, world: World) -> None:
        job_id = await world.job()
        await world.reconciler.reconcile()
        await world.begin(job_id)
        await world.host.execute(
            """
            update workspace_backfill_jobs set metadata = metadata || jsonb_build_object('errors',
                (select jsonb_agg(jsonb_build_object('number', n)) from generate_series(1, 99) n))
            """
        )
        await world.workflow.terminate("by a test")
        await world.reconciler.reconcile()
        job = await world.look(job_id)
        assert [each.get("number") for each in job["metadata"]["errors"]] == [*range(2, 100), None, None]


REASON = Failure(code="workflow_terminated", message="the workflow was terminated")


async def ended(world: World) -> bool:
    return (await describe(world.client, world.workspace_id)).end is not None


async def test_an_addon_lapses_while_temporal_is_away(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    buyer = shop.Buyer(*(await world.host.fetchrow("select auth_user_id, id from app_users") or ()))
    ends = datetime.now(UTC) + timedelta(hours=1)
    canceled = shop.event(buyer=buyer, cancel_at_period_end=True, ends_at=ends.isoformat())
    await shop.deliver(world.host, canceled)
    assert await Inbox(world.database, shop.PRODUCTS, created=lambda: None).finish_one()
    await world.host.execute(
        """
        update subscription_addons set expires_at = now(),
            metadata = metadata || '{"ends_at": "2026-01-01T00:00:00Z"}'
        """
    )
    monkeypatch.setenv("TEMPORAL_ADDRESS", f"{LOOPBACK}:1")
    with pytest.raises(Unreachable):
        await Reconciler(world.database, task_queue=world.task_queue).reconcile()
    assert await world.host.fetchval("select status from subscription_addons") == "expired"
    assert await world.host.fetchval("select data_retention_days from workspaces") == 30


class TestMembership:
    """What is added to a workspace whose owner bought retention is fetched too, once, and alone."""

    @pytest.fixture
    async def bought(self, world: World) -> asyncpg.Record:
        """A purchase of 365 days whose job has begun with both repositories."""
        buyer = await world.host.fetchrow(
            "select u.auth_user_id, u.id as app_user_id, s.id as subscription_id from app_users u"
            " join subscriptions s on s.user_id = u.auth_user_id"
        )
        addon = await world.host.fetchrow(
            """
            insert into subscription_addons (user_id, addon_type, retention_days, status, polar_subscription_id)
            values ($1, 'extended_data_retention', 365, 'active', 'p') returning id, retention_days, status
            """,
            buyer and buyer["auth_user_id"],
        )
        assert buyer is not None and addon is not None
        async with world.database.transaction() as connection:
            [job_id] = await addon_jobs.create_bought(
                connection, buyer["app_user_id"], addon_id=addon["id"], retention_days=365, purchase_key="p:365"
            )
        await world.begin(job_id)
        return addon

    async def add(self, world: World, full_name: str) -> uuid.UUID:
        repository_id: uuid.UUID = await world.host.fetchval(
            "insert into repositories (github_id, owner, name, full_name) values (99, 'octo', 'c', $1) returning id",
            full_name,
        )
        await world.host.execute(
            "insert into workspace_repositories (workspace_id, repository_id) values ($1, $2)",
            world.workspace_id,
            repository_id,
        )
        return repository_id

    async def end(self, world: World, job_id: uuid.UUID, repository_id: uuid.UUID, status: str) -> None:
        await world.host.execute(
            "insert into workspace_backfill_progress (backfill_job_id, repository_id, status) values ($1, $2, $3)",
            job_id,
            repository_id,
            status,
        )

    async def added(self, world: World) -> list[Any]:
        async with world.database.transaction() as connection:
            await addon_jobs.create_added(connection)
        rows = await shop.rows(world.host, "workspace_backfill_jobs", "created_at")
        return [row for row in rows if row["requested_by"] == "reconciler"]

    @pytest.mark.usefixtures("bought")
    async def test_nothing_was_added(self, world: World) -> None:
        assert await self.added(world) == []

    async def test_it_gets_a_job_of_its_own(self, world: World, bought: asyncpg.Record) -> None:
        repository_id = await self.add(world, "octo/c")
        [job] = await self.added(world)
        assert (job["repositories_selected"], job["total_repositories"]) == ([repository_id], 1)
        assert (job["retention_days"], job["subscription_addon_id"]) == (365, bought["id"])
        assert (job["status"], job["backfill_types"], job["purchase_key"]) == ("pending", list(DATA_TYPES), None)
        assert job["cutoff_at"] == job["created_at"] - timedelta(days=365)
        assert len(await self.added(world)) == 1, "once"
        await self.end(world, job["id"], repository_id, "failed")
        await world.host.execute("update workspace_backfill_jobs set status = 'failed' where id = $1", job["id"])
        assert len(await self.added(world)) == 1, "what failed is to be retried, not bought again"

    @pytest.mark.usefixtures("bought")
    async def test_a_job_that_has_not_begun_will_take_it_along(self, world: World) -> None:
        await world.host.execute("update workspace_backfill_jobs set status = 'pending'")
        await self.add(world, "octo/c")
        assert await self.added(world) == []

    @pytest.mark.usefixtures("bought")
    @pytest.mark.parametrize("begun", [False, True])
    async def test_a_job_of_some_types_leaves_the_others_to_a_job_of_its_own(self, world: World, begun: bool) -> None:
        """Somebody asks for one type of a repository right after adding it, before the reconciler has looked."""
        repository_id = await self.add(world, "octo/c")
        async with world.database.transaction() as connection:
            job_id = await job_requests.ask_for(
                connection,
                workspace=world.workspace_id,
                actor=shop.OPERATOR,
                repositories=["octo/c"],
                data_types=["issues"],
            )
        if begun:
            await self.end(world, uuid.UUID(job_id), repository_id, "completed")
            await world.host.execute("update workspace_backfill_jobs set status = 'completed' where id = $1", job_id)
        for _ in range(2):
            [job] = await self.added(world)
            assert (job["repositories_selected"], job["backfill_types"]) == ([repository_id], list(DATA_TYPES))

    @pytest.mark.usefixtures("bought")
    async def test_a_job_of_all_types_that_somebody_asked_for_covers_it(self, world: World) -> None:
        await self.add(world, "octo/c")
        await world.job()
        assert await self.added(world) == []

    @pytest.mark.usefixtures("bought")
    async def test_what_was_removed_and_added_again_is_fetched(self, world: World) -> None:
        repository_id = await self.add(world, "octo/c")
        [job] = await self.added(world)
        await self.end(world, job["id"], repository_id, "skipped")
        await world.host.execute("update workspace_backfill_jobs set status = 'completed' where id = $1", job["id"])
        assert len(await self.added(world)) == 2

    @pytest.mark.usefixtures("bought")
    async def test_what_was_away_while_one_of_its_types_ended_is_fetched(self, world: World) -> None:
        repository_id = await self.add(world, "octo/c")
        [job] = await self.added(world)
        await self.end(world, job["id"], repository_id, "completed")
        await world.host.execute("update workspace_backfill_jobs set status = 'completed' where id = $1", job["id"])
        assert len(await self.added(world)) == 1
        await world.host.execute(
            "insert into backfill_sweeps (backfill_job_id, repository_id, data_type, status, error)"
            " values ($1, $2, 'issues', 'skipped', $3)",
            job["id"],
            repository_id,
            {"code": "issues_disabled"},
        )
        assert len(await self.added(world)) == 1
        await world.host.execute("update backfill_sweeps set error = $1", {"code": "removed"})
        for _ in range(2):
            assert len(await self.added(world)) == 2, "once"

    @pytest.mark.usefixtures("bought")
    @pytest.mark.parametrize("status", ["canceled", "expired", "inactive"])
    async def test_not_for_what_is_no_longer_paid_for(self, world: World, status: str) -> None:
        await world.host.execute("update subscription_addons set status = $1", status)
        await self.add(world, "octo/c")
        assert await self.added(world) == []

    @pytest.mark.usefixtures("bought")
    async def test_the_reconciler_looks(self, world: World) -> None:
        await self.add(world, "octo/c")
        await world.reconciler.reconcile()
        rows = await shop.rows(world.host, "workspace_backfill_jobs")
        assert sorted(row["requested_by"] for row in rows) == ["purchase", "reconciler"]


class TestTheLoop:
    """Runs beside other things for as long as they do, whoever is away."""

    @asynccontextmanager
    async def running(self, reconciler: Reconciler) -> AsyncIterator[None]:
        stop = asyncio.Event()
        loop = asyncio.create_task(reconciler.run(stop))
        yield
        stop.set()
        await asyncio.wait_for(loop, PATIENCE)

    async def test_a_termination_is_in_the_row(self, world: World) -> None:
        job_id = await world.job()
        async with self.running(world.reconciler):
            await eventually(lambda: world.host.fetchval("select signaled_at from workspace_backfill_jobs"))
            await world.begin(job_id)
            await world.workflow.terminate("by a test")
            failed = "select status = 'failed' from workspace_backfill_jobs"
            await eventually(lambda: world.host.fetchval(failed))

    async def test_a_job_that_was_announced_is_signaled_at_once(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(ours, "INTERVAL", timedelta(hours=1))
        first = await world.job()
        async with self.running(world.reconciler):
            # The first is found by the round that the loop begins with.
            await eventually(lambda: world.signaled(first))
            second = await world.job()
            world.reconciler.hurry()
            await eventually(lambda: world.signaled(second))

    async def test_temporal_away_is_said_once_and_changes_nothing(
        self, world: World, monkeypatch: pytest.MonkeyPatch, temporal: Temporal
    ) -> None:
        monkeypatch.setattr(ours, "INTERVAL", timedelta(milliseconds=50))
        monkeypatch.setenv("TEMPORAL_ADDRESS", f"{LOOPBACK}:1")
        waiting, running = await world.job(), await world.job(metadata={"first_run_id": "before"})
        await world.begin(running)
        before = [await world.look(each) for each in (waiting, running)]
        reconciler = Reconciler(world.database, task_queue=world.task_queue)
        with structlog.testing.capture_logs() as logs:
            async with self.running(reconciler):
                await eventually(lambda: trouble(reconciler))
                await asyncio.sleep(0.5)
                assert [await world.look(each) for each in (waiting, running)] == before
                monkeypatch.setenv("TEMPORAL_ADDRESS", temporal.address)
                signaled = "select count(*) from workspace_backfill_jobs where signaled_at is not null"
                await eventually(lambda: world.host.fetchval(signaled))
            assert reconciler.trouble is None
        assert [each["event"] for each in logs if "job" not in each] == [
            "jobs wait for a server",
            "jobs are reconciled again",
        ]

    async def test_a_bug_does_not_end_it(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(ours, "INTERVAL", timedelta(milliseconds=50))
        await world.host.execute("alter table workspace_backfill_jobs rename to elsewhere")
        with structlog.testing.capture_logs() as logs:
            async with self.running(world.reconciler):
                await eventually(so(lambda: "UndefinedTableError" in (world.reconciler.trouble or "")))
                await world.host.execute("alter table elsewhere rename to workspace_backfill_jobs")
                await world.job()
                await eventually(lambda: world.host.fetchval("select signaled_at from workspace_backfill_jobs"))
        assert [each["event"] for each in logs].count("jobs cannot be reconciled") == 1


async def trouble(reconciler: Reconciler) -> str | None:
    return reconciler.trouble


async def test_every_hour_old_deliveries_are_forgotten(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await shop.deliver(world.host, {"type": "of old"}, {"type": "of now"})
    await world.host.execute(
        "update webhook_deliveries set received_at = now() - interval '91 days' where type = 'of old'"
    )
    await world.reconciler.reconcile()
    assert await world.host.fetchval("select count(*) from webhook_deliveries") == 2  # the hour is not over
    monkeypatch.setattr(ours, "FORGETTING", timedelta(0))
    await world.reconciler.reconcile()
    assert [each["type"] for each in await shop.rows(world.host, "webhook_deliveries")] == ["of now"]
