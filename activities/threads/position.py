"""Where a sweep over threads stands, and each step that it can take."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal, Self

from activities.position import Position
from activities.progress import Progress
from activities.threads.review_comment_place import ReviewCommentPlace
from activities.turn import CLOCK_SLACK
from store.coverage import Coverage

Phase = Literal["history", "seek", "catch_up", "review_comments", "comments", "verify", "relist"]


@dataclass(frozen=True, kw_only=True)
class ThreadPosition(Position):
    """The resume point of a sweep over threads. The phases follow each other in the order of `Phase`.

    history: whole threads from the latest updated down to the cutoff. seek: only where GitHub refused the history's
    cursor, a listing from the top down to the place where it stood. catch_up: a listing from the top down to `floor`
    for what changed meanwhile. review_comments: those that were left as parts. comments: REST lists of comments since
    the first floor, for those that did not bump their thread. verify: counts. relist: only where they do not agree,
    every thread against what is stored.

    `cursor` is of the connection, of the listing, or (comments) the path of the REST page.
    """

    phase: Phase = "history"
    below: str | None = None
    """The history's cursor where it crossed the cutoff: a longer retention goes on from there."""
    updated_at: datetime | None = None
    """Of the thread where the history's cursor stands: where to go on should GitHub refuse the cursor."""
    node_id: str | None = None
    floor: datetime | None = None
    """Everything updated before it is swept; what was updated since is the catch-up's."""
    first_floor: datetime | None = None
    """From here on comments are looked for that did not bump their thread."""
    comments_as_of: datetime | None = None
    """Every comment up to it is stored, whether it bumped its thread or not."""
    low: datetime | None = None
    """Down to here it was complete when this sweep began; None: it began with nothing."""
    inherited_as_of: datetime | None = None
    """What this sweep went on from was complete as of this moment; None: it began with nothing."""
    news_first: bool = False
    """catch_up: the history goes on after it, below what this sweep began with."""
    listing: ReviewCommentPlace = field(default_factory=ReviewCommentPlace)
    """Of a leg's review comments, at its end."""
    round: int = 1
    round_began: datetime | None = None
    """catch_up: when its first page was asked for; None before."""
    round_pages: int = 0
    round_listed: int = 0
    """catch_up: threads that the round's pages listed so far."""
    fell_back: list[str] = field(default_factory=list)
    """What was read in another way than in bulk, and why: the proof says so."""
    list_failures: int = 0
    """How often a list failed at every size, while GitHub answered other things."""
    missed_from: datetime | None = None
    """catch_up: the floor from which it listed threads that GitHub did not show; None: it showed all."""
    by_totals: bool = False
    """comments: the threads' numbers of comments are compared, because GitHub does not give the present list."""
    comments_missed: bool = False
    """comments: GitHub did not give a list, and nothing else shows all that it would have."""
    looked_again: bool = False
    """What earlier sweeps noted as missing was looked at again."""
    route: int = 0
    """comments: which of the type's REST lists is being read."""
    comments_since: datetime | None = None
    """comments: the change from which the present page was asked for."""
    reached_end: bool = False
    """The history was swept to its very end, so that counts can be compared."""
    progress: Progress = field(default_factory=Progress)
    """Of the history."""
    list_progress: Progress = field(default_factory=Progress)
    """Of the list that another phase reads."""
    seeks: int = 0
    """How often a cursor was refused since one led on."""
    relisted: bool = False
    """verify: every thread was listed once and what was missing was fetched."""
    listed: int = 0
    """relist: threads listed so far, oldest first."""
    born: datetime | None = None
    """relist: when the last of them was created."""
    total: int | None = None
    """Threads that GitHub counts."""
    withheld: int = 0
    """Threads that GitHub counts and shows to nobody, or refuses: of the history, then of the relist."""
    withheld_words: str = ""
    """GitHub's, if it said any."""
    swept: int = 0
    """Threads in scope that the history brought so far."""
    seen: int = 0
    """Threads that the history showed, in scope or not, and those that only the catch-up did."""

    @property
    def has_threads(self) -> bool:
        """Whether there are threads, or were when this or an earlier sweep looked; False: nothing has a comment."""
        return bool(self.total is None or self.total or self.seen or self.swept)

    def with_sizes(self, sizes: dict[str, int]) -> Self:
        """What fits into one request is known better."""
        return replace(self, sizes=sizes)

    # Beginning, and legs

    def resume_from_coverage(self, covered: Coverage, *, stored: int, phase: Literal["history", "catch_up"]) -> Self:
        """Goes on where the sweep that earned `covered` ended.

        `phase` catch_up: first what is new; with more to read below, the history follows. `stored`: threads in scope.
        """
        left = self.read(covered.position)
        comments_as_of = left.comments_as_of or covered.as_of
        return replace(
            self,
            phase=phase,
            cursor=left.below if phase == "history" else None,
            below=left.below,
            updated_at=left.updated_at,
            node_id=left.node_id,
            reached_end=left.reached_end,
            total=left.total,
            seen=left.seen,
            swept=stored,
            sizes=left.sizes,
            floor=covered.as_of - CLOCK_SLACK,
            first_floor=comments_as_of - CLOCK_SLACK,
            comments_as_of=comments_as_of,
            low=covered.low,
            inherited_as_of=covered.as_of,
        )

    def with_news_first(self) -> Self:
        """After the catch-up the history goes on below."""
        return replace(self, news_first=True)

    def for_later_sweeps(self, *, below: str | None) -> dict[str, Any]:
        """What a later sweep needs to go on from here, as JSON. `below`: the cursor of what this one left unread."""
        return replace(self, below=below).to_commit(
            only={"below", "updated_at", "node_id", "reached_end", "total", "seen", "sizes", "comments_as_of"}
        )

    # History and seek

    def after_page(
        self,
        *,
        cursor: str | None,
        last: tuple[datetime, str] | None,
        asked_at: datetime,
        total: int | None,
        swept: int,
        seen: int,
        withheld: list[str],
        ties: list[str],
    ) -> Self:
        """Behind a page of the history that showed `seen` threads, `swept` of them in scope.

        `withheld`: GitHub's words for each thread that it counts and refuses to show.
        `last`: updatedAt and node id of the page's last thread. `ties`: node ids of those updated at the same moment.
        """
        updated_at, node_id = last or (self.updated_at, self.node_id)
        floor = self.floor or asked_at - CLOCK_SLACK
        progress = self.progress.descend(last[0] if last else None, ties)
        return replace(
            self,
            cursor=cursor,
            updated_at=updated_at,
            node_id=node_id,
            seeks=self.seeks if progress.idle else 0,
            progress=progress,
            floor=floor,
            first_floor=self.first_floor or floor,
            total=total,
            swept=self.swept + swept,
            seen=self.seen + seen + len(withheld),
            withheld=self.withheld + len(withheld),
            withheld_words=next((words for words in reversed(withheld) if words), self.withheld_words),
        )

    def to_catch_up(self, *, below: str | None) -> Self:
        """The history is read: to its end, or with `below` the cursor of what is older than the cutoff."""
        return replace(
            self, phase="catch_up", cursor=None, below=below, reached_end=below is None, list_progress=Progress()
        )

    def to_verify(self, *, as_of: datetime, with_comments: bool) -> Self:
        """One answer brought everything in scope, so that nothing can have changed since."""
        comments_as_of = as_of if with_comments else self.comments_as_of
        return replace(self, phase="verify", as_of=as_of, comments_as_of=comments_as_of)

    def at_empty_list(self, *, asked_at: datetime, with_comments: bool) -> Self:
        """GitHub counted no thread at `asked_at`: as behind a first page that shows none."""
        empty = self.after_page(
            cursor=None, last=None, asked_at=asked_at, total=0, swept=0, seen=0, withheld=[], ties=[]
        )
        return empty.to_catch_up(below=None).to_verify(as_of=asked_at, with_comments=with_comments)

    def to_seek(self) -> Self:
        """GitHub refused the history's cursor."""
        return replace(self, phase="seek", cursor=None, seeks=self.seeks + 1, list_progress=Progress())

    def seek_on(self, cursor: str | None, progress: Progress) -> Self:
        return replace(self, cursor=cursor, list_progress=progress)

    def back_to_history(self, cursor: str | None) -> Self:
        """The place is found again."""
        return replace(self, phase="history", cursor=cursor)

    # Catch-up

    def begin_round_again(self) -> Self:
        """GitHub refused the listing's cursor: the round begins again from the top."""
        return replace(
            self,
            cursor=None,
            round_began=None,
            round_pages=0,
            round_listed=0,
            list_progress=self.list_progress.restart(),
        )

    def end_round(self) -> Self:
        return replace(self, cursor=None, round_began=None, round_pages=0, round_listed=0, list_progress=Progress())

    def after_listing(self, *, total: int, new: int) -> Self:
        """A listing says how many threads there are, and showed `new` threads that are not stored."""
        return replace(self, total=total, seen=self.seen + new)

    def miss(self) -> Self:
        """A page of the listing did not show all threads: the next sweep lists what changed since the same moment."""
        return replace(self, missed_from=self.missed_from or self.floor)

    def continue_round(self, *, cursor: str | None, began: datetime, listed: int, progress: Progress) -> Self:
        """Behind a page that listed `listed` threads; one that brought the list no further is not counted."""
        return replace(
            self,
            cursor=cursor,
            round_began=began,
            round_pages=self.round_pages + 1,
            round_listed=self.round_listed + (0 if progress.idle else listed),
            list_progress=progress,
        )

    def next_round(self, *, began: datetime) -> Self:
        """A round took several pages: what changed since it began is listed again."""
        return replace(self.end_round(), floor=began - CLOCK_SLACK, round=self.round + 1)

    def to_history_below(self, *, began: datetime) -> Self:
        """What is new is listed: the history goes on where the sweep before this one left it."""
        return replace(
            self.end_round(), phase="history", cursor=self.below, news_first=False, floor=began - CLOCK_SLACK
        )

    def to_review_comments(self, *, as_of: datetime) -> Self:
        """Caught up: every change up to `as_of` is stored, or is a part."""
        return replace(self.end_round(), phase="review_comments", as_of=as_of)

    # Review comments, and the comments that did not bump their thread

    def with_listing(self, listing: ReviewCommentPlace) -> Self:
        return replace(self, listing=listing)

    def after_second_look(self) -> Self:
        """What was noted by earlier sweeps was looked at again, or becomes parts."""
        return replace(self, looked_again=True)

    def end_review_comments(self) -> Self:
        """A leg's review comments are stored."""
        return replace(self, listing=self.listing.for_next_leg())

    def to_phase(self, phase: Literal["comments", "verify"]) -> Self:
        return replace(self, phase=phase, list_progress=Progress())

    def next_comment_page(self, *, path: str, since: datetime, progress: Progress) -> Self:
        return replace(self, cursor=path, comments_since=since, list_progress=progress)

    def next_comment_list(self) -> Self:
        return replace(
            self,
            cursor=None,
            comments_since=None,
            route=self.route + 1,
            by_totals=False,
            list_failures=0,
            list_progress=Progress(),
        )

    def count_list_failure(self) -> Self:
        return replace(self, list_failures=self.list_failures + 1)

    def end_list_failures(self) -> Self:
        """The list goes on."""
        return replace(self, list_failures=0)

    def fall_back(self, words: str) -> Self:
        """Records, in GitHub's `words`, why what a list would have brought is read in another way."""
        return replace(self, fell_back=[*self.fell_back, words[:500]], list_failures=0)

    def to_comment_totals(self) -> Self:
        """Instead of the present list, the numbers of comments of all threads in scope."""
        return replace(self, by_totals=True, cursor=None, comments_since=None, list_progress=Progress())

    def next_comment_totals(self, cursor: str | None, progress: Progress) -> Self:
        return replace(self, cursor=cursor, list_progress=progress)

    def miss_comments(self) -> Self:
        """Records that no way led to a list of comments, so that the next sweep asks from the same moment on."""
        return replace(self, comments_missed=True)

    def end_comment_lists(self) -> Self:
        """Every comment up to `as_of` is stored, whether it bumped its thread or not, unless a list was missed."""
        return replace(
            self,
            phase="verify",
            cursor=None,
            comments_since=None,
            route=0,
            by_totals=False,
            comments_missed=False,
            comments_as_of=self.comments_as_of if self.comments_missed else self.as_of,
        )

    # Verify and relist

    def to_relist(self) -> Self:
        """The counts do not agree."""
        return replace(self, phase="relist", cursor=None, list_progress=Progress())

    def begin_relist_again(self) -> Self:
        """GitHub refused the listing's cursor."""
        return replace(self, cursor=None, listed=0, born=None, list_progress=self.list_progress.restart())

    def after_relist_page(
        self, *, cursor: str | None, listed: int, withheld: list[str], born: datetime | None, progress: Progress
    ) -> Self:
        """Behind a page that listed `listed` threads; one that brought the list no further is not counted."""
        if progress.idle:
            return replace(self, cursor=cursor, list_progress=progress)
        words = withheld[-1] if withheld else self.withheld_words
        listed += self.listed
        return replace(self, cursor=cursor, listed=listed, withheld_words=words, born=born, list_progress=progress)

    def end_relist(self, *, counted: int) -> Self:
        """All threads are listed: now their number is known. GitHub counts `counted`."""
        total, withheld = self.listed, max(0, counted - self.listed)
        return replace(
            self,
            phase="verify",
            cursor=None,
            listed=0,
            born=None,
            relisted=True,
            total=total,
            seen=total,
            withheld=withheld,
        )

    def to_retry(self) -> Self:
        """The type failed. A retry begins at the catch-up: it lists what changed since, and counts anew.

        A history that did not come to its end begins again at its top.
        """
        if self.phase in ("history", "seek"):
            return replace(self, phase="history", cursor=None, progress=Progress(), list_progress=Progress(), seeks=0)
        floor = self.missed_from or (self.as_of - CLOCK_SLACK if self.as_of else self.floor)
        return replace(
            self.end_round(),
            phase="catch_up",
            floor=floor,
            round=1,
            route=0,
            comments_since=None,
            relisted=False,
            looked_again=False,
            fell_back=[],
            list_failures=0,
            missed_from=None,
            by_totals=False,
            comments_missed=False,
        )
