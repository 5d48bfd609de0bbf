"""Reading threads (pull requests, issues, discussions): pages, listings, overflowing connections, comments since.

Each function sends one request and returns rows with what is still to fetch. Nothing here keeps a place: callers do.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import ModuleType
from typing import Any, NamedTuple
from urllib.parse import urlencode

from errors import PartOver, TooLarge
from github import discussions, documents, issues, pull_requests
from github.actors import Node
from github.answers import Answer, Gone
from github.client import GitHub
from github.node_ids import database_id
from github.nodes import HIDDEN_KEY, GoneNode, Hidden, shown
from github.repositories import check_identity
from github.timeline import add_items as add_timeline
from github.timeline import add_listed_review_comment, add_review, add_review_comments, time
from messages import DataType, RepositoryRef
from rows import Note, Page, Part, PartKind, ThreadKind, Whole

REVIEW_COMMENTS = "pulls/comments"


@dataclass(frozen=True, slots=True)
class ThreadType:
    """What one kind of thread is read with: the operations of its module, and the mapping of a node to rows.

    What hangs on a thread is in one connection of it (`items`): its timeline, or a discussion's comments.
    """

    kind: ThreadKind
    page: str
    listing: str
    by_id: str
    heads: str
    rest: str
    """The template that goes on with `items` of many threads."""
    items: str
    count: str
    """The field of `items` that counts it."""
    part: PartKind
    """What the rest of `items` is called as a part."""
    item_types: tuple[str, ...]
    connections: int
    nested: bool
    """Whether each item has a connection of its own in the same request, which its price counts."""
    add: Callable[[Node, Page], int]
    comment_routes: tuple[str, ...]
    """REST lists of comments in which `since` shows what did not bump its thread."""
    listed_connections: int = 1
    """What a listing of 100 adds to the price of a page that it rides along with."""

    @property
    def variables(self) -> dict[str, Any]:
        return {"itemTypes": self.item_types} if self.item_types else {}


def _with_timeline(module: ModuleType, comment_routes: tuple[str, ...]) -> ThreadType:
    return ThreadType(
        kind=module.KIND,
        page=module.PAGE,
        listing=module.LISTING,
        by_id=module.BY_ID,
        heads=module.HEADS,
        rest=module.TIMELINES,
        items="timelineItems",
        count="filteredCount",
        part="timeline",
        item_types=documents.item_types(module.TIMELINE_FRAGMENT),
        connections=module.CONNECTIONS,
        nested=False,
        add=module.add,
        comment_routes=comment_routes,
    )


THREAD_TYPES: dict[DataType, ThreadType] = {
    "pull_requests": _with_timeline(pull_requests, ("issues/comments", REVIEW_COMMENTS)),
    "issues": _with_timeline(issues, ("issues/comments",)),
    "discussions": ThreadType(
        kind="discussion",
        page=discussions.PAGE,
        listing=discussions.LISTING,
        by_id=discussions.BY_ID,
        heads=discussions.HEADS,
        rest=discussions.COMMENTS,
        items="comments",
        count="totalCount",
        part="comments",
        item_types=(),
        connections=discussions.CONNECTIONS,
        nested=True,
        add=discussions.add,
        comment_routes=(),
        listed_connections=101,
    ),
}


class Entry(NamedTuple):
    """A thread as a listing shows it."""

    node_id: str
    github_id: int
    number: int
    created_at: datetime
    updated_at: datetime
    cursor: str
    comments: int | None
    """How many there are, where the listing tells: they do not always bump their thread."""


@dataclass(slots=True)
class Listing:
    entries: list[Entry]
    total: int
    end_cursor: str | None
    """None at the end of the list."""
    asked_at: datetime
    seconds: float
    withheld: list[str] = field(default_factory=list)
    """GitHub's words for each thread that is refused."""


@dataclass(slots=True)
class Threads:
    """Rows of some threads, and the parts that did not fit."""

    page: Page
    parts: list[Part] = field(default_factory=list)
    cost: int = 0
    seconds: float = 0.0
    total: int = 0
    end_cursor: str | None = None
    changes: Listing | None = None
    """The listing from its top, where it was asked for along with the page."""
    last: tuple[datetime, str] | None = None
    """(updatedAt, node id) of the page's last thread: where the cursor stands, should GitHub refuse it."""
    gone: list[str] = field(default_factory=list)
    """Node ids that GitHub says do not exist any more."""
    done: list[Part] = field(default_factory=list)
    """Parts that were asked for and are whole now."""
    going_on: list[Part] = field(default_factory=list)
    """Parts that were asked for and have more pages, or have to begin again; with their new cursor."""
    withheld: list[str] = field(default_factory=list)
    """GitHub's words for each thread of the page that is refused whole: it has no number and no id then."""
    refused: list[tuple[Part, str]] = field(default_factory=list)
    """Parts whose parent is refused as a whole, with GitHub's words; they are done."""

    @property
    def hidden(self) -> list[Note]:
        """What is missing of threads that are shown, by thread and connection; counted to the end of this page."""
        return self.page.hidden


