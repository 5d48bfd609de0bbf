"""What the functions of REST routes share: the request as a `Call`, the repository or thread in its path, and the pages
of lists.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlencode

from sandbox.github.exchange.requests import Reply, json_reply, message_reply
from sandbox.github.world.accounts import Account
from sandbox.github.world.apps import Installation
from sandbox.github.world.clock import moment, stamp
from sandbox.github.world.pull_requests import PullRequest
from sandbox.github.world.repositories import Repository
from sandbox.github.world.threads import Thread
from sandbox.github.world.world import World

T = TypeVar("T")
PAGINATION_IS_LIMITED = "In order to keep the API fast for everyone, pagination is limited for this resource."


class Refusal(Exception):
    """Raised to refuse a request. `reply` is the whole answer."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


@dataclass(slots=True)
class Call:
    """One REST request. `root` is the address of the API, with which links begin."""

    world: World
    viewer: Account
    root: str
    new_ids: bool
    path: str
    query: dict[str, str]
    accept: str = ""
    installation: Installation | None = None
    selected: Callable[[Any], bool] | None = None
    """Whether an item is listed and counted for the caller; None if all are."""

    def chosen(self, things: list[T]) -> list[T]:
        """Returns the items that `selected` accepts, or all items if `selected` is None. Items of flagged accounts stay
        in the list, because GitHub counts them. `shown` removes them later.
        """
        return things if self.selected is None else [each for each in things if self.selected(each)]

    def shown(self, things: list[T]) -> list[T]:
        """Returns the items without those of flagged accounts. GitHub counts the items of an account that is flagged as
        spam, but does not show them.
        """
        return [each for each in things if not self.world.hides(each)] if self.world.flagged else things

    def number(self, name: str, otherwise: int) -> int:
        text = self.query.get(name, "")
        return int(text) if text.isdigit() and int(text) > 0 else otherwise

    def one_of(self, name: str, values: tuple[str, ...], otherwise: str) -> str:
        value = self.query.get(name) or otherwise
        if value not in (*values, otherwise):
            raise Refusal(message_reply(422, f"Invalid request.\n\n{value} is not a member of {list(values)}."))
        return value

    def since(self) -> str:
        text = self.query.get("since", "")
        try:
            return stamp(moment(text.replace(" ", "+"))) if text else ""
        except ValueError:
            raise Refusal(message_reply(422, "Invalid request.\n\nInvalid since")) from None


def find_repository(call: Call, owner: str, name: str) -> Repository:
    """Returns the repository with that name. Raises `Refusal` if the caller may not see the repository. If the name is
    an earlier name of the repository, the refusal is a redirect (301) to the address with the repository's id.
    """
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
        url = "https://github.com/github/dmca/blob/master/README.md" if found.block_reason == "dmca" else None
        block = {"reason": found.block_reason, "created_at": call.world.clock.stamp(), "html_url": url}
        status = 451 if found.block_reason == "dmca" else 403
        raise Refusal(json_reply(status, {"message": "Repository access blocked", "block": block}))
    return found


def needs_contents(call: Call) -> None:
    """Raises `Refusal` with status 403 for an App without the permission Contents: read."""
    if call.installation is not None and not call.installation.reads("contents"):
        raise Refusal(message_reply(403, "Resource not accessible by integration"))


def find_thread(call: Call, repository: Repository, number: int) -> Thread:
    """Returns the thread with that number. Raises `Refusal` with status 301 if the thread was transferred, with 410 if
    it was deleted or issues are switched off, and with 404 if it never existed or is hidden.
    """
    if number in repository.moved:
        to = repository.moved[number]
        url = f"{call.root}/repositories/{to.repository.database_id}/issues/{to.number}"
        raise Refusal(json_reply(301, {"message": "Moved Permanently", "url": url}, Location=url))
    if number in repository.pull_requests and not call.world.hides(repository.pull_requests[number]):
        return repository.pull_requests[number]
    if not repository.has_issues_enabled:
        raise Refusal(message_reply(410, "Issues are disabled for this repo"))
    if number in repository.deleted:
        raise Refusal(message_reply(410, "This issue was deleted"))
    if number not in repository.issues or call.world.hides(repository.issues[number]):
        raise Refusal(message_reply(404, "Not Found"))
    return repository.issues[number]


def find_pull_request(repository: Repository, number: int) -> PullRequest:
    found = repository.pull_requests.get(number)
    if found is None or repository.world.hides(found):
        raise Refusal(message_reply(404, "Not Found"))
    return found


def listed(
    call: Call, things: list[Any], shape: Callable[[Any], dict[str, Any]], *, largest: int = 100, limit: int = 0
) -> Reply:
    """Returns one page of a list, with links to the other pages. `largest` is the greatest `per_page`. `limit` is how
    many items of the list can be reached, or 0 for all. Raises `Refusal` with status 422 for a page beyond `limit`.
    """
    size = min(call.number("per_page", 30), largest)
    page = call.number("page", 1)
    if limit and (page - 1) * size >= limit:
        raise Refusal(message_reply(422, PAGINATION_IS_LIMITED))
    things = call.chosen(things)[: limit or None]
    last = max(1, -(-len(things) // size))
    shown = things[(page - 1) * size : page * size]
    reply = json_reply(200, [shape(thing) for thing in call.shown(shown)])
    links = {"prev": page - 1, "next": page + 1, "last": last, "first": 1}
    if page <= 1:
        del links["prev"], links["first"]
    if page >= last:
        del links["next"], links["last"]
    link(call, reply, {name: call.query | {"page": str(number)} for name, number in links.items()})
    return reply


def link(call: Call, reply: Reply, queries: dict[str, dict[str, str]]) -> None:
    """Adds links to other pages to the reply. `queries` maps a relation, such as `next`, to the query parameters of its
    link.
    """
    if queries:
        reply.headers["Link"] = ", ".join(
            f'<{call.root}{call.path}?{urlencode(query)}>; rel="{name}"' for name, query in queries.items()
        )
