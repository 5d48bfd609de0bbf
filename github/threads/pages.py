"""Reads pages of whole threads (pull requests, issues, discussions), and the parts that did not fit into a page.

Each function sends one request, and returns rows with the parts still to be fetched. The caller keeps the position.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from errors import TooLarge
from github.answers.mapping import mapped
from github.answers.reading import Answer
from github.client import GitHub
from github.clock import time
from github.nodes import permissions
from github.nodes.actors import Node
from github.nodes.node_ids import database_id
from github.nodes.nulls import GoneNode, Hidden, shown
from github.nodes.pagination import next_cursor
from github.nodes.timeline import add_review, add_review_comment
from github.nodes.values import count
from github.threads.children import add_comments, add_each, add_replies, add_timeline, parent_of
from github.threads.listings import Listing, connection_of, listing_of
from github.threads.readings import again, hidden_in, is_final, reading_of
from github.threads.thread_types import THREAD_TYPES, ThreadType, page_requests
from messages import RepositoryRef
from rows import Note, Page, Part, Whole

REVIEW, COMMENT = "PULL_REQUEST_REVIEW", "ISSUE_COMMENT"
"""Timeline item types that also have their own connection."""


GONE = "GitHub listed their parent, and says by its id that it does not exist"


@dataclass(slots=True)
class Threads:
    """The rows of some threads, and the parts of these threads that are still to be fetched."""

    page: Page
    parts: list[Part] = field(default_factory=list)
    cost: int = 0
    seconds: float = 0.0
    total: int = 0
    end_cursor: str | None = None
    changes: Listing | None = None
    """The latest changes, if the listing was requested along with the page and is whole."""
    last: tuple[datetime, str] | None = None
    """(updatedAt, node id) of the page's last thread: the place to find again if GitHub refuses the cursor."""
    gone: list[str] = field(default_factory=list)
    """Node ids that GitHub says no longer exist."""
    done: list[Part] = field(default_factory=list)
    """Requested parts of which nothing is left to fetch."""
    going_on: list[Part] = field(default_factory=list)
    """Requested parts that have more pages, or have to begin again, with their new cursor."""
    withheld: list[str] = field(default_factory=list)
    """GitHub's message for each thread of the page that is refused as a whole; its number and id are unknown."""
    refused: list[tuple[Part, str]] = field(default_factory=list)
    """Parts whose parent is refused as a whole, with GitHub's message. They are in `done`, too."""

    @property
    def hidden(self) -> list[Note]:
        """Notes on hidden items, one for each thread and connection. A note counts the items that were hidden up to the
        end of this page.
        """
        return self.page.hidden


@mapped
async def read_page(
    github: GitHub,
    kind: ThreadType,
    repository: RepositoryRef,
    first: int,
    after: str | None,
    *,
    changes: bool = False,
) -> Threads:
    """Returns a page of whole threads, latest update first. Raises `TooLarge` if GitHub failed to load a node.

    With `changes`, the request also lists the threads that were updated last. If this page turns out to be the last of
    the history, that listing serves as the first page of the catch-up.
    """
    variables = {"first": first, "after": after, "changes": changes, **kind.variables()}
    answer = await github.graphql(
        kind.page, variables, requests=page_requests(kind, first, changes=changes), parents=first
    )
    connection = connection_of(answer, repository)
    threads = _threads(answer, kind)
    threads.total = count(connection["totalCount"]) or 0
    page = shown(connection["nodes"], f"threads of {repository.full_name}")
    nodes, threads.withheld = page.nodes, page.hidden
    for node in nodes:
        _add_thread(kind, node, threads)
    if nodes:
        threads.last = (time(nodes[-1]["updatedAt"]), nodes[-1]["id"])
    threads.end_cursor = next_cursor(connection["pageInfo"], after)
    if listed := answer.data["repository"].get("changes"):
        listing = listing_of(listed, None, answer, repository)
        threads.changes = None if listing.lost else listing
    return threads


@mapped
async def read_threads(github: GitHub, kind: ThreadType, parts: Sequence[Part]) -> Threads:
    """Returns the whole threads that `parts` (of kind thread) name, and parts for the children that did not fit."""
    answer = await github.graphql(
        kind.by_id,
        {"ids": [part.node_id for part in parts], **kind.variables()},
        requests=kind.connections * len(parts),
        parents=len(parts),
    )
    threads = _threads(answer, kind)
    for part, node in _looked_up(parts, answer.data["nodes"], threads):
        threads.done.append(part)
        _add_thread(kind, node, threads, part)
    return threads


