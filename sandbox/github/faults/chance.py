# ruff: noqa: ARG002 (every effect has the signatures of Effect, whatever it uses)
"""Random faults from a seed. `Babble` makes GitHub give any answer that its schema allows. `OddTenth` makes a tenth of
GitHub's items odd.
"""

import re
from dataclasses import dataclass
from random import Random
from typing import Any, ClassVar, Literal, get_args

import orjson
from graphql import is_leaf_type, is_list_type, is_non_null_type

from sandbox.github.exchange.limits import Budget
from sandbox.github.exchange.refusals import GitHubError
from sandbox.github.exchange.requests import Reply, Request, message_reply
from sandbox.github.faults.effect import Effect
from sandbox.github.faults.pages import AlteredPage, is_page
from sandbox.github.graphql.context import Field
from sandbox.github.graphql.execution import Broken
from sandbox.github.rest import routes as rest
from sandbox.github.world.pull_request_commits import PullRequestCommit
from sandbox.github.world.world import World

WORDS = "Resource not accessible by personal access token"
NOT_TOUCHED = ("Query.", "RateLimit.", "PageInfo.")
"""Prefixes of fields whose values are not replaced one by one: the viewer, costs, and page information."""


@dataclass
class Babble(Effect):
    """Gives random answers that the schema allows: nulls, with or without an error, short and empty lists, false next
    pages, any cursor, any count. REST answers get fewer items, wrong links, or an error status.

    `odds` is how probable a fault is at each field; some faults are more frequent or rarer by a fixed factor. The same
    seed gives the same answers to the same requests in the same order.

    With `stubborn`, a repeated request gets the same answer again. In REST, the random choices then depend only on the
    path without its numbers. In GraphQL, a field then behaves the same in all items if the seed is even. If the seed is
    odd, it behaves differently from item to item.

    Without `lone_nulls`, only lists and their items become null without an error, because an author that is null could
    also be a deleted account. See docs/faults.md, "Limits", about anything that the schema allows.
    """

    seed: int = 0
    odds: float = 0.05
    stubborn: bool = False
    lone_nulls: bool = True
    resolves: ClassVar[bool] = True

    def __post_init__(self) -> None:
        self._dice = Random(self.seed)

    def _begin(self, *about: Any) -> None:
        if self.stubborn:
            self._dice = Random(f"{self.seed} {about}")

    def _happens(self, times: float = 1) -> bool:
        return self._dice.random() < self.odds * times

    def instead(self, request: Request, budget: Budget) -> Reply | None:
        if request.kind != "rest":
            return None
        self._begin(re.sub(r"\d+", "N", request.path.partition("?")[0]))
        if not self._happens():
            return None
        status = self._dice.choice((403, 404, 410, 422, 500, 502))
        return message_reply(status, WORDS if status == 403 else "Not Found" if status == 404 else "Server Error")

    def resolved(self, request: Request, field: Field, value: Any) -> Any:
        self._begin(field.name, getattr(field.source, "database_id", None) if self.seed % 2 else None)
        if field.name in ("Query.repository", "Query.node", "Query.nodes") and self._happens(0.2):
            return self._error(field) if field.name != "Query.nodes" else [self._error(field) for _ in value]
        if field.name.startswith(NOT_TOUCHED):
            return value
        may_be_null = not is_non_null_type(field.type) and (self.lone_nulls or is_list_type(field.type))
        if may_be_null and self._happens(0.1 if is_leaf_type(field.type) else 0.5):
            return None
        if self._happens(0.02):
            return self._error(field)
        if is_page(field, value):
            return self._page(value)
        if is_list_type(field.type) and isinstance(value, list):
            return [self._error(field) if self._happens() else None if self._happens(0.3) else each for each in value]
        return value

    def afterwards(self, request: Request, reply: Reply) -> Reply:
        if request.kind != "rest" or reply.status != 200 or not reply.body.startswith(b"["):
            return reply
        self._begin("list", re.sub(r"\d+", "N", request.path.partition("?")[0]))
        items = orjson.loads(reply.body)
        if self._happens(2):
            reply.body = orjson.dumps(self._dice.sample(items, self._dice.randint(0, len(items))))
        if self._happens(2):
            path, _, query = request.path.partition("?")
            asked = [each for each in query.split("&") if each and not each.startswith("page=")]
            number = self._dice.choice((1, 1, 2, 3, 50))
            link = (
                f'<http://{request.headers.get("Host", "")}{path}?{"&".join([*asked, f"page={number}"])}>; rel="next"'
            )
            reply.headers["Link"] = link
        elif self._happens():
            reply.headers.pop("Link", None)
        return reply

    def _page(self, page: Any) -> Any:
        said: dict[str, Any] = {}
        nodes = None
        if self._happens(2):
            kept = self._dice.randint(0, len(page.edges))
            nodes = [(place, edge.node) for place, edge in enumerate(page.edges)][:kept]
        if self._happens(2):
            said["has_next_page"] = self._dice.random() < 0.5
        if self._happens(2):
            said["end_cursor"] = self._dice.choice((None, page.start_cursor, page.end_cursor))
        if self._happens(2):
            said["total_count"] = said["filtered_count"] = self._dice.choice((0, page.total_count + 1, 7, 2**20))
        return AlteredPage(page, nodes=nodes, **said) if said or nodes is not None else page

    def _error(self, field: Field) -> Exception:
        kind = self._dice.choice(("FORBIDDEN", "NOT_FOUND", "RESOURCE_LIMITS_EXCEEDED", "", "SERVICE_UNAVAILABLE"))
        return GitHubError(kind, WORDS) if kind else Broken()


