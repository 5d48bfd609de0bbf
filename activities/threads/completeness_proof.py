"""Proves that a type is complete, and records its coverage, so that no later job pays for the same data again."""

from datetime import timedelta
from typing import Any

from activities.failures import incomplete
from activities.progress import Standstill
from activities.threads.page_sizes import PageSizes
from activities.threads.position import ThreadPosition
from activities.threads.thread_list import ThreadList
from activities.turn import CLOCK_SLACK, Turn
from github.answers.refusals import InvalidCursor
from github.threads.thread_types import ThreadType
from messages import Failure
from rows import Note, NoteKind, Part
from store import absences, notes, parts, threads
from store.coverage import BEGINNING, Coverage
from store.database import Database
from store.notes import NotedThreads
from store.sweeps import Sweep

FEW_THREADS = 500
"""While some threads are noted as not listed, each sweep lists up to this many threads again; more only once a week."""
THE_LIST = "list of threads"
"""The name in notes for the list of all threads."""


class CompletenessProof:
    """Compares the number of stored threads with GitHub's count. If the numbers differ, lists all threads once more
    (the relist).
    """

    def __init__(
        self, database: Database, sweep: Sweep, kind: ThreadType, thread_list: ThreadList, sizes: PageSizes
    ) -> None:
        self._database = database
        self._sweep = sweep
        self._type = kind
        self._list = thread_list
        self._sizes = sizes

    async def verify(self, position: ThreadPosition) -> Turn[ThreadPosition]:
        """Returns the turn that begins the relist, if a relist is needed. Otherwise returns the type's last turn. The
        outcome of the last turn is `completed`, with proof and coverage, or `failed`, with a message about the missing
        threads.

        A relist is needed if the counts differ or GitHub did not show every thread. There is at most one relist before
        the type completes or fails.

        If the history ended at a cutoff, there is no relist. The proof is then the unbroken chain of pages down to the
        cutoff. The number of threads would prove nothing, because GitHub counts all threads, also those below the
        cutoff.
        """
        async with self._database.transaction() as connection:
            stored = await threads.count(connection, self._sweep.data_type, self._sweep.repository.repository_id)
            failures = await parts.failures(connection, self._sweep)
            noted = await notes.of_threads(connection, self._sweep)
            maybe_gone = await absences.count_threads(connection, self._sweep)
        looks_again = noted.unlisted > 0 and (noted.is_old or (position.total or 0) <= FEW_THREADS)
        # A thread that is stored and was not shown agrees with the count.
        looks_again = looks_again or position.withheld > 0
        if position.reached_end and not position.relisted and (looks_again or not _agree(position, stored, noted)):
            return Turn(position.to_relist())
        turn = Turn(position, outcome="completed", proof=self._proof(position, stored))
        self._note_withheld(turn)
        self._note_list(turn, stored - noted.stored - maybe_gone)
        total = position.total or 0
        if failures:
            numbers = ", ".join(f"#{number}" for number, _ in failures[:50])
            turn.failure = self._incomplete(
                f"{len(failures)} of {stored} threads could not be fetched whole: {numbers}"
                f" (the first: {failures[0][1]})"
            )
        elif position.reached_end and position.relisted and stored + noted.missing < total:
            turn.failure = self._incomplete(f"GitHub counts {total} threads and {stored} could be fetched")
        if turn.failure is not None:
            turn.outcome, turn.position = "failed", position.to_retry()
        else:
            turn.coverage = self._coverage(position)
        return turn

    def _note_withheld(self, turn: Turn[ThreadPosition]) -> None:
        """Adds a note with the number of threads that GitHub counts but does not show. The note names no threads,
        because GitHub does not tell which threads are missing.

        An earlier note is deleted only if the relist showed as many threads as GitHub counts.
        """
        position = turn.position
        if position.reached_end and not position.relisted:
            return
        if position.withheld:
            words = position.withheld_words or f"GitHub counts {position.withheld} more threads than it lists"
            kind: NoteKind = "refused" if position.withheld_words else "hidden"
            turn.noted.append(Note(kind, "thread", None, "", position.withheld, words))
        elif position.reached_end:
            turn.resolved.append(("thread", ""))

    def _note_list(self, turn: Turn[ThreadPosition], there: int) -> None:
        """Adds a note if the relist showed fewer threads than GitHub has. `there` is the number of stored threads that
        GitHub still has, as far as known. If the list lacks some of these threads, it may lack unknown threads, too.
        """
        position = turn.position
        lacking = there - (position.total or 0)
        if position.relisted and lacking > 0:
            words = f"GitHub has {there} threads by their ids, and lists {position.total or 0}"
            turn.noted.append(Note("hidden", THE_LIST, None, "", lacking, words))
        elif position.reached_end:
            turn.resolved.append((THE_LIST, ""))

    def _proof(self, position: ThreadPosition, stored: int) -> dict[str, Any]:
        proof: dict[str, Any] = {
            "as_of": position.as_of.isoformat() if position.as_of else None,
            "rounds": position.round,
            "threads_stored": stored,
            "threads_github": position.total,
            "proved_by": "count" if position.reached_end else "unbroken pages down to the cutoff",
            "down_to": position.updated_at.isoformat() if position.updated_at else None,
        }
        if self._type.comment_routes and position.comments_as_of:
            proof["comments_as_of"] = position.comments_as_of.isoformat()
        if position.fell_back:
            proof["fell_back"] = position.fell_back
        if position.inherited_as_of:
            proof["inherited_as_of"] = position.inherited_as_of.isoformat()
        return proof

    def _coverage(self, position: ThreadPosition) -> Coverage | None:
        if position.as_of is None:
            return None
        cutoff_at = self._sweep.cutoff_at
        low = BEGINNING if position.reached_end else min(cutoff_at, position.low or cutoff_at)
        as_of = position.as_of
        if position.missed_from is not None:
            # A change of a thread that was not shown then is still to come.
            as_of = min(as_of, position.missed_from + CLOCK_SLACK)
        return Coverage(low, as_of, position.for_later_sweeps(below=position.below))

    async def of_leg(self, position: ThreadPosition) -> Coverage | None:
        """Returns the coverage of a leg, so that another job need not fetch the same data again. Returns None if
        threads failed, or if nothing was read.

        The coverage's `as_of` is `CLOCK_SLACK` after the leg's floor. The next sweep subtracts `CLOCK_SLACK` again, and
        so lists all changes since this floor.
        """
        async with self._database.transaction() as connection:
            failures = await parts.failures(connection, self._sweep)
        if position.floor is None or position.updated_at is None or failures:
            return None
        # Threads updated in the same second as the last one may be on the next page.
        low = position.updated_at + timedelta(seconds=1)
        return Coverage(
            min(low, position.low or low),
            position.floor + CLOCK_SLACK,
            position.for_later_sweeps(below=position.cursor),
        )

    async def relist(self, position: ThreadPosition) -> Turn[ThreadPosition]:
        """Reads the next page of the list of all threads, and returns the turn. The list is in order of creation, which
        no update changes. Each listed thread that is not stored, or is stored in an older version, becomes a part.

        A stored thread that is not listed becomes a part, too, and is then requested by its id. Only the answer to that
        request proves that the thread is gone.
        """
        try:
            listing = await self._list.page(position.cursor, by_birth=True)
        except InvalidCursor:
            return Turn(position.begin_relist_again())
        self._sizes.answered(listing.seconds)
        as_of = position.as_of or listing.asked_at
        ids = [entry.github_id for entry in listing.entries]
        last = listing.entries[-1].created_at if listing.entries else None
        ties = [entry.node_id for entry in listing.entries if entry.created_at == last]
        progress = position.list_progress.ascend(last, ties)
        after = position.after_relist_page(
            cursor=listing.end_cursor, listed=len(ids), withheld=listing.withheld, born=last, progress=progress
        )
        at_end = listing.end_cursor is None and not listing.leads_nowhere
        # A list that says that it goes on and brings nothing more is at its end if it brought as many as GitHub counts.
        at_end = at_end or (progress.idle > 0 and after.listed + len(listing.withheld) >= listing.total)
        if not at_end and progress.is_stuck:
            raise Standstill("list of threads by their birth")
        born = (position.born, listing.asked_at if at_end or last is None else last)
        async with self._database.transaction() as connection:
            known = await threads.known(connection, self._sweep.data_type, ids)
            stored = await threads.versions(connection, self._sweep.data_type, ids)
            given_up = await notes.given_up(connection, self._sweep)
            unlisted = await threads.unlisted(
                connection, self._sweep.data_type, self._sweep.repository.repository_id, born, ids
            )
        put = [
            Part("thread", entry.node_id, entry.number, listing.asked_at)
            for entry in listing.entries
            if (
                entry.github_id not in known
                or stored.get(entry.github_id, entry.updated_at) < entry.updated_at <= as_of
            )
            and entry.node_id not in given_up
        ]
        put += [Part("thread", node_id, number, listing.asked_at) for node_id, number in unlisted]
        return Turn(after.end_relist(counted=listing.total) if at_end else after, put=put, points=1)

    def _incomplete(self, message: str) -> Failure:
        return incomplete(message, repository=self._sweep.repository.full_name, data_type=self._sweep.data_type)


def _agree(position: ThreadPosition, stored: int, noted: NotedThreads) -> bool:
    """Returns whether the number of stored threads agrees with GitHub's count. Noted threads that GitHub does not list
    are subtracted from the count first.

    Equal numbers are not enough, because the row of a deleted thread can make up for a missing thread. So the number of
    threads that the sweep saw has to reach the count, too. If more threads are stored than GitHub counts, some threads
    were deleted. The relist then finds the deleted threads.
    """
    total = (position.total or 0) - noted.unlisted
    return min(stored + noted.missing, position.seen) >= total and stored - noted.stored <= total
