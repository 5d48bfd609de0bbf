"""Maps the children of threads (comments, reviews, events, replies) to rows: all of a list together, and one by one if
one cannot be read. A child that cannot be read, or that has a value which Postgres would refuse, costs no other child:
it is noted, and counts like a hidden one.
"""

from collections.abc import Callable

from errors import PartOver, TooLarge
from github.answers.mapping import check, mapping
from github.nodes.actors import Node
from github.nodes.discussions import add_comment
from github.nodes.issues import add_closing
from github.nodes.nulls import HIDDEN_KEY, shown
from github.nodes.pagination import next_cursor
from github.nodes.timeline import add_item
from github.threads.readings import hidden_in
from rows import Note, NoteKind, Page, Part, ThreadKind, Whole

Add = Callable[[Node, Page], str]
"""Adds the rows of one child to the page, and returns the child's key for `Part.seen`."""


def add_each(connection: Node, part: Part, page: Page, add: Add) -> list[Node]:
    """Adds the rows of the children on a page of the part to `page`, and their keys to `part.seen`. Returns the nodes
    of the children that are on the page.

    A child that is hidden or unreadable has a key, too, because GitHub counts it. It is noted on the page.
    """
    found = shown(connection["nodes"], f"{part.kind} of #{part.number}", part.cursor)
    kind: NoteKind = "hidden"
    words, nodes = found.hidden[-1] if found.hidden else "", list[Node]()
    part.seen.extend(found.keys)
    try:
        # All at once, because nearly always all can be read.
        part.seen.extend(_add(found.nodes, part, page, add))
        nodes = found.nodes
    except TooLarge as error:
        if error.code != "unreadable":
            raise
        for place, node in enumerate(found.nodes):
            try:
                part.seen.extend(_add([node], part, page, add))
                nodes.append(node)
            except TooLarge as of_one:
                if of_one.code != "unreadable":
                    raise
                kind, words = "unavailable", of_one.message
                part.seen.append(f"{HIDDEN_KEY}{part.cursor or ''}:unreadable:{place}")
    if words:
        page.hidden.append(Note(kind, part.what, part.number, part.node_id, hidden_in(part), words))
    return nodes


def _add(nodes: list[Node], part: Part, page: Page, add: Add) -> list[str]:
    """Adds the rows of these children to `page`, and returns the children's keys. If one of them cannot be read, adds
    nothing, and raises `TooLarge` (unreadable).
    """
    own = Page(page.asked_at, page.kind)
    with mapping(f"the {part.kind} of #{part.number}"):
        keys = [add(node, own) for node in nodes]
        check(own)
    _move(own, page)
    return keys


def add_timeline(connection: Node, part: Part, kind: ThreadKind, page: Page) -> list[Node]:
    """Adds items of the timeline of the part's thread to the page. Returns the nodes of the items that are on it."""
    thread = parent_of(part)

    def add(node: Node, own: Page) -> str:
        if kind == "issue":
            add_closing(node, thread, own)
        return add_item(node, thread, kind, own)

    return add_each(connection, part, page, add)


def add_comments(connection: Node, part: Part, page: Page) -> list[Part]:
    """Adds comments on the part's discussion, with their replies, to the page. Returns a part for each comment whose
    replies did not fit into the answer.
    """
    discussion, rest = parent_of(part), dict[str, Part]()

    def add(node: Node, own: Page) -> str:
        replies, total = node["replies"], node["replies"]["totalCount"]
        github_id = add_comment(node, discussion, None, total, own)
        of_replies = Part("replies", node["id"], part.number, page.asked_at, expected=total, parent=github_id)
        add_replies(replies, of_replies, discussion, own)
        cursor = next_cursor(replies["pageInfo"], None)
        if cursor is None and len(of_replies.seen) >= total:
            if not hidden_in(of_replies):
                own.whole_comments.append(Whole(github_id, page.asked_at, of_replies.seen))
        else:
            of_replies.cursor = cursor
            if cursor is None:
                of_replies.seen = []
            rest[node["id"]] = of_replies
        return f"d:{github_id}"

    stored = [node["id"] for node in add_each(connection, part, page, add)]
    return [rest[node_id] for node_id in stored if node_id in rest]


def add_replies(connection: Node, part: Part, discussion: int, page: Page) -> None:
    """Adds replies to the part's comment on a discussion (its GitHub id) to the page."""
    comment = parent_of(part)
    add_each(connection, part, page, lambda node, own: f"d:{add_comment(node, discussion, comment, 0, own)}")


def parent_of(part: Part) -> int:
    if part.parent is None:
        raise PartOver("bug", f"a part of kind {part.kind} (#{part.number}) does not know its parent", "report it")
    return part.parent


def _move(rows: Page, page: Page) -> None:
    """Adds rows of children, their people and their notes to the page."""
    for github_id, person in rows.contributors.items():
        page.contributors.setdefault(github_id, person)
    page.reviews += rows.reviews
    page.comments += rows.comments
    page.events += rows.events
    page.closings += rows.closings
    page.discussion_comments += rows.discussion_comments
    page.whole_comments += rows.whole_comments
    page.hidden += rows.hidden
