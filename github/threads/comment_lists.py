"""Reads REST's lists of a repository's comments, ordered by their last change."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from urllib.parse import urlencode

from github.answers.mapping import mapped
from github.client import GitHub
from github.clock import time
from github.nodes.timeline import add_listed_review_comment
from github.nodes.values import listed
from github.threads.thread_types import REVIEW_COMMENTS, ThreadType
from messages import RepositoryRef
from rows import Page


class CommentSince(NamedTuple):
    """A comment in a REST list, with the number of its thread and the time of its last change."""

    comment_type: str
    github_id: int
    number: int
    updated_at: datetime


@mapped
async def read_comments_since(
    github: GitHub, kind: ThreadType, path: str
) -> tuple[list[CommentSince], datetime | None, str | None, float]:
    """Reads a page of one of REST's lists of comments. `path` comes from `comments_path`.

    Returns the comments on this type of thread, the time of the page's latest change, the path of the next page
    (None at the end), and the request's duration in seconds.
    """
    answer = await github.rest(path)
    latest = max((time(comment["updated_at"]) for comment in listed(answer.data)), default=None)
    comments = []
    for comment in answer.data:
        if "pull_request_url" in comment:
            thread, comment_type = comment["pull_request_url"], "review_comment"
        else:
            of_pull_request = comment["html_url"].partition("#")[0].rsplit("/", 2)[1] == "pull"
            if of_pull_request != (kind.kind == "pull_request"):
                continue
            thread, comment_type = comment["issue_url"], "issue_comment"
        comments.append(
            CommentSince(comment_type, comment["id"], int(thread.rpartition("/")[2]), time(comment["updated_at"]))
        )
    return comments, latest, answer.next_path, answer.seconds


@mapped
async def count_review_comments(
    github: GitHub, repository: RepositoryRef, since: datetime
) -> tuple[int | None, datetime]:
    """Returns how many review comments have changed since `since`, and when GitHub was asked. Sends one request.

    The number is None if the list has another page, but the `Link` header does not name the last page.
    """
    answer = await github.rest(comments_path(repository, REVIEW_COMMENTS, since, 1))
    if answer.last_page is None and answer.next_path is not None:
        return None, answer.asked_at
    return answer.last_page or len(listed(answer.data)), answer.asked_at


@dataclass(frozen=True, slots=True)
class ListedComments:
    """A page of the list of a repository's review comments. In the rows, `pull_request` is the number of the pull
    request, not its id.
    """

    page: Page
    seen: dict[int, list[str]]
    """The `seen` keys of each review's comments, by the review's GitHub id."""
    born: dict[str, datetime]
    """When each comment was written, by `seen` key."""
    changed: dict[str, datetime]
    """When each comment was last changed, by `seen` key."""
    latest: datetime | None
    """The page's latest change."""
    next_path: str | None
    seconds: float


@mapped
async def read_all_review_comments(github: GitHub, path: str) -> ListedComments:
    """Reads a page of the list of the repository's review comments, by REST. `path` comes from `comments_path`."""
    answer = await github.rest(path)
    page = Page(answer.asked_at, "pull_request")
    seen: dict[int, list[str]] = {}
    born: dict[str, datetime] = {}
    changed: dict[str, datetime] = {}
    for comment in listed(answer.data):
        key = add_listed_review_comment(comment, page)
        born[key], changed[key] = page.comments[-1].created_at, page.comments[-1].updated_at
        if comment["pull_request_review_id"] is not None:
            seen.setdefault(comment["pull_request_review_id"], []).append(key)
    latest = max((comment.updated_at for comment in page.comments), default=None)
    return ListedComments(page, seen, born, changed, latest, answer.next_path, answer.seconds)


def comments_path(
    repository: RepositoryRef, route: str, since: datetime, per_page: int, path: str | None = None
) -> str:
    """Returns the REST path of the first page of comments that changed since `since`, oldest change first. `route` is
    the end of the list's path, after the repository.

    `path` is the page at which an earlier reading stopped. If `path` has a page number and the page size `per_page`,
    `path` itself is returned.

    The path holds the repository's id and not its name. Under the name, REST could answer about another repository that
    has taken over the name, and the answer would not show that.
    """
    if path is not None and "&page=" in path and f"per_page={per_page}&" in path:
        return path
    moment = since.strftime("%Y-%m-%dT%H:%M:%SZ")
    query = {"since": moment, "sort": "updated", "direction": "asc", "per_page": per_page}
    return f"/repositories/{repository.github_id}/{route}?{urlencode(query)}"
