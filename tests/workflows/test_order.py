"""What goes before what: recent before historical, a retry before bulk, and nobody behind a large workspace."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from temporalio import workflow
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment

from messages import (
    LEGS,
    REPOSITORY_BACKFILL,
    Cancel,
    RepositoryBackfill,
    RepositoryOutcome,
    SliceResult,
    SweepSlice,
    repository_workflow_id,
)
from tests.support.thoroughness import THOROUGH
from tests.support.waiting import PATIENCE, eventually, so
from tests.support.workflows.legs import Jobs, begin, in_two_legs
from tests.support.workflows.pretence import DONE, MORE, TEST_SERVER, repositories
from workflows import job_run, workspace_backfill
from workflows.job_run import LONG
from workflows.order import priority


@pytest.fixture(scope="module")
async def skipping() -> AsyncIterator[WorkflowEnvironment]:
    environment = await WorkflowEnvironment.start_time_skipping(
        data_converter=pydantic_data_converter, test_server_existing_path=str(TEST_SERVER)
    )
    async with environment:
        yield environment


# --- Recent first -----------------------------------------------------------------------------------------------------


async def test_recent_goes_before_historical_and_who_is_stuck_blocks_nobody(temporal_client: Client) -> None:
    async def second_is_stuck(slice_: SweepSlice, call: int) -> SliceResult:
        if slice_.repository.full_name == "o/2":
            return SliceResult(outcome="limited", limited_until=datetime.now(UTC) + timedelta(hours=1))
        return await in_two_legs(slice_, call)

    jobs = Jobs(sweep_is=second_is_stuck, of={"job": repositories(12)}, at_once=3)
    async with jobs.worked(temporal_client) as queue:
        handle = await begin(temporal_client, queue, "job")
        await eventually(so(lambda: jobs.ended("job") == 11))
        await handle.signal("cancel", Cancel(job_id="job"))
        await asyncio.wait_for(handle.result(), PATIENCE)
    legs = {leg: [name for _, of, name in jobs.swept if of == leg] for leg in ("recent", "historical")}
    everybody = {each.full_name for each in jobs.of["job"]}
    assert {*legs["recent"]} == everybody
    assert {*legs["historical"]} == everybody - {"o/2"}
    first = next(at for at, (_, leg, _) in enumerate(jobs.swept) if leg == "historical")
    begun = {name for _, _, name in jobs.swept[:first]}
    # The two places that are not o/2's go on when their recent leg is over: the last of them may just be beginning.
    assert len(begun) >= len(everybody) - 2, f"historical work began when only {begun} had their recent leg"
    between = [each.outcome for each in jobs.recorded if each.outcome.repository.full_name == "o/1"]
    assert {each.status for each in between} == {"in_progress", "completed"}


async def test_without_a_historical_worker_all_recent_work_is_done(temporal_client: Client) -> None:
    jobs = Jobs(sweep_is=in_two_legs, of={"one": repositories(15), "two": repositories(5)}, at_once=3)
    async with jobs.worked(temporal_client, legs=("recent",)) as queue:
        handles = [await begin(temporal_client, queue, job) for job in jobs.of]
        everything = {(job, each.full_name) for job, its in jobs.of.items() for each in its}
        await eventually(so(lambda: {(job, name) for job, _, name in jobs.swept} == everything))
        assert not jobs.finished
        # What no worker has begun stops at once.
        for job, handle in zip(jobs.of, handles, strict=True):
            await handle.signal("cancel", Cancel(job_id=job))
            await asyncio.wait_for(handle.result(), PATIENCE)
    assert {each.outcome.status for each in jobs.recorded} == {"in_progress"}


# --- Fair -------------------------------------------------------------------------------------------------------------


async def test_three_repositories_are_done_before_a_twentieth_of_three_hundred(temporal_client: Client) -> None:
    slices, types = 6, 2
    calls: Counter[tuple[str, str, str]] = Counter()

    async def several(slice_: SweepSlice, _call: int) -> SliceResult:
        await asyncio.sleep(0.02)
        sweep = (slice_.job_id, slice_.repository.full_name, slice_.data_type)
        calls[sweep] += 1
        return MORE if calls[sweep] < slices else DONE

    jobs = Jobs(sweep_is=several, of={"large": repositories(300), "small": repositories(3)})
    async with jobs.worked(temporal_client, sweeps_at_once=1) as queue:
        large = await begin(temporal_client, queue, "large")
        await eventually(so(lambda: len({name for _, _, name in jobs.swept}) == jobs.at_once))
        small = await begin(temporal_client, queue, "small")
        await asyncio.wait_for(small.result(), PATIENCE)
        ended, swept = jobs.ended("large"), [job for job, _, _ in jobs.swept]
        await large.terminate()
    assert jobs.ended("small") == 3
    assert ended < 300 / 20
    # Turn by turn, and not behind the twenty that wait.
    first, last = swept.index("small"), len(swept) - swept[::-1].index("small")
    assert swept.count("small") == 3 * types * slices
    between = swept[first:last].count("large")
    assert 0 < between < 1.5 * 3 * types * slices


async def test_a_retry_goes_before_bulk_that_waited(temporal_client: Client) -> None:
    held = asyncio.Event()

    async def until_released(slice_: SweepSlice, call: int) -> SliceResult:
        await held.wait()
        await asyncio.sleep(0.02)
        return await in_two_legs(slice_, call)

    jobs = Jobs(sweep_is=until_released, of={"bulk": repositories(10), "retry": repositories(5)})
    jobs.attempt["retry"] = 1
    async with jobs.worked(temporal_client, sweeps_at_once=1) as queue:

        async def all_wait(job: str) -> bool:
            ids = [repository_workflow_id(job, each.repository_id) for each in jobs.of[job]]
            if sum(each.job_id == job for each in jobs.recorded) < len(ids):
                return False
            described = [await temporal_client.get_workflow_handle(each).describe() for each in ids]
            pending = [its.raw_description.pending_activities for its in described]
            return all([each.activity_type.name for each in its] == ["sweep"] * 2 for its in pending)

        bulk = await begin(temporal_client, queue, "bulk")
        await eventually(lambda: all_wait("bulk"))
        retry = await begin(temporal_client, queue, "retry")
        await eventually(lambda: all_wait("retry"))
        assert len(jobs.swept) == 1
        held.set()
        await asyncio.wait_for(retry.result(), PATIENCE)
        await bulk.terminate()
    recent = [job for job, leg, _ in jobs.swept if leg == "recent"]
    before = recent[: len(recent) - recent[::-1].index("retry")].count("bulk")
    # The one that held the place, and those that went while the retry's last task was on its way into the queue.
    assert before <= 4


@pytest.mark.parametrize(("tier", "weight"), [("free", 1), ("pro", 2), ("enterprise", 4), ("bespoke", 1), ("", 1)])
def test_a_tier_has_its_share(tier: str, weight: float) -> None:
    shares = [priority("w", tier, leg, retry=retry) for leg in LEGS for retry in (False, True)]
    assert {(each.fairness_key, each.fairness_weight) for each in shares} == {("w", weight)}


# --- Large ------------------------------------------------------------------------------------------------------------


@workflow.defn(name=REPOSITORY_BACKFILL, sandboxed=False)
class EveryFifthIsLarge:
    """Most repositories have no second leg."""

    @workflow.run
    async def run(self, backfill: RepositoryBackfill) -> RepositoryOutcome:
        if backfill.leg == "recent" and backfill.repository.github_id % 5 == 0:
            return RepositoryOutcome(repository=backfill.repository, status="in_progress", next_leg="historical")
        return RepositoryOutcome(repository=backfill.repository, status="completed")


async def test_many_repositories_keep_every_history_short_and_carry_ids_alone(
    skipping: WorkflowEnvironment,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On the server that is quicker. It never suggests to continue as new: our own bound is what holds."""
    client, number = skipping.client, 1_000 if THOROUGH else 200
    bound = LONG if THOROUGH else 600
    for module in (job_run, workspace_backfill):
        monkeypatch.setattr(module, "LONG", bound)
    jobs = Jobs(of={"job": repositories(number)})
    async with jobs.worked(client, EveryFifthIsLarge) as queue:
        handle = await begin(client, queue, "job")
        await asyncio.wait_for(handle.result(), PATIENCE)
        run_id: str | None = (await handle.describe()).raw_info.first_run_id
        lengths, carried, started = [], [], Counter[str]()
        while run_id:
            following, length = None, 0
            async for event in client.get_workflow_handle(handle.id, run_id=run_id).fetch_history_events():
                length = event.event_id
                if event.event_type is EventType.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED:
                    started[event.start_child_workflow_execution_initiated_event_attributes.workflow_id] += 1
                elif event.event_type is EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW:
                    gone_on = event.workflow_execution_continued_as_new_event_attributes
                    following = gone_on.new_execution_run_id
                    carried.append(gone_on.input.ByteSize())
            lengths.append(length)
            run_id = following
    assert started == {
        repository_workflow_id("job", each.repository_id): 1 + (each.github_id % 5 == 0) for each in jobs.of["job"]
    }
    assert len(lengths) > 1
    assert max(lengths) < bound + 2_000 * bound // LONG
    assert min(lengths[:-1]) > bound
    # Those that wait for their second leg, and a page: 39 characters each, and the plan.
    assert max(carried) < number / 5 * 39 + 100 * 39 + 2_000
