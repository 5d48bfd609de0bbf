"""Maps a discussion's node to rows."""

from github.clock import time, time_or_none
from github.nodes.actors import Node, contributor, login
from github.nodes.node_ids import database_id
from rows import Discussion, DiscussionComment, Page

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


def add_comment(node: Node, discussion: int, parent: int | None, replies: int, page: Page) -> int:
    """Adds a comment on the discussion to the page, and returns the comment's GitHub id. If `parent` is not None, the
    comment is a reply to the comment `parent`. `replies` is the number of replies to the comment. Ids are GitHub's.
    """
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
