"""Where a list goes on, by what GitHub says of a page."""

from github.nodes.actors import Node


def next_cursor(page_info: Node, after: str | None) -> str | None:
    """The cursor behind the page that was asked for `after` a cursor; None at the end.

    GitHub was seen to say that there is a next page with a null cursor, or with the cursor that the page itself was
    asked for (zerocracy/judges-action#2142). Nothing leads on from there: `leads_nowhere` tells it from an end.
    """
    cursor: str | None = page_info["endCursor"]
    return cursor if page_info["hasNextPage"] and cursor != after else None


def leads_nowhere(page_info: Node, after: str | None) -> bool:
    """Whether GitHub says that there is a next page and not where."""
    return bool(page_info["hasNextPage"]) and next_cursor(page_info, after) is None
