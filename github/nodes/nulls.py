"""Marks each null in an answer as hidden, gone or lost, before the answer is mapped to rows.

If GitHub refuses a field that cannot be null, the node around the field becomes null, too (GraphQL, "Handling Execution
Errors"). In that case, the null stands above the path that the error names. `mark` follows this path and replaces the
null by a `Hidden`, or by a `GoneNode` if a requested id does not exist. Any other null is a lost node: GitHub ran out
of time or resources, and a smaller page may load the node.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from errors import TooLarge
from github.nodes.actors import Node
from github.nodes.values import listed

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Hidden:
    """Stands in place of a node that this account may not see. `words` holds GitHub's message."""

    words: str


@dataclass(frozen=True, slots=True)
class GoneNode:
    """Stands in place of a node that was requested by its id, and that does not exist or no longer exists."""


@dataclass(slots=True)
class Shown:
    """The nodes of one page of a connection. `hidden` has an entry for each node that GitHub does not show."""

    nodes: list[Node]
    hidden: list[str] = field(default_factory=list)
    """GitHub's message for each refused node."""
    keys: list[str] = field(default_factory=list)
    """`Part.seen` keys of the hidden nodes. They count towards the connection's total, because GitHub counts them."""


HIDDEN_KEY = "h:"


def mark(data: Any, path: Path, mark: Hidden | GoneNode) -> bool:
    """Replaces the null at `path`, or the null above this path, by `mark`. Returns whether a mark now stands there.

    Only a null in place of a node is replaced: in a list, in an edge (`node`), or for a requested id. A refused field
    that may be null stays None.
    """
    here = data
    for step in path:
        if isinstance(here, Hidden | GoneNode):
            return True
        try:
            value = here[step]
        except (KeyError, IndexError, TypeError):
            return False
        if value is None:
            if isinstance(here, list) or step == "node" or (here is data and step not in ("repository", "rateLimit")):
                here[step] = mark
                return True
            return False
        here = value
    return False


def shown(nodes: Sequence[Any] | None, what: str, after: str | None = None) -> Shown:
    """Returns the nodes of a page that GitHub shows, with GitHub's messages for the hidden nodes. `what` names the
    nodes in errors. `after` is the cursor with which the page was requested. A node that the page shows twice is
    returned once, as it was last updated.

    Raises `TooLarge` if a node is lost, or if the whole list is null, which the schema allows.
    """
    found = Shown([])
    if nodes is None:
        raise TooLarge("null_node", f"GitHub left out all {what} of a page")
    for index, node in enumerate(listed(nodes)):
        if isinstance(node, Hidden):
            found.hidden.append(node.words)
            found.keys.append(f"{HIDDEN_KEY}{after or ''}:{index}")
        elif isinstance(node, GoneNode) or not node:
            raise TooLarge("null_node", f"GitHub left out one of {len(nodes)} {what}")
        else:
            found.nodes.append(node)
    found.nodes = _distinct(found.nodes)
    return found


def _distinct(things: list[Any]) -> list[Any]:
    """Returns each node, or each edge, once. What has no readable id is always returned."""
    latest: dict[Any, Any] = {}
    for place, thing in enumerate(things):
        node_id = _of_node(thing, "id")
        key = node_id if isinstance(node_id, str) else place
        if key not in latest or str(_of_node(thing, "updatedAt")) > str(_of_node(latest[key], "updatedAt")):
            latest[key] = thing
    return list(latest.values())


def _of_node(thing: Any, name: str) -> Any:
    """Returns a field of a node, or of an edge's node. Returns None for what is neither."""
    node = (thing.get("node") or thing) if isinstance(thing, dict) else None
    return node.get(name) if isinstance(node, dict) else None
