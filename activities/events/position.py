"""The position of an events sweep: one place for each source, and the methods that move a place."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal, Self, get_args

from pydantic import AwareDatetime

from activities.events.counted import Counted
from activities.events.odd_pages import OddPage, with_page
from activities.position import Position
from activities.progress import MOST_IDLE, Progress
from rows import NoteKind

EventSourceName = Literal["stargazers", "star_history", "forks", "releases", "activity", "history", "events", "threads"]
SOURCES: tuple[EventSourceName, ...] = get_args(EventSourceName)
"""The sources in reading order. Forks come with the head of the default branch, so the branch's pushes follow them."""


@dataclass(frozen=True, kw_only=True)
class EventPlace:
    """Where the reading of one event source resumes. Lists are ordered newest first. Methods return a new place."""

    status: Literal["open", "complete", "skipped"] = "open"
    reason: str = ""
    """Why the source is skipped, or is read by another API than the first, in GitHub's words or in ours."""
    cursor: str | None = None
    until: AwareDatetime | None = None
    """The new part of the list is read down to this moment, where an earlier sweep began. None: down to the cutoff."""
    below: str | None = None
    """The cursor where the reading stopped, at the cutoff or at a leg's end. What is older is read from there."""
    reached_end: bool = False
    """Whether the list was read to its end."""
    oldest: AwareDatetime | None = None
    """For star_history: the earliest week that was read."""
    as_of: AwareDatetime | None = None
    """When the first page was requested."""
    recent: bool = False
    """Whether the source is read down to the end of the recent leg."""
    restarts: int = 0
    """How often GitHub refused the cursor."""
    hidden: int = 0
    """Items that this account may not see."""
    oids: list[str] | None = None
    """For history: the commits from which it resumes; None: not begun."""
    bottom: list[str] = field(default_factory=list)
    """For history: commits that are out of scope, with all below them."""
    gone: list[str] = field(default_factory=list)
    """For history: commits that pushes name and GitHub no longer has."""
    asked: list[str] = field(default_factory=list)
    """For history: the latest requested commits, abbreviated."""
    progress: Progress = field(default_factory=Progress)
    """How far the list was read, and how many pages in a row made no progress."""
    way: int = 0
    """The index of the present way in `ListSource.ways`: 0 is the cheapest; the next is used if GitHub refuses or fails
    it.
    """
    kind: NoteKind | None = None
    """For skipped sources: the kind of the note; None if GitHub may still serve the source, so that
    nothing is noted.
    """
    missing: int = 0
    """Items that GitHub counts and no page shows. For a skipped source 0 if their number is unknown."""
    unserved: int = 0
    """Items that were passed over, because GitHub failed to serve them at any page size or served nothing readable."""
    blanks: int = 0
    """Answers without items, in a row, from a list that has items."""
    listed: int | None = None
    """Items shown since the top of the list; None if this sweep did not read it from the top."""
    total: int | None = None
    """GitHub's count of the list, from its first page."""
    noted: bool = False
    """Whether an earlier sweep noted the source as not shown. One request then checks it again."""
    odd: list[OddPage] = field(default_factory=list)
    """The pages on which items are hidden, unserved or missing, as far as known."""
    again: list[OddPage] = field(default_factory=list)
    """The odd pages that this sweep still requests again, before it reads on."""
    only_again: bool = False
    """Whether the source is complete once `again` is empty."""

    @property
    def is_at_top(self) -> bool:
        return self.cursor is None

    @property
    def absent(self) -> int:
        """The number of items that GitHub did not show: hidden, missing and unserved items together."""
        return self.hidden + self.missing + self.unserved

    @property
    def offset(self) -> int | None:
        """The number of items in the list before this place. None if this sweep did not read the list from its top."""
        return None if self.listed is None else self.listed + self.unserved + self.missing

    @property
    def tail(self) -> int:
        """The number of missing items whose page is unknown. GitHub may have ended the list too early."""
        return max(self.missing - sum(page.missing for page in self.odd), 0)

    @classmethod
    def look_again(cls, way: int = 0) -> Self:
        """Returns the place at the top of a source that an earlier sweep could not read. The source then gets only one
        attempt, through the API with the index `way`.
        """
        return cls(way=way, noted=True)

    def give_up(self, reason: str, kind: NoteKind | None, missing: int = 0) -> Self:
        """Marks the source as skipped for the given reason. `kind` is the kind of the note on the source. `kind` is
        None if no note is written. `missing` is the number of items that GitHub did not show.
        """
        return type(self)(status="skipped", reason=reason, kind=kind, missing=missing, as_of=self.as_of, way=self.way)

    def take_next_way(self, reason: str) -> Self:
        """Changes to the source's next API, and moves to the top of the list. `reason` says why the API changes."""
        return type(self)(reason=reason, way=self.way + 1, as_of=self.as_of)

    def after_page(
        self,
        asked_at: datetime,
        page: OddPage,
        *,
        more: bool = False,
        depth: datetime | None = None,
        ties: Iterable[str] = (),
        oldest: datetime | None = None,
        total: int | None = None,
    ) -> Self:
        """Adds `page`, the page just read, to the counts of the place. The cursor does not change.

        `more` says whether another page follows. `depth` is the earliest time on the page, and `ties` are the ids of
        the page's items at that time. Both use the times by which the list is ordered. `oldest` is the earliest week
        read so far, for star_history only. `total` is GitHub's count of the list.
        """
        if self.is_at_top and self.until is None:
            place = replace(self, hidden=0, unserved=0, missing=0, odd=[], listed=0)
        else:
            tail = min(page.number, self.tail) if self.listed is None and self.until is None else 0
            place = self.forget(page.cursor)
            place = replace(place, missing=place.missing - tail, listed=0 if self.is_at_top else self.listed)
        if self.until is not None and depth is not None:
            # What earlier sweeps lacked down to here has been requested again with the news.
            for each in place.odd:
                if each.offset is None and each.oldest is not None and each.oldest >= depth:
                    place = place.forget(each.cursor)
        if more and total is not None and page.number < page.size:
            # A page that is not the last one lacks items.
            page = replace(page, missing=page.size - page.number)
        return replace(
            place.remember(replace(page, offset=place.offset, oldest=depth)),
            as_of=self.as_of or asked_at,
            oldest=oldest,
            progress=self.progress.descend(depth, ties),
            blanks=0,
            noted=False,
            listed=None if place.listed is None else place.listed + page.number - page.unserved,
            total=total if self.total is None or self.is_at_top else self.total,
        )

    def remember(self, page: OddPage) -> Self:
        """Counts the items that this page did not show. Remembers the page, so that a later sweep requests it again."""
        return replace(
            self,
            hidden=self.hidden + page.hidden,
            unserved=self.unserved + page.unserved,
            missing=self.missing + page.missing,
            odd=with_page(self.odd, page) if page.absent else self.odd,
        )

    def forget(self, cursor: str | None) -> Self:
        """Removes the odd page that begins at `cursor`, and subtracts the page's counts from the place's counts."""
        place = self
        for page in self.odd:
            if page.cursor == cursor:
                place = replace(
                    place,
                    hidden=max(place.hidden - page.hidden, 0),
                    unserved=max(place.unserved - page.unserved, 0),
                    missing=max(place.missing - page.missing, 0),
                    odd=[each for each in place.odd if each is not page],
                )
        return place

    def count_blank(self, asked_at: datetime) -> Self:
        """Counts one more empty page in a row, although the list should have items."""
        return replace(self, as_of=self.as_of or asked_at, blanks=self.blanks + 1)

    def count_missing(self, total: int | None, last: OddPage, end: str | None) -> Self:
        """Computes, at the end of a list, how many items of GitHub's count `total` no page has shown.

        The number of missing items stays as it is if `total` changed while the list was read. `last` is the last page,
        and `end` is the cursor behind the last page. As many missing items as fit on the last page are assigned to it.
        If more items are missing, GitHub may have ended the list too early. A later sweep then continues from `end`.
        """
        place = self
        if self.listed is not None and total is not None and total == self.total:
            place = replace(self, missing=max(total - self.listed - self.unserved, 0))
            if not place.missing:
                odd = (replace(page, missing=0) for page in self.odd)
                place = replace(place, odd=[page for page in odd if page.absent])
        of_last = min(place.tail, last.size - last.number) if last.number else 0
        if of_last:
            offset = None if self.offset is None else self.offset - last.number
            last = replace(last, offset=offset, hidden=0, unserved=0, missing=of_last)
            place = replace(place, missing=place.missing - of_last).remember(last)
        return replace(place, reached_end=False, below=end or place.below) if place.tail else place

    def look_at(self, now: OddPage) -> Self:
        """Removes the first page of `again`, because it was requested once more. `now` is the page as shown now."""
        place = replace(self.forget(now.cursor).remember(now), again=self.again[1:])
        return place if place.again else place.stop_looking()

    def stop_looking(self) -> Self:
        """Drops the pages of `again`, which a later sweep requests. Completes the source if `only_again` is set."""
        return replace(self, again=[], status="complete" if self.only_again else self.status)

    def pass_over(self, cursor: str) -> Self:
        """Skips one item that GitHub fails to serve, and counts the item as unserved. `cursor` is behind that item."""
        place = replace(self, listed=0) if self.is_at_top else self
        return replace(
            place.remember(OddPage(cursor=self.cursor, size=1, unserved=1, offset=place.offset)),
            cursor=cursor,
            progress=self.progress.count(moved=False),
        )

    def move_to(self, cursor: str, *, recent: bool) -> Self:
        """Moves to the next page, at `cursor`. `recent` says whether the page just read ended the recent leg."""
        return replace(self, cursor=cursor, recent=recent)

    def move_below(self, cursor: str | None) -> Self:
        """Moves to `cursor`, below the items that an earlier sweep read, or to the list's top if `cursor` is None."""
        return replace(self, cursor=cursor, until=None, progress=Progress(), listed=None)

    def complete(self) -> Self:
        """Marks the source as complete. `below` and `reached_end` keep the values that an earlier sweep stored."""
        return replace(self, status="complete", cursor=None)

    def complete_at(self, below: str | None) -> Self:
        """Marks the source as complete. A later job reads older items from `below`, which is None if there are none."""
        return replace(self, status="complete", cursor=None, below=below, reached_end=below is None or self.reached_end)

    def complete_at_end(self) -> Self:
        """Marks the source as complete, and as read to its end."""
        return replace(self, status="complete", reached_end=True)

    def complete_without_end(self) -> Self:
        """Marks the source as complete down to the cutoff. Older items may exist, but no cursor leads to them."""
        return replace(self, status="complete", cursor=None, reached_end=False)

    def restart(self) -> Self:
        """Moves back to the top, because GitHub refused a cursor or no longer has a commit. Counts the restart."""
        return replace(
            self,
            cursor=None,
            until=None,
            restarts=self.restarts + 1,
            progress=Progress(),
            again=[],
            only_again=False,
        )

    def leave_for_next_leg(self) -> Self:
        """Moves to the top, and stores the cursor in `below`. The next leg or another job reads on from `below`."""
        return replace(self, below=self.cursor or self.below, cursor=None, oids=None)

    def assume_complete(self) -> Self:
        """Marks the source as complete, because another sweep read the source down to this job's cutoff."""
        return replace(self, status="complete")

    # history

    def ask_for_commit(self, oid: str, *, found: bool) -> Self:
        """Counts the answer to a request for commit `oid`. `found` says whether GitHub has the commit. If GitHub does
        not have the commit, or if the commit was requested shortly before, the answer counts as no progress.
        """
        short = oid[:12]
        moved = found and short not in self.asked
        return replace(self, asked=[*self.asked, short][-MOST_IDLE:], progress=self.progress.count(moved=moved))

    def at_commits(self, oids: list[str], asked_at: datetime, *, recent: bool | None) -> Self:
        """Moves to the commits `oids`, at which the next pages begin. `recent` says whether the page just read ended
        the recent leg. `recent` is None if the page just read has no commits.
        """
        return replace(self, as_of=self.as_of or asked_at, oids=oids, recent=self.recent if recent is None else recent)

    def at_bottom(self, oids: list[str], bottom: Iterable[str], asked_at: datetime) -> Self:
        """Moves to the commits `oids`, after a page whose commits are all older than the cutoff. `bottom` are the
        commits that follow the page. These commits and their ancestors are skipped, because they are out of scope.
        """
        return replace(self, as_of=self.as_of or asked_at, oids=oids, bottom=[*self.bottom, *bottom])

    def without_commit(self, oid: str, head: str) -> Self:
        """Records that GitHub no longer has commit `oid`, because a forced push removed the commit. Moves to the
        branch's latest commit, `head`.
        """
        return replace(self, gone=[*self.gone, oid], oids=[head])

    def complete_history(self) -> Self:
        """Marks the history as complete, because the caller has found no commit left to read."""
        return replace(self, status="complete", oids=None, reached_end=not self.bottom)

    # threads

    def complete_as_of(self, as_of: datetime | None) -> Self:
        return replace(self, status="complete", as_of=as_of)


