"""Shows the state of a repository's workflow: in Postgres' rows, and in Temporal's details and search attribute."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Literal

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    import temporal
    from activities.jobs import JobActivities
    from messages import (
        DataType,
        RepositoryBackfill,
        RepositoryOutcome,
        RepositoryRef,
        RepositoryTransition,
        SliceResult,
        TypeOutcome,
        Waiting,
    )
    from unshown import how_many, kinds, things
    from workflows import order, retries
    from workflows.shape_changes import SHOWS_WAITS

Waits = Mapping[DataType | Literal["repository"], Waiting]
"""What the repository, or each of its types, waits for."""

_OUTCOMES = {
    "more": "in progress",
    "limited": "in progress",
    "busy": "in progress",
    "waiting": "waiting for threads to be stored",
    "completed": "completed",
    "skipped": "skipped",
    "failed": "failed",
}
"""The result of a slice, in words for people."""


class RepositoryMirror:
    """Shows people the state of a repository. `open_types` are the data types that have not ended, and `waits` says
    what they wait for. The repository's workflow changes both collections while it runs.
    """

    def __init__(self, backfill: RepositoryBackfill, open_types: Collection[DataType], waits: Waits) -> None:
        self.sequence = backfill.sequence
        """The number of the last recorded transition."""
        self.wait: Waiting | None = None
        """The last recorded wait."""
        self._until: datetime | None = None
        self._backfill = backfill
        self._open = open_types
        self._waits = waits
        self._told: dict[str, str] = {}

    async def record(self, outcome: RepositoryOutcome) -> None:
        """Records a transition of the repository. If the repository is in progress, the transition includes its last
        recorded wait.
        """
        self.sequence += 1
        goes_on = outcome.status == "in_progress"
        await workflow.execute_activity_method(
            JobActivities.record_repository,
            RepositoryTransition(
                job_id=self._backfill.job_id,
                attempt=self._backfill.attempt,
                sequence=self.sequence,
                outcome=outcome,
                waiting=self.wait if goes_on else None,
                waiting_until=self._until if goes_on else None,
            ),
            start_to_close_timeout=retries.MIRROR_TIMEOUT,
            retry_policy=retries.MIRROR,
            summary=self.wait.in_words(_clock)[:200] if self.wait and goes_on else outcome.status,
        )

    async def record_wait(self, repository: RepositoryRef, idle: Collection[DataType], lost: list[TypeOutcome]) -> None:
        """Records the present wait if the wait has changed. Also records the types in `lost`, whose slice failed
        without a result. `idle` are the types that wait for other types of the repository.
        """
        wait = self._wait_of_all(idle)
        until = wait.until if wait and not wait.data_types else None
        only_shown = until == self._until
        if only_shown and ((_gist(wait) == _gist(self.wait) and not lost) or not workflow.patched(SHOWS_WAITS)):
            return
        before, self.wait, self._until = self.wait, wait, until
        if not only_shown or _status(before) != _status(wait):
            self.upsert(_status(wait))
        self.show()
        await self.record(RepositoryOutcome(repository=repository, status="in_progress", types=lost))

    def _wait_of_all(self, idle: Collection[DataType]) -> Waiting | None:
        """Returns the wait that ends first, or None if nothing waits. If no wait has a known end, returns the oldest.

        If a type of the repository still runs, the returned wait names the types that wait for this reason (and for the
        same job). Otherwise the whole repository waits, and the wait names no types. Types in `idle` wait for other
        types of the repository, so they do not count as running.
        """
        if not self._waits:
            return None
        first = min(self._waits.values(), key=lambda its: (its.until is None, its.until or its.since))
        if "repository" in self._waits or set(self._open) - set(idle) <= self._waits.keys():
            return first
        alike: list[DataType] = []
        for data_type in sorted(self._open):
            its = self._waits.get(data_type)
            if its and (its.reason, its.job_id) == (first.reason, first.job_id):
                alike.append(data_type)
        return first.of_types(alike)

    def forget_wait(self) -> bool:
        """Forgets the wait. Returns True if the repository's row still shows when that wait ends. The next recorded
        transition removes this time from the row.
        """
        unsaid = self._until is not None
        self.wait = self._until = None
        return unsaid

    def tell(self, data_type: DataType, result: SliceResult) -> None:
        """Shows the result of a type's latest slice in Temporal's details."""
        stored = ", ".join(f"{number} {noun}" for noun, number in sorted(result.stored.items()))
        cursor = f"at cursor {result.failure.cursor}: " if result.failure and result.failure.cursor else ""
        end = f": {cursor}{result.failure.what_and_remedy}" if result.failure else ""
        end += "".join(f"; {note}" for note in result.notes)
        if result.noted:
            end += f"; complete, {how_many(things(result.noted))} ({kinds(result.noted)})"
        as_of = f", as of {result.as_of:%Y-%m-%d %H:%M:%S} UTC" if result.as_of else ""
        over = result.waiting_for == "next_leg"
        outcome = f"{self._backfill.leg} leg over, waiting for the next" if over else _OUTCOMES[result.outcome]
        self._told[data_type] = f"**{outcome}**{as_of}: {stored or 'nothing yet'}{end}"
        self.show()

    def show(self, state: str = "") -> None:
        backfill = self._backfill
        if self.wait and not state:
            types = ", ".join(self.wait.data_types)
            state = (f"{types}: " if types else "") + self.wait.in_words(_clock)
        until = f", down to {backfill.down_to:%Y-%m-%d}" if backfill.down_to else ""
        queue = order.sweep_queue(workflow.info().task_queue, backfill.leg)
        workflow.set_current_details(
            "\n".join(
                [
                    f"**{backfill.leg}** leg{until}, on task queue `{queue}`{f': {state}' if state else ''}\n",
                    *(self._type_line(each) for each in backfill.data_types),
                ]
            )
        )

    def _type_line(self, data_type: DataType) -> str:
        """Returns one line of the details: the state of a data type, and what it waits for."""
        waiting = self._waits.get(data_type)
        told = self._told.get(data_type, "**in progress**" if data_type in self._open else "not begun")
        return f"- {data_type} {told}" + (f"; {waiting.in_words(_clock)}" if waiting else "")

    def upsert(self, status: str) -> None:
        """Sets Temporal's search attribute `BackfillStatus` to `status`, if the namespace has this attribute."""
        if updates := temporal.updates(self._backfill.search_attributes, status=status):
            workflow.upsert_search_attributes(updates)


def _gist(wait: Waiting | None) -> object:
    """Returns the fields by which two waits are compared, or None if there is no wait."""
    return wait and (wait.reason, wait.until, wait.job_id, wait.data_types)


def _status(wait: Waiting | None) -> str:
    """Returns the value of `BackfillStatus` for a wait. The value is `paused` or `waiting` if everything waits. It is
    `in_progress` if there is no wait, or if only some data types wait.
    """
    if wait is None or wait.data_types:
        return "in_progress"
    return "paused" if wait.reason == "paused" else "waiting"


def _clock(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
