"""Fields that issues and pull requests share, as the host's jsonb columns hold them (REST's names).

Lists are sorted: GitHub promises no order, and a row must not change because it answered in another one.
"""

from typing import Any

from errors import TooLarge
from github.actors import Node


def whole(connection: Node | None, what: str) -> list[Node]:
    """All nodes of a connection that fits into one page. Raises `TooLarge` for one that came back with a hole.

    GitHub bounds what is asked for so (100 labels, 10 assignees, ...); should it ever hold more, the thread ends as
    one that could not be fetched whole, with its number.
    """
    if connection is None:
        return []
    nodes = connection["nodes"]
    if any(node is None for node in nodes):
        raise TooLarge("null_node", f"GitHub left out one of the {what}")
    if connection.get("totalCount", 0) > len(nodes):
        raise TooLarge("overflow", f"{len(nodes)} of {connection['totalCount']} {what} fit into a page")
    return list(nodes)


def labels(node: Node) -> list[dict[str, Any]]:
    """`[{name, color, description}]`; GitHub allows 100 on a thread."""
    nodes = sorted(whole(node["labels"], "labels"), key=lambda label: str(label["name"]))
    return [{"name": each["name"], "color": each["color"], "description": each["description"]} for each in nodes]


def assignees(node: Node) -> list[dict[str, Any]]:
    """`[{id, login, avatar_url}]`; GitHub allows 10 on a thread."""
    nodes = sorted(whole(node["assignees"], "assignees"), key=lambda user: str(user["login"]))
    return [{"id": each["databaseId"], "login": each["login"], "avatar_url": each["avatarUrl"]} for each in nodes]


def milestone(node: Node) -> dict[str, Any] | None:
    """`{number, title, state, description, due_on}`, or None."""
    value = node["milestone"]
    if value is None:
        return None
    return {
        "number": value["number"],
        "title": value["title"],
        "state": value["state"].lower(),
        "description": value["description"],
        "due_on": value["dueOn"],
    }
