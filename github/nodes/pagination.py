"""Finds the cursor of a connection's next page."""

from github.nodes.actors import Node
from github.nodes.values import text, truth


def next_cursor(page_info: Node, after: str | None) -> str | None:
    """Returns the cursor of the next page. `after` is the cursor with which the present page was requested. Returns
    None if the present page is the last.

    GitHub sometimes reports a next page without a cursor, or with the cursor `after` again
    (zerocracy/judges-action#2142). In both cases None is returned, and `leads_nowhere` returns True.
    """
    cursor = end_cursor(page_info)
    return cursor if truth(page_info["hasNextPage"]) and cursor != after else None


def end_cursor(page_info: Node) -> str | None:
    """Returns the cursor behind the page's last item. Returns None if GitHub gives no cursor."""
    cursor = page_info["endCursor"]
    return None if cursor is None else text(cursor)


def leads_nowhere(page_info: Node, after: str | None) -> bool:
    """Returns whether GitHub reports a next page, but gives no cursor or only the cursor `after` again."""
    return bool(page_info["hasNextPage"]) and next_cursor(page_info, after) is None