class CommentSince(NamedTuple):
    """A comment of a REST list: which thread it belongs to, and how new it is."""

    comment_type: str
    github_id: int
    number: int
    updated_at: datetime


def page_requests(kind: ThreadType, first: int, *, changes: bool = False) -> int:
    """What a page of so many threads needs to fill its connections (`budget.prices`)."""
    return 1 + kind.connections * first + (kind.listed_connections if changes else 0)


async def read_page(
    github: GitHub,
    kind: ThreadType,
    repository: RepositoryRef,
    first: int,
    after: str | None,
    *,
    changes: bool = False,
) -> Threads:
    """A page of whole threads, latest updated first. Raises `TooLarge` if a node is lost.

    With `changes`, a listing of who was updated last comes along: of the last page it is the catch-up's first.
    """
    variables = {"first": first, "after": after, "changes": changes, **kind.variables}
    answer = await github.graphql(
        kind.page, variables, requests=page_requests(kind, first, changes=changes), parents=first
    )
    connection = _connection(answer, repository)
    threads = _threads(answer, kind)
    threads.total = connection["totalCount"]
    page = shown(connection["nodes"], f"threads of {repository.full_name}")
    nodes, threads.withheld = page.nodes, page.hidden
    for node in nodes:
        _add_thread(kind, node, threads)
    if nodes:
        threads.last = (time(nodes[-1]["updatedAt"]), nodes[-1]["id"])
    info = connection["pageInfo"]
    threads.end_cursor = info["endCursor"] if info["hasNextPage"] else None
    if listed := answer.data["repository"].get("changes"):
        threads.changes = _listing(listed, answer, repository)
    return threads


async def read_listing(
    github: GitHub,
    kind: ThreadType,
    repository: RepositoryRef,
    first: int,
    after: str | None,
    *,
    by_birth: bool = False,
) -> Listing:
    """Who and when of up to 100 threads for 1 point: latest updated first, or `by_birth` oldest first."""
    variables: dict[str, Any] = {"first": first, "after": after}
    if by_birth:
        variables["orderBy"] = {"field": "CREATED_AT", "direction": "ASC"}
    requests = 1 + (first if kind.listed_connections > 1 else 0)
    answer = await github.graphql(kind.listing, variables, requests=requests)
    return _listing(_connection(answer, repository), answer, repository)


async def read_threads(github: GitHub, kind: ThreadType, parts: Sequence[Part]) -> Threads:
    """The whole threads that `parts` (kind thread) name, and what of them did not fit."""
    answer = await github.graphql(
        kind.by_id,
        {"ids": [part.node_id for part in parts], **kind.variables},
        requests=kind.connections * len(parts),
        parents=len(parts),
    )
    threads = _threads(answer, kind)
    for part, node in _nodes(answer, parts, threads):
        _add_thread(kind, node, threads)
        threads.done.append(part)
    return threads


async def read_heads(github: GitHub, kind: ThreadType, parts: Sequence[Part]) -> Threads:
    """Threads without what hangs on them (parts of kind head), which is parts of its own."""
    ids = [part.node_id for part in parts]
    answer = await github.graphql(kind.heads, {"ids": ids}, requests=kind.connections * len(parts), parents=len(parts))
    threads = _threads(answer, kind)
    for part, node in _nodes(answer, parts, threads):
        github_id = kind.add(node, threads.page)
        threads.parts.append(Part(kind.part, node["id"], node["number"], answer.asked_at, parent=github_id))
        threads.done.append(part)
    return threads


async def read_items(github: GitHub, kind: ThreadType, parts: Sequence[Part], first: int) -> Threads:
    """The next `first` items of each part's thread: many parents, each at its own cursor, in one request."""
    each = 1 + first if kind.nested else 2 if kind.kind == "pull_request" else 1
    answer = await _aliased(github, kind.rest, parts, {"first": first, **kind.variables}, each)
    threads = _threads(answer, kind)
    for part, node in _aliases(answer, parts, threads):
        connection = node[kind.items]
        _add_items(kind, connection, part, threads)
        # `filteredCount` counts what follows `after`: only the first page tells of the whole timeline.
        total = connection[kind.count] if part.cursor is None or part.expected is None else part.expected
        if _advance(part, connection["pageInfo"], total, threads):
            _add_whole(threads.page.whole_threads, part)
            if kind.kind == "pull_request":
                _reviews_that_lack(part, node["reviews"]["totalCount"], threads)
    return threads


