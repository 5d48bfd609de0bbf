"""What a job's transitions write: in-app rows and outbox rows, once each, in the transaction that makes them true."""

import asyncio
from typing import Any

import pytest

from messages import Failure, Pace
from store import job_attempts, job_end, job_requests, job_start, outbox
from store.milestones import Milestone
from tests.support.notify.world import PRIVATE, World
from tests.support.shop import OPERATOR

STARTED, COMPLETED, FAILED = (("started", "pending", 0), ("completed", "pending", 0), ("failed", "pending", 0))


async def told(world: World) -> list[str]:
    return [row["status"] for row in await world.host.fetch("select status from notifications order by created_at")]


async def contents(world: World, job_id: str, milestone: str) -> dict[str, Any]:
    rows = await world.host.fetch(
        """
        select content from notification_outbox where backfill_job_id = $1 and milestone = $2
        order by job_attempt desc, channel
        """,
        job_id,
        milestone,
    )
    content: dict[str, Any] = rows[0]["content"]
    return content


async def test_a_job_that_ends_in_the_usual_way_is_told_of_in_every_channel(world: World) -> None:
    await world.ended()
    assert await told(world) == ["started", "completed"]
    assert await world.outbox("mail") == await world.outbox("webhook") == [STARTED, COMPLETED]


async def test_transitions_that_are_done_twice_are_told_once(world: World) -> None:
    job_id = await world.begin()
    async with world.database.transaction() as connection:
        await job_start.begin(connection, job_id, Pace())
    await world.end(job_id)
    await world.end(job_id)
    assert await told(world) == ["started", "completed"]
    assert await world.outbox() == [STARTED, COMPLETED]


async def test_a_milestone_that_is_written_twice_is_one_row(world: World) -> None:
    job_id = await world.begin()
    content = Milestone.model_validate(await contents(world, job_id, "started"))
    async with world.database.transaction() as connection:
        await outbox.write(connection, content)
    assert await world.outbox("mail") == await world.outbox("webhook") == [STARTED]


async def test_a_transaction_that_is_rolled_back_tells_nothing(world: World) -> None:
    job_id = await world.begin()
    with pytest.raises(ZeroDivisionError):
        async with world.database.transaction() as connection:
            await job_end.finish(connection, job_id, 0, canceled=False)
            assert await connection.fetchval("select count(*) from notification_outbox") == 4
            raise ZeroDivisionError
    assert await told(world) == ["started"]
    assert await world.outbox() == [STARTED]


async def test_a_retry_tells_of_its_end_and_not_of_its_beginning(world: World) -> None:
    job_id = await world.ended("octo/b")
    async with world.database.transaction() as connection:
        await job_requests.ask_again(connection, job_id, actor=OPERATOR)
        await job_start.begin(connection, job_id, Pace())
    assert await world.outbox() == [STARTED, COMPLETED]
    await world.end(job_id, attempt=1)
    assert await told(world) == ["started", "completed", "completed"]
    assert await world.outbox() == [STARTED, COMPLETED, COMPLETED]


async def test_a_canceled_job_tells_nothing_of_its_end(world: World) -> None:
    job_id = await world.begin()
    async with world.database.transaction() as connection:
        await job_end.finish(connection, job_id, 0, canceled=True)
    assert await told(world) == ["started"]
    assert await world.outbox() == [STARTED]


async def test_a_job_whose_every_repository_failed_is_told_of_as_failed(world: World) -> None:
    await world.ended("octo/a", "octo/b")
    assert await told(world) == ["started", "failed"]
    assert await world.outbox() == [STARTED, FAILED]


async def test_a_job_that_is_ended_from_outside_is_told_of_as_failed(world: World) -> None:
    job_id = await world.begin()
    reason = Failure(code="workflow_ended", message="its workflow was terminated", action="Retry it")
    async with world.database.transaction() as connection:
        await job_attempts.end(connection, job_id, status="failed", reason=reason)
    assert await told(world) == ["started", "failed"]
    content = await contents(world, job_id, "failed")
    assert [each["repository"] for each in content["failures"]] == ["octo/a", "octo/b"]
    assert content["failures"][0]["action"] == "Retry it"


