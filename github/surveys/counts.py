"""Surveys repositories: one request counts the lists of many repositories, and returns the latest changes of their
threads.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter

from budget.prices import ONE_POINT
from github.answers.mapping import mapped
from github.answers.reading import Answer
from github.client import GitHub
from github.clock import time, time_or_none
from github.events.commits import branch_and_head
from github.nodes.actors import Node
from github.repositories import Facts
from github.threads.listings import Listing, listing_of
from github.threads.thread_types import THREAD_TYPES
from messages import DataType, RepositoryRef

CONNECTIONS = 4
"""Connections of one repository in a survey, without the comments of its discussions."""
MOST_DISCUSSIONS = 100
DISCUSSIONS_HEADROOM = 3
"""Discussions requested beyond the number that is stored, since more may have been opened."""


@dataclass(frozen=True, kw_only=True)
class Survey:
    """The counts of a repository's lists, as of `asked_at`."""

    facts: Facts
    asked_at: datetime
    stars: int
    forks: int
    """Forks in the repository's whole network: at least as many as its own list of forks has."""
    releases: int
    never_pushed: bool
    """Whether the repository has no branch, and had no push since it was created."""
    pushed_at: datetime | None
    shows_stargazers: bool
    """Whether GitHub shows the list of stargazers to the account: only if the account may push."""
    branch: str | None
    head: str | None
    """The oid of the default branch's head; None in an empty repository."""
    threads: dict[DataType, Listing]
    """The latest changes by type of thread. A list with hidden entries is left out."""

    def as_json(self) -> dict[str, Any]:
        whole: dict[str, Any] = _ADAPTER.dump_python(self, mode="json")
        return whole

    @classmethod
    def of_json(cls, content: Mapping[str, Any]) -> "Survey":
        """Returns the survey in `content`, which `as_json` wrote. Raises pydantic's ValidationError if another release
        wrote `content` in another form.
        """
        return _ADAPTER.validate_python(dict(content))


_ADAPTER = TypeAdapter(Survey)


def batches(discussions: Sequence[int]) -> list[range]:
    """Divides repositories among requests of one point each. Returns for each request the indexes of its repositories.

    `discussions` holds how many discussions of each repository are stored. The survey lists a few more discussions than
    are stored (at most 100), to count their comments. The more discussions it lists, the fewer repositories fit into a
    request.
    """
    found, begin, price = [], 0, 0
    for place, stored in enumerate(discussions):
        needs = CONNECTIONS + _listed(stored)
        if begin < place and price + needs > ONE_POINT:
            found.append(range(begin, place))
            begin, price = place, 0
        price += needs
    return [*found, range(begin, len(discussions))] if discussions else []


@mapped
async def read_surveys(
    github: GitHub, repositories: Sequence[RepositoryRef], discussions: Sequence[int]
) -> dict[str, Survey]:
    """Surveys repositories in one request, and returns the surveys by repository id. A repository has no survey if
    GitHub does not show it under its name.

    `discussions` holds how many discussions of each repository are stored, in the order of `repositories`. Raises every
    class of the taxonomy. Raises `TooLarge` if a request for fewer repositories may succeed.
    """
    variables: dict[str, Any] = {}
    for index, (repository, stored) in enumerate(zip(repositories, discussions, strict=True)):
        owner, _, name = repository.full_name.partition("/")
        variables |= {f"owner{index}": owner, f"name{index}": name, f"discussions{index}": _listed(stored)}
    requests = sum(CONNECTIONS + _listed(stored) for stored in discussions)
    answer = await github.on_behalf_of(repositories[0].full_name).graphql(
        "Survey", variables, len(repositories), requests=requests, parents=len(repositories), keep_lost=True
    )
    found = {}
    for index, repository in enumerate(repositories):
        node = answer.data.get(f"n{index}")
        # Another repository may have the name by now. One that is refused, gone or lost is looked up by its id.
        if isinstance(node, dict) and node["databaseId"] == repository.github_id:
            found[repository.repository_id] = _survey(node, answer, repository)
    return found


def _listed(stored: int) -> int:
    return min(stored + DISCUSSIONS_HEADROOM, MOST_DISCUSSIONS) if stored else 1


def _survey(node: Node, answer: Answer, repository: RepositoryRef) -> Survey:
    branch, head = branch_and_head(node)
    pushed_at, created_at = time_or_none(node["pushedAt"]), time(node["createdAt"])
    # A list that the server's schema lacks is None.
    threads = {
        data_type: listing_of(node[kind.field], None, answer, repository)
        for data_type, kind in THREAD_TYPES.items()
        if node[kind.field] is not None
    }
    return Survey(
        facts=Facts(
            github_id=node["databaseId"],
            full_name=node["nameWithOwner"],
            is_private=node["isPrivate"],
            is_archived=node["isArchived"],
            has_issues=node["hasIssuesEnabled"],
            has_discussions=node["hasDiscussionsEnabled"],
        ),
        asked_at=answer.asked_at,
        stars=node["stargazerCount"],
        forks=node["forkCount"],
        releases=node["releases"]["totalCount"],
        never_pushed=node["isEmpty"] is True and (pushed_at is None or pushed_at <= created_at),
        pushed_at=pushed_at,
        shows_stargazers=node["viewerPermission"] in ("ADMIN", "MAINTAIN", "WRITE"),
        branch=branch,
        head=head,
        threads={data_type: each for data_type, each in threads.items() if not each.lost and not each.withheld},
    )
