"""Derives pushes from the commits of the default branch, for the time that GitHub's list of pushes does not cover."""

import structlog

from activities.events.order import reached_leg_end
from activities.events.position import EventPlace, EventPosition, EventSourceName
from activities.events.source import grow, size_of
from activities.progress import MOST_IDLE
from activities.turn import Sources, Turn
from errors import PartOver, RetryNow, TooLarge
from github.events import commits
from github.events.commits import History
from github.events.lists import Refused, probe
from rows import NoteKind, Page
from store import feed
from store.database import Connection
from store.sweeps import Sweep

log = structlog.get_logger(__name__)

MOST_HEADS = 3
"""How often the reading begins again at a new head of the default branch, because GitHub no longer has the old one."""


class CommitHistory:
    """Reads the default branch from its head down to the cutoff. Derives a push from each commit that no stored push
    contains.

    A commit's date does not tell when the commit was pushed. So the reading does not go by dates, but from each commit
    to the commit's first parent. Each page begins at the first commit on this path that no earlier page listed.
    """

    name: EventSourceName = "history"
    builds_on: tuple[EventSourceName, ...] = ("activity",)
    is_long = True
    can_shrink = True

    def __init__(self, sources: Sources, sweep: Sweep) -> None:
        self._database = sources.database
        self._github = sources.github.on_behalf_of(sweep.repository.full_name, fence=sweep)
        self._sweep = sweep
        self._repository = sweep.repository

    async def read(self, position: EventPosition) -> Turn[EventPosition]:
        if self._must_ask_for_head(position):
            try:
                position = position.with_branch(*await commits.read_head(self._github, self._repository))
            except PartOver as error:
                words = f"GitHub does not tell where the default branch is: {error.message}"
                return self._give_up(position, words, "unavailable")
        place, head = position.places[self.name], position.head
        activity = position.places["activity"]
        if head is None:
            if position.no_head:
                words = f"GitHub does not tell where the default branch is: {position.no_head}"
                return self._give_up(position, words, "unavailable", requests=0)
            # The repository is empty.
            return self._at(position, place.complete_at_end())
        if activity.status == "complete" and not activity.reached_end:
            # Its pushes are known down to the cutoff.
            return self._at(position, place.complete_without_end())
        if place.progress.is_stuck:
            words = f"GitHub's history leads nowhere: {MOST_IDLE} answers in a row brought no commit"
            return self._give_up(position, words, "unavailable", requests=0)
        ref = f"{commits.HEADS}{position.branch}"
        async with self._database.transaction() as connection:
            start = [head] if place.oids is None else place.oids
            oids = await feed.unexplained(connection, self._repository, ref, start, place.gone)
        oids = [oid for oid in oids if oid not in place.bottom and oid not in place.gone]
        if not oids:
            return self._at(position, place.complete_history())
        oid, rest = oids[0], oids[1:]
        try:
            size = size_of(position, self.name)
            read = await commits.read_history(self._github, self._repository, oid, size, self._sweep.cutoff_at)
        except Refused as error:
            return self._give_up(position, error.message, "refused")
        except PartOver as error:
            if error.code == "query_refused":
                return self._give_up(position, error.message, "unavailable")
            if error.code.startswith("http_"):
                raise TooLarge(error.code, error.message) from error
            raise
        place = place.ask_for_commit(oid, found=read is not None)
        if read is None:
            return await self._without(position, place, oid, head)
        async with self._database.transaction() as connection:
            page, ends = await self._along(connection, ref, place, oid, read)
        after = position.with_place(self.name, self._after(place, rest, ends, read))
        after = grow(after, self.name, seconds=read.seconds)
        return Turn(after, page=page, points=read.cost, requests=1)

    def _must_ask_for_head(self, position: EventPosition) -> bool:
        """Returns whether to request the head of the default branch before this sweep reads its first commits. Usually
        no request is needed, because GraphQL's list of forks has the head.

        If this sweep resumes an earlier sweep, a request is needed in two cases. In the first case, REST lists the
        forks, and the earlier sweep's events are complete only up to a moment over an hour ago. In the second case, the
        earlier sweep noted the source `history`, and neither the head nor a reason for hiding the head is known.
        """
        if position.inherited_as_of is None or position.places[self.name].oids is not None:
            return False
        unknown = position.head is None and not position.no_head and position.places[self.name].noted
        return unknown or (position.places["forks"].way > 0 and not position.fresh)

    async def fail(self, position: EventPosition, error: RetryNow) -> Turn[EventPosition]:
        return self._give_up(position, f"GitHub fails at it at any size: {error.message}", "unavailable")

    async def probe(self) -> None:
        await probe(self._github)

    async def _without(self, position: EventPosition, place: EventPlace, oid: str, head: str) -> Turn[EventPosition]:
        """Returns the turn after GitHub did not find commit `oid`, because a forced push has removed the commit.
        Reading resumes at the head of the branch, `head`.

        If `oid` is the head itself, the new head is requested. The source is skipped if GitHub names no other head, or
        after `MOST_HEADS` new heads.
        """
        log.info("a commit is gone", oid=oid)
        if oid != head:
            return self._at(position, place.without_commit(oid, head), requests=1)
        branch, new_head = await commits.read_head(self._github, self._repository)
        if new_head is None or new_head in place.gone or new_head == head or place.restarts >= MOST_HEADS:
            return self._give_up(position, "GitHub does not have the head of the default branch", "unavailable")
        moved = position.with_branch(branch, new_head)
        return self._at(moved, place.restart().without_commit(oid, new_head), requests=2)

    def _give_up(
        self, position: EventPosition, words: str, kind: NoteKind | None, *, missing: int = 0, requests: int = 1
    ) -> Turn[EventPosition]:
        log.warning("the history is given up", kind=kind, why=words)
        place = position.places[self.name].give_up(words, kind, missing)
        return self._at(position.with_size(self.name, None), place, requests=requests)

    def _at(self, position: EventPosition, place: EventPlace, *, requests: int = 0) -> Turn[EventPosition]:
        return Turn(position.with_place(self.name, place), requests=requests)

    def _after(self, place: EventPlace, rest: list[str], ends: list[str], read: History) -> EventPlace:
        moments = [commit.committed_at for commit in read.commits.values()]
        if not read.in_scope and all(moment < self._sweep.cutoff_at for moment in moments):
            return place.at_bottom(rest, ends, read.asked_at)
        # Dates say nothing of the order of commits, but any place along the branch is one to go on from.
        recent = reached_leg_end(self._sweep, max(moments)) if moments else None
        return place.at_commits([*rest, *ends], read.asked_at, recent=recent)

    async def _along(
        self, connection: Connection, ref: str, place: EventPlace, oid: str, read: History
    ) -> tuple[Page, list[str]]:
        """Follows the branch through the commits of the page `read`, from commit `oid` on. At the head of a stored
        push, continues at the commit before that push.

        Returns a page with a new push for each commit on the way, except for the heads of stored pushes. Also returns
        the commits at which the next page begins.
        """
        pushed: dict[str, list[str]] = {}
        for push in await feed.pushed(connection, self._repository, ref, list(read.commits)):
            pushed.setdefault(push.head, []).append(push.before)
        page, ends, seen = Page(read.asked_at), [], set()
        ahead = [oid]
        while ahead:
            here = ahead.pop()
            if here in seen:
                continue
            seen.add(here)
            commit = read.commits.get(here)
            if commit is None:
                ends.append(here)
                continue
            before = [each for each in pushed.get(here, ()) if each.strip("0") and each not in place.gone]
            if here not in pushed:
                page.feed.append(commits.push_of(self._repository, ref, commit))
            if not before and commit.parent is not None:
                before = [commit.parent]
            ahead += before
        return page, ends
