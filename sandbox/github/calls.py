"""A REST request as its routes see it: its query, the repository it names, and pages of lists."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from sandbox.github.accounts import Account
from sandbox.github.apps import Installation
from sandbox.github.clock import moment, stamp
from sandbox.github.repositories import Repository
from sandbox.github.requests import Reply, json_reply, message_reply
from sandbox.github.world import World

PAGINATION_IS_LIMITED = "In order to keep the API fast for everyone, pagination is limited for this resource."


class Refusal(Exception):
    """`reply` is the whole answer."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


@dataclass(slots=True)
class Call:
    """One REST request. `root` is the API's address, for the links in answers."""

    world: World
    viewer: Account
    root: str
    new_ids: bool
    path: str
    query: dict[str, str]
    accept: str = ""
    installation: Installation | None = None

    def number(self, name: str, otherwise: int) -> int:
        text = self.query.get(name, "")
        return int(text) if text.isdigit() and int(text) > 0 else otherwise

    def since(self) -> str:
        text = self.query.get("since", "")
        try:
            return stamp(moment(text.replace(" ", "+"))) if text else ""
        except ValueError:
            raise Refusal(message_reply(422, "Invalid request.\n\nInvalid since")) from None


def find_repository(call: Call, owner: str, name: str) -> Repository:
    """By its name; 301 to its id if it had that name once."""
    found = call.world.find(f"{owner}/{name}")
    here = visible(call, found)
    if not call.world.is_present_name(f"{owner}/{name}"):
        rest = call.path.removeprefix(f"/repos/{owner}/{name}")
        query = f"?{urlencode(call.query)}" if call.query else ""
        url = f"{call.root}/repositories/{here.database_id}{rest}{query}"
        content = {"message": "Moved Permanently", "url": url, "documentation_url": "https://docs.github.com/rest"}
        raise Refusal(json_reply(301, content, Location=url))
    return here


def visible(call: Call, found: Repository | None) -> Repository:
    if found is None or found.state == "gone" or not found.shows_to(call.viewer, call.installation):
        raise Refusal(message_reply(404, "Not Found"))
    if found.state == "forbidden":
        raise Refusal(message_reply(403, "Resource not accessible by personal access token"))
    if found.state == "taken_down":
        url = "https://github.com/github/dmca/blob/master/README.md"
        block = {"reason": "dmca", "created_at": call.world.clock.stamp(), "html_url": url}
        raise Refusal(json_reply(451, {"message": "Repository access blocked", "block": block}))
    return found


def listed(
    call: Call, things: list[Any], shape: Callable[[Any], dict[str, Any]], *, largest: int = 100, limit: int = 0
) -> Reply:
    """One page, with the links to others. 422 beyond `limit` things, if there is one."""
    size = min(call.number("per_page", 30), largest)
    page = call.number("page", 1)
    if limit and (page - 1) * size >= limit:
        raise Refusal(message_reply(422, PAGINATION_IS_LIMITED))
    things = things[: limit or None]
    last = max(1, -(-len(things) // size))
    shown = things[(page - 1) * size : page * size]
    reply = json_reply(200, [shape(thing) for thing in shown])
    links = {"prev": page - 1, "next": page + 1, "last": last, "first": 1}
    if page <= 1:
        del links["prev"], links["first"]
    if page >= last:
        del links["next"], links["last"]
    link(call, reply, {name: call.query | {"page": str(number)} for name, number in links.items()})
    return reply


def link(call: Call, reply: Reply, queries: dict[str, dict[str, str]]) -> None:
    """Names the pages around by the queries that they are asked for with."""
    if queries:
        reply.headers["Link"] = ", ".join(
            f'<{call.root}{call.path}?{urlencode(query)}>; rel="{name}"' for name, query in queries.items()
        )
