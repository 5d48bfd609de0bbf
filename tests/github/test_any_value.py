"""An answer with any JSON in any one place is mapped to whole rows, or is an error of the taxonomy."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from typing import Any, cast, get_type_hints

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from budget.account import Ask
from errors import BackfillError
from github.answers.reading import Answer, Raw, read_graphql, read_rest
from github.answers.refusals import Limited, Unauthorized
from github.client import GitHub
from github.events import commits, sources
from github.queries.documents import Request
from github.repositories import Facts, inspect
from github.surveys.counts import Survey, read_surveys
from github.surveys.small import Small, read_small
from github.threads import comment_lists, existence, listings, pages, rest_timeline
from github.threads.thread_types import REVIEW_COMMENTS, THREAD_TYPES
from github.transport.connection import Connection
from messages import RepositoryRef
from rows import Page, Part
from sandbox.github import StandIn, World
from sandbox.github.generation import Plan
from sandbox.github.generation import repository as generate
from tests.support.thoroughness import examples

TOKEN = "ghp_stand_in"
PLAN = Plan(
    "acme/rocket",
    pull_requests=3,
    issues=3,
    reviews=2,
    review_comments=2,
    comments=2,
    events=4,
    discussions=2,
    stars=3,
    forks=3,
    releases=3,
    pushes=5,
    years=1,
)
SINCE = datetime(2020, 1, 1, tzinfo=UTC)
Call = Callable[["Asked", RepositoryRef], Awaitable[Any]]

JSON: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["", "12", "2026-11-24", "2026-11-24T12:00:00", "2026-11-24T12:00:00Z", "Bot", "PENDING"])
    | st.text(max_size=8),
    lambda deeper: (
        st.lists(deeper, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "login", "nodes", "__typename", "x"]), deeper, max_size=3)
    ),
    max_leaves=5,
)


class Asked:
    """A client of the stand-in that keeps its answers, or one that answers everything with one `instead`."""

    left_out: frozenset[str] = frozenset()

    def __init__(self, url: str, names: dict[str, str], instead: Raw | None = None) -> None:
        self._url, self._names, self._instead = url, names, instead
        self.raws: list[Raw] = []

    def on_behalf_of(self, _full_name: str) -> "Asked":
        return self

    async def graphql(
        self, operation: str, variables: dict[str, Any], aliases: int = 0, *, keep_lost: bool = False, **_price: int
    ) -> Answer:
        request = Request(operation, {**self._names, **variables}, aliases)
        raw = self._instead or await self._send(lambda connection: connection.graphql(request, TOKEN))
        return read_graphql(Ask("graphql", operation), raw, keep_lost=keep_lost)

    async def rest(self, path: str) -> Answer:
        raw = self._instead or await self._send(lambda connection: connection.get(path, TOKEN))
        return read_rest(Ask("core", path), raw, self._url)

    async def _send(self, send: Callable[[Connection], Awaitable[Raw]]) -> Raw:
        async with Connection(self._url, f"{self._url}/graphql") as connection:
            self.raws.append(await send(connection))
        return self.raws[-1]


def threads(name: str) -> Iterator[tuple[str, Call]]:
    kind = THREAD_TYPES[cast("Any", name)]
    yield f"{name}: page", lambda github, ref: pages.read_page(as_client(github), kind, ref, 3, None, changes=True)
    yield f"{name}: listing", lambda github, ref: listings.read_listing(as_client(github), kind, ref, 3, None)
    yield (
        f"{name}: comments counted",
        lambda github, ref: listings.read_listing(as_client(github), kind, ref, 3, None, comments=True),
    )
    yield f"{name}: by id", lambda github, _: pages.read_threads(as_client(github), kind, parts("thread", name))
    yield f"{name}: heads", lambda github, _: pages.read_heads(as_client(github), kind, parts("head", name))
    yield f"{name}: items", lambda github, _: pages.read_items(as_client(github), kind, parts(kind.part, name), 2)


def as_client(asked: Asked) -> GitHub:
    return cast("GitHub", asked)


IDS: dict[str, list[tuple[str, int, int]]] = {}
"""Node id, GitHub id and number of two threads of each type, and of two reviews and two comments on discussions."""


def parts(kind: Any, name: str) -> list[Part]:
    return [Part(kind, node_id, number, SINCE, parent=github_id) for node_id, github_id, number in IDS[name]]


CALLS: dict[str, Call] = {
    **{name: call for data_type in ("pull_requests", "issues", "discussions") for name, call in threads(data_type)},
    "reviews": lambda github, _: pages.read_reviews(as_client(github), parts("reviews", "pull_requests"), 2),
    "comments of issues": lambda github, _: pages.read_comments(
        as_client(github), THREAD_TYPES["issues"], parts("comments", "issues"), 2
    ),
    "comments of reviews": lambda github, _: pages.read_review_comments(
        as_client(github),
        parts("review_comments", "reviews"),
        {github_id: 7 for _, github_id, _ in IDS["reviews"]},
        2,
    ),
    "replies": lambda github, _: pages.read_replies(as_client(github), parts("replies", "discussion comments"), 2),
    "existence": lambda github, _: existence.read_existence(
        as_client(github), [node_id for node_id, _, _ in IDS["issues"]]
    ),
    "all review comments, by REST": lambda github, ref: comment_lists.read_all_review_comments(
        as_client(github), comment_lists.comments_path(ref, REVIEW_COMMENTS, SINCE, 5)
    ),
    "comments since, by REST": lambda github, ref: comment_lists.read_comments_since(
        as_client(github), THREAD_TYPES["issues"], comment_lists.comments_path(ref, "issues/comments", SINCE, 5)
    ),
    "number of review comments, by REST": lambda github, ref: comment_lists.count_review_comments(
        as_client(github), ref, SINCE
    ),
    "timeline, by REST": lambda github, ref: rest_timeline.read_rest_timeline(
        as_client(github),
        ref,
        THREAD_TYPES["issues"],
        parts("timeline_by_rest", "issues")[0],
        ["LABELED_EVENT", "CLOSED_EVENT", "ASSIGNED_EVENT", "RENAMED_TITLE_EVENT"],
    ),
    "stargazers": lambda github, ref: sources.read_stargazers(as_client(github), ref, 3, None),
    "place behind a star": lambda github, ref: sources.find_place_behind(
        as_client(github), ref, "StargazerPlace", None
    ),
    "stars of each day, by REST": lambda github, ref: sources.read_star_history(as_client(github), ref, 0),
    "forks": lambda github, ref: sources.read_forks(as_client(github), ref, 3, None),
    "forks, by REST": lambda github, ref: sources.read_forks_by_rest(as_client(github), ref, 3, 0),
    "releases": lambda github, ref: sources.read_releases_by_graphql(as_client(github), ref, 3, None),
    "releases, by REST": lambda github, ref: sources.read_releases(as_client(github), ref, 3, 0),
    "activity, by REST": lambda github, ref: sources.read_activity(as_client(github), ref, 5, None),
    "events, by REST": lambda github, ref: sources.read_events(as_client(github), ref, 10, 0),
    "head": lambda github, ref: commits.read_head(as_client(github), ref),
    "history": lambda github, ref: commits.read_history(as_client(github), ref, IDS["head"][0][0], 5, SINCE),
    "survey": lambda github, ref: read_surveys(as_client(github), [ref], [2]),
    "small repository": lambda github, ref: read_small(
        as_client(github),
        [Small(ref, {"pull_requests": 3, "issues": 3}, stars=True, forks=True, commits=True)],
        SINCE,
    ),
    "repository, by REST": lambda github, ref: inspect(as_client(github), ref.github_id, ref.full_name),
}


@pytest.fixture(scope="module")
def answers() -> Iterator[tuple[RepositoryRef, dict[str, Raw]]]:
    """A repository, and the stand-in's answer to each of `CALLS`."""
    world = World()
    repository = generate(world, PLAN)
    ref = RepositoryRef(repository_id="r", github_id=repository.database_id, full_name=repository.name_with_owner)
    with StandIn(world, tokens={TOKEN: "viewer"}) as stand_in:
        yield ref, asyncio.run(record(stand_in.url, ref))


