"""GitHub's counts of a repository. A sweep compares them with earlier counts to find out whether anything happened."""

from dataclasses import dataclass

from pydantic import AwareDatetime


@dataclass(frozen=True, kw_only=True)
class Counted:
    """GitHub's counts of a repository, taken before a sweep read the repository's events. If a later sweep finds the
    same counts within the hour, the later sweep does not request the events API.
    """

    stars: int
    forks: int
    releases: int
    pushed_at: AwareDatetime | None
    head: str | None
    threads: int
    latest: AwareDatetime | None
    """The latest update of any thread."""
