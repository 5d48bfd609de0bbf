"""The source of pushes before those that GitHub tells of: the commits of the default branch."""

import structlog

from activities.events.order import is_recent
from activities.events.position import EventPlace, EventPosition, EventSourceName
from activities.events.source import grow, size_of
from activities.turn import Turn
from github import events
from github.client import GitHub
from github.events import History, Refused
from rows import Page
from store import feed
from store.database import Connection, Database
from store.sweeps import Sweep

log = structlog.get_logger(__name__)


class CommitHistory:
    """The commits that no stored push brought, from the head of the default branch down.

    A push is what happened, and a commit's date says nothing of its place: the branch's first parents are followed.
    Each page begins at the first commit that the page before did not hold, so no order is relied on.
    """

    name: EventSourceName = "history"
    builds_on: tuple[EventSourceName, ...] = ("activity",)
    is_long = True
    can_shrink = True

    def __init__(self, database: Database, github: GitHub, sweep: Sweep) -> None:
        self._database = database
        self._github = github
        self._sweep = sweep
        self._repository = sweep.repository

    async def read(self, position: EventPosition) -> Turn[EventPosition]:
        place, head = position.places[self.name], position.head
        forks, activity = position.places["forks"], position.places["activity"]
        if head is None:
            # Of a repository whose forks are refused the head is not known; else it has no commits.
            skipped = forks.status == "skipped"
            return self._at(position, place.skip(forks.reason) if skipped else place.complete_at_end())
        if activity.status == "complete" and not activity.reached_end:
            # Its pushes are known down to the cutoff.
            return self._at(position, place.complete_without_end())
        ref = f"{events.HEADS}{position.branch}"
        async with self._database.transaction() as connection:
            start = [head] if place.oids is None else place.oids
            oids = await feed.unexplained(connection, self._repository, ref, start, place.gone)
        oids = [oid for oid in oids if oid not in place.bottom]
        if not oids:
            return self._at(position, place.complete_history())
        oid, rest = oids[0], oids[1:]
        try:
            size = size_of(position, self.name)
            read = await events.read_history(self._github, self._repository, oid, size, self._sweep.cutoff_at)
        except Refused as error:
            log.info("refused", source=self.name, code=error.code, why=error.message)
            return self._at(position, EventPlace.refused(error.message), requests=1)
        if read is None:
            log.info("a commit is gone", oid=oid)
            return self._at(position, place.without_commit(oid, head), requests=1)
        async with self._database.transaction() as connection:
            page, ends = await self._along(connection, ref, place, oid, read)
        after = position.with_place(self.name, self._after(place, rest, ends, read))
        after = grow(after, self.name, seconds=read.seconds)
        return Turn(after, page=page, points=read.cost, requests=1)

    def _at(self, position: EventPosition, place: EventPlace, *, requests: int = 0) -> Turn[EventPosition]:
        return Turn(position.with_place(self.name, place), requests=requests)

    def _after(self, place: EventPlace, rest: list[str], ends: list[str], read: History) -> EventPlace:
        moments = [commit.committed_at for commit in read.commits.values()]
        if not read.in_scope and all(moment < self._sweep.cutoff_at for moment in moments):
            return place.at_bottom(rest, ends, read.asked_at)
        # Dates say nothing of the order of commits, but any place along the branch is one to go on from.
        recent = is_recent(self._sweep, max(moments)) if moments else None
        return place.at_commits([*rest, *ends], read.asked_at, recent=recent)

    async def _along(
        self, connection: Connection, ref: str, place: EventPlace, oid: str, read: History
    ) -> tuple[Page, list[str]]:
        """The pushes that the commits tell of from `oid` along the branch, and where they lead out of the page."""
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
                page.feed.append(events.push_of(self._repository, ref, commit))
            if not before and commit.parent is not None:
                before = [commit.parent]
            ahead += before
        return page, ends
