"""Issues: their queries, and a node of them as rows."""

from github.actors import Node, contributor
from github.fields import assignees, labels, milestone, whole
from github.timeline import time, time_or_none
from rows import Issue, Page

KIND = "issue"
PAGE = "Issues"
LISTING = "IssueListing"
BY_ID = "IssuesById"
HEADS = "IssueHeads"
TIMELINES = "IssueTimelines"
TIMELINE_FRAGMENT = "IssueTimelineItem"
CONNECTIONS = 5
"""Connections a node of `PAGE`; see the query."""


def add(node: Node, page: Page) -> int:
    """Adds the issue to the page; returns its GitHub id."""
    github_id = int(node["fullDatabaseId"])
    closings = whole(node["lastClosed"], "closings")
    closed = node["state"] == "CLOSED"
    page.issues.append(
        Issue(
            github_id,
            node["id"],
            node["number"],
            node["title"],
            node["body"],
            node["state"].lower(),
            contributor(node["author"], page),
            contributor(closings[-1]["actor"], page) if closed and closings else None,
            time(node["createdAt"]),
            time(node["updatedAt"]),
            time_or_none(node["closedAt"]),
            labels(node),
            milestone(node),
            assignees(node),
            sorted(
                (
                    {"number": pull["number"], "url": pull["url"], "state": pull["state"].lower()}
                    for pull in whole(node["closedByPullRequestsReferences"], "closing pull requests")
                ),
                key=lambda pull: str(pull["url"]),
            ),
        )
    )
    return github_id
