"""What a null in an answer means: it is hidden, gone or lost. Decided here alone, before any mapper sees the answer.

A refused field that cannot be null takes the node that holds it along (GraphQL, "Handling Execution Errors"): the null
stands above the path that the error names. `mark` follows each such path and puts a `Hidden` in the null's place, or a
`Gone` where an id that was asked for does not exist. A null that is left after that is lost: GitHub ran out of time or
resources, and a smaller page may bring it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from errors import TooLarge
from github.nodes.actors import Node

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Hidden:
    """Stands in place of a node that these tokens are refused. `words` are GitHub's."""

    words: str


@dataclass(frozen=True, slots=True)
class GoneNode:
    """Stands in place of a node that was asked for by its id and that GitHub does not have, or no longer."""


@dataclass(slots=True)
class Shown:
    """The nodes of one page of a connection."""

    nodes: list[Node]
    hidden: list[str] = field(default_factory=list)
    """GitHub's words for each node that is refused."""
    keys: list[str] = field(default_factory=list)
    """`Part.seen` keys of the hidden nodes: GitHub counts them, so that they count towards the connection's total."""


HIDDEN_KEY = "h:"


def mark(data: Any, path: Path, mark: Hidden | GoneNode) -> bool:
    """Puts `mark` in the place of the null that `path` leads to, or of the null above it.

    Only a place that holds a node takes it: of a list, of an edge (`node`), of an id that was asked for. Returns
    whether it has one now; a nullable field that is refused stays None.
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
    """The nodes of a page, apart from those that are hidden. `after` is the page's cursor.

    Raises `TooLarge` if a node is lost, or all are: the schema allows null in place of the list.
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
