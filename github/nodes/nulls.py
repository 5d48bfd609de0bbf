"""Marks each null in an answer as hidden, gone or lost, before any mapper sees the answer.

If GitHub refuses a field that cannot be null, the node around it becomes null too (GraphQL, "Handling Execution
Errors"): the null stands above the path that the error names. `mark` follows each such path and replaces the null by a
`Hidden`, or by a `GoneNode` if a requested id does not exist. Any other null is lost: GitHub ran out of time or
resources, and a smaller page may load it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from errors import TooLarge
from github.nodes.actors import Node

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Hidden:
    """Replaces a node that this account may not see. `words` holds GitHub's message."""

    words: str


@dataclass(frozen=True, slots=True)
class GoneNode:
    """Replaces a node that was requested by its id and does not exist, or no longer."""


@dataclass(slots=True)
class Shown:
    """The nodes of one page of a connection."""

    nodes: list[Node]
    hidden: list[str] = field(default_factory=list)
    """GitHub's message for each refused node."""
    keys: list[str] = field(default_factory=list)
    """`Part.seen` keys of the hidden nodes. They count towards the connection's total, because GitHub counts them."""


HIDDEN_KEY = "h:"


def mark(data: Any, path: Path, mark: Hidden | GoneNode) -> bool:
    """Replaces the null that `path` leads to, or the null above it, by `mark`.

    Only the place of a node is replaced: in a list, in an edge (`node`), or of a requested id. Returns whether the
    place holds a mark now; a nullable field that is refused stays None.
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
    """A page's shown nodes, with the hidden ones listed beside them. `after` is the page's cursor.

    Raises `TooLarge` if a node or the whole list is lost (the schema allows null in place of a list).
    """
    found = Shown([])
    if nodes is None:
        raise TooLarge("null_node", f"GitHub left out all {what} of a page")
    for index, node in enumerate(nodes):
        if isinstance(node, Hidden):
            found.hidden.append(node.words)
            found.keys.append(f"{HIDDEN_KEY}{after or ''}:{index}")
        elif isinstance(node, GoneNode) or not node:
            raise TooLarge("null_node", f"GitHub left out one of {len(nodes)} {what}")
        else:
            found.nodes.append(node)
    return found
