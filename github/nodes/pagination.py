"""Finds the cursor of a connection's next page."""

from github.nodes.actors import Node


def next_cursor(page_info: Node, after: str | None) -> str | None:
    """Returns the cursor of the next page. `after` is the cursor with which the present page was requested. Returns
    None if the present page is the last.

    GitHub sometimes reports a next page without a cursor, or with the cursor `after` again
    (zerocracy/judges-action#2142). In both cases None is returned, and `leads_nowhere` returns True.
    """
    cursor = end_cursor(page_info)
    return cursor if has_next(page_info) and cursor != after else None


def end_cursor(page_info: Node) -> str | None:
    """Returns the cursor behind the page's last item. Returns None if GitHub gives no cursor, or something else."""
    cursor = page_info["endCursor"]
    return cursor if cursor and isinstance(cursor, str) else None


def has_next(page_info: Node) -> bool:
    """Returns whether GitHub reports a next page. Anything but a clear no counts as yes, so that no page is missed."""
    return page_info["hasNextPage"] is not False


def leads_nowhere(page_info: Node, after: str | None) -> bool:
    """Returns whether GitHub reports a next page, but gives no cursor or only the cursor `after` again."""
    return has_next(page_info) and next_cursor(page_info, after) is None
