"""The place in the list of all review comments, and each step that it can take."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Self

from pydantic import AwareDatetime

from activities.progress import Progress


@dataclass(frozen=True, kw_only=True)
class ReviewCommentPlace:
    """The place in the list of all review comments: how far the list is read, and how many comments it has shown."""

    in_bulk: bool | None = None
    """Whether the list is read, because that is cheaper than to fetch review by review; None while undecided."""
    since: AwareDatetime | None = None
    """The next page lists changes from this moment on."""
    path: str | None = None
    """The path of the next page by its number, if one second's changes fill a page."""
    waiting: int = 0
    """Reviews shown by the history whose comments are still to fetch; one that is shown twice counts twice."""
    counted: int = 0
    """GitHub's count of the comments before the list was read."""
    counted_at: AwareDatetime | None = None
    shown: int = 0
    """Comments listed so far of those that were counted."""
    last: list[str] = field(default_factory=list)
    """Keys of the comments already listed that changed in the second `since`."""
    ended: bool = False
    """Whether the list was read to its end; its reviews are now being proved."""
    strangers: bool = False
    """Whether the list had unmatched comments: on pull requests that are not stored, or of reviews without a part.
    Stored positions have it under this name.
    """
    read_from: AwareDatetime | None = None
    """An earlier leg read the list from this moment on and knew all its pull requests; that part is not read again."""
    read_number: int = 0
    """Comments in the list from `read_from` on."""
    progress: Progress = field(default_factory=Progress)
    recounted: bool = False
    """Whether `read_number` was requested again, because fewer comments were listed than counted."""

    def after_history(self, reviews: int) -> Self:
        """Adds `reviews` to the number of reviews whose comments are still to be fetched, and returns the new place.
        `reviews` is the number of reviews on a page of the history.
        """
        return replace(self, waiting=self.waiting + reviews)

    def begin(self, *, in_bulk: bool, counted: int, counted_at: datetime, since: datetime) -> Self:
        """Records the decision whether to read the list (`in_bulk`), and returns the new place. At `counted_at`, GitHub
        counted `counted` comments that changed since `since`.
        """
        return replace(self, in_bulk=in_bulk, counted=counted, counted_at=counted_at, since=since)

    def after_page(
        self,
        *,
        since: datetime,
        path: str | None,
        last: list[str],
        ended: bool,
        unmatched: bool,
        listed: int,
        latest: datetime | None,
    ) -> Self:
        """Returns the place after a page of the list. `listed` is how many comments of the page were in GitHub's
        earlier count.

        `since`, `path` and `last` are for the next page, as the fields describe them. `ended` says whether the page was
        the last one. `unmatched` says whether a comment of the page belongs to no stored pull request, or to a review
        without a part. `latest` is the latest change on the page. `latest` is None if the page is empty.
        """
        return replace(
            self,
            since=since,
            path=path,
            last=last,
            ended=ended,
            progress=self.progress.ascend(latest, last),
            strangers=self.strangers or unmatched,
            shown=self.shown + listed,
        )

    def recount(self, number: int) -> Self:
        """Records `number`, GitHub's new count of the comments that changed at or after `read_from`. Returns the new
        place.
        """
        return replace(self, read_number=number, recounted=True)

    def leave(self) -> Self:
        """Stops the reading of the list, and returns the new place. The sweep then fetches the remaining comments
        review by review.
        """
        return type(self)(in_bulk=False, read_from=self.read_from, read_number=self.read_number)

    def leave_as_read(self, since: datetime) -> Self:
        """Records that the list was read whole from `since` on, and returns the new place. The next leg reads the list
        only up to `since`.
        """
        return type(self)(in_bulk=False, read_from=since, read_number=self.counted)

    def for_next_leg(self) -> Self:
        """Returns the place at which the next leg begins. The place still records which part of the list was read, so
        that this part is not read again.
        """
        return type(self)(read_from=self.read_from, read_number=self.read_number)
