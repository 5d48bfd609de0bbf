"""The activity that fetches data. It runs in slices, with one loop for all data types of a repository.

Each turn ends with one transaction. The transaction first checks the lease (the fence), then stores rows, position,
counts and the parts that are still to be fetched. After a kill, the sweep resumes from the last committed turn.
"""

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import Any

import structlog
from temporalio import activity

from activities import attempts, measures
from activities.commits import Commits
from activities.embeddings.reader import EmbeddingReader
from activities.events.reader import EventReader
from activities.failures import as_application_error, as_failure
from activities.threads.reader import ThreadReader
from activities.turn import Reader, Sources, Turn
from errors import BackfillError, JobOver, PartOver, RetryLater
from messages import DataType, Failure, Noted, SliceOutcome, SliceResult, SweepSlice, WaitingFor
from store import notes, sweeps, waiting
from store.sweeps import LeaseLostError, Sweep

log = structlog.get_logger(__name__)

READERS: dict[DataType, Callable[[Sources, Sweep], Reader[Any]]] = {
    "pull_requests": ThreadReader,
    "issues": ThreadReader,
    "discussions": ThreadReader,
    "events": EventReader,
    "embeddings": EmbeddingReader,
}
"""The reader of each data type. A new data type needs one line here and a reader."""

HANDOVER_SECONDS = 0.5
"""Interval at which a slice checks whether a former run's attempt has ended."""