async def record(url: str, ref: RepositoryRef) -> dict[str, Raw]:
    owner, name = ref.full_name.split("/")
    github = Asked(url, {"owner": owner, "name": name})
    for data_type, kind in THREAD_TYPES.items():
        read = await pages.read_page(as_client(github), kind, ref, 3, None)
        rows = read.page.pull_requests or read.page.issues or read.page.discussions
        IDS[data_type] = [(row.node_id, row.github_id, row.number) for row in rows[:2]]
        if reviews := [(row.node_id or "", row.github_id, 1) for row in read.page.reviews]:
            IDS["reviews"] = reviews[:2]
        if comments := read.page.discussion_comments:
            IDS["discussion comments"] = [(row.node_id, row.github_id, 1) for row in comments if row.parent is None][:2]
    IDS["head"] = [((await commits.read_head(as_client(github), ref))[1] or "", 0, 0)]
    found = {}
    for what, call in CALLS.items():
        github.raws.clear()
        await call(github, ref)
        found[what] = github.raws[-1]
    return found


def places(content: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    steps = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for step, value in steps:
        yield from places(value, (*path, step))


def changed(raw: Raw, place: tuple[Any, ...], value: Any) -> Raw:
    content = orjson.loads(raw.body)
    inner = content
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = value
    return Raw(raw.status, raw.headers, orjson.dumps(content), raw.seconds)


def is_whole(value: Any) -> None:
    """Fails for a row without a field that it needs, or with one of another type."""
    for name, hint in get_type_hints(type(value)).items():
        field = getattr(value, name)
        TypeAdapter(hint).validate_python(field, strict=True)
        assert not isinstance(field, datetime) or field.tzinfo is not None, name
        assert not isinstance(field, str) or "None" not in field or not name.endswith("id"), name


@pytest.mark.parametrize("what", CALLS)
@settings(max_examples=examples(25, 2_000), deadline=None)
@given(data=st.data())
def test_any_value_in_any_place(answers: tuple[RepositoryRef, dict[str, Raw]], what: str, data: st.DataObject) -> None:
    ref, raws = answers
    raw = raws[what]
    place = data.draw(st.sampled_from(list(places(orjson.loads(raw.body)))))
    instead = changed(raw, place, data.draw(JSON))
    try:
        result = asyncio.run(_awaited(CALLS[what](Asked("", {}, instead), ref)))
    except (BackfillError, Limited, Unauthorized):
        return
    page = getattr(result, "page", None)
    for rows in (getattr(page, name) for name in Page.__dataclass_fields__ if page is not None):
        for row in rows.values() if isinstance(rows, dict) else rows if isinstance(rows, list) else ():
            if hasattr(row, "_fields"):
                is_whole(row)
    for row in result.values() if isinstance(result, dict) else [result]:
        if isinstance(row, Facts | Survey):
            is_whole(row.facts if isinstance(row, Survey) else row)


async def _awaited(call: Awaitable[Any]) -> Any:
    return await call
