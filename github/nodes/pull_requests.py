"""Maps a pull request's node to rows."""

from github.clock import time, time_or_none
from github.nodes.actors import Node, contributor, login
from github.nodes.fields import assignees, labels, milestone, single_page
from github.nodes.node_ids import database_id
from github.nodes.permissions import REQUESTED_REVIEWERS
from rows import REVIEW_REQUESTS, Note, Page, PullRequest, RequestedReviewer

KIND = "pull_request"
PAGE = "PullRequests"
LISTING = "PullRequestListing"
BY_ID = "PullRequestsById"
HEADS = "PullRequestHeads"
TIMELINES = "PullRequestTimelines"
TIMELINE_FRAGMENT = "PullRequestTimelineItem"
NO_SCOPE = "the names of requested teams need the scope read:org"
CONNECTIONS = 6
"""Connections that the operation `PAGE` requests of each pull request."""


def add(node: Node, page: Page) -> int:
    """Adds the pull request and its requested reviewers to the page, and returns the pull request's GitHub id."""
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
            node["commits"]["totalCount"] if node["commits"] else None,
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
    _add_requested_reviewers(node, github_id, page)
    return github_id


def _add_requested_reviewers(node: Node, pull_request: int, page: Page) -> None:
    teams_are_refused = any(note.what == REQUESTED_REVIEWERS for note in page.hidden)
    for request in single_page(node, "reviewRequests", REVIEW_REQUESTS, page):
        reviewer = request["requestedReviewer"]
        if reviewer is None:
            # Deleted, and nobody can be named; or refused, and then it is a team.
            if teams_are_refused:
                page.teams_hidden.append(pull_request)
        elif reviewer["__typename"] != "Team":
            name, avatar_url = login(reviewer) or "", reviewer["avatarUrl"]
            page.requested_reviewers.append(RequestedReviewer(pull_request, name, avatar_url))
        elif reviewer.get("slug") is None:
            page.teams_hidden.append(pull_request)
            page.hidden.append(Note("refused", REQUESTED_REVIEWERS, None, "", 1, NO_SCOPE))
        else:
            name = f"team:{reviewer['slug']}"
            page.requested_reviewers.append(RequestedReviewer(pull_request, name, reviewer["teamAvatarUrl"]))
