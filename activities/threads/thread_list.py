"""The list of a repository's threads, each with who and when: 100 for one point."""

from activities.threads.look_ahead import LookAhead
from activities.threads.page_sizes import PageSizes
from github.client import GitHub
from github.listings import Listing, read_listing
from github.thread_types import ThreadType
from messages import RepositoryRef


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

    async def page(self, cursor: str | None, *, by_birth: bool = False, comments: bool = False) -> Listing:
        """The page behind the cursor: latest updated first, or `by_birth` oldest first.

        With `comments`, each thread with the number of its comments.
        """
        return await self._read(self._sizes.ask("listing"), cursor, by_birth=by_birth, comments=comments)

    async def next_one(self, cursor: str | None) -> Listing:
        """The one thread behind the cursor, latest updated first."""
        return await self._read(1, cursor)

    async def _read(self, first: int, cursor: str | None, *, by_birth: bool = False, comments: bool = False) -> Listing:
        return await self._look_ahead.send(
            lambda: read_listing(
                self._github, self._type, self._repository, first, cursor, by_birth=by_birth, comments=comments
            )
        )
