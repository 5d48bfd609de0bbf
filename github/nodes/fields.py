"""Maps the fields that issues and pull requests share to the host's jsonb columns. The keys in these columns are
REST's.

Lists are sorted because GitHub promises no order. Without sorting, a row could change only because the order changed.
"""

from typing import Any

from github.nodes.actors import Node, login
from github.nodes.node_ids import database_id
from github.nodes.nulls import Hidden, shown
from rows import Note, Page, Short


def single_page(node: Node, connection: str, what: str, page: Page) -> list[Node]:
    """Returns the nodes of a connection that GitHub shows, each once. The connection, such as the labels, always fits
    into one page. Adds a note on hidden nodes to the page.

    One page suffices because GitHub limits these connections (100 labels, 10 assignees, ...). If GitHub shows fewer
    nodes than it counts, or no list at all, the connection is recorded in `page.short`.
    """
    found = node[connection] or {"nodes": None}
    nodes = found["nodes"] or []
    there = [each for each in nodes if isinstance(each, dict | Hidden)]
    came = [each for place, each in enumerate(there) if isinstance(each, Hidden) or each not in there[:place]]
    seen = shown(came, what)
    missing = max(found.get("totalCount", 0) - len(came), len(nodes) - len(there))
    if missing > 0 or found["nodes"] is None:
        reading = f"{what}: {found.get('totalCount')} counted, {len(came)} shown"
        page.short.append(Short(database_id(node), what, max(1, missing), reading))
    if seen.hidden:
        page.hidden.append(Note("hidden", what, node["number"], node["id"], len(seen.hidden), seen.hidden[-1]))
    return seen.nodes


def labels(node: Node, page: Page) -> list[dict[str, Any]]:
    """Returns the labels as `[{name, color, description}]`. GitHub allows 100 on a thread."""
    nodes = sorted(single_page(node, "labels", "labels", page), key=lambda label: str(label["name"]))
    return [{"name": each["name"], "color": each["color"], "description": each["description"]} for each in nodes]


def assignees(node: Node, page: Page) -> list[dict[str, Any]]:
    """Returns the assignees as `[{id, login, avatar_url}]`, bots included. GitHub allows 10 on a thread."""
    nodes = sorted(single_page(node, "assignedActors", "assignees", page), key=lambda actor: str(login(actor)))
    return [{"id": each["databaseId"], "login": login(each), "avatar_url": each["avatarUrl"]} for each in nodes]


def milestone(node: Node) -> dict[str, Any] | None:
    """Returns the milestone as `{number, title, state, description, due_on}`. Returns None if the thread has no
    milestone.
    """
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
