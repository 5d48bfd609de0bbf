"""Computes what a sweep cannot know of a repository that changes, so that a test can demand everything else of it.

There are no lists of exceptions: after each change the world is compared with what it was before. GitHub shows a
change in three ways, each of which obliges the sweep to store it: the thread's updatedAt (for everything in the
thread), the updated_at of a comment (REST lists them), and the number of a discussion's comments (listings show it).
A change that shows in none of them, of a thread that was served before, is a *blind spot* until the thread is served
again:

- a comment, review comment or reply that is deleted while its thread's updatedAt stays, and events that do not
change updatedAt
- in discussions: edits of comments, and replies, upvotes and events that do not change updatedAt
- edits of reviews, positions of review comments, the state of a pull request that an issue is linked with
- names: accounts that are renamed or deleted, and repositories that are renamed, in rows that hold their names
- threads that are deleted from a history that is not swept to its end, so that no count can show that one is missing
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sandbox.github.world.discussions import Discussion
from sandbox.github.world.repositories import Repository
from sandbox.github.world.threads import Thread
from tests.support.truth import Facts, differences, expected, stored

ThreadKey = tuple[str, int]
"""Table and number."""
Spot = tuple[str, Any, str | None]
"""Table, key, and the field, or None: the row may be missing, or still be there."""

OF_THREADS = ("pull_requests", "issues", "discussions")
OF = {"pull_request": "pull_requests", "issue": "issues"}
LONG_AGO = datetime.min.replace(tzinfo=UTC)


def thread_of(table: str, key: Any, row: Mapping[str, Any]) -> ThreadKey:
    """Returns the thread that a row of `truth.Facts` belongs to."""
    if table in OF_THREADS:
        return table, key
    if table == "reviews":
        return "pull_requests", row["pull_request"]
    if table == "requested_reviewers":
        return "pull_requests", key[0]
    if table == "discussion_comments":
        return "discussions", row["discussion_number"]
    kind, number = row["of"]
    return OF[kind], number


@dataclass(frozen=True)
class Proof:
    """What a completed sweep claims to have stored."""

    as_of: datetime = LONG_AGO
    comments_as_of: datetime = LONG_AGO
    by_count: bool = False


class Watch:
    """Watches what changes in the world, and what GitHub serves."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._facts = expected(repository)
        self._served: dict[ThreadKey, int] = {}
        """With the number of its comments at that moment."""
        self._told: dict[Spot, datetime] = {}
        """When GitHub began to show it."""
        self._moved: dict[ThreadKey, list[tuple[datetime, datetime]]] = defaultdict(list)
        """When the thread's updatedAt changed, and to what."""
        self._blind: dict[ThreadKey, set[Spot]] = defaultdict(set)
        self._counted: dict[ThreadKey, set[Spot]] = defaultdict(set)
        self._quiet: dict[ThreadKey, dict[Spot, datetime]] = defaultdict(dict)
        self._lost: set[ThreadKey] = set()
        self._renamed: set[int] = set()
        for table in OF_THREADS:
            for number, row in self._facts[table].items():
                self._moved[table, number].append((LONG_AGO, row["updated_at"]))

    def served(self, thread: Thread | Discussion) -> None:
        """Called when GitHub answers with a whole thread. The thread then has no blind spots."""
        table = {"PullRequest": "pull_requests", "Issue": "issues", "Discussion": "discussions"}[thread.typename]
        key = table, thread.number
        self._served[key] = len(thread.comments)
        for spots in (self._blind, self._counted, self._quiet):
            spots.pop(key, None)

    def changed(self) -> None:
        """Called after something has changed in the world."""
        now = self._repository.world.clock.now().replace(microsecond=0)
        before, after = self._facts, expected(self._repository)
        self._facts = after
        changes: dict[ThreadKey, set[Spot]] = defaultdict(set)
        for thread, spot in _changes(before, after):
            changes[thread].add(spot)
        for number, (name, _) in before["contributors"].items():
            if after["contributors"].get(number, (name,))[0] != name:
                self._renamed.add(number)
        for thread, spots in changes.items():
            self._told |= dict.fromkeys(spots, now)
            row = after[thread[0]].get(thread[1])
            if row is None:
                self._lost.add(thread)
            elif row["updated_at"] == now:
                self._moved[thread].append((now, now))
                for each in (self._blind, self._counted, self._quiet):
                    self._told |= dict.fromkeys(each.pop(thread, ()), now)
            elif thread in self._served:
                self._keep(thread, spots, after, now)

    def _keep(self, thread: ThreadKey, spots: set[Spot], after: Facts, now: datetime) -> None:
        """Records a change of a thread whose updatedAt stayed."""
        if ("discussions", thread[1], "comment_count") in spots:
            self._counted[thread] |= spots
            self._told |= dict.fromkeys(self._counted[thread], now)
            return
        new = {key for key, row in after["comments"].items() if row["updated_at"] == now}
        listed = {spot for spot in spots if spot[0] == "comments" and spot[1] in new}
        if listed:
            listed |= spots & {("issues", thread[1], "comments_count")}
        self._quiet[thread] |= dict.fromkeys(listed, now)
        self._blind[thread] |= spots - listed

    async def differences(self, dsn: str, since: datetime, proofs: Mapping[str, Proof]) -> list[str]:
        """Returns what Postgres should have by the proofs of the sweeps and does not have, and what it has and should
        not.
        """
        found = await stored(dsn, self._repository.database_id)
        wanted = expected(self._repository)
        excused = {
            spot
            for thread in self._served
            for spot in self._excused(thread, wanted, since, proofs.get(thread[0], Proof()))
        }
        there = {(table, number) for table in OF_THREADS for number in found[table]}
        excused |= {spot for spot, at in self._told.items() if at > self._as_of(spot, wanted, found, proofs)}
        for table in wanted:
            if table == "contributors":
                self._reconcile_names(wanted, found)
                continue
            for key in wanted[table].keys() | found[table].keys():
                thread = thread_of(table, key, wanted[table].get(key) or found[table][key])
                if (table, key, None) in excused or self._out_of_scope(thread, there, since, proofs):
                    wanted[table].pop(key, None)
                    found[table].pop(key, None)
                elif key in wanted[table] and key in found[table]:
                    blind = {field for field in wanted[table][key] if (table, key, field) in excused}
                    for facts in (wanted, found):
                        facts[table][key] = {k: v for k, v in facts[table][key].items() if k not in blind}
        return differences(wanted, found)

    @property
    def blind(self) -> bool:
        """Returns whether there is a blind spot: something that only a sweep that fetches everything again
        would find.
        """
        return any(self._blind.values()) or any(self._counted.values()) or bool(self._renamed)

    def _excused(self, thread: ThreadKey, wanted: Facts, since: datetime, proof: Proof) -> Iterator[Spot]:
        yield from self._blind.get(thread, ())
        row = wanted[thread[0]].get(thread[1])
        # Below the cutoff nothing is promised of what another job stored there.
        below = row is not None and row["updated_at"] < since
        yield from (spot for spot, at in self._quiet.get(thread, {}).items() if below or at > proof.comments_as_of)
        # Gone and come are the same number.
        if below or (row and row.get("comment_count") == self._served[thread]):
            yield from self._counted.get(thread, ())

    def _as_of(self, spot: Spot, wanted: Facts, found: Facts, proofs: Mapping[str, Proof]) -> datetime:
        table, key, _ = spot
        row = wanted[table].get(key) or found[table].get(key)
        return proofs.get(thread_of(table, key, row)[0], Proof()).as_of if row else LONG_AGO

    def _out_of_scope(
        self, thread: ThreadKey, there: set[ThreadKey], since: datetime, proofs: Mapping[str, Proof]
    ) -> bool:
        proof = proofs.get(thread[0], Proof())
        if thread in there:
            return thread in self._lost and not proof.by_count
        moved = [updated_at for at, updated_at in self._moved[thread] if at <= proof.as_of]
        return not moved or moved[-1] < since

    def _reconcile_names(self, wanted: Facts, found: Facts) -> None:
        """Compares the names of contributors, except of those who changed their names. That they are stored at all is
        shown by the rows that they wrote.
        """
        for number in list(wanted["contributors"]):
            if number not in found["contributors"] or number in self._renamed:
                del wanted["contributors"][number]


def _changes(before: Facts, after: Facts) -> Iterator[tuple[ThreadKey, Spot]]:
    for table in before:
        if table == "contributors":
            continue
        for key in before[table].keys() | after[table].keys():
            old, new = before[table].get(key), after[table].get(key)
            if old == new:
                continue
            if old is None or new is None:
                yield thread_of(table, key, old or new or {}), (table, key, None)
            else:
                thread = thread_of(table, key, new)
                yield from ((thread, (table, key, field)) for field in new if new[field] != old.get(field))
