"""Where the reading of a repository's events stands: one place for each source, and how places move."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal, Self, get_args

from activities.position import Position
from activities.progress import MOST_IDLE, Progress
from rows import NoteKind

EventSourceName = Literal["stargazers", "star_history", "forks", "releases", "activity", "history", "events", "threads"]
SOURCES: tuple[EventSourceName, ...] = get_args(EventSourceName)
"""In the order in which they are read. The head of the default branch comes with the forks, so that the branch's pushes
are read after it."""


@dataclass(frozen=True, kw_only=True)
class EventPlace:
    """Where one source of events stands. Lists are newest first."""

    status: Literal["open", "complete", "skipped"] = "open"
    reason: str = ""
    """skipped: in GitHub's words."""
    cursor: str | None = None
    until: datetime | None = None
    """The new part of the list is read down to here, where an earlier sweep began. None: down to the cutoff."""
    below: str | None = None
    """The cursor where the cutoff was crossed: a longer retention goes on from there."""
    reached_end: bool = False
    """There is nothing below."""
    oldest: datetime | None = None
    """star_history: the earliest week that was read."""
    as_of: datetime | None = None
    """When the first page was asked for."""
    recent: bool = False
    """Read down to where the recent leg ends."""
    restarts: int = 0
    """How often GitHub refused the cursor."""
    hidden: int = 0
    """Things that these tokens may not see."""
    oids: list[str] | None = None
    """history: commits from which it goes on; None: not begun."""
    bottom: list[str] = field(default_factory=list)
    """history: commits from which on nothing is in scope."""
    gone: list[str] = field(default_factory=list)
    """history: commits that pushes name and GitHub no longer has."""
    asked: list[str] = field(default_factory=list)
    """history: the commits that were asked for last, in short."""
    progress: Progress = field(default_factory=Progress)
    """How far the list was read, and how many pages in a row did not bring it forward."""
    way: int = 0
    """Which of the source's ways is used: 0 is the cheapest, the next one is for where GitHub denies or fails it."""
    kind: NoteKind | None = None
    """skipped: what GitHub will not give for good; None: it may still come, and is not noted."""
    missing: int = 0
    """Things that GitHub counts and no page shows; 0 of a source that is skipped: it does not say how many."""
    unserved: int = 0
    """Things that were passed over: GitHub failed to serve them at any size, or served nothing that can be read."""
    blanks: int = 0
    """Answers in a row that showed nothing where there has to be something."""
    listed: int | None = None
    """Things shown since the top of the list; None: this sweep did not read it from the top."""
    total: int | None = None
    """How many things the list has, as GitHub counted with the first page of it."""
    noted: bool = False
    """An earlier sweep noted that GitHub will not give it: it is looked at again with one request."""

    @property
    def is_at_top(self) -> bool:
        return self.cursor is None

    @property
    def absent(self) -> int:
        """Things that are known to be there, and that GitHub does not give."""
        return self.hidden + self.missing + self.unserved

    @classmethod
    def look_again(cls, way: int = 0) -> Self:
        """For a source that an earlier sweep skipped and noted."""
        return cls(way=way, noted=True)

    def give_up(self, reason: str, kind: NoteKind | None, missing: int = 0) -> Self:
        """GitHub does not give this source: its words, or why it is certain. Kind None: it may still come."""
        return type(self)(status="skipped", reason=reason, kind=kind, missing=missing, as_of=self.as_of, way=self.way)

    def take_next_way(self, reason: str) -> Self:
        """From the top by the source's next way, because of `reason`."""
        return type(self)(reason=reason, way=self.way + 1, as_of=self.as_of)

    def after_page(
        self,
        asked_at: datetime,
        *,
        number: int = 0,
        hidden: int = 0,
        unserved: int = 0,
        depth: datetime | None = None,
        ties: Iterable[str] = (),
        oldest: datetime | None = None,
        total: int | None = None,
    ) -> Self:
        """With what a page says of the whole source. Where the source goes on is a second step.

        `number` are the things on the page, `depth` the earliest moment of those by which the list is ordered, `ties`
        the things of that moment.
        """
        from_top = self.is_at_top and self.until is None
        listed = 0 if from_top else self.listed
        return replace(
            self,
            as_of=self.as_of or asked_at,
            hidden=hidden if from_top else self.hidden + hidden,
            unserved=unserved if from_top else self.unserved + unserved,
            missing=0 if from_top else self.missing,
            oldest=oldest,
            progress=self.progress.descend(depth, ties),
            blanks=0,
            noted=False,
            listed=None if listed is None else listed + number,
            total=total if self.total is None or from_top else self.total,
        )

    def count_blank(self, asked_at: datetime) -> Self:
        """After an answer that showed nothing where there has to be something: the same page is asked for again."""
        return replace(self, as_of=self.as_of or asked_at, blanks=self.blanks + 1)

    def count_missing(self, total: int | None) -> Self:
        """At the end of a list that was read from its top: with what GitHub counts, then as now, and did not show."""
        if self.listed is None or total is None or total != self.total:
            return self
        return replace(self, missing=max(total - self.listed - self.unserved, 0))

    def pass_over(self, cursor: str) -> Self:
        """On behind one thing that GitHub fails to serve."""
        return replace(
            self,
            cursor=cursor,
            unserved=self.unserved + 1,
            progress=self.progress.count(moved=False),
            listed=0 if self.is_at_top and self.until is None else self.listed,
        )

    def move_to(self, cursor: str, *, recent: bool) -> Self:
        """On to the next page. `recent`: this page went down to where the recent leg ends."""
        return replace(self, cursor=cursor, recent=recent)

    def move_below(self, cursor: str | None) -> Self:
        """What is new is read: on to what lies below the part that an earlier sweep read; None: from the top again."""
        return replace(self, cursor=cursor, until=None, progress=Progress())

    def complete(self) -> Self:
        """Read as far as it has to be; `below` and `reached_end` stay as an earlier sweep left them."""
        return replace(self, status="complete", cursor=None)

    def complete_at(self, below: str | None) -> Self:
        """Read down to the cutoff, which the page before `below` crossed; None: read to the list's end."""
        return replace(self, status="complete", cursor=None, below=below, reached_end=below is None or self.reached_end)

    def complete_at_end(self) -> Self:
        """There is nothing (left) to read."""
        return replace(self, status="complete", reached_end=True)

    def complete_without_end(self) -> Self:
        """Complete for this cutoff, with more below it, somewhere."""
        return replace(self, status="complete", cursor=None, reached_end=False)

    def restart(self) -> Self:
        """GitHub refused the cursor: from the top again."""
        return replace(self, cursor=None, until=None, restarts=self.restarts + 1, progress=Progress())

    def leave_for_next_leg(self) -> Self:
        """As the next leg, or another job, goes on from here: below what is read."""
        return replace(self, below=self.cursor or self.below, cursor=None, oids=None)

    def assume_complete(self) -> Self:
        """A leg of another sweep ended here, which is deep enough for this one."""
        return replace(self, status="complete")

    # history

    def ask_for_commit(self, oid: str, *, found: bool) -> Self:
        """After an answer about this commit. One that GitHub does not have, or that was asked for, moves nothing."""
        short = oid[:12]
        moved = found and short not in self.asked
        return replace(self, asked=[*self.asked, short][-MOST_IDLE:], progress=self.progress.count(moved=moved))

    def at_commits(self, oids: list[str], asked_at: datetime, *, recent: bool | None) -> Self:
        """On to these commits. `recent` None: the page says nothing of how recent it is."""
        return replace(self, as_of=self.as_of or asked_at, oids=oids, recent=self.recent if recent is None else recent)

    def at_bottom(self, oids: list[str], bottom: Iterable[str], asked_at: datetime) -> Self:
        """On to `oids`; from `bottom` on nothing is in scope."""
        return replace(self, as_of=self.as_of or asked_at, oids=oids, bottom=[*self.bottom, *bottom])

    def without_commit(self, oid: str, head: str) -> Self:
        """GitHub no longer has this commit: from the head again, since what replaced it has parents of its own."""
        return replace(self, gone=[*self.gone, oid], oids=[head])

    def complete_history(self) -> Self:
        """No commit in scope is unexplained."""
        return replace(self, status="complete", oids=None, reached_end=not self.bottom)

    # threads

    def complete_as_of(self, as_of: datetime | None) -> Self:
        return replace(self, status="complete", as_of=as_of)