@dataclass(frozen=True, kw_only=True)
class EventPosition(Position):
    """The position of an events sweep: one place for each source. Sources are read one after the other."""

    places: dict[EventSourceName, EventPlace] = field(default_factory=dict)
    fresh: bool = False
    """Whether this sweep takes over events that are complete as of a moment within the last hour."""
    branch: str | None = None
    """The default branch. `head` is the commit at its head before its pushes were read."""
    head: str | None = None
    no_head: str = ""
    """Why GitHub does not show the head of the default branch. Empty if it does, or if the repository is empty."""
    low: AwareDatetime | None = None
    """The moment down to which an earlier sweep read; None if nothing is inherited."""
    inherited_as_of: AwareDatetime | None = None
    counted: Counted | None = None
    """GitHub's counts, surveyed before these places were read or left; None if there was no survey."""
    table: Literal["pull_requests", "issues"] = "pull_requests"
    number: int = 0
    """For threads: the stored threads of `table` up to this number are done."""

    @property
    def is_open(self) -> bool:
        """Whether any source still has to be read."""
        return any(place.status == "open" for place in self.places.values())

    def left(self) -> dict[str, Any]:
        """Returns the fields that a later sweep resumes from. The coverage stores these fields."""
        return self.to_commit({"places", "branch", "head", "counted"})

    def begin(self) -> Self:
        """Returns the position at the top of every source."""
        return replace(self, places={source: EventPlace() for source in SOURCES})

    def take_over(self, left: "EventPosition", *, low: datetime, as_of: datetime) -> Self:
        """Returns the position that resumes an earlier sweep. `left` has the fields that the earlier sweep stored in
        the coverage (`EventPosition.left`). That sweep's events are complete from `low` to `as_of`.
        """
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
        """Returns the position with `places`, from which the sources resume after an earlier sweep. `fresh` says
        whether the earlier sweep's events are complete up to a moment within the last hour.
        """
        return replace(self, places=dict(places), fresh=fresh, as_of=self.inherited_as_of if fresh else None)

    # Steps from there

    def with_place(self, source: EventSourceName, place: EventPlace) -> Self:
        return replace(self, places=self.places | {source: place})

    def after_answer(self, asked_at: datetime) -> Self:
        """Returns the position with `as_of` set to `asked_at`, a request's time, unless `as_of` is set already."""
        return replace(self, as_of=self.as_of or asked_at)

    def with_branch(self, branch: str | None, head: str | None) -> Self:
        """Records the default branch and its latest commit, `head`. Both are None if the repository is empty."""
        return replace(self, branch=branch, head=head, no_head="")

    def with_counted(self, counted: Counted | None) -> Self:
        """Records GitHub's counts, taken before the sources were read. `counted` is None if there was no survey."""
        return replace(self, counted=counted)

    def without_head(self, reason: str) -> Self:
        """Records the reason why GitHub does not show the head of the default branch."""
        return replace(self, no_head=reason)

    def with_size(self, source: EventSourceName, size: int | None) -> Self:
        """Sets how many items to request for each page of this source. `size` is None for the largest number."""
        others = {each: number for each, number in self.sizes.items() if each != source}
        return replace(self, sizes=others if size is None else others | {source: size})

    def after_thread(self, number: int) -> Self:
        """Records that the source `threads` is read up to thread `number`. Threads are read in order of number."""
        return replace(self, number=number)

    def at_issues(self) -> Self:
        """Moves the source `threads` to the first issue. All pull requests are read before the issues."""
        return replace(self, table="issues", number=0)

    def leave_for_next_leg(self) -> Self:
        """Returns the position from which the next leg resumes every open source."""
        places = self.places.items()
        left = {source: place.leave_for_next_leg() if place.status == "open" else place for source, place in places}
        return replace(self, places=left)
