"""Reads small repositories whole, several in one request. An earlier survey has counted the threads of each repository.

The answer is divided into the answers that the sweeps' own requests would get (`Prefetched`). So a sweep handles and
commits a prefetched page in the same way as any other page.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from github.answers.mapping import mapped
from github.answers.reading import Answer
from github.client import GitHub
from github.nodes.actors import Node
from github.surveys.counts import Survey
from github.threads.thread_types import THREAD_TYPES, page_requests
from github.transport.prefetched import Prefetched, PrefetchedAnswer
from messages import DataType, RepositoryRef

MOST_THREADS = 20
"""A repository with more threads is not small: its sweeps read it page by page."""
MOST_LISTED = 1_000
"""A repository with more stars, or more forks, is not small either."""
HEADROOM = 1
"""Threads of each type that may have been opened since the survey; added to its counts."""
COMMITS = 25
MOST_REVIEWS = 100
"""Reviews whose comments one request can fetch."""
CHILDREN = 100
TOGETHER = 249
"""Most requests that fill the connections of one answer, for two points. GitHub takes about five seconds for it, and
gives up after ten. One point pays for two repositories only, since each commit has a connection."""


@dataclass(frozen=True)
class Small:
    """A small repository. `firsts` maps each type of threads to the number of threads to request. A type without an
    entry is not requested.
    """

    repository: RepositoryRef
    firsts: Mapping[DataType, int]
    stars: bool
    forks: bool
    commits: bool

    @property
    def requests(self) -> int:
        """The number of requests that would fill the repository's connections. GitHub computes the price of a query
        from the sum of these numbers (`budget.prices`).
        """
        threads = sum(page_requests(THREAD_TYPES[data_type], first) for data_type, first in self.firsts.items())
        return threads + self.stars + self.forks + (2 + COMMITS if self.commits else 0)

    def variables(self, index: int) -> dict[str, Any]:
        owner, _, name = self.repository.full_name.partition("/")
        told: dict[str, Any] = {"owner": owner, "name": name, "withStars": self.stars, "withForks": self.forks}
        told["withCommits"] = self.commits
        for data_type, kind in THREAD_TYPES.items():
            told[kind.field] = self.firsts.get(data_type, 1)
            told[f"with{kind.field[0].upper()}{kind.field[1:]}"] = data_type in self.firsts
        return {f"{key}{index}": value for key, value in told.items()}


def is_long(survey: Survey, wanted: Collection[str]) -> bool:
    """Returns whether the history of the `wanted` types takes too many pages for a small repository, according to
    GitHub's counts.
    """
    threads = sum(each.total for data_type, each in survey.threads.items() if data_type in wanted)
    stars = survey.stars if survey.shows_stargazers else 0
    return threads > MOST_THREADS or ("events" in wanted and max(stars, survey.forks) > MOST_LISTED)


def of_survey(repository: RepositoryRef, survey: Survey, wanted: Collection[str]) -> Small | None:
    """Returns the lists to request of a small repository. Returns None if the repository is not small, or if there is
    nothing to request.

    `wanted` are the types whose history the job reads. Of all other types, the job reads only the changes.
    """
    if is_long(survey, wanted):
        return None
    firsts = {
        data_type: survey.threads[data_type].total + HEADROOM
        for data_type in THREAD_TYPES
        if data_type in wanted and data_type in survey.threads and survey.threads[data_type].total
    }
    events = "events" in wanted
    found = Small(
        repository,
        firsts,
        stars=events and 0 < survey.stars <= CHILDREN and survey.shows_stargazers,
        forks=events and 0 < survey.forks <= CHILDREN,
        commits=events and survey.head is not None,
    )
    return found if found.requests else None


def batches(every: Sequence[Small]) -> list[list[Small]]:
    """Divides repositories among requests of at most two points each. Returns the repositories of each request."""
    found: list[list[Small]] = []
    price = 0
    for each in every:
        price += each.requests
        if price > TOGETHER or not found:
            found.append([])
            price = each.requests
        found[-1].append(each)
    return found


@mapped
async def read_small(github: GitHub, every: Sequence[Small], since: datetime) -> dict[str, Prefetched]:
    """Reads small repositories in one request, and returns the prefetched answers by repository id. A repository has no
    answers if anything of the repository was refused, gone or left out.

    `since` is the job's cutoff: the answer counts the commits since then. Raises every class of the taxonomy. Raises
    `TooLarge` if a request for fewer repositories may succeed.
    """
    variables: dict[str, Any] = {
        "commits": COMMITS,
        "since": since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    for kind in THREAD_TYPES.values():
        variables |= kind.variables()
    for index, each in enumerate(every):
        variables |= each.variables(index)
    answer = await github.on_behalf_of(every[0].repository.full_name).graphql(
        "SmallRepositories",
        variables,
        len(every),
        requests=sum(each.requests for each in every),
        parents=len(every),
        keep_lost=True,
    )
    # Coverage says what the server's schema lacked, and the worker that takes these answers has not asked it.
    left_out = bool(answer.left_out or github.left_out)
    found: dict[str, Prefetched] = {}
    for index, each in enumerate(every):
        node = answer.data.get(f"n{index}")
        is_whole = isinstance(node, dict) and not left_out and answer.refusal_of(f"n{index}") is None
        if is_whole and node["databaseId"] == each.repository.github_id:
            found[each.repository.repository_id] = _taken_apart(each, node, answer)
    return found


def _taken_apart(small: Small, node: Node, answer: Answer) -> Prefetched:
    identity = {"databaseId": node["databaseId"], "nameWithOwner": node["nameWithOwner"]}
    told: dict[str, Any] = {
        kind.page: identity | {"threads": node[kind.field]}
        for data_type, kind in THREAD_TYPES.items()
        if data_type in small.firsts
    }
    reference = node["defaultBranchRef"]
    if small.stars:
        told["Stargazers"] = identity | {key: node[key] for key in ("stargazerCount", "stargazers")}
    if small.forks:
        told["Forks"] = identity | {key: node[key] for key in ("defaultBranchRef", "forks")}
    answers = {name: {"repository": its} for name, its in told.items()}
    if small.commits and reference and reference["target"]:
        answers["CommitHistory"] = {"repository": identity | {"object": reference["target"]}}
    return Prefetched({name: PrefetchedAnswer(answer.asked_at, answer.account, data) for name, data in answers.items()})


def reviews_of(prefetched: Prefetched) -> list[str]:
    """Returns the node ids of the reviews on the prefetched page of pull requests. `read_reviews` fetches their
    comments.
    """
    told = prefetched.told.get(THREAD_TYPES["pull_requests"].page)
    nodes = (told.data["repository"]["threads"]["nodes"] or ()) if told is not None else ()
    items = [item for node in nodes if node for item in node["timelineItems"]["nodes"] or () if item]
    return [item["id"] for item in items if "submittedAt" in item]


@mapped
async def read_reviews(github: GitHub, repository: RepositoryRef, ids: Sequence[str]) -> dict[str, PrefetchedAnswer]:
    """Reads reviews with their comments in one request, and returns them by node id. Reviews that GitHub refuses or
    fails to show are left out.

    The reviews may belong to several repositories. `repository` is any of these repositories, and decides which
    credentials are used.
    """
    answer = await github.on_behalf_of(repository.full_name).graphql(
        "ReviewComments", {"ids": list(ids), "first": CHILDREN}, requests=len(ids), parents=len(ids), keep_lost=True
    )
    return {
        node_id: PrefetchedAnswer(answer.asked_at, answer.account, node)
        for index, (node_id, node) in enumerate(zip(ids, answer.data["nodes"], strict=True))
        if isinstance(node, dict) and answer.refusal_of("nodes", index) is None
    }
