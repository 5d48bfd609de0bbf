"""Comments that did not bump their thread: REST lists what changed since the sweep began, the catch-up does not."""

from datetime import timedelta

import structlog

from activities.progress import Standstill
from activities.threads.look_ahead import LookAhead
from activities.threads.page_sizes import PageSizes
from activities.threads.position import ThreadPosition
from activities.turn import Turn
from github.client import GitHub
from github.comment_lists import CommentSince, comments_path, read_comments_since
from github.refusals import SwitchedOff
from github.thread_types import ThreadType
from rows import Part
from store import threads
from store.database import Database
from store.sweeps import Sweep

log = structlog.get_logger(__name__)

LAG = timedelta(hours=1)
"""For so long what another job read of the lists is recent enough."""


class UnbumpedComments:
    """Reads the lists one after the other, and leaves a part for each stored thread that they know better."""

    def __init__(
        self,
        database: Database,
        github: GitHub,
        sweep: Sweep,
        kind: ThreadType,
        sizes: PageSizes,
        look_ahead: LookAhead,
    ) -> None:
        self._database = database
        self._github = github
        self._sweep = sweep
        self._type = kind
        self._sizes = sizes
        self._look_ahead = look_ahead

    def are_due(self, position: ThreadPosition) -> bool:
        """Whether the lists are worth their requests: not moments after another job read them."""
        assert position.as_of is not None, "the catch-up fixes it"
        recent = position.comments_as_of is not None and position.as_of - position.comments_as_of <= LAG
        return bool(self._type.comment_routes) and not recent

    async def turn(self, position: ThreadPosition) -> Turn[ThreadPosition]:
        """The next page of the present list, in the order of changes."""
        assert position.first_floor is not None, "the history fixes the first floor"
        repository, route = self._sweep.repository, self._type.comment_routes[position.route]
        since = position.comments_since or position.first_floor
        size = self._sizes.ask("comments_since")
        path = comments_path(repository, route, since, size, position.cursor)
        try:
            comments, latest, next_path, seconds = await self._look_ahead.send(
                lambda: read_comments_since(self._github, self._type, path)
            )
        except SwitchedOff as error:
            # Issues are switched off, and with them the list of conversation comments.
            log.warning("no list of comments", route=route, why=error.message)
            comments, latest, next_path, seconds = [], None, None, None
        moved = latest is not None and latest > since
        if seconds is not None and (next_path is None or moved):
            # Not between numbered pages: of another length they begin again at the first.
            self._sizes.answered(seconds)
        if next_path is not None and latest is not None and moved:
            # From the last change seen on, not by number: a comment that is edited moves all that follow it.
            next_path, since = comments_path(repository, route, latest, size), latest
        put = [
            Part("thread", node_id, number, position.first_floor)
            for number, node_id in sorted((await self._threads_to_read(comments)).items())
        ]
        ties = [str(comment.github_id) for comment in comments if comment.updated_at == latest]
        progress = position.list_progress.ascend(latest, ties)
        if next_path is not None and progress.is_stuck:
            raise Standstill(f"list {route}")
        if next_path is not None:
            return Turn(position.next_comment_page(path=next_path, since=since, progress=progress), put=put)
        if position.route + 1 < len(self._type.comment_routes):
            return Turn(position.next_comment_list(), put=put)
        return Turn(position.end_comment_lists(), put=put)

    async def _threads_to_read(self, comments: list[CommentSince]) -> dict[int, str]:
        """Number -> node id of the stored threads with a comment that is not stored as it is now."""
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