async def read_reviews(github: GitHub, parts: Sequence[Part], first: int) -> Threads:
    """The next `first` reviews of each part's pull request, where the timeline did not show them all."""
    answer = await _aliased(github, "PullRequestReviews", parts, {"first": first})
    threads = _threads(answer, THREAD_TYPES["pull_requests"])
    for part, node in _aliases(answer, parts, threads):
        connection = node["reviews"]
        before, nodes = len(threads.page.reviews), _shown(connection, part, threads.page)
        part.seen.extend(add_review(each, _parent(part), threads.page) for each in nodes)
        threads.parts.extend(_review_parts(threads.page, before, part.number, nodes))
        _advance(part, connection["pageInfo"], connection["totalCount"], threads)
    return threads


async def read_comments(github: GitHub, kind: ThreadType, parts: Sequence[Part], first: int) -> Threads:
    """The next `first` conversation comments of each part's thread, whose timeline cannot be had."""
    answer = await _aliased(github, "ThreadComments", parts, {"first": first})
    threads = _threads(answer, kind)
    for part, node in _aliases(answer, parts, threads):
        connection = node["comments"]
        nodes = _shown(connection, part, threads.page)
        part.seen.extend(add_timeline(nodes, _parent(part), kind.kind, threads.page))
        _advance(part, connection["pageInfo"], connection["totalCount"], threads)
    return threads


async def read_review_comments(
    github: GitHub, parts: Sequence[Part], pull_requests_of: dict[int, int], first: int
) -> Threads:
    """The comments of up to 100 reviews in one request. `pull_requests_of`: review -> pull request, GitHub ids."""
    if any(part.cursor for part in parts):
        answer = await _aliased(github, "ReviewCommentPages", parts, {"first": first})
    else:
        variables = {"ids": [part.node_id for part in parts], "first": first}
        answer = await github.graphql("ReviewComments", variables, requests=len(parts), parents=len(parts))
    threads = _threads(answer, THREAD_TYPES["pull_requests"])
    pairs = _nodes(answer, parts, threads) if "nodes" in answer.data else _aliases(answer, parts, threads)
    for part, node in pairs:
        connection = node["comments"]
        review = _parent(part)
        nodes = _shown(connection, part, threads.page)
        part.seen.extend(add_review_comments(nodes, review, pull_requests_of[review], threads.page))
        if _advance(part, connection["pageInfo"], connection["totalCount"], threads):
            _add_whole(threads.page.whole_reviews, part)
    return threads


async def read_replies(github: GitHub, parts: Sequence[Part], first: int) -> Threads:
    """The next `first` replies to each part's comment of a discussion."""
    answer = await _aliased(github, "DiscussionReplies", parts, {"first": first})
    threads = _threads(answer, THREAD_TYPES["discussions"])
    for part, node in _aliases(answer, parts, threads):
        connection = node["replies"]
        discussion = database_id(node["discussion"])
        nodes = _shown(connection, part, threads.page)
        part.seen.extend(discussions.add_replies(nodes, discussion, _parent(part), threads.page))
        if _advance(part, connection["pageInfo"], connection["totalCount"], threads):
            _add_whole(threads.page.whole_comments, part)
    return threads


async def read_comments_since(
    github: GitHub, kind: ThreadType, path: str
) -> tuple[list[CommentSince], datetime | None, str | None, float]:
    """A page of a REST list of comments (see `comments_path`).

    Answers those of this kind of thread, the page's latest change, the path of the next page, or None, and how many
    seconds it took.
    """
    answer = await github.rest(path)
    latest = max((time(comment["updated_at"]) for comment in answer.data), default=None)
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


async def count_review_comments(github: GitHub, repository: RepositoryRef, since: datetime) -> tuple[int, datetime]:
    """How many review comments were changed since then, and when that was asked: one request."""
    answer = await github.rest(comments_path(repository, REVIEW_COMMENTS, since, 1))
    return answer.last_page or len(answer.data), answer.asked_at


