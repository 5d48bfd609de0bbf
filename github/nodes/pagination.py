"""Finds the next page of a connection."""

from github.nodes.actors import Node


def next_cursor(page_info: Node, after: str | None) -> str | None:
    """The cursor of the next page, for a page requested with the cursor `after`; None at the end.

    GitHub was seen to report a next page with a null cursor, or with the page's own cursor
    (zerocracy/judges-action#2142). This returns None for those too; `leads_nowhere` tells them from an end.
    """
    cursor: str | None = page_info["endCursor"]
    return cursor if page_info["hasNextPage"] and cursor != after else None


def leads_nowhere(page_info: Node, after: str | None) -> bool:
    """Whether GitHub reports a next page without a usable cursor."""
    return bool(page_info["hasNextPage"]) and next_cursor(page_info, after) is None
