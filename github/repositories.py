"""Looks a repository up by REST before its sweeps begin: its current name, and whether this account can read it."""

from typing import NamedTuple

from errors import PartOver
from github.answers.mapping import mapped
from github.answers.refusals import Gone
from github.client import GitHub
from github.nodes.actors import Node
from github.nodes.values import github_id, text, truth
from messages import RepositoryRef


class Facts(NamedTuple):
    """A repository as GitHub shows it now."""

    github_id: int
    full_name: str
    is_private: bool
    is_archived: bool
    has_issues: bool
    has_discussions: bool


@mapped
async def inspect(github: GitHub, github_id: int | None, full_name: str) -> Facts:
    """Returns the repository with the GitHub id `github_id`. The id is used because a rename does not change it. If the
    id is None, or if GitHub does not know it, returns the repository called `full_name`.

    Raises `Gone`, or `PartOver` (forbidden, taken_down), if GitHub does not show the repository.
    """
    if github_id:
        try:
            return _facts((await github.rest(f"/repositories/{github_id}")).data)
        except Gone:
            # The host may hold a wrong id; if the name is gone too, that is the answer.
            pass
    return _facts((await github.rest(f"/repos/{full_name}")).data)


def check_identity(found: Node, wanted: RepositoryRef) -> None:
    """Raises `PartOver` (renamed) if the answer `found` is about another repository, which has taken over the name of
    `wanted`. Rows of that repository must not be stored as rows of `wanted`. Raises `TypeError` or `ValueError` if the
    answer's id is no id, because it then does not tell whose rows these are.
    """
    if found["databaseId"] is not None and (number := github_id(found["databaseId"])) != wanted.github_id:
        raise PartOver(
            "renamed",
            f"{wanted.full_name} is another repository now, with id {number}, not {wanted.github_id}",
            "retry the job: it finds the repository's new name",
        )


def _facts(data: Node) -> Facts:
    return Facts(
        github_id=github_id(data["id"]),
        full_name=text(data["full_name"]),
        is_private=truth(data["private"]),
        is_archived=truth(data.get("archived", False)),
        has_issues=truth(data.get("has_issues", True)),
        has_discussions=truth(data.get("has_discussions", False)),
    )
