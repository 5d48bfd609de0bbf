"""Commits the turns of a sweep. Each turn is one transaction, apart from the people of its page.

A turn holds what was paid for: GitHub's answer, or the vectors of texts. While Postgres does not take the turn, it is
kept in memory and committed again, so that a restart of Postgres does not make us pay for the same page twice.
"""

import asyncio
import contextlib
from collections import Counter
from dataclasses import dataclass
from time import monotonic
from typing import Any

import structlog

from activities import measures
from activities.turn import Sources, Turn
from errors import RetryNow
from messages import Noted
from store import absences, contributors, coverage, feed, notes, pages, parts, piecemeal, sweeps
from store.database import Connection
from store.piecemeal import REFUSALS, unstorable, words_of
from store.sweeps import Sweep

log = structlog.get_logger(__name__)

KEPT_SECONDS = 60.0
"""How long a turn is kept while Postgres does not take it. The attempt fails afterwards, so that people see why."""
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 5.0
"""Seconds between two tries to commit the same turn. Each pause is twice as long as the one before."""


@dataclass(frozen=True, slots=True)
class _Written:
    """What the sweep's row says after a turn."""

    status: str
    counts: Counter[str]
    expected: int | None
    new: Counter[str]
    """The rows that the turn brought, by noun."""


class Commits:
    """Commits the turns of one sweep, one after the other, and updates `sweep` with what its row then says."""

    def __init__(self, sources: Sources, sweep: Sweep, give_up: asyncio.Event) -> None:
        """While `give_up` is not set, a turn that Postgres does not take is committed again."""
        self._database = sources.database
        self._github = sources.github
        self._sweep = sweep
        self._give_up = give_up
        self._readers: set[str] = set()
        """Accounts of which Postgres knows that they read this type."""
        self._written: _Written | None = None
        """What the latest try wrote, whether or not Postgres committed it."""
        self.noted: Noted = {}
        """After the type's last turn: the notes of the type."""

    async def commit(self, turn: Turn[Any]) -> None:
        """Stores everything of the turn. Tries again for `KEPT_SECONDS` if Postgres fails for a moment. Then raises
        `RetryNow`. Leaves out and notes the rows that Postgres refuses twice (decision 41). Raises `PartOver`
        (unstorable) if it refuses anything else.
        """
        until, pause = monotonic() + KEPT_SECONDS, FIRST_PAUSE
        again = refused = in_pieces = False
        while True:
            try:
                await self._store(turn, again=again, in_pieces=in_pieces)
                return
            except REFUSALS as error:
                if in_pieces or (refused and turn.page is None):
                    raise unstorable(error) from error
                # The first refusal may come from a race with another transaction, so the second one counts.
                refused, in_pieces = True, refused
                log.warning("Postgres refuses the page", why=words_of(error), in_pieces=in_pieces)
            except RetryNow as error:
                if self._give_up.is_set() or monotonic() + pause > until:
                    raise
                log.warning("the page is kept, and committed again", why=error.message, seconds=pause)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._give_up.wait(), pause)
            pause, again = min(2 * pause, LONGEST_PAUSE), True

    async def _store(self, turn: Turn[Any], *, again: bool, in_pieces: bool) -> None:
        sweep = self._sweep
        refused_people: dict[int, str] | None = None
        # People are stored in a transaction of their own, because pages of several repositories share them.
        if turn.page is not None:
            people = turn.page.contributors.values()
            if in_pieces:
                refused_people = await piecemeal.write_people(self._database, people, turn.page.asked_at)
            else:
                await contributors.write(self._database, people, turn.page.asked_at)
            if turn.page.feed:
                await feed.ensure_months(self._database, turn.page.feed)
        async with self._database.transaction() as connection:
            await sweeps.fence(connection, sweep)
            # A connection can be lost after Postgres committed, and before it said so.
            if not (again and await sweeps.is_committed(connection, sweep)):
                self._written = await self._write(connection, turn, refused_people)
        assert self._written is not None, "only what was written can be committed"
        sweep.counts, sweep.expected, sweep.status = self._written.counts, self._written.expected, self._written.status
        sweep.error, sweep.position = turn.failure, turn.position.to_commit()
        sweep.pages += 1
        if turn.page is not None and turn.page.account:
            self._readers.add(turn.page.account)
        measures.page_committed(sweep.data_type, self._written.new)

    async def _write(self, connection: Connection, turn: Turn[Any], refused_people: dict[int, str] | None) -> _Written:
        """Writes the turn. If `refused_people` is not None, leaves out the rows that Postgres refuses."""
        sweep, noted = self._sweep, [*turn.noted]
        # Pending between its legs: another job does not wait for the next leg, which may be hours away.
        status = turn.outcome or ("pending" if turn.waiting == "next_leg" else "in_progress")
        counts, new = sweep.counts.copy(), Counter[str]()
        if turn.page is not None and refused_people is None:
            new = await pages.write(connection, sweep.repository, turn.page, sweep.cutoff_at)
        elif turn.page is not None and refused_people is not None:
            new, refused = await piecemeal.write(
                connection, sweep.repository, turn.page, refused_people, sweep.cutoff_at
            )
            noted += await piecemeal.notes_on(connection, turn.page, refused)
        counts += new
        await self._write_absences(connection, turn)
        await parts.remove(connection, sweep, turn.done)
        await parts.put(connection, sweep, turn.put)
        for part, reason in turn.failed:
            await parts.fail(connection, sweep, part, reason)
        await notes.resolve(connection, sweep, turn.resolved)
        await notes.write(connection, sweep, noted)
        proof = turn.proof
        if turn.outcome == "completed":
            self.noted = await notes.summary(connection, sweep.repository.repository_id, sweep.data_type)
            if self.noted:
                proof = {**(proof or {}), "noted": self.noted}
        if not sweep.position or turn.outcome is not None:
            # Counting is expensive: all rows at the first page and at the end, new rows in between.
            counts = await sweeps.count_stored(connection, sweep)
        # At least as many were to be fetched as are stored; at the end, exactly as many.
        stored = counts[sweep.data_type]
        expected = stored if turn.outcome == "completed" else turn.expected and max(turn.expected, stored)
        await sweeps.commit(
            connection,
            sweep,
            position=turn.position.to_commit(),
            counts=counts,
            expected=expected,
            status=status,
            failure=turn.failure,
            proof=proof,
            pages=1,
            requests=turn.requests,
            points=turn.points,
        )
        if turn.coverage is not None:
            await coverage.write(connection, sweep, turn.coverage, self._left_out())
        return _Written(status, counts, expected, new)

    async def _write_absences(self, connection: Connection, turn: Turn[Any]) -> None:
        """Records the account that read the page, what is gone, and GitHub's answers about absences. Marks
        the absences whose threads the turn has queued.
        """
        page = turn.page
        if page is not None and page.account and page.account not in self._readers:
            await absences.add_reader(connection, self._sweep, page.account)
        if page is not None and turn.gone:
            await absences.record_gone(connection, self._sweep, turn.gone, page.account, page.asked_at)
        if turn.confirmation is not None:
            await pages.lock(connection, self._sweep.repository.repository_id)
            await absences.confirm(connection, self._sweep, turn.confirmation)
        if turn.queued_absences:
            await absences.mark_queued(connection, self._sweep, turn.queued_absences)

    def _left_out(self) -> frozenset[str]:
        """Returns the fields that requests do not contain, because the server's GraphQL schema lacks these fields.
        Returns an empty set for embeddings, which do not come from GitHub.
        """
        return frozenset() if self._sweep.data_type == "embeddings" else self._github.left_out
