"""The plan of a generated repository: sizes, shares and a seed."""

from dataclasses import dataclass, fields
from typing import Any, Self
from urllib.parse import parse_qsl


@dataclass(frozen=True)
class Plan:
    """The contents of a repository to generate. An average is over all threads of a kind, including the deep threads.
    Apart from rounding, the generated repository meets each average exactly.
    """

    name: str
    pull_requests: int = 100
    issues: int = 50
    reviews: float = 4.4
    """Average for each pull request."""
    review_comments: float = 4.3
    """Average for each pull request."""
    comments: float = 2.5
    """Average for each pull request or issue."""
    events: float = 5.0
    """Average for each pull request or issue; higher if the labels and the closing of threads need more."""
    references: float = 0.0
    """Share of the pull requests that another one refers to."""
    deep_pull_requests: int = 0
    deep_reviews: int = 120
    deep_threads: int = 0
    deep_comments: int = 130
    people: int = 40
    bots: float = 0.1
    ghosts: float = 0.03
    teams: float = 0.05
    wide_ids: float = 0.05
    """Share of threads, reviews and comments with ids beyond 32 bits."""
    collisions: int = 0
    """How many review comments have the same id as an issue comment."""
    long_bodies: float = 0.002
    nuls: float = 0.005
    """Share of texts that contain a NUL character."""
    years: float = 3.0
    seed: int = 1
    discussions: int = 0
    discussion_comments: float = 3.0
    """Average number of first-level comments for each discussion."""
    discussion_replies: float = 2.0
    """Average number of replies for each discussion."""
    deep_discussions: int = 0
    """How many discussions have `deep_comments` comments."""
    deep_replies: int = 0
    """How many comments on discussions have `deep_comments` replies."""
    answers: float = 0.7
    """Share of discussions that have an answer, among those with comments in a category with answers."""
    stars: int = 0
    forks: int = 0
    releases: int = 0
    """Published releases; there is also one draft."""
    pushes: int = 0
    """Pushes in addition to those of merged pull requests. If it is 0, merged pull requests have no pushes either."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Returns the plan that a text of the form `owner/name?field=number&...` describes. Raises `ValueError` if the
        name has another form, if a field is unknown, or if a value is not a number.
        """
        name, _, query = text.partition("?")
        if name.count("/") != 1:
            raise ValueError(f"{name!r} is not owner/name")
        kinds: dict[str, Any] = {field.name: type(field.default) for field in fields(cls) if field.name != "name"}
        given: dict[str, Any] = {}
        for key, value in parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query)):
            if key not in kinds:
                raise ValueError(f"{key!r} is none of {', '.join(kinds)}")
            given[key] = kinds[key](value)
        return cls(name, **given)


def measured(name: str, scale: float = 1.0, seed: int = 1) -> Plan:
    """Returns the plan by which benchmarks measure costs, for a repository named `name`. `scale` multiplies the numbers
    of threads.

    With `scale` 1 the repository has 1,000 pull requests and 500 issues, with 4,361 reviews, 4,343 review comments,
    3,849 comments and about 7,544 events. 20 pull requests have 120 reviews each, and 7 threads have 130 comments each.
    About a tenth of the pull requests are referred to by another pull request. Only timelines show these references.
    """
    return Plan(
        name,
        pull_requests=round(1_000 * scale),
        issues=round(500 * scale),
        reviews=4.361,
        review_comments=4.343,
        comments=3_849 / 1_500,
        events=7_544 / 1_500,
        references=0.1,
        deep_pull_requests=round(20 * scale),
        deep_threads=round(7 * scale),
        years=3,
        seed=seed,
    )