@mapped
async def read_heads(github: GitHub, kind: ThreadType, parts: Sequence[Part]) -> Threads:
    """Returns the threads that `parts` (of kind head) name, without children, and parts that fetch the children."""
    ids = [part.node_id for part in parts]
    answer = await github.graphql(kind.heads, {"ids": ids}, requests=kind.connections * len(parts), parents=len(parts))
    threads = _threads(answer, kind)
    for part, node in _looked_up(parts, answer.data["nodes"], threads):
        github_id = kind.add(node, threads.page)
        items = Part(kind.part, node["id"], node["number"], answer.asked_at, parent=github_id)
        threads.parts += [items, *again(node, github_id, "head", part, threads.page)]
        threads.done.append(part)
    return threads


@mapped
async def read_items(
    github: GitHub, kind: ThreadType, parts: Sequence[Part], first: int, item_types: Sequence[str] | None = None
) -> Threads:
    """Returns the next `first` items of each part's thread, each from its own cursor, by one request. An item is a
    timeline's item, or a comment of a discussion. If `item_types` is given, only items of these types are returned, and
    the threads do not count as whole.
    """
    each = 1 + first if kind.nested else 2 if kind.kind == "pull_request" else 1
    variables = {"first": first, **kind.variables(item_types)}
    answer = await _aliased(github, kind.rest, parts, variables, each)
    threads = _threads(answer, kind)
    for part, node in _aliases(answer, parts, threads):
        connection = node[kind.items]
        _add_items(kind, connection, part, threads)
        if kind.kind == "discussion":
            threads.page.comment_counts[parent_of(part)] = connection[kind.count]
        # `filteredCount` counts the items after `after`, so only the first page shows the count of the whole timeline.
        total = connection[kind.count] if part.cursor is None or part.expected is None else part.expected
        if _advance(part, connection, total, threads):
            if item_types is None:
                _add_whole(threads.page.whole_threads, part)
            if kind.kind == "pull_request" and (item_types is None or REVIEW in item_types):
                _reviews_that_lack(part, node["reviews"], threads)
    return threads


@mapped
async def read_reviews(github: GitHub, parts: Sequence[Part], first: int) -> Threads:
    """Returns the next `first` reviews of each part's pull request. It is called for pull requests that have more
    reviews than their timeline showed.
    """
    answer = await _aliased(github, "PullRequestReviews", parts, {"first": first})
    threads = _threads(answer, THREAD_TYPES["pull_requests"])
    for part, node in _aliases(answer, parts, threads):
        connection = node["reviews"]
        if connection is None:
            raise TooLarge("null_node", f"GitHub left out the reviews of #{part.number}")
        before, pull_request = len(threads.page.reviews), parent_of(part)
        nodes = add_each(connection, part, threads.page, partial(_add_review, pull_request))
        threads.parts.extend(_review_parts(threads.page, before, part.number, nodes))
        _advance(part, connection, connection["totalCount"], threads)
    return threads


@mapped
async def read_comments(github: GitHub, kind: ThreadType, parts: Sequence[Part], first: int) -> Threads:
    """Returns the next `first` conversation comments of each part's thread, for threads whose timeline GitHub cannot
    answer.
    """
    answer = await _aliased(github, "ThreadComments", parts, {"first": first})
    threads = _threads(answer, kind)
    for part, node in _aliases(answer, parts, threads):
        connection = node["comments"]
        add_timeline(connection, part, kind.kind, threads.page)
        _advance(part, connection, connection["totalCount"], threads)
    return threads


