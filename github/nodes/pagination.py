"""Finds the cursor of a connection's next page."""

from github.nodes.actors import Node
from github.nodes.values import text, truth


def next_cursor(page_info: Node, after: str | None) -> str | None:
    """Returns the cursor of the page after the one that was requested with the cursor `after`; None if that was the
    last page.

    GitHub sometimes reports a next page without a cursor, or with the cursor `after` again
    (zerocracy/judges-action#2142). In both cases None is returned; `leads_nowhere` tells them from a real end.
    """
    cursor = end_cursor(page_info)
    return cursor if truth(page_info["hasNextPage"]) and cursor != after else None


def end_cursor(page_info: Node) -> str | None:
    """Returns the cursor behind the page's last item; None if GitHub gives none."""
    cursor = page_info["endCursor"]
    return None if cursor is None else text(cursor)


def leads_nowhere(page_info: Node, after: str | None) -> bool:
    """Returns whether GitHub reports a next page without a cursor that leads there."""
    return bool(page_info["hasNextPage"]) and next_cursor(page_info, after) is None
