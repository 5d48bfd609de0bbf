"""Pull requests: their queries, and a node of them as rows."""

from github.actors import Node, contributor, login
from github.clock import time, time_or_none
from github.fields import assignees, labels, milestone, whole
from github.node_ids import database_id
from rows import Page, PullRequest, RequestedReviewer

KIND = "pull_request"
PAGE = "PullRequests"
LISTING = "PullRequestListing"
BY_ID = "PullRequestsById"
HEADS = "PullRequestHeads"
TIMELINES = "PullRequestTimelines"
TIMELINE_FRAGMENT = "PullRequestTimelineItem"
CONNECTIONS = 6
"""Connections a node of `PAGE`; see the query."""


def add(node: Node, page: Page) -> int:
    """Adds the pull request and its requested reviewers to the page; returns its GitHub id."""
    github_id = database_id(node)
    author = node["author"]
    page.pull_requests.append(
        PullRequest(
            github_id,
            node["id"],
            node["number"],
            node["title"],
            node["body"],
            node["state"].lower(),
            contributor(author, page),
            login(author),
            node["isDraft"],
            node["mergedAt"] is not None,
            contributor(node["mergedBy"], page),
            node["baseRefName"],
            node["headRefName"],
            node["additions"],
            node["deletions"],
            node["changedFiles"],
            node["commits"]["totalCount"],
            time(node["createdAt"]),
            time(node["updatedAt"]),
            time_or_none(node["closedAt"]),
            time_or_none(node["mergedAt"]),
            node["url"],
            labels(node, page),
            milestone(node),
            assignees(node, page),
        )
    )
    for request in whole(node, "reviewRequests", "review requests", page):
        reviewer = request["requestedReviewer"]
        if reviewer is None or (reviewer["__typename"] == "Team" and "slug" not in reviewer):
            # The account or team was deleted, or is not shown to this token: nobody can be named.
            continue
        if reviewer["__typename"] == "Team":
            name, avatar_url = f"team:{reviewer['slug']}", reviewer["teamAvatarUrl"]
        else:
            name, avatar_url = login(reviewer) or "", reviewer["avatarUrl"]
        page.requested_reviewers.append(RequestedReviewer(github_id, name, avatar_url))
    return github_id
