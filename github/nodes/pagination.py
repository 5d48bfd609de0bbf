"""Finds the cursor of a connection's next page."""

from github.nodes.actors import Node


def next_cursor(page_info: Node, after: str | None) -> str | None:
    """Returns the cursor of the page after the one that was requested with the cursor `after`; None if that was the
    last page.

    GitHub sometimes reports a next page without a cursor, or with the cursor `after` again
    (zerocracy/judges-action#2142). In both cases None is returned; `leads_nowhere` tells them from a real end.
    """
    cursor: str | None = page_info["endCursor"]
    return cursor if page_info["hasNextPage"] and cursor != after else None


def leads_nowhere(page_info: Node, after: str | None) -> bool:
    """Returns whether GitHub reports a next page without a cursor that leads there."""
    return bool(page_info["hasNextPage"]) and next_cursor(page_info, after) is None
