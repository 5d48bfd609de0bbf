"""A request and its answer, as faults, limits and the log see them."""

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
"""`archive` is GH Archive, which is not GitHub: it requires no token and has no limits."""
DOCUMENTATION = "https://docs.github.com/rest"


@dataclass(slots=True)
class Request:
    """A request to GitHub or GH Archive. The fields from `operation` to `node_count` are set only for GraphQL, when the
    query is parsed and priced.
    """

    kind: Kind
    method: str
    path: str
    """Path with the query string."""
    headers: Mapping[str, str]
    body: bytes = b""
    token: str = ""
    world: World | None = None
    """The world that answers it."""
    account: Account | None = None
    """The account that asks; for an App and its installations, the App's bot."""
    installation: Installation | None = None
    app: App | None = None
    """The App that asks, if the request authenticates with a JSON web token."""
    id: str = field(default_factory=lambda: ":".join(secrets.token_hex(2).upper() for _ in range(5)))
    operation: str = ""
    variables: dict[str, Any] = field(default_factory=dict)
    page_size: int = 0
    asked: frozenset[str] = frozenset()
    """The connections whose nodes are requested, at any depth."""
    cost: int = 0
    node_count: int = 0
    charged: int = 0
    faults: tuple[str, ...] = ()
    """Names of the faults that applied to the request."""
    selected: Callable[[Any], bool] | None = None
    """Whether an item is listed and counted; None if all are."""
    noticed: set[str] = field(default_factory=set)
    """Notes of faults about the request, made while it is processed, and read when its answer is finished."""
    answering: str = ""
    """The response key of the connection whose items the faults may spoil at the moment (`Effect.spoil`)."""

    @property
    def payer(self) -> str:
        """The owner of the budget that the request uses: a login, `installation:5` or `app:7`. It is empty until the
        caller is known.
        """
        if self.installation is not None:
            return self.installation.payer
        if self.app is not None:
            return f"app:{self.app.database_id}"
        return self.account.login if self.account is not None else ""


@dataclass(slots=True)
class Reply:
    """An answer to send. If `cut` is set, only half of the body is sent. `cut` then says how the answer goes on:
    `reset` breaks the connection, `short` ends the answer as if it were complete, `endless` leaves the connection open.
    """

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    cut: Literal["", "reset", "short", "endless"] = ""
    dropped: tuple[str, ...] = ()
    """Headers that are not sent, even if the HTTP server adds them by itself."""
    github_seconds: float = 0
    """The seconds that GitHub itself would take for the answer; 0 without a `Pace`."""
    genuine: bytes = b""
    """The original body, if an effect replaced it."""


@dataclass(slots=True, frozen=True)
class Entry:
    """One entry of the log. `after` is the cursor or the page number with which the request continued a list.

    `at` and `sequence` are from the request's arrival. `account` is the owner of the budget that the request used
    (`Request.payer`). `cost` is what the budget was charged. `fault` has the names of the faults that applied.
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
    """When the request arrived, by `time.monotonic()`; with `seconds` it shows which requests overlapped."""


def json_reply(status: int, content: Any, **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, orjson.dumps(content), {"Content-Type": "application/json; charset=utf-8"} | named)


def message_reply(status: int, message: str, documentation: str = DOCUMENTATION, **headers: str) -> Reply:
    """Returns an error answer in the format of REST."""
    content = {"message": message, "documentation_url": documentation, "status": str(status)}
    return json_reply(status, content, **headers)
