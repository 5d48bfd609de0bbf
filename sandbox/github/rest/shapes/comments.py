"""Comments and reviews in REST's shapes."""

from typing import Any

from sandbox.github.rest.calls import Call
from sandbox.github.rest.shapes.accounts import author_shape, reviewer_shape
from sandbox.github.rest.shapes.repositories import repository_url
from sandbox.github.world.pull_requests import Review, ReviewComment
from sandbox.github.world.threads import IssueComment


def issue_comment_shape(call: Call, comment: IssueComment) -> dict[str, Any]:
    root = repository_url(call, comment.repository)
    return {
        "url": f"{root}/issues/comments/{comment.database_id}",
        "html_url": comment.url,
        "issue_url": f"{root}/issues/{comment.thread.number}",
        "id": comment.database_id,
        "node_id": comment.node_id(call.new_ids),
        "user": author_shape(call, comment.account),
        "created_at": comment.created_at,
        "updated_at": comment.updated_at,
        "body": comment.body,
        "author_association": comment.author_association,
        "reactions": no_reactions(f"{root}/issues/comments/{comment.database_id}"),
        "performed_via_github_app": None,
    }


def no_reactions(url: str) -> dict[str, Any]:
    """Returns an empty summary of reactions to the object at `url`, because the stand-in has no reactions."""
    kinds = ("+1", "-1", "laugh", "hooray", "confused", "heart", "rocket", "eyes")
    return {"url": f"{url}/reactions", "total_count": 0} | dict.fromkeys(kinds, 0)


def review_comment_shape(call: Call, comment: ReviewComment) -> dict[str, Any]:
    root = repository_url(call, comment.repository)
    url = f"{root}/pulls/comments/{comment.database_id}"
    pull_request_url = f"{root}/pulls/{comment.pull_request.number}"
    shape = {
        "url": url,
        "pull_request_review_id": comment.review.database_id,
        "id": comment.database_id,
        "node_id": comment.node_id(call.new_ids),
        "diff_hunk": comment.diff_hunk,
        "path": comment.path,
        "commit_id": comment.commit.oid,
        "original_commit_id": comment.original_oid,
        "user": reviewer_shape(call, comment.account),
        "body": comment.body,
        "created_at": comment.created_at,
        "updated_at": comment.updated_at,
        "html_url": comment.url,
        "pull_request_url": pull_request_url,
        "author_association": comment.author_association,
        "_links": {"self": {"href": url}, "html": {"href": comment.url}, "pull_request": {"href": pull_request_url}},
        "start_line": None,
        "original_start_line": None,
        "start_side": None,
        "line": comment.line,
        "original_line": comment.original_line,
        "side": "RIGHT",
        "original_position": comment.original_position,
        "position": comment.position,
        "subject_type": "line",
        "reactions": no_reactions(url),
    }
    if comment.reply_to is not None:
        shape["in_reply_to_id"] = comment.reply_to.database_id
    return shape


def review_shape(call: Call, review: Review) -> dict[str, Any]:
    shape = {
        "id": review.database_id,
        "node_id": review.node_id(call.new_ids),
        "user": reviewer_shape(call, review.account),
        "body": review.body,
        "state": review.state,
        "html_url": review.url,
        "pull_request_url": f"{repository_url(call, review.repository)}/pulls/{review.pull_request.number}",
        "author_association": review.author_association,
        "commit_id": review.oid,
    }
    if review.submitted_at is not None:
        shape["submitted_at"] = review.submitted_at
    return shape
