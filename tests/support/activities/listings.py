"""Pages of a list of threads, as a reader gets them, without GitHub."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from activities.threads.thread_list import ThreadList
from github.threads.listings import Listing
from rows import Page, PullRequest
from tests.support.activities.stored import Stored

FLOOR = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)
ASKED_AT = FLOOR + timedelta(hours=1)


class Listings(ThreadList):
    """Returns the given pages, one after the other, in place of GitHub's list."""

    def __init__(self, *pages: Listing | Exception) -> None:
        self._pages = list(pages)
        self.cursors: list[str | None] = []

    async def page(self, cursor: str | None, *, by_birth: bool = False, comments: bool = False) -> Listing:
        assert not by_birth
        assert not comments
        self.cursors.append(cursor)
        page = self._pages.pop(0)
        if isinstance(page, Exception):
            raise page
        return page


def born(number: int) -> datetime:
    return FLOOR - timedelta(days=9) + timedelta(minutes=number)


async def fetched(stored: Stored, rows: Sequence[tuple[int, datetime]]) -> None:
    """Stores pull requests with these numbers, as they were at these moments."""
    page = Page(ASKED_AT, "pull_request")
    page.pull_requests = [
        PullRequest(
            github_id=number,
            node_id=f"PR_{number}",
            number=number,
            title="",
            body=None,
            state="open",
            author=None,
            author_login=None,
            draft=False,
            merged=False,
            merged_by=None,
            base_branch="main",
            head_branch="topic",
            additions=0,
            deletions=0,
            changed_files=0,
            commits=0,
            created_at=born(number),
            updated_at=updated_at,
            closed_at=None,
            merged_at=None,
            html_url="",
            labels=[],
            milestone=None,
            assignees=[],
        )
        for number, updated_at in rows
    ]
    await stored.write(page)