@mapped
async def read_review_comments(
    github: GitHub, parts: Sequence[Part], pull_requests_of: dict[int, int], first: int
) -> Threads:
    """Returns the next `first` comments of each part's review, for up to 100 reviews, by one request.
    `pull_requests_of` maps a review's GitHub id to the GitHub id of its pull request.
    """
    if any(part.cursor for part in parts):
        answer = await _aliased(github, "ReviewCommentPages", parts, {"first": first})
    else:
        variables = {"ids": [part.node_id for part in parts], "first": first}
        answer = await github.graphql("ReviewComments", variables, requests=len(parts), parents=len(parts))
    threads = _threads(answer, THREAD_TYPES["pull_requests"])
    pairs = (
        _looked_up(parts, answer.data["nodes"], threads) if "nodes" in answer.data else _aliases(answer, parts, threads)
    )
    for part, node in pairs:
        connection = node["comments"]
        review = parent_of(part)
        add_each(connection, part, threads.page, partial(_add_review_comment, review, pull_requests_of[review]))
        if _advance(part, connection, connection["totalCount"], threads):
            _add_whole(threads.page.whole_reviews, part)
    return threads


@mapped
async def read_replies(github: GitHub, parts: Sequence[Part], first: int) -> Threads:
    """Returns the next `first` replies to each part's discussion comment."""
    answer = await _aliased(github, "DiscussionReplies", parts, {"first": first})
    threads = _threads(answer, THREAD_TYPES["discussions"])
    for part, node in _aliases(answer, parts, threads):
        connection = node["replies"]
        if node["discussion"] is None:
            raise TooLarge("null_node", f"GitHub left out whose comment in #{part.number} it is")
        discussion = database_id(node["discussion"])
        add_replies(connection, part, discussion, threads.page)
        threads.page.reply_counts[parent_of(part)] = connection["totalCount"]
        if _advance(part, connection, connection["totalCount"], threads):
            _add_whole(threads.page.whole_comments, part)
    return threads


def _threads(answer: Answer, kind: ThreadType) -> Threads:
    page = Page(answer.asked_at, kind.kind, account=answer.account)
    threads = Threads(page, cost=answer.cost, seconds=answer.seconds)
    if kind.kind == "pull_request":
        threads.page.hidden += permissions.notes(answer.left_out, answer.unmarked)
    return threads


def _add_review(pull_request: int, node: Node, page: Page) -> str:
    return add_review(node, pull_request, page)


def _add_review_comment(review: int, pull_request: int, node: Node, page: Page) -> str:
    return add_review_comment(node, review, pull_request, page)


def _add_whole(wholes: list[Whole], part: Part) -> None:
    """Records that all children of the part's parent are stored. Does nothing if children are hidden or missing."""
    if not hidden_in(part) and len(part.seen) >= (part.expected or 0):
        wholes.append(Whole(parent_of(part), part.began_at, part.seen))


def _add_items(kind: ThreadType, connection: Node, part: Part, threads: Threads) -> list[Node]:
    """Adds the thread's items to the page and to `part.seen`. Adds to `threads` the parts that fetch replies and review
    comments. Returns the nodes of a timeline's items that are on the page.
    """
    if kind.kind == "discussion":
        threads.parts.extend(add_comments(connection, part, threads.page))
        return []
    before = len(threads.page.reviews)
    nodes = add_timeline(connection, part, kind.kind, threads.page)
    threads.parts.extend(_review_parts(threads.page, before, part.number, nodes))
    return nodes


def _add_thread(kind: ThreadType, node: Node, threads: Threads, read_as: Part | None = None) -> None:
    page, connection = threads.page, node[kind.items]
    part = Part(kind.part, node["id"], node["number"], page.asked_at, parent=database_id(node))
    items = _add_items(kind, connection, part, threads)
    github_id = kind.add({**node, kind.items: {**connection, "nodes": items}}, page)
    threads.parts += again(node, github_id, "thread", read_as, page)
    goes_on = next_cursor(connection["pageInfo"], None)
    if goes_on or len(part.seen) < connection[kind.count]:
        part.expected = connection[kind.count]
        part.cursor = goes_on
        if goes_on is None:
            part.reading = reading_of(part)
            part.seen = []
        threads.parts.append(part)
        return
    _add_whole(page.whole_threads, part)
    if kind.kind == "pull_request":
        _reviews_that_lack(part, node["reviews"], threads)


