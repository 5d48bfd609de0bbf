"""Fields that issues and pull requests share, as the host's jsonb columns hold them (REST's names).

Lists are sorted: GitHub promises no order, and a row must not change because it answered in another one.
"""

from typing import Any

from github.actors import Node


def labels(node: Node) -> list[dict[str, Any]]:
    """`[{name, color, description}]`; GitHub allows 100 on a thread, so one page holds them all."""
    connection = node["labels"]
    nodes = sorted(connection["nodes"], key=lambda label: str(label["name"])) if connection else []
    return [{"name": each["name"], "color": each["color"], "description": each["description"]} for each in nodes]


def assignees(node: Node) -> list[dict[str, Any]]:
    """`[{id, login, avatar_url}]`; GitHub allows 10 on a thread."""
    return [
        {"id": user["databaseId"], "login": user["login"], "avatar_url": user["avatarUrl"]}
        for user in sorted(node["assignees"]["nodes"], key=lambda user: str(user["login"]))
    ]


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
