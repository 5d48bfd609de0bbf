"""The list of a repository's threads, each with who and when: 100 for one point."""

from activities.threads.look_ahead import LookAhead
from activities.threads.page_sizes import PageSizes
from errors import TooLarge
from github.client import GitHub
from github.threads.listings import Listing, read_listing
from github.threads.thread_types import ThreadType
from messages import RepositoryRef

MOST_LIST_FAILURES = 3
"""Of a list that is asked for one thing, in a row: then it is gone on without it."""


class LostThread(TooLarge):
    """A thread is null in the list, and no error says why."""


class ThreadList:
    """Pages of the list, as large as they fit."""

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
        """`failures`: how often in a row the list, asked for one thread, did not show it."""
        self._accepts_lost = failures >= MOST_LIST_FAILURES - 1

    async def page(self, cursor: str | None, *, by_birth: bool = False, comments: bool = False) -> Listing:
        """The page behind the cursor: latest updated first, or `by_birth` oldest first.

        With `comments`, each thread with the number of its comments. Raises `LostThread` while a thread that is lost
        may still come: from a smaller page, or when it is asked for alone for the third time.
        """
        first = self._sizes.ask("listing")
        listing = await self._read(first, cursor, by_birth=by_birth, comments=comments)
        if listing.lost and not (self._accepts_lost and first == 1):
            raise LostThread("null_node", f"GitHub left out {listing.lost} of {first} threads of a list")
        return listing

    async def next_one(self, cursor: str | None) -> Listing:
        """The one thread behind the cursor, latest updated first; or that it is lost."""
        return await self._read(1, cursor)

    async def _read(self, first: int, cursor: str | None, *, by_birth: bool = False, comments: bool = False) -> Listing:
        return await self._look_ahead.send(
            lambda: read_listing(
                self._github, self._type, self._repository, first, cursor, by_birth=by_birth, comments=comments
            )
        )
