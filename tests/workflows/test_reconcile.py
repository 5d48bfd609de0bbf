"""The schedule that asks Polar, and what becomes of a run of it."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from temporalio import activity
from temporalio.client import Client, ScheduleHandle, ScheduleOverlapPolicy, WorkflowFailureError
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from messages import RECONCILE, Reconciled, reconcile_schedule_id
from polar.schedule import ReconcileActivity, ensure_schedule
from store.database import Database
from tests.support.waiting import eventually
from workflows.reconcile import ReconcileWorkflow

FOUND = Reconciled(
    listed=20, active=20, differences=2, repaired=1, refused=0, redelivered=0, forgotten=0, said=["begin: somebody"]
)


class Polar:
    """The activity's place, taken."""

    def __init__(self, *answers: Reconciled | Exception) -> None:
        self.answers = list(answers)

    @activity.defn(name="reconcile_with_polar")
    async def reconcile_with_polar(self) -> Reconciled:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
async def queue(temporal_client: Client) -> AsyncIterator[str]:
    queue = f"test-{uuid.uuid4().hex[:12]}"
    yield queue
    for handle in await schedules(temporal_client, queue):
        await handle.delete()


async def schedules(client: Client, queue: str) -> list[ScheduleHandle]:
    listed = [each.id async for each in await client.list_schedules()]
    return [client.get_schedule_handle(each) for each in listed if each == reconcile_schedule_id(queue)]


async def run(client: Client, queue: str, polar: Polar) -> Reconciled:
    async with Worker(client, task_queue=queue, workflows=[ReconcileWorkflow], activities=[polar.reconcile_with_polar]):
        reconciled: Reconciled = await client.execute_workflow(
            RECONCILE, id=f"{queue}-run", task_queue=queue, result_type=Reconciled
        )
        return reconciled


async def test_any_number_of_workers_make_one_schedule_which_stays_as_its_operators_left_it(
    temporal_client: Client, queue: str
) -> None:
    await asyncio.gather(*(ensure_schedule(temporal_client, queue) for _ in range(3)))
    handle = temporal_client.get_schedule_handle(reconcile_schedule_id(queue))
    described = await handle.describe()
    policy = described.schedule.policy
    assert policy.overlap == ScheduleOverlapPolicy.SKIP
    assert policy.catchup_window == timedelta(minutes=10)
    assert [each.every for each in described.schedule.spec.intervals] == [timedelta(hours=1)]

    await handle.pause(note="Polar is down")
    await ensure_schedule(temporal_client, queue)
    state = (await handle.describe()).schedule.state
    assert (state.paused, state.note) == (True, "Polar is down")


async def test_the_schedule_starts_the_workflow_on_its_task_queue(temporal_client: Client, queue: str) -> None:
    await ensure_schedule(temporal_client, queue)
    handle = temporal_client.get_schedule_handle(reconcile_schedule_id(queue))
    polar = Polar(FOUND)
    async with Worker(
        temporal_client, task_queue=queue, workflows=[ReconcileWorkflow], activities=[polar.reconcile_with_polar]
    ):
        await handle.trigger()

        async def ran() -> bool:
            return not polar.answers

        await eventually(ran)


async def test_a_run_answers_what_it_found(temporal_client: Client, queue: str) -> None:
    assert await run(temporal_client, queue, Polar(FOUND)) == FOUND


async def test_a_run_whose_brake_has_held_fails_so_that_somebody_looks(temporal_client: Client, queue: str) -> None:
    with pytest.raises(WorkflowFailureError) as failed:
        await run(temporal_client, queue, Polar(Reconciled(**FOUND.model_dump() | {"refused": 5})))
    assert isinstance(failed.value.cause, ApplicationError)
    assert failed.value.cause.type == "brake"
    assert "starter.py reconcile --force" in str(failed.value.cause)


async def test_a_worker_without_a_token_leaves_the_run_to_another(database: str) -> None:
    async with Database(database) as pool:
        with pytest.raises(ApplicationError, match="POLAR_ACCESS_TOKEN") as error:
            await ReconcileActivity(pool, None, {}).reconcile_with_polar()
    assert not error.value.non_retryable
