"""One request and its answer as faults, limits and the log see them."""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson

from sandbox.github.world.accounts import Account
from sandbox.github.world.apps import App, Installation
from sandbox.github.world.clock import Stamp
from sandbox.github.world.world import World

Kind = Literal["graphql", "rest", "archive"]
"""`archive` is GH Archive, which is not GitHub: it asks for no token and has no limits."""
DOCUMENTATION = "https://docs.github.com/rest"


@dataclass(slots=True)
class Request:
    """As it came; what it asks for (`operation` to `node_count`) is known of GraphQL only, once it was priced."""

    kind: Kind
    method: str
    path: str
    """With the query string."""
    headers: Mapping[str, str]
    body: bytes = b""
    token: str = ""
    world: World | None = None
    """That it is answered from."""
    account: Account | None = None
    """Who asks; for an App and its installations, its bot."""
    installation: Installation | None = None
    app: App | None = None
    """By a JSON web token."""
    id: str = field(default_factory=lambda: ":".join(secrets.token_hex(2).upper() for _ in range(5)))
    operation: str = ""
    variables: dict[str, Any] = field(default_factory=dict)
    page_size: int = 0
    asked: frozenset[str] = frozenset()
    """The connections whose nodes are asked for, at any depth."""
    cost: int = 0
    node_count: int = 0
    charged: int = 0
    faults: tuple[str, ...] = ()
    """The names of the effects that it met."""
    selected: Callable[[Any], bool] | None = None
    """Whether a thing is listed and counted; None where everything is."""
    noticed: set[str] = field(default_factory=set)
    """What effects have to remember of the request until it is answered."""
    answering: str = ""
    """The response key of the connection whose things effects are asked about."""

    @property
    def payer(self) -> str:
        """Whose budget it is: a login, `installation:5` or `app:7`; empty while nobody is known."""
        if self.installation is not None:
            return self.installation.payer
        if self.app is not None:
            return f"app:{self.app.database_id}"
        return self.account.login if self.account is not None else ""


@dataclass(slots=True)
class Reply:
    """What is sent. `cut` sends only half the body: `reset` drops the connection there, `short` pretends it is all,
    `endless` never sends the rest."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    cut: Literal["", "reset", "short", "endless"] = ""
    dropped: tuple[str, ...] = ()
    """Headers that are not sent, whoever would add them."""
    github_seconds: float = 0
    """GitHub's time for it by the `Pace`, not scaled; 0 without one."""
    genuine: bytes = b""
    """The body as it was made of the world; another one was put in its place."""


@dataclass(slots=True, frozen=True)
class Entry:
    """A line of the log. `after` is the cursor (or the page number) that the request went on from.

    `at` and `sequence` are of its arrival; `account` is who paid (`Request.payer`), `cost` what was charged, `fault`
    names the effects it met.
    """

    sequence: int
    at: Stamp
    kind: Kind
    method: str
    operation: str
    variables: dict[str, Any]
    path: str
    after: str | None
    account: str
    status: int
    cost: int
    node_count: int
    page_size: int
    errors: tuple[str, ...]
    fault: str
    seconds: float
    github_seconds: float
    size: int
    started: float
    """Seconds on a clock that only counts up: `started` and `started + seconds` tell what ran at once."""


def json_reply(status: int, content: Any, **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, orjson.dumps(content), {"Content-Type": "application/json; charset=utf-8"} | named)


def message_reply(status: int, message: str, documentation: str = DOCUMENTATION, **headers: str) -> Reply:
    """REST's way of saying no."""
    content = {"message": message, "documentation_url": documentation, "status": str(status)}
    return json_reply(status, content, **headers)
