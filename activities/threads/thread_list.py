"""Lists a repository's threads with their numbers and times: 100 threads for one point."""

from activities.threads.look_ahead import LookAhead
from activities.threads.page_sizes import PageSizes
from errors import TooLarge
from github.client import GitHub
from github.threads.listings import Listing, read_listing
from github.threads.thread_types import ThreadType
from messages import RepositoryRef

MOST_LIST_FAILURES = 3
"""After this many failed listings in a row of one thread alone, the thread is passed over."""


class LostThread(TooLarge):
    """Raised when a thread in the list is null and GitHub gives no reason."""


class ThreadList:
    """Reads pages of the list of threads, each as large as GitHub can answer."""

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
        """Begins a turn. `failures`: how many times in a row a listing of only one thread did not show that thread."""
        self._accepts_lost = failures >= MOST_LIST_FAILURES - 1

    async def page(self, cursor: str | None, *, by_birth: bool = False, comments: bool = False) -> Listing:
        """Returns the listing behind `cursor`, ordered by the latest update; with `by_birth` by creation, oldest first.
        `comments` adds the number of comments of each thread.

        Raises `LostThread` if a thread is null without a reason. A smaller page may then show it. The third request in
        a row for that thread alone does not raise: its listing counts the thread as lost.
        """
        first = self._sizes.ask("listing")
        listing = await self._read(first, cursor, by_birth=by_birth, comments=comments)
        if listing.lost and not (self._accepts_lost and first == 1):
            raise LostThread("null_node", f"GitHub left out {listing.lost} of {first} threads of a list")
        return listing

    async def next_one(self, cursor: str | None) -> Listing:
        """Returns the next thread behind `cursor`, in order of the latest update. If GitHub does not show it, the
        listing counts it as lost.
        """
        return await self._read(1, cursor)

    async def _read(self, first: int, cursor: str | None, *, by_birth: bool = False, comments: bool = False) -> Listing:
        return await self._look_ahead.send(
            lambda: read_listing(
                self._github, self._type, self._repository, first, cursor, by_birth=by_birth, comments=comments
            )
        )
