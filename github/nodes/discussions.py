"""Maps a discussion's node to rows."""

from github.clock import time, time_or_none
from github.nodes.actors import Node, contributor, login
from github.nodes.node_ids import database_id
from github.nodes.nulls import shown
from github.nodes.pagination import next_cursor
from rows import Discussion, DiscussionComment, Note, Page, Part, Whole

PAGE = "Discussions"
LISTING = "DiscussionListing"
BY_ID = "DiscussionsById"
HEADS = "DiscussionHeads"
COMMENTS = "DiscussionComments"
CONNECTIONS = 6
"""Connections that the operation `PAGE` requests of each discussion."""


def add(node: Node, page: Page) -> int:
    """Adds the discussion to the page, and returns its GitHub id."""
    github_id = database_id(node)
    category, answer = node["category"] or {}, node["answer"]
    page.discussions.append(
        Discussion(
            github_id,
            node["id"],
            node["number"],
            node["title"],
            node["body"],
            node["url"],
            category.get("id"),
            category.get("name"),
            category.get("description"),
            category.get("emoji"),
            contributor(node["author"], page),
            login(node["author"]),
            node["isAnswered"],
            answer and answer["id"],
            time_or_none(node["answerChosenAt"]),
            login(node["answerChosenBy"]),
            node["upvoteCount"],
            (node.get("comments") or node["total"])["totalCount"],
            node["locked"],
            time(node["createdAt"]),
            time(node["updatedAt"]),
        )
    )
    return github_id


def add_comments(nodes: list[Node], discussion: int, number: int | None, page: Page) -> tuple[list[str], list[Part]]:
    """Adds comments and their replies to the page. Returns the comments' `seen` keys (`rows.Whole`), and a part for
    each comment whose replies did not fit into the answer.

    `discussion` is the discussion's GitHub id. `number` is the discussion's number, for notes, parts and messages.
    `number` is None only if the part that is being read has no number.
    """
    seen, rest = [], []
    for node in nodes:
        github_id = _add_comment(node, discussion, None, node["replies"]["totalCount"], page)
        seen.append(f"d:{github_id}")
        replies = node["replies"]
        answers = shown(replies["nodes"], f"replies in #{number}")
        keys = add_replies(answers.nodes, discussion, github_id, page) + answers.keys
        if answers.hidden:
            page.hidden.append(Note("hidden", "replies", number, node["id"], len(answers.hidden), answers.hidden[-1]))
        cursor = next_cursor(replies["pageInfo"], None)
        if cursor is None and len(keys) >= replies["totalCount"]:
            if not answers.hidden:
                page.whole_comments.append(Whole(github_id, page.asked_at, keys))
            continue
        part = Part("replies", node["id"], number, page.asked_at, expected=replies["totalCount"], parent=github_id)
        if cursor is not None:
            part.cursor, part.seen = cursor, keys
        rest.append(part)
    return seen, rest


def add_replies(nodes: list[Node], discussion: int, comment: int, page: Page) -> list[str]:
    """Adds the replies to one comment to the page, and returns the replies' `seen` keys (`rows.Whole`)."""
    return [f"d:{_add_comment(node, discussion, comment, 0, page)}" for node in nodes]


def _add_comment(node: Node, discussion: int, parent: int | None, replies: int, page: Page) -> int:
    github_id = database_id(node)
    page.discussion_comments.append(
        DiscussionComment(
            github_id,
            node["id"],
            discussion,
            parent,
            contributor(node["author"], page),
            login(node["author"]),
            node["body"],
            node["isAnswer"],
            node["upvoteCount"],
            replies,
            time(node["createdAt"]),
            time(node["updatedAt"]),
        )
    )
    return github_id
