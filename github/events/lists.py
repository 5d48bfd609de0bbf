"""Requests, refusals and pages of a repository's event lists: the code that all these lists share."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple, Self
from urllib.parse import urlencode

from errors import PartOver, RetryNow, TooLarge
from github.answers.mapping import mapped_or_none
from github.answers.reading import Answer
from github.answers.refusals import Gone, SwitchedOff
from github.client import GitHub
from github.nodes.actors import Node
from github.nodes.nulls import Hidden, Shown
from github.nodes.pagination import end_cursor, has_next
from github.nodes.values import count
from github.repositories import check_identity
from messages import RepositoryRef
from rows import FeedEvent, Page


class Refused(PartOver):
    """Raised when GitHub does not show this list to this account. GitHub may show other lists of the repository."""


@dataclass(slots=True)
class EventPage:
    """One page of a list of events: its rows, and the cursor of the next page."""

    page: Page
    cursor: str | None = None
    """The cursor of the next page; None at the end, or if GitHub reports a next page without a cursor."""
    end: str | None = None
    """The cursor behind the page's last item, also if GitHub reports no next page; None if GitHub gives no cursor."""
    more: bool = False
    """Whether GitHub reports a next page."""
    number: int = 0
    """Items on the page, including hidden ones and those that make no row."""
    depth: datetime | None = None
    """The earliest time on the page, of the times by which the list is ordered."""
    ties: list[str] = field(default_factory=list)
    """Ids of the page's items whose time is exactly `depth`."""
    oldest: datetime | None = None
    """The time down to which this page has read the list. None if the page is empty, or if the list is not ordered by
    the times of its rows.
    """
    hidden: int = 0
    """Items that this account may not see."""
    unreadable: int = 0
    """Items that cannot be read."""
    seconds: float = 0.0
    cost: int = 0
    total: int | None = None
    """GitHub's count of the whole list; None if GitHub gives no count."""
    branch: str | None = None
    """For forks: the default branch, and in `head` its last commit; None in an empty repository."""
    head: str | None = None

    def add_each(self, things: Sequence[Any], read: Callable[[Any], "Item"]) -> None:
        """Adds the events of the list's items, and sets `depth` and `ties`. An item that cannot be read, or that has a
        value which Postgres would refuse, is only counted (`unreadable`).

        Raises `TooLarge` if none of several items can be read, because such an answer may not be GitHub's.
        """
        items = [mapped_or_none("one item of a list", partial(read, thing)) for thing in things]
        found = [item for item in items if item is not None]
        if len(items) > 1 and not found:
            raise TooLarge("unreadable", f"none of the {len(items)} items of a list can be read")
        self.unreadable += len(items) - len(found)
        self.page.feed += [item.event for item in found if item.event is not None]
        self.go_down_to({item.id: item.at for item in found})

    def go_down_to(self, moments: Mapping[str, datetime]) -> None:
        """Sets `depth` to the time of the page's oldest item, and `ties` to the ids of all items of that time.
        `moments` maps the id of each item on the page to the item's time.
        """
        self.depth = min(moments.values(), default=None)
        self.ties = [thing for thing, moment in moments.items() if moment == self.depth]


class Item(NamedTuple):
    """One item of a list: its id, the time by which the list is ordered, and the event that the item makes, if any."""

    id: str
    at: datetime
    event: FeedEvent | None

    @classmethod
    def of(cls, event: FeedEvent) -> Self:
        """Returns the item of a list that is ordered by the times of its events."""
        return cls(event.event_id, event.created_at, event)


async def ask(
    github: GitHub, operation: str, repository: RepositoryRef, what: str, variables: dict[str, Any]
) -> Answer:
    """Sends an operation that requests one field of the repository, and returns the answer. `what` is the field's name.

    Raises `Refused` if GitHub refuses the field; the error's code is `gone` if the field does not exist. Raises `Gone`
    if GitHub refuses the repository, and `PartOver` (renamed) if another repository has taken over the name.
    """
    owner, _, name = repository.full_name.partition("/")
    answer = await github.graphql(operation, {"owner": owner, "name": name} | variables)
    there: Node | Hidden | None = answer.data.get("repository")
    refusal = answer.refusal_of("repository", what)
    # A refused field that cannot be null takes the whole repository along.
    if refusal is not None and (there is None or isinstance(there, Hidden) or there.get(what) is None):
        code = "gone" if ("repository", what) in answer.missing else "forbidden"
        raise Refused(code, f"GitHub does not show the {what} of {repository.full_name}: {refusal}")
    if there is None or isinstance(there, Hidden):
        raise Gone("gone", f"GitHub has no {repository.full_name}", "the repository was deleted, or is private")
    check_identity(there, repository)
    return answer


async def probe(github: GitHub) -> None:
    """Checks that GitHub answers a small GraphQL request; a refusal is an answer, too. Raises `RetryNow` or
    `RetryLater` if GitHub does not answer.
    """
    with suppress(PartOver):
        await github.graphql("Viewer", {})


async def ask_rest(github: GitHub, repository: RepositoryRef, route: str, query: dict[str, Any]) -> Answer:
    """Returns the answer of a REST route of the repository. The answer's data is a list. Raises `Refused` if GitHub
    refuses the list, or has no such list.
    """
    try:
        # By id: the name may be another repository's by now.
        answer = await github.rest(f"/repositories/{repository.github_id}/{route}?{urlencode(query)}")
    except (Gone, SwitchedOff) as error:
        raise Refused(error.code, error.message) from error
    except PartOver as error:
        if error.code == "forbidden":
            raise Refused(error.code, error.message) from error
        raise
    if not isinstance(answer.data, list):
        raise RetryNow("bad_answer", f"GitHub's answer to {route} is no list")
    return answer


def of_connection(answer: Answer, connection: Node, things: Shown) -> EventPage:
    """Returns the page that a GraphQL connection shows, with counts and cursors, but without rows. The caller adds the
    rows. `things` are the connection's nodes.
    """
    info = connection["pageInfo"]
    return EventPage(
        Page(answer.asked_at),
        end_cursor(info) if has_next(info) else None,
        end=end_cursor(info),
        more=has_next(info),
        number=len(things.nodes) + len(things.hidden),
        hidden=len(things.hidden),
        seconds=answer.seconds,
        cost=answer.cost,
        total=count(connection["totalCount"]),
    )


def numbered(size: int, offset: int) -> dict[str, int]:
    """Returns the query parameters of the page behind the first `offset` items, with `size` items a page. `offset` has
    to be a multiple of `size`.
    """
    return {"per_page": size, "page": offset // size + 1}


def of_numbers(answer: Answer, size: int, offset: int) -> EventPage:
    """Returns a page of a list with numbered pages, but without rows. The caller adds the rows. The page's cursor is
    the number of items read so far, this page included.
    """
    return EventPage(
        Page(answer.asked_at),
        str(offset + size) if answer.next_path else None,
        more=bool(answer.next_path),
        number=len(answer.data),
        seconds=answer.seconds,
    )