class SweepActivity:
    """Holds the connections of the worker. The method `sweep` is the activity."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    @activity.defn(name="sweep")
    async def sweep(self, slice_: SweepSlice) -> SliceResult:
        """Continues a sweep until `pace.slice_seconds` have passed, `pace.slice_pages` pages are stored, or the sweep
        has ended.

        At a rate limit, the result is `limited`, and the activity does not wait. A cancel, a pause, or a shutdown of
        the worker stops the slice at the next page boundary, so that everything paid for is committed. During a
        shutdown, a request that GitHub does not answer within `SHUTDOWN_SECONDS` is given up. Raises a retryable
        ApplicationError for passing errors, and after a pause in Temporal.
        """
        stop, give_up = asyncio.Event(), asyncio.Event()
        try:
            work, seconds = self._slice(slice_, stop, give_up), self._sources.shutdown_seconds
            return await attempts.stopping_at_a_boundary(work, stop, out_of_time=give_up, shutdown_seconds=seconds)
        except BackfillError as error:
            failure = as_failure(error, repository=slice_.repository.full_name).of_type(slice_.data_type)
            raise as_application_error(error, failure=failure) from error

    async def _slice(self, slice_: SweepSlice, stop: asyncio.Event, give_up: asyncio.Event) -> SliceResult:
        info = activity.info()
        with structlog.contextvars.bound_contextvars(
            workflow_id=info.workflow_id, repository=slice_.repository.full_name, data_type=slice_.data_type
        ):
            if not await self._former_run_has_stopped(slice_, stop):
                return SliceResult(outcome="more")
            sweep = await sweeps.take(
                self._sources.database,
                slice_.job_id,
                slice_.repository,
                slice_.data_type,
                slice_.cutoff_at,
                owner=f"{info.workflow_run_id}/{info.activity_id}/{info.attempt}",
                leg=slice_.leg,
                down_to=slice_.down_to,
            )
            attempt = _Slice(self._sources, slice_, sweep, stop, give_up)
            result = await attempt.run()
            if result.goes_on and await attempts.is_paused(attempt.heartbeat):
                raise attempts.paused()
            return result

    async def _former_run_has_stopped(self, slice_: SweepSlice, stop: asyncio.Event) -> bool:
        """Waits until no earlier run of the workflow works on this sweep any more, and returns True. Returns False if
        `stop` is set first. An earlier run exists only after a reset of the workflow.

        The earlier run's attempt learns from its next heartbeat that it has to stop. If the worker of that attempt was
        killed, the attempt counts as ended after the heartbeat timeout.
        """
        run_id = activity.info().workflow_run_id or ""
        until = monotonic() + slice_.pace.heartbeat_timeout_seconds
        while (
            await sweeps.is_held_by_another_run(
                self._sources.database, slice_.job_id, slice_.repository.repository_id, slice_.data_type, run_id
            )
            and monotonic() < until
        ):
            if stop.is_set():
                return False
            activity.heartbeat()
            await asyncio.sleep(HANDOVER_SECONDS)
        return True


class _Slice:
    """One attempt at a slice of a sweep."""

    def __init__(
        self, sources: Sources, slice_: SweepSlice, sweep: Sweep, stop: asyncio.Event, give_up: asyncio.Event
    ) -> None:
        self._database = sources.database
        self._pace = slice_.pace
        self._threads_ended = slice_.threads_ended
        self._threads_behind = slice_.threads_behind
        self._sweep = sweep
        self._stop = stop
        self._give_up = give_up
        self._commits = Commits(sources, sweep, give_up)
        self._reader = READERS[slice_.data_type](sources, sweep)
        self._position, self._unreadable = self._reader.positions.read_or_begin(sweep.position)
        self._notes: list[str] = []
        self._noted: Noted = {}
        self._pages = 0
        self._committed_at = monotonic()

    async def run(self) -> SliceResult:
        """Runs the slice to its end, and returns the result. If the data type fails or has to wait, the result says so.

        Passing errors (`RetryNow`) and bugs are recorded and raised. A lost lease is raised without a record.
        """
        if self._sweep.status not in ("pending", "in_progress"):
            self._noted = await self._read_noted()
            return self._ended()
        if self._sweep.attempts > attempts.MOST_ATTEMPTS:
            return await self._end("failed", self._exhausted())
        if await self._removed():
            return await self._end("skipped", self._left())
        if not self._sweep.position or self._position.leg_over:
            if await self._is_done_by_another():
                await self._commit(Turn(self._position.at_leg_end(), waiting="next_leg"))
                await sweeps.release(self._database, self._sweep)
                return self._result("waiting", waiting_for="next_leg")
            if other := await self._wait_for_another():
                return self._result("busy", other_job_id=other)
        if self._position.leg_over:
            self._position = await self._reader.begin_next_leg(self._position)
        until, was_over = monotonic() + self._pace.slice_seconds, False
        heartbeat = asyncio.create_task(
            attempts.send_heartbeats(
                lambda: self.heartbeat, lambda: self._committed_at, self._pace.heartbeat_timeout_seconds
            )
        )
        try:
            if self._unreadable:
                raise self._unreadable
            while True:
                asking = self._reader.turn(self._position, threads_ended=self._threads_ended)
                turn = await attempts.unless(self._give_up, asking)
                if turn.waiting and self._threads_behind:
                    turn.waiting = "next_leg"
                if turn.waiting == "next_leg":
                    turn.position = turn.position.at_leg_end()
                over = self._stop.is_set() or monotonic() >= until or self._pages + 1 >= self._pace.slice_pages
                if turn.outcome is None and not turn.waiting and not over:
                    self._reader.look_ahead(turn)
                await self._commit(turn)
                if turn.outcome is not None:
                    return self._ended()
                if turn.waiting:
                    await sweeps.release(self._database, self._sweep)
                    return self._result("waiting", waiting_for=turn.waiting)
                # A request that was sent ahead is paid for, so its page is stored first: one page at most.
                if over and (was_over or not self._reader.is_ahead):
                    await sweeps.release(self._database, self._sweep)
                    return self._result("more")
                was_over = over
        except RetryLater as error:
            await sweeps.release(self._database, self._sweep)
            measures.slice_failed(self._sweep.data_type, "retry_later", error.code)
            log.info("limited", until=error.at.isoformat(), why=error.message)
            return self._result("limited", limit=error)
        except attempts.GivenUpError:
            await sweeps.release(self._database, self._sweep)
            return self._result("more")
        except LeaseLostError:
            raise
        except (PartOver, JobOver) as error:
            return await self._end("failed", self._failure(error))
        except Exception as error:
            failure = self._failure(error)
            measures.slice_failed(self._sweep.data_type, failure.error_class, failure.code)
            log.warning("attempt failed", attempts=self._sweep.attempts, code=failure.code, why=failure.message)
            await sweeps.release(self._database, self._sweep, failure=failure)
            raise as_application_error(error, attempts.pause(self._sweep.attempts), failure=failure) from error
        finally:
            heartbeat.cancel()
            await self._reader.close()

    async def _removed(self) -> bool:
        async with self._database.transaction() as connection:
            return await sweeps.is_removed(connection, self._sweep)

    async def _is_done_by_another(self) -> bool:
        """Returns whether another job does this slice's work. This is so for a recent leg of embeddings while another
        job's historical leg embeds all stored threads.
        """
        if self._sweep.data_type != "embeddings" or self._sweep.down_to is None:
            return False
        async with self._database.transaction() as connection:
            return await waiting.history_is_being_swept(connection, self._sweep)

    async def _wait_for_another(self) -> str | None:
        """Returns the id of a job that is sweeping the same type of the same repository. This sweep then gives its
        lease back and waits for that job, so that nothing is paid for twice. Returns None if there is no such job.
        """
        async with self._database.transaction() as connection:
            return await waiting.wait_for_another(connection, self._sweep)

    async def _read_noted(self) -> Noted:
        async with self._database.transaction() as connection:
            return await notes.summary(connection, self._sweep.repository.repository_id, self._sweep.data_type)

    async def _commit(self, turn: Turn[Any]) -> None:
        await self._commits.commit(turn)
        self._noted = self._commits.noted
        self._notes = turn.notes
        self._position = turn.position
        self._pages += 1
        self._committed_at = monotonic()

    @property
    def heartbeat(self) -> dict[str, Any]:
        """The details that a heartbeat sends: the committed position, and the number of stored rows of each kind."""
        return {"position": self._position.to_commit(), "stored": self._sweep.counts}

    async def _end(self, status: str, failure: Failure) -> SliceResult:
        """Ends the type without a turn, for example because the repository was removed from the workspace. Returns the
        result.
        """
        if status == "failed":
            measures.slice_failed(self._sweep.data_type, failure.error_class, failure.code)
        async with self._database.transaction() as connection:
            await sweeps.fence(connection, self._sweep)
            counts = await sweeps.count_stored(connection, self._sweep)
            await sweeps.commit(
                connection,
                self._sweep,
                position=self._position.to_commit(),
                counts=counts,
                expected=self._sweep.expected,
                status=status,
                failure=failure,
            )
        self._sweep.counts, self._sweep.status, self._sweep.error = counts, status, failure
        return self._ended()

    def _exhausted(self) -> Failure:
        last = self._sweep.error
        return attempts.exhausted(
            self._sweep.attempts - 1,
            last,
            action=(last.action if last and last.action else "retry the job: it goes on at the committed cursor"),
            error_class="part_over",
            repository=self._sweep.repository.full_name,
            data_type=self._sweep.data_type,
            cursor=self._position.cursor,
        )

    def _left(self) -> Failure:
        name = self._sweep.repository.full_name
        return Failure(
            code="removed",
            message=f"{name} was removed from the workspace",
            action="add it to the workspace again to have it backfilled",
            repository=name,
            data_type=self._sweep.data_type,
        )

    def _failure(self, error: BaseException) -> Failure:
        failure = as_failure(error, repository=self._sweep.repository.full_name, cursor=self._position.cursor)
        return failure.of_type(self._sweep.data_type)

    def _ended(self) -> SliceResult:
        """Returns the result of a type that has ended. The result follows from the status in the sweep's row."""
        ends: dict[str, SliceOutcome] = {"completed": "completed", "skipped": "skipped"}
        outcome, failure = ends.get(self._sweep.status, "failed"), self._sweep.error
        if self._sweep.status == "canceled":
            # The job was canceled meanwhile. Nobody waits for the result, but the activity has to return one.
            failure = Failure(code="canceled", message="the job was canceled")
        return self._result(outcome, failure=failure)

    def _result(
        self,
        outcome: SliceOutcome,
        *,
        failure: Failure | None = None,
        waiting_for: WaitingFor | None = None,
        limit: RetryLater | None = None,
        other_job_id: str | None = None,
    ) -> SliceResult:
        return SliceResult(
            outcome=outcome,
            failure=failure if outcome in ("failed", "skipped") else None,
            waiting_for=waiting_for,
            limited_until=limit.at if limit is not None else None,
            limited_why=limit.message[:2_000] if limit is not None else "",
            waiting_reason=limit.waits_for if limit is not None else "another_job" if other_job_id else None,
            waiting_since=limit.since if limit is not None else None,
            waiting_job_id=other_job_id,
            as_of=self._position.as_of,
            stored=dict(self._sweep.counts),
            expected=self._sweep.expected,
            notes=[note[:2_000] for note in self._notes],
            noted=self._noted if outcome == "completed" else {},
        )