@dataclass(frozen=True, slots=True)
class ListedComments:
    """A page of the list of a repository's review comments. Of the rows, `pull_request` is a number."""

    page: Page
    seen: dict[int, list[str]]
    """By review (GitHub id), the `seen` keys of its comments."""
    born: dict[str, datetime]
    """By `seen` key, when it was written."""
    changed: dict[str, datetime]
    """By `seen` key, when it was changed last."""
    latest: datetime | None
    """The page's latest change."""
    next_path: str | None
    seconds: float


async def read_all_review_comments(github: GitHub, path: str) -> ListedComments:
    """A page of the list (see `comments_path`), by REST."""
    answer = await github.rest(path)
    page = Page(answer.asked_at, "pull_request")
    seen: dict[int, list[str]] = {}
    born: dict[str, datetime] = {}
    changed: dict[str, datetime] = {}
    for comment in answer.data:
        key = add_listed_review_comment(comment, page)
        born[key], changed[key] = page.comments[-1].created_at, page.comments[-1].updated_at
        if comment["pull_request_review_id"] is not None:
            seen.setdefault(comment["pull_request_review_id"], []).append(key)
    latest = max((comment.updated_at for comment in page.comments), default=None)
    return ListedComments(page, seen, born, changed, latest, answer.next_path, answer.seconds)


def comments_path(
    repository: RepositoryRef, route: str, since: datetime, per_page: int, path: str | None = None
) -> str:
    """The first page of the comments updated since then, oldest change first; or `path`, if it is of pages as long.

    By the repository's id: REST does not say whose comments it lists, and another repository may have taken the name.
    """
    if path is not None and "&page=" in path and f"per_page={per_page}&" in path:
        return path
    moment = since.strftime("%Y-%m-%dT%H:%M:%SZ")
    query = {"since": moment, "sort": "updated", "direction": "asc", "per_page": per_page}
    return f"/repositories/{repository.github_id}/{route}?{urlencode(query)}"


def _connection(answer: Answer, wanted: RepositoryRef) -> Node:
    repository = answer.data["repository"]
    if repository is None:
        raise Gone("gone", f"GitHub has no repository {wanted.full_name}", "it was deleted, or is private")
    check_identity(repository, wanted)
    connection: Node | None = repository["threads"]
    refusal = answer.refusal_of("repository", "threads")
    if connection is None and refusal is not None:
        raise PartOver("forbidden", refusal, "give the token access to the repository")
    if connection is None:
        raise TooLarge("null_connection", f"GitHub left out the list of {wanted.full_name}")
    return connection


def _listing(connection: Node, answer: Answer, repository: RepositoryRef) -> Listing:
    what = f"threads of {repository.full_name}"
    # A refused thread is null itself, or takes its edge along.
    edges = shown([_edge_or_null(edge) for edge in connection["edges"]], what)
    entries = [
        Entry(
            edge["node"]["id"],
            database_id(edge["node"]),
            edge["node"]["number"],
            time(edge["node"]["createdAt"]),
            time(edge["node"]["updatedAt"]),
            edge["cursor"],
            edge["node"]["comments"]["totalCount"] if "comments" in edge["node"] else None,
        )
        for edge in edges.nodes
    ]
    info = connection["pageInfo"]
    end_cursor = info["endCursor"] if info["hasNextPage"] else None
    return Listing(entries, connection["totalCount"], end_cursor, answer.asked_at, answer.seconds, edges.hidden)


def _edge_or_null(edge: Any) -> Any:
    return edge if isinstance(edge, Hidden) or not edge or isinstance(edge["node"], dict) else edge["node"]


def _threads(answer: Answer, kind: ThreadType) -> Threads:
    return Threads(Page(answer.asked_at, kind.kind), cost=answer.cost, seconds=answer.seconds)


def _shown(connection: Node, part: Part, page: Page) -> list[Node]:
    """The nodes of a part's page that are shown. What is hidden counts among `part.seen`, and is noted on the page."""
    found = shown(connection["nodes"], f"{part.kind} of #{part.number}", part.cursor)
    if found.hidden:
        part.seen.extend(found.keys)
        count = sum(key.startswith(HIDDEN_KEY) for key in part.seen)
        page.hidden.append(Note("hidden", part.kind, part.number, part.node_id, count, found.hidden[-1]))
    return found.nodes


def _add_whole(wholes: list[Whole], part: Part) -> None:
    """Tells that all children of the part's parent are here, unless some of them are hidden."""
    if not any(key.startswith(HIDDEN_KEY) for key in part.seen):
        wholes.append(Whole(_parent(part), part.began_at, part.seen))


