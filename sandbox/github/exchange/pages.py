"""Pages of connections. A cursor holds the sort key of an item, not the item's id.

A cursor therefore stays valid after its item has moved or is gone: the next page begins after the sort key.
"""

import base64
import binascii
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from sandbox.github.exchange.refusals import GitHubError

Key = Callable[[Any], tuple[Any, ...]]
_PREFIX = b"cursor:v2:"


@dataclass(slots=True, eq=False)
class Page:
    """One page of a connection. The same object serves as the connection's `pageInfo`. `total_count` is the number of
    items on all pages.

    `nodes` are the items of the page. `shown` has a value for each node: the item itself, or an exception if GitHub
    fails to answer the item. If `shown` is None, the answer shows all `nodes`.
    """

    nodes: list[Any]
    key: Key
    total_count: int
    has_next_page: bool
    has_previous_page: bool
    filtered_count: int = 0
    updated_at: str = ""
    shown: list[Any] | None = None

    @property
    def page_info(self) -> "Page":
        return self

    @property
    def page_count(self) -> int:
        return len(self.nodes)

    @property
    def edges(self) -> "list[Edge]":
        return [Edge(shown, node, self.key) for shown, node in zip(self.shown or self.nodes, self.nodes, strict=True)]

    @property
    def start_cursor(self) -> str | None:
        return encode(self.key(self.nodes[0])) if self.nodes else None

    @property
    def end_cursor(self) -> str | None:
        return encode(self.key(self.nodes[-1])) if self.nodes else None


@dataclass(slots=True, eq=False)
class Edge:
    node: Any
    thing: Any
    key: Key

    @property
    def cursor(self) -> str:
        return encode(self.key(self.thing))


def page(
    items: Sequence[Any],
    key: Key,
    *,
    first: int | None = None,
    last: int | None = None,
    after: str | None = None,
    before: str | None = None,
    descending: bool = False,
    total_count: int | None = None,
) -> Page:
    """Returns a page of `items`, which have to be in ascending order of `key`. With `descending`, the page has them in
    the opposite order. Without `first` and `last`, the page has no nodes, only counts.
    """
    low, high = 0, len(items)
    if after is not None:
        place = decode(after, items, key)
        if descending:
            high = bisect_left(items, place, key=key)
        else:
            low = bisect_right(items, place, key=key)
    if before is not None:
        place = decode(before, items, key)
        if descending:
            low = max(low, bisect_right(items, place, key=key))
        else:
            high = min(high, bisect_left(items, place, key=key))
    size = first if first is not None else last or 0
    from_low = (first is not None) is not descending
    start, end = (low, min(high, low + size)) if from_low else (max(low, high - size), high)
    nodes = list(items[start:end])
    later, earlier = end < len(items), start > 0
    if descending:
        nodes.reverse()
        later, earlier = earlier, later
    return Page(nodes, key, len(items) if total_count is None else total_count, later, earlier, len(items))


def encode(place: tuple[Any, ...]) -> str:
    return base64.b64encode(_PREFIX + orjson.dumps(place)).decode()


def decode(cursor: str, items: Sequence[Any], key: Key) -> tuple[Any, ...]:
    """Returns the sort key that a cursor holds. Raises `GitHubError` if the text is not a cursor, or is a cursor of a
    list in another order.
    """
    try:
        raw = base64.b64decode(cursor, validate=True)
        place = tuple(orjson.loads(raw[len(_PREFIX) :])) if raw.startswith(_PREFIX) else None
    except (binascii.Error, ValueError, TypeError):
        place = None
    if place is not None and (not items or list(map(type, place)) == list(map(type, key(items[0])))):
        return place
    raise GitHubError("INVALID_CURSOR_ARGUMENTS", f"`{cursor}` does not appear to be a valid cursor.")
