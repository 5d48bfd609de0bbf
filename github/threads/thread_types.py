"""The types of threads: for each, the operations that read it, and the function that maps its nodes to rows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from github.nodes import discussions, issues, pull_requests
from github.nodes.actors import Node
from github.queries import documents
from messages import DataType
from rows import Page, PartKind, ThreadKind

REVIEW_COMMENTS = "pulls/comments"


@dataclass(frozen=True, slots=True)
class ThreadType:
    """One type of thread: the operations that read it, and the function that maps its node to rows.

    All children of a thread are in one connection (`items`). This is the timeline, or the comments of a discussion.
    """

    kind: ThreadKind
    field: str
    """The repository's field that lists these threads."""
    page: str
    listing: str
    by_id: str
    heads: str
    rest: str
    """The operation that fetches further `items` of many threads."""
    items: str
    count: str
    """The field of the connection `items` that holds its count."""
    part: PartKind
    """The kind of the part that fetches the rest of `items`."""
    item_types: tuple[str, ...]
    item_types_variable: str
    connections: int
    nested: bool
    """Whether each item has its own connection in the same request, which the price includes."""
    add: Callable[[Node, Page], int]
    comment_routes: tuple[str, ...]
    """REST lists of comments whose `since` parameter finds comments that did not bump their thread."""
    listed_connections: int = 1
    """Connections that a listing of 100 adds to the price of the page that it comes with."""

    def variables(self, item_types: Sequence[str] | None = None) -> dict[str, Any]:
        """Returns the variables of an operation that reads timelines. `item_types` are the types of the items to read;
        None means all types.
        """
        wanted = self.item_types if item_types is None else item_types
        return {self.item_types_variable: wanted} if wanted else {}


def _with_timeline(
    module: ModuleType, field: str, item_types_variable: str, comment_routes: tuple[str, ...]
) -> ThreadType:
    return ThreadType(
        kind=module.KIND,
        field=field,
        page=module.PAGE,
        listing=module.LISTING,
        by_id=module.BY_ID,
        heads=module.HEADS,
        rest=module.TIMELINES,
        items="timelineItems",
        count="filteredCount",
        part="timeline",
        item_types=documents.item_types(module.TIMELINE_FRAGMENT),
        item_types_variable=item_types_variable,
        connections=module.CONNECTIONS,
        nested=False,
        add=module.add,
        comment_routes=comment_routes,
    )


THREAD_TYPES: dict[DataType, ThreadType] = {
    "pull_requests": _with_timeline(pull_requests, "pullRequests", "pullItems", ("issues/comments", REVIEW_COMMENTS)),
    "issues": _with_timeline(issues, "issues", "issueItems", ("issues/comments",)),
    "discussions": ThreadType(
        kind="discussion",
        field="discussions",
        page=discussions.PAGE,
        listing=discussions.LISTING,
        by_id=discussions.BY_ID,
        heads=discussions.HEADS,
        rest=discussions.COMMENTS,
        items="comments",
        count="totalCount",
        part="comments",
        item_types=(),
        item_types_variable="",
        connections=discussions.CONNECTIONS,
        nested=True,
        add=discussions.add,
        comment_routes=(),
        listed_connections=101,
    ),
}


def page_requests(kind: ThreadType, first: int, *, changes: bool = False) -> int:
    """Returns the number from which GitHub computes the price of a page of `first` threads: how many requests would
    fill the page's connections (`budget.prices`).
    """
    return 1 + kind.connections * first + (kind.listed_connections if changes else 0)
