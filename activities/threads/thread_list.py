"""Lists a repository's threads with numbers and times: 100 for one point."""

from activities.threads.look_ahead import LookAhead
from activities.threads.page_sizes import PageSizes
from errors import TooLarge
from github.client import GitHub
from github.threads.listings import Listing, read_listing
from github.threads.thread_types import ThreadType
from messages import RepositoryRef

MOST_LIST_FAILURES = 3
"""Failures in a row of a listing of one item, before that item is passed over."""


class LostThread(TooLarge):
    """A thread is null in the list without a reason."""


class ThreadList:
    """Pages of the list, each as large as GitHub can answer."""

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
        """Begins a turn. `failures`: how often in a row a listing of one thread did not show it."""
        self._accepts_lost = failures >= MOST_LIST_FAILURES - 1

    async def page(self, cursor: str | None, *, by_birth: bool = False, comments: bool = False) -> Listing:
        """The page behind the cursor: latest update first, or oldest thread first with `by_birth`.

        `comments` adds each thread's number of comments. Raises `LostThread` while a smaller page, or up to three
        requests for the thread alone, may still show a lost thread.
        """
        first = self._sizes.ask("listing")
        listing = await self._read(first, cursor, by_birth=by_birth, comments=comments)
        if listing.lost and not (self._accepts_lost and first == 1):
            raise LostThread("null_node", f"GitHub left out {listing.lost} of {first} threads of a list")
        return listing

    async def next_one(self, cursor: str | None) -> Listing:
        """The next thread behind the cursor, latest update first; the listing counts it as lost if it is not shown."""
        return await self._read(1, cursor)

    async def _read(self, first: int, cursor: str | None, *, by_birth: bool = False, comments: bool = False) -> Listing:
        return await self._look_ahead.send(
            lambda: read_listing(
                self._github, self._type, self._repository, first, cursor, by_birth=by_birth, comments=comments
            )
        )
