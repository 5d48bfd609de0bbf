"""A backfill by the real activities in the test's own process, without Temporal and without programs.

It asks for them in the order in which the workflows would, one repository after the other: for tests of what sweeps
read and store, at half the price of a whole backfill. What passes is tried again at once.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import count
from typing import Any, cast

from temporalio.exceptions import ApplicationError

from activities.jobs import JobActivities
from activities.sweep import SweepActivity
from activities.turn import Sources
from budget.prices import Prices
from embedding.client import Embedder
from errors import BackfillError
from github.client import GitHub
from github.transport.credentials import Credentials
from messages import (
    THREADS,
    BeginJob,
    DataType,
    FinishJob,
    JobPlan,
    Leg,
    NextRepositories,
    Pace,
    PartStatus,
    RepositoryBackfill,
    RepositoryOutcome,
    RepositoryRef,
    RepositoryScope,
    RepositoryTransition,
    SliceResult,
    SurveyRepositories,
    SweepSlice,
    TypeOutcome,
)
from sandbox.processes import Process
from settings import Embeddings
from store import job_requests
from store.availability import SharedBreaker
from store.budgets import Budgets
from store.database import Database
from tests.support import shop
from tests.support.backfill.attempts import environment
from tests.support.backfill.whole import PULLS_AND_ISSUES, Backfill
from tests.support.waiting import PATIENCE

MOST_ATTEMPTS = 50
"""Of one activity. Postgres counts those without progress, and ends the type long before."""
LEGS: tuple[Leg, ...] = ("recent", "historical")
STATUSES: dict[str, PartStatus] = {"completed": "completed", "skipped": "skipped"}


@dataclass
class _Worker:
    """What a worker holds."""

    jobs: JobActivities
    sweeps: SweepActivity
    database: Database

    async def slice(self, slice_: SweepSlice) -> SliceResult:
        """One slice, and the wait for a limit that it met."""
        result: SliceResult = await _attempted(self.sweeps.sweep, slice_)
        if result.limited_until is not None:
            await asyncio.sleep((result.limited_until - datetime.now(UTC)).total_seconds())
        return result


@dataclass
class Direct(Backfill):
    """Answers as `Backfill` does; a job runs while its end is awaited."""

    _worker: _Worker | None = None
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    def __post_init__(self) -> None:
        self.start_worker = self._begin

    async def _begin(self, environment: Mapping[str, str]) -> Process:
        """As a worker that starts, asks whose its tokens are. There is no process that a test could stop."""
        assert environment is self.environment
        await self._working()
        return cast(Process, None)

    async def start(
        self, workspace_id: str, *arguments: str, days: int = 10_000, types: Sequence[DataType] = PULLS_AND_ISSUES
    ) -> str:
        assert set(arguments) <= {"--fresh"}, arguments
        async with (await self._working()).database.transaction() as connection:
            return await job_requests.ask_for(
                connection,
                workspace=workspace_id,
                retention_days=days,
                data_types=types,
                fresh="--fresh" in arguments,
                actor=shop.OPERATOR,
            )

    async def ended(self, job_id: str, *, within: float = PATIENCE) -> Any:
        async with asyncio.timeout(within):
            await self._run(await self._working(), job_id)
        return await super().ended(job_id, within=within)

    async def read_some(self, job_id: str, *, leg: Leg, slices: int | None = None) -> None:
        """Begins the job, and reads so many slices of each type of its only repository (None: the leg), as if its
        workers were gone then.
        """
        its = await self._working()
        plan: JobPlan = await _attempted(its.jobs.begin_job, BeginJob(job_id=job_id))
        line = NextRepositories(job_id=job_id, after=None, limit=2)
        [repository] = await _attempted(its.jobs.next_repositories, line)
        backfill = _of(plan, repository, leg)
        scope: RepositoryScope = await _attempted(its.jobs.inspect_repository, backfill)
        if slices is None:
            await _leg(its, backfill, scope)
        for slice_ in _slices(backfill, scope, scope.data_types, set()) * (slices or 0):
            await its.slice(slice_)

    async def close(self) -> None:
        await self._stack.aclose()
        await super().close()

    async def _working(self) -> _Worker:
        if self._worker is None:
            url, tokens = self.environment["GITHUB_API_URL"], self.environment["GITHUB_TOKENS"].split(",")
            database = await self._stack.enter_async_context(Database(self.dsn))
            prices = Prices()
            github = await self._stack.enter_async_context(
                GitHub(
                    url,
                    f"{url}/graphql",
                    Credentials(tokens),
                    Budgets(database, 1, prices),
                    prices,
                    SharedBreaker(database, url),
                )
            )
            with suppress(BackfillError):  # asked again before the first request
                await github.introduce()
            pace = Pace(slice_pages=int(self.environment.get("SLICE_PAGES", 20)))
            embedder = None
            if key := self.environment.get("OPENAI_API_KEY"):
                its = Embeddings()
                known = Embedder(
                    key, self.environment["OPENAI_BASE_URL"], its.embedding_model, its.embedding_dimensions
                )
                embedder = await self._stack.enter_async_context(known)
            jobs = JobActivities(database, github, pace, (), embeds=embedder is not None)
            self._worker = _Worker(jobs, SweepActivity(Sources(database, github, embedder)), database)
        return self._worker

    async def _run(self, its: _Worker, job_id: str) -> None:
        plan: JobPlan = await _attempted(its.jobs.begin_job, BeginJob(job_id=job_id))
        line = NextRepositories(job_id=job_id, after=None, limit=1_000)
        repositories: list[RepositoryRef] = await _attempted(its.jobs.next_repositories, line)
        ids = [each.repository_id for each in repositories]
        await _attempted(its.jobs.survey_page, SurveyRepositories(job_id=job_id, repository_ids=ids))
        for repository in repositories:
            sequence = count(1)

            async def record(outcome: RepositoryOutcome, numbers: "count[int]" = sequence) -> None:
                transition = RepositoryTransition(
                    job_id=job_id, attempt=plan.attempt, sequence=next(numbers), outcome=outcome
                )
                await _attempted(its.jobs.record_repository, transition)

            await record(RepositoryOutcome(repository=repository, status="in_progress"))
            await record(await _repository(its, plan, repository))
        await _attempted(its.jobs.finish_job, FinishJob(job_id=job_id, attempt=plan.attempt))


async def _repository(its: _Worker, plan: JobPlan, repository: RepositoryRef) -> RepositoryOutcome:
    for leg in LEGS:
        backfill = _of(plan, repository, leg)
        try:
            scope: RepositoryScope = await _attempted(its.jobs.inspect_repository, backfill)
        except ApplicationError as error:
            types = [TypeOutcome(data_type=each, status="failed") for each in plan.data_types]
            return RepositoryOutcome(repository=repository, status="failed", types=types, failure=error.details[0])
        repository = scope.repository
        outcomes = await _leg(its, backfill, scope)
        if outcomes is not None:
            break
    else:
        raise AssertionError("the last leg ends every type")
    ended_as = {each.status for each in outcomes}
    status: PartStatus = "failed" if "failed" in ended_as else "skipped" if ended_as == {"skipped"} else "completed"
    return RepositoryOutcome(repository=repository, status=status, types=outcomes)


def _of(plan: JobPlan, repository: RepositoryRef, leg: Leg) -> RepositoryBackfill:
    return RepositoryBackfill(
        job_id=plan.job_id,
        workspace_id=plan.workspace_id,
        attempt=plan.attempt,
        repository=repository,
        cutoff_at=plan.cutoff_at,
        retention_days=plan.retention_days,
        data_types=plan.data_types,
        pace=plan.pace,
        leg=leg,
        down_to=plan.recent_since if leg == "recent" else None,
    )


def _slices(
    backfill: RepositoryBackfill, scope: RepositoryScope, types: Sequence[DataType], behind: set[DataType]
) -> list[SweepSlice]:
    """Returns the next slice of each of these types. The types of `behind` go on in the next leg."""
    threads = THREADS & {*types}
    return [
        SweepSlice(
            job_id=backfill.job_id,
            repository=scope.repository,
            data_type=each,
            cutoff_at=backfill.cutoff_at,
            pace=backfill.pace,
            threads_ended=not (threads | behind & THREADS),
            down_to=backfill.down_to,
            leg=backfill.leg,
            threads_behind=bool(behind & THREADS) and not threads,
        )
        for each in types
    ]


async def _leg(its: _Worker, backfill: RepositoryBackfill, scope: RepositoryScope) -> list[TypeOutcome] | None:
    """Runs the types side by side, slice by slice. Returns what became of each; None: some go on in the next leg."""
    types, behind, outcomes = list(scope.data_types), set[DataType](), list(scope.settled)
    while types:
        slices = _slices(backfill, scope, types, behind)
        for data_type, result in zip(
            types[:], await asyncio.gather(*(its.slice(each) for each in slices)), strict=True
        ):
            if result.outcome in ("more", "waiting", "limited") and result.waiting_for != "next_leg":
                continue
            types.remove(data_type)
            if result.waiting_for == "next_leg":
                behind.add(data_type)
                continue
            assert result.outcome != "busy", "nobody else is at it"
            status = STATUSES.get(result.outcome, "failed")
            outcomes.append(TypeOutcome(data_type=data_type, status=status, failure=result.failure, as_of=result.as_of))
    return None if behind else outcomes


async def _attempted(activity: Callable[[Any], Awaitable[Any]], argument: Any) -> Any:
    """What it answers in the end. Raises what Temporal would not try again."""
    its = environment()
    for attempt in range(1, MOST_ATTEMPTS + 1):
        its.info = replace(its.info, attempt=attempt)
        try:
            return await its.run(activity, argument)
        except ApplicationError as error:
            if error.non_retryable or error.type == "bug":
                raise
    raise AssertionError(f"{MOST_ATTEMPTS} attempts: {argument}")
