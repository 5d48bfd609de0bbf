"""What is made: sizes, shares and a seed."""

from dataclasses import dataclass, fields
from typing import Any, Self
from urllib.parse import parse_qsl


@dataclass(frozen=True)
class Plan:
    """What to make. Averages are over all threads of their kind, the deep ones included, and are met exactly."""

    name: str
    pull_requests: int = 100
    issues: int = 50
    reviews: float = 4.4
    """A pull request."""
    review_comments: float = 4.3
    """A pull request."""
    comments: float = 2.5
    """A pull request or issue."""
    events: float = 5.0
    """A pull request or issue; more where its labels and its end need more."""
    references: float = 0.0
    """The share of the pull requests that another one refers to."""
    deep_pull_requests: int = 0
    deep_reviews: int = 120
    deep_threads: int = 0
    deep_comments: int = 130
    people: int = 40
    bots: float = 0.1
    ghosts: float = 0.03
    teams: float = 0.05
    wide_ids: float = 0.05
    """The share of threads, reviews and comments whose ids are beyond 32 bits."""
    collisions: int = 0
    """Review comments that have the id of an issue comment."""
    long_bodies: float = 0.002
    nuls: float = 0.005
    """The share of texts with a NUL character in them."""
    years: float = 3.0
    seed: int = 1
    discussions: int = 0
    discussion_comments: float = 3.0
    """Of the first level, a discussion."""
    discussion_replies: float = 2.0
    """A discussion."""
    deep_discussions: int = 0
    """So many have `deep_comments` comments."""
    deep_replies: int = 0
    """So many of their comments have `deep_comments` replies."""
    answers: float = 0.7
    """The share of the discussions with comments, of those in a category that knows answers, that have one."""
    stars: int = 0
    forks: int = 0
    releases: int = 0
    """That are shown; there is one draft, too."""
    pushes: int = 0
    """Beside the merges, which are pushes too as soon as there are any."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """`owner/name?field=number&...`; `ValueError` if a field is unknown or not a number."""
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
    """The shape that costs are measured on: 1,000 pull requests and 500 issues with 4,361 reviews, 4,343 review
    comments, 3,849 comments and about 7,544 events, 20 pull requests with 120 reviews, 7 threads with 130 comments. A
    tenth of the pull requests are referred to by another: only timelines tell of that."""
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
