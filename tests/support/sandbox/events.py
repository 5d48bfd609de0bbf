"""Reads events from the stand-in."""

from typing import Any

NOW = "2026-03-01T12:00:00Z"
STARS = """
query Stars($first: Int!, $after: String, $direction: OrderDirection!) {
  rateLimit { cost }
  repository(owner: "octo", name: "hello") {
    stargazerCount
    stargazers(first: $first, after: $after, orderBy: {field: STARRED_AT, direction: $direction}) {
      totalCount pageInfo { hasNextPage endCursor } nodes { login } edges { cursor starredAt node { login databaseId } }
    }
  }
}
"""
EVENTS = "/repos/octo/hello/events"


def pages(client: Any, path: str, headers: dict[str, str] | None = None) -> list[list[Any]]:
    """Returns every page of a list, by following its links."""
    found = []
    next_path: str | None = path
    while next_path:
        reply = client.get(next_path, headers)
        assert reply.status == 200, reply.body
        found.append(reply.json)
        next_path = linked(client, reply, "next")
    return found


def linked(client: Any, reply: Any, name: str) -> str | None:
    for each in (reply.headers["Link"] or "").split(", "):
        address, _, relation = each.partition("; ")
        if relation == f'rel="{name}"':
            return address.strip("<>").removeprefix(str(client.github.url))
    return None


def told(client: Any, type_: str | None = None) -> list[dict[str, Any]]:
    """Returns all events, or those of a type, newest first."""
    everything = [event for page in pages(client, f"{EVENTS}?per_page=100") for event in page]
    return [event for event in everything if type_ in (None, event["type"])]
