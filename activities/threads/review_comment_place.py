"""Where the list of all review comments stands, and each step that it can take."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Self

from activities.progress import Progress


@dataclass(frozen=True, kw_only=True)
class ReviewCommentPlace:
    """Where the list of all review comments stands."""

    in_bulk: bool | None = None
    """Whether the list is cheaper than asking review by review; None: that is not decided yet."""
    since: datetime | None = None
    """The next page lists what changed from then on."""
    path: str | None = None
    """Within a second that fills a page, the page by its number."""
    waiting: int = 0
    """Reviews that the history has shown so far and whose comments are to come, those shown twice counted twice."""
    counted: int = 0
    """Comments that GitHub counted before the list was read."""
    counted_at: datetime | None = None
    shown: int = 0
    """Comments of `counted` listed so far."""
    last: list[str] = field(default_factory=list)
    """Comments already listed of the second in `since`."""
    ended: bool = False
    """The list was read to its end; what it brought is being proved."""
    strangers: bool = False
    """It named pull requests that are not stored, or not yet."""
    read_from: datetime | None = None
    """From here on an earlier leg read the list, and knew all of its pull requests: it need not be read again."""
    read_number: int = 0
    """Comments from `read_from` on."""
    progress: Progress = field(default_factory=Progress)
    recounted: bool = False
    """`read_number` was asked for again, because what was listed fell short."""

    def after_history(self, reviews: int) -> Self:
        """A page of the history left so many reviews to come back to."""
        return replace(self, waiting=self.waiting + reviews)

    def begin(self, *, in_bulk: bool, counted: int, counted_at: datetime, since: datetime) -> Self:
        """Whether the list is read is decided. From `since` on GitHub counts `counted` comments."""
        return replace(self, in_bulk=in_bulk, counted=counted, counted_at=counted_at, since=since)

    def after_page(
        self,
        *,
        since: datetime,
        path: str | None,
        last: list[str],
        ended: bool,
        strangers: bool,
        listed: int,
        latest: datetime | None,
    ) -> Self:
        """A page was read: it listed `listed` comments of those that were counted."""
        return replace(
            self,
            since=since,
            path=path,
            last=last,
            ended=ended,
            progress=self.progress.ascend(latest, last),
            strangers=self.strangers or strangers,
            shown=self.shown + listed,
        )

    def recount(self, number: int) -> Self:
        """From `read_from` on GitHub now counts `number` comments."""
        return replace(self, read_number=number, recounted=True)

    def leave(self) -> Self:
        """What is still due is asked for review by review."""
        return type(self)(in_bulk=False, read_from=self.read_from, read_number=self.read_number)

    def leave_as_read(self, since: datetime) -> Self:
        """The list was whole from `since` on, so that the next leg reads only up to there."""
        return type(self)(in_bulk=False, read_from=since, read_number=self.counted)

    def for_next_leg(self) -> Self:
        """A leg's review comments are stored; what the next leg need not read again is kept."""
        return type(self)(read_from=self.read_from, read_number=self.read_number)
