"""Finds comments that did not change their thread's `updatedAt`. The catch-up misses such comments. REST's lists show
such comments, because a list has all comments that changed since a given moment.
"""

from datetime import timedelta

import structlog

from activities.threads.look_ahead import LookAhead
from activities.threads.page_sizes import PageSizes
from activities.threads.position import ThreadPosition
from activities.threads.thread_list import ThreadList
from activities.turn import Turn
from errors import PartOver
from github.answers.refusals import SwitchedOff
from github.client import GitHub
from github.threads.comment_lists import CommentSince, comments_path, read_comments_since
from github.threads.thread_types import REVIEW_COMMENTS, ThreadType
from rows import Part
from store import threads
from store.database import Database
from store.sweeps import Sweep

log = structlog.get_logger(__name__)

LAG = timedelta(hours=1)
"""Another job's reading of the lists is recent enough for this long."""
ONE_SECOND = timedelta(seconds=1)
"""Overlap of two requests: GitHub may treat `since` as exclusive, and a page may end within a second."""


class UnbumpedComments:
    """Reads REST's lists of comments one after the other. A thread becomes a part if it has a listed comment that is
    not stored, or is stored in another version.
    """

    def __init__(
        self,
        database: Database,
        github: GitHub,
        sweep: Sweep,
        kind: ThreadType,
        thread_list: ThreadList,
        sizes: PageSizes,
        look_ahead: LookAhead,
    ) -> None:
        self._database = database
        self._github = github
        self._sweep = sweep
        self._type = kind
        self._list = thread_list
        self._sizes = sizes
        self._look_ahead = look_ahead

    def are_due(self, position: ThreadPosition) -> bool:
        """Returns whether to read the lists: the type has such lists, threads were found, and the lists were not read
        within the hour before.
        """
        assert position.as_of is not None, "the catch-up fixes it"
        recent = position.comments_as_of is not None and position.as_of - position.comments_as_of <= LAG
        return bool(self._type.comment_routes) and not recent and position.has_threads

    async def turn(self, position: ThreadPosition) -> Turn[ThreadPosition]:
        """Reads the next page of the present list, and returns the turn. The comment with the oldest change comes
        first.
        """
        if position.by_totals:
            return await self._totals(position)
        assert position.first_floor is not None, "the history fixes the first floor"
        repository, route = self._sweep.repository, self._type.comment_routes[position.route]
        since = position.comments_since or position.first_floor
        size = self._sizes.ask("comments_since")
        path = comments_path(repository, route, since - ONE_SECOND, size, position.cursor)
        try:
            comments, latest, next_path, seconds = await self._look_ahead.send(
                lambda: read_comments_since(self._github, self._type, path)
            )
        except SwitchedOff as error:
            # Issues are switched off, and with them the list of conversation comments.
            log.warning("no list of comments", route=route, why=error.message)
            comments, latest, next_path, seconds = [], None, None, None
        except PartOver as error:
            return self.fall_back(position, error.message)
        moved = latest is not None and latest > since
        if seconds is not None and (next_path is None or moved):
            # Not between numbered pages: of another length they begin again at the first.
            self._sizes.answered(seconds)
        if next_path is not None and latest is not None and moved:
            # From the last change seen on, not by number: a comment that is edited moves all that follow it.
            next_path, since = comments_path(repository, route, latest - ONE_SECOND, size), latest
        put = [
            Part("thread", node_id, number, position.first_floor)
            for number, node_id in sorted((await self._threads_to_read(comments)).items())
        ]
        ties = [str(comment.github_id) for comment in comments if comment.updated_at == latest]
        progress = position.list_progress.ascend(latest, ties)
        if next_path is not None and progress.is_stuck:
            return self.fall_back(position, "GitHub's list does not go on")
        if next_path is not None:
            return Turn(position.next_comment_page(path=next_path, since=since, progress=progress), put=put)
        return Turn(self._after_list(position), put=put)

    def _after_list(self, position: ThreadPosition) -> ThreadPosition:
        if position.route + 1 < len(self._type.comment_routes):
            return position.next_comment_list()
        return position.end_comment_lists()

    def fall_back(self, position: ThreadPosition, why: str) -> Turn[ThreadPosition]:
        """Stops the reading of the present list, and returns the turn. `why` is the reason, which the proof repeats.

        A list of conversation comments is replaced by a comparison of the threads' numbers of comments with the stored
        numbers. Review comments cannot be found in another way, so the next sweep reads their list from the same moment
        on.
        """
        route = self._type.comment_routes[position.route]
        log.warning("no list of comments", route=route, why=why)
        if route == REVIEW_COMMENTS:
            left = position.fall_back(f"review comments that did not bump their pull request are not known: {why}")
            return Turn(self._after_list(left.miss_comments()))
        left = position.fall_back(f"comments that did not bump their thread were looked for by their numbers: {why}")
        return Turn(left.to_comment_totals())

    async def _totals(self, position: ThreadPosition) -> Turn[ThreadPosition]:
        """Lists the next page of all threads in scope, with their numbers of comments, and returns the turn. A thread
        becomes a part if its number of comments differs from the stored number.
        """
        listing = await self._list.page(position.cursor, comments=True)
        self._sizes.answered(listing.seconds)
        counts = {entry.github_id: entry.comments for entry in listing.entries if entry.comments is not None}
        async with self._database.transaction() as connection:
            differ = await threads.comments_miscounted(connection, self._sweep.data_type, counts)
        put = [
            Part("thread", entry.node_id, entry.number, listing.asked_at)
            for entry in listing.entries
            if entry.github_id in differ
        ]
        last = listing.entries[-1].updated_at if listing.entries else None
        ties = [entry.node_id for entry in listing.entries if entry.updated_at == last]
        progress = position.list_progress.descend(last, ties)
        at_end = listing.end_cursor is None and not listing.leads_nowhere
        if at_end or (last is not None and last < self._sweep.cutoff_at):
            return Turn(self._after_list(position), put=put, points=2)
        if progress.is_stuck:
            return Turn(self._after_list(position.miss_comments()), put=put, points=2)
        return Turn(position.next_comment_totals(listing.end_cursor, progress), put=put, points=2)

    async def _threads_to_read(self, comments: list[CommentSince]) -> dict[int, str]:
        """Returns the stored threads for which `comments` has a comment that is not stored, or is stored in another
        version. The result maps each thread's number to its node id.
        """
        numbers: set[int] = set()
        async with self._database.transaction() as connection:
            for comment_type in {comment.comment_type for comment in comments}:
                of_type = [comment for comment in comments if comment.comment_type == comment_type]
                ids = [comment.github_id for comment in of_type]
                stored = await threads.comment_versions(connection, comment_type, ids)
                numbers |= {
                    comment.number for comment in of_type if stored.get(comment.github_id) != comment.updated_at
                }
            return await threads.by_number(
                connection, self._sweep.data_type, self._sweep.repository.repository_id, sorted(numbers)
            )
