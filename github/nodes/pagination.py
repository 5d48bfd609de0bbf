"""Finds the cursor of a connection's next page."""

from github.nodes.actors import Node


def next_cursor(page_info: Node, after: str | None) -> str | None:
    """Returns the cursor of the page behind the one that was requested with the cursor `after`; None if that was the
    last page.

    GitHub was seen to report a next page without a cursor, or with the cursor `after`
    (zerocracy/judges-action#2142). Then this returns None, too; `leads_nowhere` tells the difference.
    """
    cursor: str | None = page_info["endCursor"]
    return cursor if page_info["hasNextPage"] and cursor != after else None


def leads_nowhere(page_info: Node, after: str | None) -> bool:
    """Returns whether GitHub reports a next page, but without a cursor that leads there."""
    return bool(page_info["hasNextPage"]) and next_cursor(page_info, after) is None
