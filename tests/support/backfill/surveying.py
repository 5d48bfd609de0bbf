"""Runs jobs over several small repositories, by the real activities in the test's own process: the survey, the
look-ups, the sweeps.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError

from activities.jobs import JobActivities
from activities.sweep import SweepActivity
from activities.turn import Sources
from budget.prices import Prices
from github.client import GitHub
from github.transport.credentials import Credentials
from messages import (
    DATA_TYPES,
    DataType,
    Pace,
    RepositoryBackfill,
    RepositoryRef,
    SliceResult,
    SurveyRepositories,
    SweepSlice,
)
from sandbox.github import StandIn, World
from sandbox.github.world.repositories import Repository
from sandbox.purchase import HostRepository, create_workspace
from store import job_requests, job_start, transitions
from store.budgets import Budgets
from store.database import Connection, Database
from tests.support import shop
from tests.support.backfill.attempts import environment
from tests.support.backfill.reading import TOKEN
from tests.support.truth import check

TYPES: tuple[DataType, ...] = tuple(each for each in DATA_TYPES if each != "embeddings")
ATTEMPTS = 8
MINUTE = 90.0
"""Seconds in which a limit of a minute is over, with some to spare."""
"""Of an activity: faults that pass are met by the next one."""


class Surveying:
    """A workspace with all repositories of a stand-in."""

    def __init__(
        self, world: World, repositories: Sequence[Repository], github: StandIn, database: Database, dsn: str
    ) -> None:
        self.world = world
        self.repositories, self.github, self.dsn = repositories, github, dsn
        self._database = database
        self._workspace_id = ""
        self.long: list[str] = []
        """Ids of the repositories that the last survey counted as long."""
        self.surveyed: list[Any] = []
        """What each repository waited for when the survey was over."""

    async def job(
        self,
        *,
        days: int = 10_000,
        types: Sequence[DataType] = TYPES,
        surveys: int = 1,
        within: timedelta | None = None,
        survey: Callable[[Database, GitHub, str, Sequence[RepositoryRef]], Awaitable[None]] | None = None,
        between: Callable[[], Awaitable[object]] | None = None,
        limits: int = 0,
        at_limit: Callable[[], Awaitable[object]] | None = None,
    ) -> Counter[str]:
        """Runs a job of these types to its end, and fails unless it is completed; returns its requests, by operation or
        route.

        `survey` takes the place of the activity. `between` is called after it, before the first repository begins.
        `within` is the time for all attempts of the survey. It fails `limits` times because of a limit; then `at_limit`
        is called, and it is attempted again.
        """
        before, url = len(self.github.log), self.github.url
        if not self._workspace_id:
            self._workspace_id = (
                await create_workspace(self.dsn, [HostRepository.of(each) for each in self.repositories])
            ).workspace_id
        now = self.repositories[0].world.clock.now()
        async with self._database.transaction() as connection:
            job_id = await job_requests.ask_for(
                connection,
                workspace=self._workspace_id,
                retention_days=days,
                data_types=tuple(types),
                fresh=False,
                actor=shop.OPERATOR,
            )
            plan = await job_start.begin(connection, job_id, Pace())
            refs = await transitions.next_repositories(connection, job_id, None, 1_000)
        credentials, prices = Credentials((TOKEN,)), Prices()
        for each in await credentials.of(None):
            each.account = "user:1"
        async with GitHub(url, f"{url}/graphql", credentials, Budgets(self._database, 1, prices), prices) as github:
            jobs = JobActivities(self._database, github, plan.pace, (), embeds=False)
            sweeps = SweepActivity(Sources(self._database, github))
            those = SurveyRepositories(job_id=job_id, repository_ids=[each.repository_id for each in refs])
            if survey is not None:
                await survey(self._database, github, job_id, refs)
            for _ in range(limits):
                with pytest.raises(ApplicationError) as limited:
                    await environment().run(jobs.survey_page, those)
                assert limited.value.type == "retry_later"
                assert limited.value.next_retry_delay is not None
                assert limited.value.next_retry_delay > timedelta(seconds=50)
                if at_limit is not None:
                    await at_limit()
            for _ in range(surveys if survey is None else 0):
                self.long = await environment(within=within).run(jobs.survey_page, those)
            self.surveyed = await self.rows("select metadata -> 'waiting' as waiting from workspace_backfill_progress")
            if between is not None:
                await between()
            for ref in refs:
                backfill = RepositoryBackfill(
                    job_id=job_id,
                    workspace_id=self._workspace_id,
                    attempt=0,
                    repository=ref,
                    cutoff_at=now - timedelta(days=days),
                    retention_days=days,
                    data_types=list(types),
                    pace=plan.pace,
                )
                scope = await _attempts(jobs.inspect_repository, backfill)
                for data_type in scope.data_types:
                    await self._sweep(sweeps, backfill, scope.repository, data_type)
        async with self._database.transaction() as connection:
            await connection.execute("update workspace_backfill_jobs set status = 'completed' where id = $1", job_id)
        return Counter(
            entry.operation or entry.path.partition("?")[0].rpartition("/")[2] for entry in self.github.log[before:]
        )

    @staticmethod
    async def _sweep(
        sweeps: SweepActivity, backfill: RepositoryBackfill, ref: RepositoryRef, data_type: DataType
    ) -> None:
        slice_ = SweepSlice(
            job_id=backfill.job_id,
            repository=ref,
            data_type=data_type,
            cutoff_at=backfill.cutoff_at,
            pace=backfill.pace,
            threads_ended=True,
        )
        result: SliceResult = await _attempts(sweeps.sweep, slice_)
        while result.outcome in ("more", "limited"):
            if result.limited_until is not None:
                # On a slow machine answers may use up GitHub's seconds of a minute.
                wait = (result.limited_until - datetime.now(UTC)).total_seconds()
                assert wait < MINUTE, result
                await asyncio.sleep(max(0, wait))
            result = await _attempts(sweeps.sweep, slice_)
        assert result.outcome == "completed", (ref.full_name, data_type, result)

    async def agrees(self) -> None:
        for each in self.repositories:
            await check(self.dsn, each, data_types=TYPES)

    def transaction(self) -> AbstractAsyncContextManager[Connection]:
        return self._database.transaction()

    async def rows(self, query: str, *arguments: Any) -> list[Any]:
        async with self._database.transaction() as connection:
            return await connection.fetch(query, *arguments)


async def _attempts(activity: Any, argument: Any) -> Any:
    for _ in range(ATTEMPTS - 1):
        try:
            return await environment().run(activity, argument)
        except ApplicationError as error:
            assert error.type == "retry_now", error
    return await environment().run(activity, argument)