def _reviews_that_lack(part: Part, reviews: Node | None, threads: Threads) -> None:
    """Adds a part for the reviews of a pull request if its whole timeline showed fewer reviews than the pull request
    has. The pull request then does not count as whole. If `reviews` is None, the number of reviews is unknown, and the
    part is added, too.
    """
    shown = sum(key.startswith("r:") for key in part.seen)
    total = reviews["totalCount"] if reviews is not None else None
    if total is None or shown < total:
        threads.parts.append(
            Part("reviews", part.node_id, part.number, threads.page.asked_at, expected=total, parent=part.parent)
        )
        if threads.page.whole_threads and threads.page.whole_threads[-1].parent == part.parent:
            threads.page.whole_threads.pop()


def _review_parts(page: Page, before: int, number: int | None, nodes: list[Node]) -> list[Part]:
    """Returns one part for each review that `nodes` added to the page. The part fetches the review's comments. The
    first `before` reviews of the page were added earlier and get no part. `number` is the pull request's number.
    """
    added = {review.github_id for review in page.reviews[before:]}
    return [
        Part("review_comments", node["id"], number, page.asked_at, parent=database_id(node))
        for node in nodes
        if "submittedAt" in node and database_id(node) in added
    ]


def _advance(part: Part, connection: Node, total: int, threads: Threads) -> bool:
    """Moves the part's cursor behind the page that was read. Returns True if the part is done: all `total` children
    were seen, or the missing children are noted. Returns False if the part continues or begins again.

    A page without new items counts as an attempt, so that the reading of a list that repeats its pages comes to an end.
    """
    cursor = next_cursor(connection["pageInfo"], part.cursor)
    seen = list(dict.fromkeys(part.seen))
    shows_new = len(seen) > len(part.seen) - len(connection["nodes"])
    part.expected, part.seen = total, seen
    if cursor is not None and (shows_new or len(seen) < total):
        part.cursor = cursor
        if not shows_new:
            part.attempts += 1
        threads.going_on.append(part)
        return False
    missing = total - len(seen)
    if missing > 0 and not is_final(part, missing):
        # An item was deleted during the reading, or a page lacks one. The part is read from its beginning, and that
        # counts as an attempt. If there are more items than counted, they are new; the thread's updatedAt shows that to
        # the catch-up.
        part.reading = reading_of(part)
        part.cursor, part.seen, part.began_at = None, [], threads.page.asked_at
        part.attempts += 1
        threads.going_on.append(part)
        return False
    if missing > 0:
        missing += hidden_in(part)
        words = f"GitHub counts {total} and shows {total - missing}, each time it is asked"
        threads.page.hidden.append(Note("hidden", part.what, part.number, part.node_id, missing, words))
    threads.done.append(part)
    return True


def _aliases(answer: Answer, parts: Sequence[Part], threads: Threads) -> list[tuple[Part, Node]]:
    return _looked_up(parts, [answer.data[f"n{index}"] for index in range(len(parts))], threads)


def _looked_up(parts: Sequence[Part], nodes: Sequence[Any], threads: Threads) -> list[tuple[Part, Node]]:
    """Returns each part with its node in the answer. A part whose node is gone or refused is left out and marked as
    done.

    A review or a comment of a discussion that is gone was listed before. One of the two answers is wrong, so a note
    makes the next sweep ask for its children again.
    """
    pairs = []
    for part, node in zip(parts, nodes, strict=True):
        if isinstance(node, GoneNode):
            threads.gone.append(part.node_id)
            threads.done.append(part)
            if part.kind in ("review_comments", "replies"):
                left = max(1, (part.expected or 0) - len(set(part.seen)))
                threads.page.hidden.append(Note("hidden", part.what, part.number, part.node_id, left, GONE))
        elif isinstance(node, Hidden):
            threads.refused.append((part, node.words))
            threads.done.append(part)
            threads.page.hidden.append(Note("refused", part.what, part.number, part.node_id, 1, node.words))
        elif not node:
            raise TooLarge("null_node", f"GitHub left out #{part.number} of {len(parts)} asked for together")
        else:
            pairs.append((part, node))
    return pairs


async def _aliased(
    github: GitHub, operation: str, parts: Sequence[Part], shared: dict[str, Any], connections: int = 1
) -> Answer:
    variables = dict(shared)
    for index, part in enumerate(parts):
        variables |= {f"id{index}": part.node_id, f"after{index}": part.cursor}
    return await github.graphql(operation, variables, len(parts), requests=connections * len(parts), parents=len(parts))