async def test_failures_are_named_with_what_can_be_done(world: World) -> None:
    content = await contents(world, await world.ended("octo/b"), "completed")
    assert content["title"] == "Backfill of acme completed with failures"
    assert (content["failed_repositories"], content["total_repositories"]) == (1, 2)
    assert content["failures"] == [
        {
            "repository": "octo/b",
            "data_type": "issues",
            "code": "forbidden",
            "message": PRIVATE.message,
            "action": PRIVATE.action,
        }
    ]


async def gone_as_a_whole(world: World) -> None:
    """The jobs' last failure is that of `octo/a`, which is gone."""
    gone = {"repository": "octo/a", "data_type": None, "code": "gone", "message": "404", "action": "Remove it"}
    await world.host.execute("update workspace_backfill_jobs set error_details = error_details || $1", [gone])


async def test_what_failed_before_a_retry_is_not_named_again(world: World) -> None:
    job_id = await world.ended("octo/a", "octo/b")
    await gone_as_a_whole(world)
    async with world.database.transaction() as connection:
        await job_requests.ask_again(connection, job_id, actor=OPERATOR)
        await job_start.begin(connection, job_id, Pace())
    taken_down = Failure(code="taken_down", message="GitHub took it down", action="Ask GitHub")
    await world.end(job_id, "octo/b", attempt=1, failure=taken_down)
    content = await contents(world, job_id, "completed")
    assert [(each["repository"], each["code"]) for each in content["failures"]] == [("octo/b", "taken_down")]
    assert content["attempt"] == 1


async def test_a_repository_that_failed_as_a_whole_is_named_once(world: World) -> None:
    job_id = await world.ended("octo/a", "octo/b")
    await gone_as_a_whole(world)
    async with world.database.transaction() as connection:
        await job_requests.ask_again(connection, job_id, actor=OPERATOR)
        await job_start.begin(connection, job_id, Pace())
    await world.host.execute("update workspace_backfill_progress set status = 'failed'")
    async with world.database.transaction() as connection:
        await job_end.finish(connection, job_id, 1, canceled=False)
    rows = await world.host.fetch("select content from notification_outbox where job_attempt = 1")
    named = [(each["repository"], each["data_type"]) for each in rows[0]["content"]["failures"]]
    assert named == [("octo/a", None), ("octo/b", "issues")]


async def test_the_beginning_says_of_how_many_repositories(world: World) -> None:
    content = await contents(world, await world.begin(), "started")
    assert (content["total_repositories"], content["completed_repositories"], content["stored"]) == (2, 0, {})


async def test_stored_rows_are_counted_by_kind(world: World) -> None:
    job_id = await world.begin()
    await world.host.execute("update workspace_backfill_progress set issues_count = 7, events_count = 1000")
    await world.end(job_id)
    assert (await contents(world, job_id, "completed"))["stored"] == {"issues": 14, "events": 2000}


async def test_who_switched_in_app_notifications_off_gets_no_rows(world: World) -> None:
    await world.switch('{"notifications": {"in_app": false}}')
    await world.ended()
    assert await told(world) == []
    assert await world.outbox() == [STARTED, COMPLETED]


async def test_an_owner_who_switched_notifications_off_gets_no_rows(world: World) -> None:
    await world.host.execute("update workspace_members set notifications_enabled = false")
    await world.ended()
    assert await told(world) == []


@pytest.mark.parametrize(
    "settings", ["null", '"text"', "[]", '{"notifications": true}', '{"notifications": {"email": 1}}']
)
async def test_settings_of_another_shape_switch_nothing_off(world: World, settings: str) -> None:
    await world.switch(settings)
    await world.ended()
    assert await told(world) == ["started", "completed"]


async def test_two_that_end_a_job_at_once_tell_once(world: World) -> None:
    job_id = await world.begin()

    async def finish() -> None:
        async with world.database.transaction() as connection:
            await job_end.finish(connection, job_id, 0, canceled=False)

    await asyncio.gather(*(finish() for _ in range(5)))
    assert await told(world) == ["started", "completed"]
    assert await world.outbox() == [STARTED, COMPLETED]
