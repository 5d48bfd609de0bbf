"""Lists a repository's threads with their numbers and times. A list of 100 threads costs one point."""

from activities.threads.look_ahead import LookAhead
from activities.threads.page_sizes import PageSizes
from errors import TooLarge
from github.client import GitHub
from github.threads.listings import Listing, read_listing
from github.threads.pages import Threads
from github.threads.thread_types import ThreadType
from messages import RepositoryRef

MOST_LIST_FAILURES = 3
"""After this many failed listings in a row of one thread alone, the thread is passed over."""


class LostThread(TooLarge):
    """Raised when a thread in the list is null and GitHub gives no reason."""


def unless_blank(read: Threads, seen: int) -> Threads:
    """Returns the page `read`. Raises `TooLarge` if the page has no threads, although the list continues and GitHub
    counts more than `seen` threads. The error is `TooLarge` because a smaller page may show the missing threads.
    """
    if read.last is None and not read.withheld and read.end_cursor is not None and seen < read.total:
        raise TooLarge("blank_page", f"GitHub shows no thread after {seen} of {read.total}, and a next page")
    return read


class ThreadList:
    """Reads pages of the list of threads. Each page is as large as GitHub can answer."""

    def __init__(
        self, github: GitHub, kind: ThreadType, repository: RepositoryRef, sizes: PageSizes, look_ahead: LookAhead
    ) -> None:
        self._github = github
        self._type = kind
        self._repository = repository
        self._sizes = sizes
        self._look_ahead = look_ahead
        self._accepts_lost = False

    def begin_turn(self, *, failures: int) -> None:
        """Begins a turn. `failures` is the number of listings in a row that were requested for a single thread and did
        not show that thread.
        """
        self._accepts_lost = failures >= MOST_LIST_FAILURES - 1

    async def page(self, cursor: str | None, *, by_birth: bool = False, comments: bool = False) -> Listing:
        """Returns the page of the list that follows `cursor`, latest update first. With `by_birth`, the list is in
        order of creation, oldest first. With `comments`, the page has the number of comments of each thread.

        Raises `LostThread` if a thread is null without a reason, because a smaller page may show the thread. After two
        such failures in a row for a single thread, no error is raised, and the thread is counted in `Listing.lost`.
        """
        first = self._sizes.ask("listing")
        listing = await self._read(first, cursor, by_birth=by_birth, comments=comments)
        if listing.lost and not (self._accepts_lost and first == 1):
            raise LostThread("null_node", f"GitHub left out {listing.lost} of {first} threads of a list")
        return listing

    async def next_one(self, cursor: str | None) -> Listing:
        """Returns a listing of only the next thread behind `cursor`, in order of the latest update. If GitHub does not
        show the thread, the thread is counted in `Listing.lost` or `Listing.withheld`.
        """
        return await self._read(1, cursor)

    async def _read(self, first: int, cursor: str | None, *, by_birth: bool = False, comments: bool = False) -> Listing:
        return await self._look_ahead.send(
            lambda: read_listing(
                self._github, self._type, self._repository, first, cursor, by_birth=by_birth, comments=comments
            )
        )
