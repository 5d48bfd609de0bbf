"""Maps an issue's node to rows."""

from github.clock import time, time_or_none
from github.nodes.actors import Node, contributor
from github.nodes.fields import assignees, labels, milestone, single_page
from github.nodes.node_ids import database_id
from github.nodes.nulls import shown
from github.nodes.timeline import ITEMS
from rows import Closing, Issue, Page

KIND = "issue"
PAGE = "Issues"
LISTING = "IssueListing"
BY_ID = "IssuesById"
HEADS = "IssueHeads"
TIMELINES = "IssueTimelines"
TIMELINE_FRAGMENT = "IssueTimelineItem"
CONNECTIONS = 4
"""Connections that the operation `PAGE` requests of each issue."""


def add(node: Node, page: Page) -> int:
    """Adds the issue to the page, and returns its GitHub id."""
    github_id = database_id(node)
    closed_by, told = _closer(node, page)
    page.issues.append(
        Issue(
            github_id,
            node["id"],
            node["number"],
            node["title"],
            node["body"],
            node["state"].lower(),
            contributor(node["author"], page),
            closed_by,
            time(node["createdAt"]),
            time(node["updatedAt"]),
            time_or_none(node["closedAt"]),
            labels(node, page),
            milestone(node),
            assignees(node, page),
            sorted(
                (
                    {"number": pull["number"], "url": pull["url"], "state": pull["state"].lower()}
                    for pull in single_page(node, "closedByPullRequestsReferences", "linked pull requests", page)
                ),
                key=lambda pull: str(pull["url"]),
            ),
            told,
        )
    )
    return github_id


def _closer(node: Node, page: Page) -> tuple[int | None, bool]:
    """Returns the GitHub id of the account that closed the issue last, and whether the id is certain. The id is
    uncertain if the timeline was not requested, or if its further pages may have a later closing (`add_closing`).
    """
    if node["state"] != "CLOSED":
        return None, True
    timeline = node.get("timelineItems")
    if timeline is None or timeline["pageInfo"]["hasNextPage"]:
        return None, False
    closings = [item for item in shown(timeline["nodes"], ITEMS).nodes if item["__typename"] == "ClosedEvent"]
    return (contributor(closings[-1]["actor"], page) if closings else None), True


def add_closing(item: Node, issue: int, page: Page) -> None:
    """Adds a closing to the page if this item of an issue's timeline is one: when the issue was closed, and by which
    account. `issue` is the issue's GitHub id.
    """
    if item["__typename"] == "ClosedEvent":
        page.closings.append(Closing(issue, time(item["createdAt"]), contributor(item["actor"], page)))
