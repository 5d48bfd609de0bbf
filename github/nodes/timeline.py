"""Maps timeline items to rows: conversation comments, reviews, and events of every type."""

import re
from functools import cache
from typing import Any

from github.clock import time
from github.nodes.actors import Node, contributor, login, user
from github.nodes.node_ids import database_id, former_id
from rows import GHOST_ID, Comment, Contributor, Page, Review, ThreadKind, TimelineEvent

ITEMS = "timeline items"
_NAMED_OTHERWISE = {"CrossReferencedEvent": "cross-referenced", "RenamedTitleEvent": "renamed"}
_NOT_PAYLOAD = frozenset({"__typename", "id", "actor", "createdAt"})

GHOST = Contributor(
    GHOST_ID, "ghost", f"https://avatars.githubusercontent.com/u/{GHOST_ID}?v=4", "https://github.com/ghost", False
)


@cache
def event_type(typename: str) -> str:
    """Returns REST's name for the type of a timeline item, such as `labeled` for `LabeledEvent`, or `review_requested`
    for `ReviewRequestedEvent`.
    """
    return _NAMED_OTHERWISE.get(typename) or re.sub(r"(?<=[a-z])(?=[A-Z])", "_", typename.removesuffix("Event")).lower()


def typename_of(item_type: str) -> str:
    """Returns the name of the type for a value of `itemTypes`, such as `LabeledEvent` for `LABELED_EVENT`."""
    return "".join(word.capitalize() for word in item_type.split("_"))


def event_of(item_type: str) -> str:
    """Returns REST's name for a value of `itemTypes`, such as `labeled` for `LABELED_EVENT`."""
    return event_type(typename_of(item_type))


def add_item(node: Node, thread: int, kind: ThreadKind, page: Page) -> str:
    """Adds the row of a timeline's item to the page, and returns the item's `seen` key (`rows.Whole`). A pending review
    has a key but no row. `thread` is the thread's GitHub id.
    """
    pull_request, issue = (thread, None) if kind == "pull_request" else (None, thread)
    typename = node["__typename"]
    if typename == "PullRequestReview":
        return add_review(node, thread, page)
    if typename == "IssueComment":
        github_id = database_id(node)
        page.comments.append(
            Comment(
                "issue_comment",
                github_id,
                pull_request,
                issue,
                None,
                None,
                contributor(node["author"], page),
                node["body"],
                None,
                None,
                None,
                None,
                None,
                time(node["createdAt"]),
                time(node["updatedAt"]),
                node["id"],
            )
        )
        return f"c:{github_id}"
    page.events.append(
        TimelineEvent(
            node["id"],
            pull_request,
            issue,
            event_type(typename),
            login(node.get("actor")),
            time(node["createdAt"]),
            {_snake(key): _plain(value) for key, value in node.items() if key not in _NOT_PAYLOAD},
            former_id(typename, node["id"]),
        )
    )
    return f"e:{node['id']}"


def add_review(node: Node, pull_request: int, page: Page) -> str:
    """Adds the review's row to the page. Returns the review's key for the list `Whole.seen`. A pending review is a
    draft that only its author sees: the function adds no row for the draft, but returns its key.
    """
    github_id = database_id(node)
    if node["state"] != "PENDING" and node["submittedAt"] is not None:
        author = contributor(node["author"], page)
        if author is None:
            # The host's reviews must have an author; GitHub shows a deleted account's as `ghost` too.
            page.contributors.setdefault(GHOST_ID, GHOST)
            author = GHOST_ID
        page.reviews.append(
            Review(
                github_id,
                pull_request,
                author,
                node["state"],
                node["body"],
                time(node["submittedAt"]),
                time(node["updatedAt"]),
                (node["commit"] or {}).get("oid"),
                node["id"],
            )
        )
    return f"r:{github_id}"


def add_review_comment(node: Node, review: int, pull_request: int, page: Page) -> str:
    """Adds a comment of a review to the page, and returns the comment's `seen` key."""
    github_id, reply_to = database_id(node), node["replyTo"]
    page.comments.append(
        Comment(
            "review_comment",
            github_id,
            pull_request,
            None,
            review,
            database_id(reply_to) if reply_to else None,
            contributor(node["author"], page),
            node["body"],
            node["path"],
            node["position"],
            node["originalPosition"],
            node["diffHunk"],
            (node["commit"] or {}).get("oid"),
            time(node["createdAt"]),
            time(node["updatedAt"]),
            node["id"],
        )
    )
    return f"c:{github_id}"


def add_listed_review_comment(comment: Node, page: Page) -> str:
    """Adds a review comment from REST's list to the page, and returns the comment's `seen` key. In the comment's row,
    `pull_request` is the pull request's number. REST's list does not show the pull request's id.
    """
    page.comments.append(
        Comment(
            "review_comment",
            comment["id"],
            int(comment["pull_request_url"].rpartition("/")[2]),
            None,
            comment["pull_request_review_id"],
            comment.get("in_reply_to_id"),
            user(comment["user"], page),
            comment["body"],
            comment["path"],
            comment["position"],
            comment["original_position"],
            comment["diff_hunk"],
            comment["commit_id"],
            time(comment["created_at"]),
            time(comment["updated_at"]),
            comment.get("node_id"),
        )
    )
    return f"c:{comment['id']}"


@cache
def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def _plain(value: Any) -> Any:
    """Returns the value of an event's field in the form that the event's row stores: keys in snake case, accounts as
    logins, teams as `team:slug`.
    """
    if not isinstance(value, dict):
        return value
    if value.get("__typename") == "Team":
        return f"team:{value['slug']}" if "slug" in value else "team"
    if "login" in value:
        return login(value) if "__typename" in value else value["login"]
    if value.keys() == {"oid"}:
        return value["oid"]
    if value.keys() == {"nameWithOwner"}:
        return value["nameWithOwner"]
    return {"type" if key == "__typename" else _snake(key): _plain(each) for key, each in value.items()}