@dataclass(frozen=True, kw_only=True)
class Counted:
    """What GitHub counted of a repository before its events were read. As long as it counts the same, what the events
    API could tell besides is not worth a request within the hour."""

    stars: int
    forks: int
    releases: int
    pushed_at: datetime | None
    head: str | None
    threads: int
    latest: datetime | None
    """When a thread was updated last."""


@dataclass(frozen=True, kw_only=True)
class EventPosition(Position):
    """The resume point of the events of a repository: each of its sources by itself, one after the other."""

    places: dict[EventSourceName, EventPlace] = field(default_factory=dict)
    fresh: bool = False
    """An earlier sweep ended moments ago: what is new is asked for once, and only what is below its low is read."""
    branch: str | None = None
    """The default branch, and its head before its pushes were read."""
    head: str | None = None
    no_head: str = ""
    """Why GitHub does not tell where the default branch is; empty: it told, or the repository is empty."""
    low: datetime | None = None
    """Down to here an earlier sweep read; None: nothing is inherited."""
    inherited_as_of: datetime | None = None
    counted: Counted | None = None
    """By the survey before the sweep that read, or left, these places; None: there was none."""
    table: Literal["pull_requests", "issues"] = "pull_requests"
    number: int = 0
    """threads: of this table, the stored threads up to this number are done."""

    @property
    def is_open(self) -> bool:
        """Whether any source is still to be read."""
        return any(place.status == "open" for place in self.places.values())

    def left(self) -> dict[str, Any]:
        """What a later sweep goes on from, for the coverage."""
        return self.to_commit({"places", "branch", "head", "counted"})

    # From a beginning

    def begin(self) -> Self:
        """At the top of every source."""
        return replace(self, places={source: EventPlace() for source in SOURCES})

    def take_over(self, left: "EventPosition", *, low: datetime, as_of: datetime) -> Self:
        """With what an earlier sweep, complete in [`low`, `as_of`], left (`EventPosition.left`)."""
        return replace(
            self,
            branch=left.branch,
            head=left.head,
            places=left.places,
            counted=left.counted,
            low=low,
            inherited_as_of=as_of,
        )

    def inherit(self, places: Mapping[EventSourceName, EventPlace], *, fresh: bool) -> Self:
        """At places that an earlier sweep left. `fresh`: what it read is as of a moment ago."""
        return replace(self, places=dict(places), fresh=fresh, as_of=self.inherited_as_of if fresh else None)

    # On from there

    def with_place(self, source: EventSourceName, place: EventPlace) -> Self:
        return replace(self, places=self.places | {source: place})

    def after_answer(self, asked_at: datetime) -> Self:
        """`as_of` is when the sweep's first page was asked for."""
        return replace(self, as_of=self.as_of or asked_at)

    def with_branch(self, branch: str | None, head: str | None) -> Self:
        """The default branch and its head; None for an empty repository."""
        return replace(self, branch=branch, head=head, no_head="")

    def with_counted(self, counted: Counted | None) -> Self:
        """What GitHub counted before the places are read anew."""
        return replace(self, counted=counted)

    def without_head(self, reason: str) -> Self:
        """GitHub does not tell where the default branch is."""
        return replace(self, no_head=reason)

    def with_size(self, source: EventSourceName, size: int | None) -> Self:
        """Asks for `size` things a page of this source from now on; None: for as many as a page can have."""
        others = {each: number for each, number in self.sizes.items() if each != source}
        return replace(self, sizes=others if size is None else others | {source: size})

    def after_thread(self, number: int) -> Self:
        """threads: this one, and those before it in the table, are done."""
        return replace(self, number=number)

    def at_issues(self) -> Self:
        """threads: pull requests are done, issues follow."""
        return replace(self, table="issues", number=0)

    def leave_for_next_leg(self) -> Self:
        """With every open source as the next leg goes on with it."""
        return replace(
            self,
            places={
                source: place.leave_for_next_leg() if place.status == "open" else place
                for source, place in self.places.items()
            },
        )
