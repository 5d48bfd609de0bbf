"""The position of a thread sweep, and each step that it can take."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal, Self

from pydantic import AwareDatetime

from activities.position import Position
from activities.progress import Progress
from activities.threads.review_comment_place import ReviewCommentPlace
from activities.turn import CLOCK_SLACK
from store.coverage import Coverage

Phase = Literal["history", "seek", "catch_up", "review_comments", "comments", "verify", "relist"]


@dataclass(frozen=True, kw_only=True)
class ThreadPosition(Position):
    """The position of a thread sweep. `phase` says what the sweep does at present:

    - history: reads whole threads, latest update first, down to the cutoff.
    - seek: after GitHub refused the history's cursor, lists threads down to the place where the history stopped.
    - catch_up: lists threads down to `floor`, to find changes.
    - review_comments: fetches the comments of the reviews that the history read.
    - comments: reads REST's lists of comments, for comments that did not change their thread's `updatedAt`.
    - verify: compares the number of stored threads with GitHub's count.
    - relist: lists all threads once more, because the numbers differ or GitHub did not list every thread.

    `cursor` belongs to the list that the phase reads. For a list by REST, `cursor` is the path of the next page.
    """

    phase: Phase = "history"
    below: str | None = None
    """The history's cursor at the cutoff. A sweep with a longer retention resumes there."""
    updated_at: AwareDatetime | None = None
    """updatedAt of the thread at the history's cursor, to find the place again if GitHub refuses the cursor."""
    node_id: str | None = None
    floor: AwareDatetime | None = None
    """Everything updated before this moment is swept; the catch-up lists later updates."""
    first_floor: AwareDatetime | None = None
    """Comments that did not bump their thread are read from this moment on."""
    comments_as_of: AwareDatetime | None = None
    """Every comment up to this moment is stored, including those that did not bump their thread."""
    low: AwareDatetime | None = None
    """The moment down to which the type was complete when this sweep began; None if nothing was stored."""
    inherited_as_of: AwareDatetime | None = None
    """The moment up to which the inherited coverage was complete; None if there was none."""
    news_first: bool = False
    """For catch_up: whether the history follows it, from below the inherited coverage."""
    listing: ReviewCommentPlace = field(default_factory=ReviewCommentPlace)
    """The place in the list of a leg's review comments."""
    round: int = 1
    round_began: AwareDatetime | None = None
    """For catch_up: when the round's first page was requested; None before."""
    round_pages: int = 0
    round_listed: int = 0
    """For catch_up: threads listed so far in this round."""
    fell_back: list[str] = field(default_factory=list)
    """What was not read in bulk, and why; the proof includes it."""
    list_failures: int = 0
    """How often a list failed at every size, while GitHub answered other requests."""
    missed_from: AwareDatetime | None = None
    """For catch_up: the floor of the first round in which GitHub did not list every thread; None if it always did."""
    by_totals: bool = False
    """For comments: whether the threads' numbers of comments are compared, because GitHub does not serve the present
    list.
    """
    comments_missed: bool = False
    """For comments: whether GitHub did not serve a list, and nothing else shows all of its comments."""
    looked_again: bool = False
    """Whether the notes of earlier sweeps were checked again."""
    route: int = 0
    """For comments: the index of the REST list that is being read."""
    comments_since: AwareDatetime | None = None
    """For comments: the present page begins with comments that changed at this moment."""
    reached_end: bool = False
    """Whether the history was read to the list's end, so that counts can be compared."""
    progress: Progress = field(default_factory=Progress)
    """Progress of the history."""
    list_progress: Progress = field(default_factory=Progress)
    """Progress of the list that another phase reads."""
    seeks: int = 0
    """How often GitHub refused the history's cursor since a cursor last worked."""
    relisted: bool = False
    """For verify: whether every thread was listed once and missing ones were fetched."""
    listed: int = 0
    """For relist: threads listed so far, oldest first."""
    born: AwareDatetime | None = None
    """For relist: when the last listed thread was created."""
    total: int | None = None
    """GitHub's count of threads."""
    withheld: int = 0
    """Threads that GitHub counts and does not show: those of the history, then those of the relist."""
    withheld_words: str = ""
    """GitHub's words for the withheld threads; empty if it gave none."""
    swept: int = 0
    """Threads in scope that the history has read so far."""
    seen: int = 0
    """Threads that the history showed, in scope or not, and those that only the catch-up showed."""

    @property
    def has_threads(self) -> bool:
        """Whether this sweep or an earlier one found threads. True also while GitHub's count is unknown."""
        return bool(self.total is None or self.total or self.seen or self.swept)

    def with_sizes(self, sizes: dict[str, int]) -> Self:
        """Returns the position with the learned sizes of requests."""
        return replace(self, sizes=sizes)

    # Beginning, and legs

    def resume_from_coverage(self, covered: Coverage, *, stored: int, phase: Literal["history", "catch_up"]) -> Self:
        """Returns the position that resumes from `covered`, the coverage of an earlier sweep.

        `phase` is the phase with which the sweep begins. With `catch_up`, the sweep lists changes, and does not read
        older threads unless `with_news_first` is called, too. `stored` is the number of stored threads in scope.
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
        """Returns the position from which the sweep first lists changes (catch-up) and then reads the history."""
        return replace(self, news_first=True)

    def for_later_sweeps(self, *, below: str | None) -> dict[str, Any]:
        """Returns the position as JSON for a later sweep. `below` is the cursor where the history stopped."""
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
        """Returns the position after a page of the history with `seen` threads, of which `swept` are in scope.

        `withheld` has one text for each thread that GitHub does not show: GitHub's message, or an empty text. `last`
        has the updatedAt and the node id of the page's last thread. `ties` are the node ids of all threads of the page
        with the same updatedAt as the last thread.
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
        """Returns the position at the beginning of the catch-up. `below` is the history's cursor at the cutoff. `below`
        is None if the history was read to the list's end.
        """
        return replace(
            self, phase="catch_up", cursor=None, below=below, reached_end=below is None, list_progress=Progress()
        )

    def to_verify(self, *, as_of: datetime, with_comments: bool) -> Self:
        """Returns the position in the phase verify. The catch-up is skipped, because one answer held everything in
        scope as of `as_of`. `with_comments` says whether the type has REST's lists of comments. If so, these lists
        count as read up to `as_of`.
        """
        comments_as_of = as_of if with_comments else self.comments_as_of
        return replace(self, phase="verify", as_of=as_of, comments_as_of=comments_as_of)

    def at_empty_list(self, *, asked_at: datetime, with_comments: bool) -> Self:
        """Returns the position in the phase verify, for a sweep that reads no list because GitHub counted no threads at
        `asked_at`. `with_comments` says whether the type has REST's lists of comments. If so, these lists count as read
        up to `asked_at`.
        """
        empty = self.after_page(
            cursor=None, last=None, asked_at=asked_at, total=0, swept=0, seen=0, withheld=[], ties=[]
        )
        return empty.to_catch_up(below=None).to_verify(as_of=asked_at, with_comments=with_comments)

    def to_seek(self) -> Self:
        """Returns the position in the phase seek, because GitHub refused the history's cursor."""
        return replace(self, phase="seek", cursor=None, seeks=self.seeks + 1, list_progress=Progress())

    def seek_on(self, cursor: str | None, progress: Progress) -> Self:
        return replace(self, cursor=cursor, list_progress=progress)

    def back_to_history(self, cursor: str | None) -> Self:
        """Returns the position in the phase history again, at `cursor`, which the phase seek has found."""
        return replace(self, phase="history", cursor=cursor)

    # Catch-up

    def begin_round_again(self) -> Self:
        """Returns the position that begins the same round again, because GitHub refused the listing's cursor."""
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
        """Returns the position with GitHub's count, `total`. `new` is the number of listed threads not stored yet."""
        return replace(self, total=total, seen=self.seen + new)

    def miss(self) -> Self:
        """Records that a listing lacked threads, and returns the new position. A retry, and the next sweep, then list
        changes down to the present floor again.
        """
        return replace(self, missed_from=self.missed_from or self.floor)

    def continue_round(self, *, cursor: str | None, began: datetime, listed: int, progress: Progress) -> Self:
        """Returns the position after a page with `listed` threads, which are counted only if there was progress."""
        return replace(
            self,
            cursor=cursor,
            round_began=began,
            round_pages=self.round_pages + 1,
            round_listed=self.round_listed + (0 if progress.idle else listed),
            list_progress=progress,
        )

    def next_round(self, *, began: datetime) -> Self:
        """Returns the position of the next round, which lists changes since `began`, when this round began."""
        return replace(self.end_round(), floor=began - CLOCK_SLACK, round=self.round + 1)

    def to_history_below(self, *, began: datetime) -> Self:
        """Returns the position in the history where an earlier sweep stopped. Changes up to `began` are listed."""
        return replace(
            self.end_round(), phase="history", cursor=self.below, news_first=False, floor=began - CLOCK_SLACK
        )

    def to_review_comments(self, *, as_of: datetime) -> Self:
        """Returns the position in the phase review_comments. All changes up to `as_of` are stored or in parts."""
        return replace(self.end_round(), phase="review_comments", as_of=as_of)

    # Review comments, and the comments that did not bump their thread

    def with_listing(self, listing: ReviewCommentPlace) -> Self:
        return replace(self, listing=listing)

    def after_second_look(self) -> Self:
        """Returns the position marked as done with checking the notes of earlier sweeps. A retry removes the mark."""
        return replace(self, looked_again=True)

    def end_review_comments(self) -> Self:
        """Returns the position after all comments of this leg's reviews were stored."""
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
        """Returns the position with no list failures counted, because a request for a list succeeded."""
        return replace(self, list_failures=0)

    def fall_back(self, words: str) -> Self:
        """Returns the position that records why some data is not read in the usual way. `words` is the reason."""
        return replace(self, fell_back=[*self.fell_back, words[:500]], list_failures=0)

    def to_comment_totals(self) -> Self:
        """Returns the position for comparing threads' numbers of comments, in place of a list that failed."""
        return replace(self, by_totals=True, cursor=None, comments_since=None, list_progress=Progress())

    def next_comment_totals(self, cursor: str | None, progress: Progress) -> Self:
        return replace(self, cursor=cursor, list_progress=progress)

    def miss_comments(self) -> Self:
        """Records that a list failed in every way. The next sweep reads the list again from the same moment."""
        return replace(self, comments_missed=True)

    def end_comment_lists(self) -> Self:
        """Returns the position after the phase comments. All comments up to `as_of` are stored unless a list failed."""
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
        """Returns the position in the phase relist, because counts differ or GitHub has not listed every thread."""
        return replace(self, phase="relist", cursor=None, list_progress=Progress())

    def begin_relist_again(self) -> Self:
        """Returns the position at the beginning of the relist, because GitHub refused the relist's cursor."""
        return replace(self, cursor=None, listed=0, born=None, list_progress=self.list_progress.restart())

    def after_relist_page(
        self, *, cursor: str | None, listed: int, withheld: list[str], born: datetime | None, progress: Progress
    ) -> Self:
        """Returns the position after a page with `listed` threads, which are counted only if there was progress."""
        if progress.idle:
            return replace(self, cursor=cursor, list_progress=progress)
        words = withheld[-1] if withheld else self.withheld_words
        listed += self.listed
        return replace(self, cursor=cursor, listed=listed, withheld_words=words, born=born, list_progress=progress)

    def end_relist(self, *, counted: int) -> Self:
        """Returns the position after the relist. `withheld` becomes `counted` minus the number of listed threads."""
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
        """Returns the position for a retry of a failed type. The retry begins at the catch-up and compares counts.

        If the type failed during the history, the retry reads the history again from its top.
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
