"""What the lists of a repository's events have in common: their requests, refusals and pages."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from errors import PartOver, RetryNow
from github.answers.reading import Answer
from github.answers.refusals import Gone, SwitchedOff
from github.client import GitHub
from github.nodes.actors import Node
from github.nodes.nulls import Hidden, Shown
from github.repositories import check_identity
from messages import RepositoryRef
from rows import Page


class Refused(PartOver):
    """GitHub does not show this list to these tokens. The repository's other lists are not meant."""


@dataclass(slots=True)
class Happenings:
    """One page of a list: its rows, and where the list goes on."""

    page: Page
    cursor: str | None = None
    """Where the list goes on; None at its end, or where GitHub says that there is more and not where."""
    more: bool = False
    """GitHub says that the list goes on."""
    number: int = 0
    """Things on the page, those that are no rows and those that are hidden among them."""
    depth: datetime | None = None
    """The earliest moment on the page, of those by which the list is ordered."""
    ties: list[str] = field(default_factory=list)
    """What the page shows of that very moment, by id."""
    oldest: datetime | None = None
    """Down to here the list was read. None: the page shows nothing, or its order says nothing of the rows' moments."""
    hidden: int = 0
    """Things that these tokens may not see."""
    unreadable: int = 0
    """Things that lack what makes them what they say they are."""
    seconds: float = 0.0
    cost: int = 0
    total: int | None = None
    """How many things the whole list has, as GitHub counts; None: it does not say."""
    branch: str | None = None
    """Forks: the default branch, and its head; None in an empty repository."""
    head: str | None = None

    def go_down_to(self, moments: Mapping[str, datetime]) -> None:
        """Sets how deep the page goes, from the moment of each thing on it by which the list is ordered."""
        self.depth = min(moments.values(), default=None)
        self.ties = [thing for thing, moment in moments.items() if moment == self.depth]


async def ask(
    github: GitHub, operation: str, repository: RepositoryRef, what: str, variables: dict[str, Any]
) -> Answer:
    """The answer to a query about `what`, a field of the repository.

    Raises `Refused` where the field is refused (code gone: GitHub does not have it), `Gone` where the repository is.
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
    """Returns if GraphQL answers at all. Raises `RetryNow` or `RetryLater` if it does not."""
    with suppress(PartOver):
        await github.graphql("Viewer", {})


async def ask_rest(github: GitHub, repository: RepositoryRef, route: str, query: dict[str, Any]) -> Answer:
    """The answer to a route of a repository, which was found before. Raises `Refused` if GitHub denies it."""
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


def of_connection(answer: Answer, connection: Node, things: Shown) -> Happenings:
    """A page of a connection with these `things`, without their rows."""
    info = connection["pageInfo"]
    return Happenings(
        Page(answer.asked_at),
        info["endCursor"] if info["hasNextPage"] else None,
        more=info["hasNextPage"],
        number=len(things.nodes) + len(things.hidden),
        hidden=len(things.hidden),
        seconds=answer.seconds,
        cost=answer.cost,
        total=connection["totalCount"],
    )


def numbered(size: int, offset: int) -> dict[str, int]:
    """The page that follows `offset` things, which are a multiple of `size`."""
    return {"per_page": size, "page": offset // size + 1}


def of_numbers(answer: Answer, size: int, offset: int) -> Happenings:
    """A page of a numbered list, without its rows. Its cursor is how many things were read."""
    return Happenings(
        Page(answer.asked_at),
        str(offset + size) if answer.next_path else None,
        more=bool(answer.next_path),
        number=len(answer.data),
        seconds=answer.seconds,
    )