def _add_items(kind: ThreadType, connection: Node, part: Part, threads: Threads) -> None:
    """Adds what hangs on the part's thread to the page and to `part.seen`, and the parts of it that did not fit."""
    page, thread = threads.page, _parent(part)
    nodes = _shown(connection, part, page)
    if kind.kind == "discussion":
        seen, rest = discussions.add_comments(nodes, thread, part.number, page)
        threads.parts.extend(rest)
        part.seen.extend(seen)
        return
    before = len(page.reviews)
    part.seen.extend(add_timeline(nodes, thread, kind.kind, page))
    threads.parts.extend(_review_parts(page, before, part.number, nodes))


def _add_thread(kind: ThreadType, node: Node, threads: Threads) -> None:
    page = threads.page
    github_id = kind.add(node, page)
    connection = node[kind.items]
    part = Part(kind.part, node["id"], node["number"], page.asked_at, parent=github_id)
    _add_items(kind, connection, part, threads)
    goes_on = connection["pageInfo"]["hasNextPage"]
    if goes_on or len(part.seen) < connection[kind.count]:
        part.expected = connection[kind.count]
        if goes_on:
            part.cursor = connection["pageInfo"]["endCursor"]
        else:
            part.seen = []
        if kind.kind == "issue":
            issues.add_closings(shown(connection["nodes"], part.kind).nodes, github_id, page)
        threads.parts.append(part)
        return
    _add_whole(page.whole_threads, part)
    if kind.kind == "pull_request":
        _reviews_that_lack(part, node["reviews"]["totalCount"], threads)


def _reviews_that_lack(part: Part, total: int, threads: Threads) -> None:
    """The timeline is whole; if the pull request counts more reviews than it showed, they are read by themselves."""
    shown = sum(key.startswith("r:") for key in part.seen)
    if shown < total:
        threads.parts.append(
            Part("reviews", part.node_id, part.number, threads.page.asked_at, expected=total, parent=part.parent)
        )
        if threads.page.whole_threads and threads.page.whole_threads[-1].parent == part.parent:
            threads.page.whole_threads.pop()


def _review_parts(page: Page, before: int, number: int | None, nodes: list[Node]) -> list[Part]:
    """A part for each review just added: its comments."""
    added = {review.github_id for review in page.reviews[before:]}
    return [
        Part("review_comments", node["id"], number, page.asked_at, parent=int(node["fullDatabaseId"]))
        for node in nodes
        if node.get("fullDatabaseId") and int(node["fullDatabaseId"]) in added and "submittedAt" in node
    ]


def _advance(part: Part, info: Node, total: int, threads: Threads) -> bool:
    """Moves the part behind its page. True if it is whole now: as many children as the connection counts."""
    part.expected = total
    if info["hasNextPage"]:
        part.cursor = info["endCursor"]
        threads.going_on.append(part)
        return False
    if len(set(part.seen)) < total:
        # Something went while we paged, or a page has a hole: from the start, counting as an attempt. More than were
        # counted is what came meanwhile; the thread's updatedAt tells the catch-up of it.
        part.cursor, part.seen, part.began_at = None, [], threads.page.asked_at
        part.attempts += 1
        threads.going_on.append(part)
        return False
    threads.done.append(part)
    return True


def _nodes(answer: Answer, parts: Sequence[Part], threads: Threads) -> list[tuple[Part, Node]]:
    """Parts beside their nodes of `nodes(ids:)`; those that GitHub says are gone, or refuses, are done."""
    return _looked_up(parts, answer.data["nodes"], threads)


def _aliases(answer: Answer, parts: Sequence[Part], threads: Threads) -> list[tuple[Part, Node]]:
    return _looked_up(parts, [answer.data[f"n{index}"] for index in range(len(parts))], threads)


def _looked_up(parts: Sequence[Part], nodes: Sequence[Any], threads: Threads) -> list[tuple[Part, Node]]:
    pairs = []
    for part, node in zip(parts, nodes, strict=True):
        if isinstance(node, GoneNode):
            threads.gone.append(part.node_id)
            threads.done.append(part)
        elif isinstance(node, Hidden):
            threads.refused.append((part, node.words))
            threads.done.append(part)
            threads.page.hidden.append(Note("refused", part.kind, part.number, part.node_id, 1, node.words))
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
        variables[f"id{index}"] = part.node_id
        variables[f"after{index}"] = part.cursor
    return await github.graphql(operation, variables, len(parts), requests=connections * len(parts), parents=len(parts))


def _parent(part: Part) -> int:
    if part.parent is None:
        raise PartOver("bug", f"a part of kind {part.kind} (#{part.number}) does not know its parent", "report it")
    return part.parent
