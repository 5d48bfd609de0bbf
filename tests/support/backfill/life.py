"""Runs a worker's real activities without Temporal, in a process that starts fast and can be killed at any point.

`Life` forks from a process that has imported everything, so a life costs hundredths of a second. What it reports to
its parent is what the workflow would get. What it has not reported before it is killed is lost.
"""

import asyncio
import os
import signal
import traceback
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from multiprocessing import get_context
from multiprocessing.connection import Connection as Pipe
from typing import Any, Literal

import structlog
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.jobs import JobActivities
from activities.sweep import SweepActivity
from activities.threads import review_comment_list
from activities.turn import Sources
from budget.prices import Prices
from github.client import GitHub
from github.transport.credentials import Credentials
from messages import (
    DataType,
    Pace,
    RepositoryBackfill,
    RepositoryRef,
    RepositoryScope,
    SliceResult,
    SurveyRepositories,
    SweepSlice,
)
from store.budgets import Budgets
from store.database import Connection, Database
from tests.support.backfill import attempts

TOKEN = "ghp_stand_in"
MOST_SLICES = 1_000
"""A job of a test that needs more goes round in circles."""
FORKING = get_context("forkserver")
FORKING.set_forkserver_preload(["__main__", __name__, "tests.support.ahead"])

Where = Literal["before commit", "after commit"]


@dataclass(frozen=True)
class Death:
    """Kills the process by SIGKILL, when it commits its n-th transaction. Nothing is closed, released or
    rolled back.
    """

    transaction: int
    where: Where


@dataclass(frozen=True)
class Orders:
    """The activities to run, as the workflow would schedule them: an inspection unless there is a scope, then slices of
    the types in turn.
    """

    dsn: str
    github_url: str
    job_id: str
    workspace_id: str
    attempt: int
    repository: RepositoryRef
    cutoff_at: datetime
    data_types: tuple[DataType, ...]
    pace: Pace
    inspected: bool
    death: Death | None = None
    listed_from: int = 100
    """Reviews from which on their comments come by the list of all."""


@dataclass(frozen=True)
class Ended:
    """Reported when a type has ended, in whatever way."""

    data_type: DataType
    result: SliceResult


@dataclass(frozen=True)
class Limited:
    """Reported when GitHub must not be asked for a while. The workflow would sleep."""


@dataclass(frozen=True)
class Crashed:
    """Reported for a bug, which must never happen."""

    text: str


Told = RepositoryScope | Ended | Limited | Crashed


class Life:
    """One life of a worker. `told` yields its reports until it ends; `killed` says whether it was killed."""

    def __init__(self, orders: Orders) -> None:
        self._ear, mouth = FORKING.Pipe(duplex=False)
        self._process = FORKING.Process(target=_live, args=(orders, mouth), daemon=True)
        self._process.start()
        mouth.close()

    def kill(self) -> None:
        self._process.kill()

    def told(self) -> Iterator[Told]:
        try:
            while True:
                yield self._ear.recv()
        except EOFError:
            self._process.join()
        finally:
            self._ear.close()

    @property
    def killed(self) -> bool:
        return self._process.exitcode == -signal.SIGKILL


class _Mortal(Database):
    """A database that kills its process at the n-th transaction."""

    def __init__(self, dsn: str, death: Death | None) -> None:
        super().__init__(dsn, size=4)
        self._death = death
        self._transactions = 0

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        async with super().transaction() as connection:
            yield connection
            self._transactions += 1
            number = self._transactions
            self._die(number, "before commit")
        self._die(number, "after commit")

    def _die(self, number: int, where: Where) -> None:
        if self._death == Death(number, where):
            os.kill(os.getpid(), signal.SIGKILL)


def _live(orders: Orders, mouth: "Pipe[Any, Any]") -> None:
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory(), processors=[lambda *_: ""])
    try:
        asyncio.run(_work(orders, mouth))
    except Exception:  # noqa: BLE001 (told, and raised by the parent)
        mouth.send(Crashed(traceback.format_exc()))
    mouth.close()


async def _work(orders: Orders, mouth: "Pipe[Any, Any]") -> None:
    # The worlds here are small: so are the repositories whose review comments are listed.
    review_comment_list.WORTH_IT_FROM = orders.listed_from
    environment = attempts.environment()
    url = orders.github_url
    credentials = Credentials((TOKEN,))
    for each in await credentials.of(None):
        # As if asked before: the requests of a scenario are counted.
        each.account = "user:1"
    async with (
        _Mortal(orders.dsn, orders.death) as database,
        Database(orders.dsn, size=2) as immortal,
        GitHub(url, f"{url}/graphql", credentials, Budgets(immortal, 1, Prices())) as github,
    ):
        scope = RepositoryScope(repository=orders.repository, data_types=list(orders.data_types))
        if not orders.inspected:
            jobs = JobActivities(database, github, orders.pace, (), embeds=False)
            survey = SurveyRepositories(job_id=orders.job_id, repository_ids=[orders.repository.repository_id])
            await _attempt(environment, jobs.survey_page, survey)
            while (inspected := await _attempt(environment, jobs.inspect_repository, _inspection(orders))) is None:
                pass
            scope = inspected
            mouth.send(scope if scope.limited_until is None else Limited())
            if scope.limited_until is not None:
                return
        sweeps = SweepActivity(Sources(database, github))
        turns = deque(scope.data_types)
        for _ in range(MOST_SLICES):
            if not turns:
                return
            slice_ = SweepSlice(
                job_id=orders.job_id,
                repository=scope.repository,
                data_type=turns[0],
                cutoff_at=orders.cutoff_at,
                pace=orders.pace,
            )
            result: SliceResult | None = await _attempt(environment, sweeps.sweep, slice_)
            if result is None:
                continue
            if result.outcome == "limited":
                mouth.send(Limited())
                return
            if result.outcome == "more":
                turns.rotate(-1)
            else:
                mouth.send(Ended(turns.popleft(), result))
        raise AssertionError(f"{MOST_SLICES} slices, and {', '.join(turns)} did not end")


def _inspection(orders: Orders) -> RepositoryBackfill:
    return RepositoryBackfill(
        job_id=orders.job_id,
        workspace_id=orders.workspace_id,
        attempt=orders.attempt,
        repository=orders.repository,
        cutoff_at=orders.cutoff_at,
        retention_days=1,
        data_types=list(orders.data_types),
        pace=orders.pace,
    )


async def _attempt(environment: ActivityEnvironment, activity: Any, argument: Any) -> Any:
    """Runs one attempt of an activity; returns its result, or None if Temporal would try again. Exceptions that nobody
    raises on purpose are raised.
    """
    environment.info = replace(environment.info, attempt=environment.info.attempt + 1)
    try:
        return await environment.run(activity, argument)
    except ApplicationError as error:
        if error.type == "bug" or error.non_retryable:
            raise
        return None
