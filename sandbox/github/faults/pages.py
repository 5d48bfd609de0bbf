# ruff: noqa: ARG002 (every effect has the signatures of Effect, whatever it uses)
"""Faults of pages: pages are blank, counts are wrong, or the next page is wrong."""

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import orjson

from sandbox.github.exchange.pages import Edge
from sandbox.github.exchange.requests import Reply, Request
from sandbox.github.faults.effect import Effect, names
from sandbox.github.graphql.context import Field


class AlteredPage:
    """A page of a connection with some of its fields replaced. The same object serves as the connection's `pageInfo`.

    `nodes` has a pair for each node that stays on the page. The first value is the node's place on the original page.
    The second value is what the page now shows: the item, an error or None.
    """

    def __init__(self, page: Any, *, nodes: list[tuple[int, Any]] | None = None, **said: Any) -> None:
        self._page = page
        self._said = said
        if nodes is not None:
            edges = page.edges
            said["nodes"] = [thing for _, thing in nodes]
            said["shown"] = said["nodes"]
            said["edges"] = [_edge(edges[place], thing) for place, thing in nodes]

    @property
    def page_info(self) -> "AlteredPage":
        return self

    def __getattr__(self, name: str) -> Any:
        said = self.__dict__["_said"]
        return said[name] if name in said else getattr(self.__dict__["_page"], name)


def _edge(edge: Any, thing: Any) -> Any:
    if thing is None and hasattr(getattr(edge, "thing", None), "starred_at"):
        return None  # The node of such an edge is never null.
    return edge if thing is edge.node else _LostEdge(edge, thing)


class _LostEdge:
    """An edge whose node is an error or null."""

    def __init__(self, edge: Any, instead: Exception | None) -> None:
        self.node = instead
        self.cursor = edge.cursor
        self.thing = edge.thing if isinstance(edge, Edge) else None


def is_page(field: Field, value: Any) -> bool:
    """Returns whether the field is a connection. A field `pageInfo` is not a connection, although its value is a page
    object, too.
    """
    return not field.name.endswith(".pageInfo") and hasattr(value, "page_info") and hasattr(value, "edges")


@dataclass
class Blank(Effect):
    """Makes connections empty, with HTTP status 200 and without an error. `name` is a pattern of `Type.field`. `counts`
    says whether the connections' counts stay as they are or become 0.

    A user reported 45 empty timelines in an answer with 69 pull requests.
    """

    name: str
    counts: Literal["kept", "zero"] = "kept"
    number: int | None = None
    """The number of the only thread whose connections are blank; None: all threads."""
    resolves: ClassVar[bool] = True

    def resolved(self, request: Request, field: Field, value: Any) -> Any:
        if not is_page(field, value) or not names(self.name, field):
            return value
        if self.number not in (None, getattr(field.source, "number", None)):
            return value
        said: dict[str, Any] = {
            "has_next_page": False,
            "has_previous_page": False,
            "end_cursor": None,
            "start_cursor": None,
        }
        if self.counts == "zero":
            said |= {"total_count": 0, "filtered_count": 0}
        return AlteredPage(value, nodes=[], **said, page_count=0)


@dataclass
class BlankList(Effect):
    """Makes a REST list empty (`[]`), without a link to another page."""

    def afterwards(self, request: Request, reply: Reply) -> Reply:
        if reply.status == 200 and request.kind == "rest" and isinstance(orjson.loads(reply.body), list):
            reply.body = b"[]"
            reply.headers.pop("Link", None)
        return reply


@dataclass
class Doubled(Effect):
    """Makes every page show each of its items twice, in GraphQL and in REST. The counts stay as they are."""

    resolves: ClassVar[bool] = True

    def resolved(self, request: Request, field: Field, value: Any) -> Any:
        if not is_page(field, value):
            return value
        nodes = [(place, edge.node) for place, edge in enumerate(value.edges)]
        return AlteredPage(value, nodes=[each for each in nodes for _ in range(2)])

    def afterwards(self, request: Request, reply: Reply) -> Reply:
        if reply.status == 200 and request.kind == "rest" and reply.body.startswith(b"["):
            reply.body = orjson.dumps([each for each in orjson.loads(reply.body) for _ in range(2)])
        return reply


@dataclass
class Miscounted(Effect):
    """Makes connections report a wrong count. `name` is a pattern of `Type.field`.

    The count is `to` if `to` is given. Otherwise it is the true count plus `by`, which may be negative. Reported in
    streamlink#622; other users report counts that fall to 0.
    """

    name: str
    by: int = 0
    to: int | None = None
    resolves: ClassVar[bool] = True

    def resolved(self, request: Request, field: Field, value: Any) -> Any:
        if not is_page(field, value) or not names(self.name, field):
            return value
        said: dict[str, Any] = {"total_count": self._count(value.total_count)}
        if hasattr(value, "filtered_count"):
            said["filtered_count"] = self._count(value.filtered_count)
        return AlteredPage(value, **said)

    def _count(self, count: int) -> int:
        return max(0, count + self.by) if self.to is None else self.to


@dataclass
class EndlessPages(Effect):
    """Makes connections always have a next page. `name` is a pattern of `Type.field`. `cursor` says how the next page's
    cursor is wrong: it is null, always the same, or alternates between two (zerocracy/judges-action#2142).
    """

    name: str
    cursor: Literal["null", "same", "alternating"] = "null"
    resolves: ClassVar[bool] = True
    _cursors: dict[str, list[str]] = field(default_factory=dict, init=False, repr=False)
    """The two cursors between which each connection alternates, by the connection."""
    _turns: int = field(default=0, init=False, repr=False)

    def resolved(self, request: Request, field: Field, value: Any) -> Any:
        if not is_page(field, value) or not names(self.name, field):
            return value
        cursors = self._cursors.setdefault(f"{id(field.source)} {field.name}", [])
        if not cursors:
            cursors += [each for each in (value.end_cursor, value.start_cursor) if each is not None]
        self._turns += 1
        cursor = None
        if cursors and self.cursor != "null":
            cursor = cursors[0 if self.cursor == "same" else self._turns % len(cursors)]
        return AlteredPage(value, has_next_page=True, end_cursor=cursor)


@dataclass
class CircularLinks(Effect):
    """Makes the next-page link of a REST list lead to the requested page itself, or to the first page
    (zerocracy/judges-action#2142).
    """

    to: Literal["itself", "first"] = "itself"

    def afterwards(self, request: Request, reply: Reply) -> Reply:
        if request.kind != "rest" or reply.status != 200:
            return reply
        path, _, query = request.path.partition("?")
        asked = [each for each in query.split("&") if self.to == "itself" or not each.startswith(("page=", "after="))]
        host = request.headers.get("Host", "")
        link = f'<http://{host}{path}?{"&".join(asked)}>; rel="next"'
        last = [each for each in reply.headers.get("Link", "").split(", ") if 'rel="last"' in each]
        reply.headers["Link"] = ", ".join([link, *last])
        return reply