Oddity = Literal["hidden", "refused", "null", "miscounted", "blank"]
ODDITIES: tuple[Oddity, ...] = get_args(Oddity)


@dataclass
class OddTenth(Effect):
    """Makes a tenth of all items odd while it is switched on. A seed chooses the items. Each is odd in one way:

    - hidden: counted, but not listed
    - refused: FORBIDDEN in its place
    - null: null in its place, without an error
    - miscounted: its lists count one item too many
    - blank: its lists are empty, but keep their counts

    REST shows null and miscounted items as usual. See docs/faults.md, "Limits", about a tenth of all nodes.
    """

    seed: int = 0
    share: float = 0.1
    only: tuple[Oddity, ...] = ODDITIES
    resolves: ClassVar[bool] = True

    def oddity(self, thing: Any) -> Oddity | None:
        """Returns in which way an item is odd. Returns None for nine items of ten, and always for repositories,
        accounts, teams, commits of pull requests, and items without a database id.
        """
        identifier = getattr(thing, "database_id", None)
        if identifier is None or isinstance(thing, PullRequestCommit) or thing.typename in UNIQUE:
            return None
        dice = Random(f"{self.seed} {thing.typename} {identifier}")
        return dice.choice(self.only) if dice.random() < self.share else None

    def resolved(self, request: Request, field: Field, value: Any) -> Any:
        if is_page(field, value):
            return self._page(field.source, value)
        if field.name == "Query.nodes":
            return [each if isinstance(each, Exception) else self._found(each) for each in value]
        if field.name == "Query.node" or (field.name.startswith("Repository.") and hasattr(value, "database_id")):
            return self._found(value)
        return value

    def afterwards(self, request: Request, reply: Reply) -> Reply:
        """Removes hidden and refused items (see the class) from a REST list, but leaves the list's links unchanged.
        Empties the lists of a blank thread. If the request is for a single item, a hidden item gets a 404 and a refused
        item gets a 403.
        """
        if request.kind != "rest" or reply.status != 200 or request.world is None:
            return reply
        world, content = request.world, orjson.loads(reply.body)
        if isinstance(content, dict):
            found = self.oddity(world.node(content.get("node_id", "")))
            status = {"hidden": 404, "refused": 403}.get(found or "")
            return reply if status is None else message_reply(status, "Not Found" if status == 404 else WORDS)
        kept = [each for each in content if self.oddity(world.node(each.get("node_id", ""))) not in UNLISTED]
        if self.oddity(_thread_of(world, request.path)) == "blank":
            kept = []
        if len(kept) < len(content):
            reply.body = orjson.dumps(kept)
        return reply

    def _found(self, thing: Any) -> Any:
        match self.oddity(thing):
            case "hidden":
                return GitHubError("NOT_FOUND", "Could not resolve to a node with that global id")
            case "refused":
                return GitHubError("FORBIDDEN", WORDS)
            case "null":
                return None
        return thing

    def _page(self, parent: Any, page: Any) -> Any:
        nodes: list[tuple[int, Any]] = []
        for place, edge in enumerate(page.edges):
            thing = edge.node
            match self.oddity(thing):
                case "hidden":
                    continue
                case "refused":
                    nodes.append((place, GitHubError("FORBIDDEN", WORDS)))
                case "null":
                    nodes.append((place, None))
                case _:
                    nodes.append((place, thing))
        said: dict[str, Any] = {}
        match self.oddity(parent):
            case "miscounted":
                said = {"total_count": page.total_count + 1, "filtered_count": getattr(page, "filtered_count", 0) + 1}
            case "blank":
                nodes, said = [], {"has_next_page": False, "end_cursor": None}
        untouched = not said and [thing for _, thing in nodes] == [edge.node for edge in page.edges]
        return page if untouched else AlteredPage(page, nodes=nodes, **said)


UNIQUE = frozenset({"Repository", "User", "Bot", "Mannequin", "Organization", "Team", "EnterpriseUserAccount"})
"""Types that are never odd: the repository that is read, and people, who are only referred to."""
UNLISTED = ("hidden", "refused")
THREAD = re.compile(r".*/(?:issues|pulls)/(\d+)/\w+")


def _thread_of(world: World, path: str) -> Any:
    """Returns the issue or pull request whose list a REST path requests. Returns None if the path is not of a thread's
    list.
    """
    found = THREAD.fullmatch(path.partition("?")[0])
    repository = rest.repository_of(world, path)
    if found is None or repository is None:
        return None
    number = int(found[1])
    return repository.pull_requests.get(number) or repository.issues.get(number)
