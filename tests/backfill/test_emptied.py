"""A repository that is emptied in the middle of a job, and one that only looks so: no row is lost that GitHub has."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, ClassVar

import pytest

from messages import DataType
from sandbox.github.exchange.limits import Budget
from sandbox.github.exchange.requests import Reply, Request, message_reply
from sandbox.github.faults import Blank, Effect, Touch
from sandbox.github.faults.effect import names
from sandbox.github.faults.pages import AlteredPage, is_page
from sandbox.github.generation import Plan
from sandbox.github.graphql.context import Field
from sandbox.github.world.repositories import Repository
from tests.support.backfill.reading import Read, Reading

TYPES: tuple[DataType, ...] = ("pull_requests", "issues", "discussions")
FIELDS = {"pull_requests": "pullRequests", "issues": "issues", "discussions": "discussions"}
PLAN = Plan(
    "acme/emptied",
    pull_requests=80,
    issues=110,
    discussions=60,
    reviews=1,
    review_comments=1,
    comments=1,
    events=2,
    deep_threads=1,
    years=1,
)
MOST_REQUESTS = 150


def at_request(number: int, do: Callable[[], Any]) -> tuple[Touch, Callable[[Request], bool]]:
    """Does something once, when this request of the sweep comes."""
    came = 0

    def is_it(_: Request) -> bool:
        nonlocal came
        came += 1
        return came == number

    return Touch(lambda _: do()), is_it


@dataclass
class Instead(Effect):
    reply: Reply

    def instead(self, request: Request, budget: Budget) -> Reply:  # noqa: ARG002 (as every effect)
        return replace(self.reply, headers=dict(self.reply.headers))


async def alive(reading: Reading, data_type: DataType) -> set[int]:
    return {row["number"] for row in await reading.rows(f"select number from {data_type} where gone_at is null")}


async def ends(reading: Reading, data_type: DataType, days: int = 10_000) -> Any:
    before = len(reading.github.log)
    result = await reading.sweep(data_type, attempts=20, days=days)
    assert len(reading.github.log) - before < MOST_REQUESTS
    return result


def move_away(repository: Repository) -> None:
    elsewhere = repository.world.add_repository("acme/elsewhere")
    for issue in list(repository.issues.values()):
        issue.transfer(elsewhere)


def delete_most(repository: Repository) -> None:
    """All but one of each kind."""
    for thread in [*list(repository.pull_requests.values())[1:], *list(repository.issues.values())[1:]]:
        repository.drop(thread)
    for discussion in list(repository.discussions.values())[1:]:
        discussion.delete()


WAYS: dict[str, Callable[[Repository], None]] = {
    "emptied": Repository.empty,
    "moved away": move_away,
    "all but one": delete_most,
}


MOMENTS: list[tuple[DataType, int, str]] = [
    *((data_type, request_, "emptied") for data_type in TYPES for request_ in (1, 2, 3)),
    ("issues", 2, "moved away"),
    ("issues", 5, "moved away"),
    ("pull_requests", 2, "all but one"),
    ("discussions", 3, "all but one"),
]


@pytest.mark.parametrize(("data_type", "request_", "way"), MOMENTS)
async def test_a_repository_that_is_emptied_in_the_middle_of_a_job_is_complete_with_what_is_left(
    data_type: DataType, request_: int, way: str, read: Read
) -> None:
    reading = read(PLAN)
    touch, when = at_request(request_, lambda: WAYS[way](reading.repository))
    reading.github.faults.add(touch, when=when)
    before = set(getattr(reading.repository, data_type))
    result = await ends(reading, data_type)
    assert result.outcome == "completed", result.failure
    left = set(getattr(reading.repository, data_type))
    # What goes after the moment as of which the type is complete is found by the next job.
    assert await alive(reading, data_type) in ((left, before) if request_ > 3 else (left,))
    for each in TYPES:
        assert (await ends(reading, each)).outcome == "completed"
    await reading.agrees()


EVENTS = Plan("acme/emptied", pull_requests=2, issues=2, stars=105, forks=5, releases=5, pushes=130, years=1.5)


@pytest.mark.parametrize("request_", [1, 4, 5, 7])
async def test_a_repository_whose_commits_go_in_the_middle_keeps_its_events(request_: int, read: Read) -> None:
    """GitHub then answers 409 for its branches' activity, and has no default branch."""
    reading = read(EVENTS)
    faults = reading.github.faults
    empty = message_reply(409, "Git Repository is empty.")

    def go() -> None:
        reading.repository.empty()
        faults.add(Instead(empty), times=None, path="*/activity*")

    touch, when = at_request(request_, go)
    fault = faults.add(touch, when=when)
    for _ in range(2):
        result = await ends(reading, "events")
        assert result.outcome == "completed", result.failure
        stored = {row["event_id"] for row in await reading.rows("select event_id from github_events_cache")}
        assert len([each for each in stored if each.startswith("WatchEvent")]) == 105
    assert fault.hits


async def test_events_that_are_stored_stay_when_the_commits_go(read: Read) -> None:
    reading = read(EVENTS)
    assert (await ends(reading, "events")).outcome == "completed"
    query = "select event_id from github_events_cache order by 1"
    before = await reading.rows(query)
    reading.repository.empty()
    empty = message_reply(409, "Git Repository is empty.")
    reading.github.faults.add(Instead(empty), times=None, path="*/activity*")
    assert (await ends(reading, "events")).outcome == "completed"
    assert await reading.rows(query) == before


@pytest.mark.parametrize(("stored_before", "request_"), [(False, 2), (False, 3), (True, 1), (True, 3)])
@pytest.mark.parametrize("data_type", TYPES)
async def test_a_list_that_only_looks_empty_from_some_moment_on_loses_nothing(
    data_type: DataType, stored_before: bool, request_: int, read: Read
) -> None:
    """GitHub lists nothing any more, counts nothing, and has every thread by its id."""
    reading = read(PLAN)
    threads: dict[int, Any] = getattr(reading.repository, data_type)
    if stored_before:
        assert (await ends(reading, data_type)).outcome == "completed"
        for thread in threads.values():
            thread.edit(body="edited")
    lie = Blank(f"Repository.{FIELDS[data_type]}", counts="zero")
    touch, when = at_request(request_, lambda: reading.github.faults.add(lie, times=None))
    reading.github.faults.add(touch, when=when)
    assert (await ends(reading, data_type)).outcome == "completed"
    reached = await alive(reading, data_type)
    if stored_before:
        assert reached == set(threads)
    if reached != set(threads) and reached:
        notes = await reading.rows("select what from backfill_notes")
        assert [row["what"] for row in notes] == ["list of threads"], "it says that it is complete"
    reading.github.faults.clear()
    for each in TYPES:
        assert (await ends(reading, each)).outcome == "completed"
    assert await alive(reading, data_type) == set(threads)
    assert await reading.rows("select * from backfill_notes") == []
    await reading.agrees()


@pytest.mark.parametrize("data_type", TYPES)
async def test_a_list_that_looks_empty_hides_no_change_from_the_next_job(data_type: DataType, read: Read) -> None:
    """With a cutoff nothing compares counts: the changes are listed by the next job, or never."""
    reading = read(PLAN)
    days = 200
    assert (await reading.sweep(data_type, days=days)).outcome == "completed"
    since = reading.repository.world.clock.now() - timedelta(days=days - 1)
    threads: dict[int, Any] = getattr(reading.repository, data_type)
    recent = [each for each in threads.values() if each.updated_at >= f"{since:%Y-%m-%d}"]
    assert 10 < len(recent) < len(threads) - 10
    reading.repository.world.clock.advance(3_600)
    for thread in recent[:5]:
        thread.edit(body="edited")
    lie = Blank(f"Repository.{FIELDS[data_type]}", counts="zero")
    fault = reading.github.faults.add(lie, times=None)
    assert (await reading.sweep(data_type, days=days)).outcome == "completed"
    reading.github.faults.remove(fault)
    before = len(reading.github.log)
    assert (await reading.sweep(data_type, days=days)).outcome == "completed"
    assert len(reading.github.log) - before < 12, "only what changed is read"
    rows = await reading.rows(
        f"select number, body from {data_type} where number = any($1)", [each.number for each in recent[:5]]
    )
    assert {row["number"]: row["body"] for row in rows} == {each.number: "edited" for each in recent[:5]}


@dataclass
class BlankPage(Effect):
    """A page without items, in the middle of a list: its count and its cursor are as if it showed them."""

    name: str
    resolves: ClassVar[bool] = True

    def resolved(self, request: Request, field: Field, value: Any) -> Any:  # noqa: ARG002 (as every effect)
        if not is_page(field, value) or not names(self.name, field) or not value.has_next_page:
            return value
        return AlteredPage(value, nodes=[], page_count=0)


@pytest.mark.parametrize(("days", "times"), [(200, 1), (200, None), (10_000, 30)])
@pytest.mark.parametrize("data_type", TYPES)
async def test_a_blank_page_in_the_middle_of_a_history_hides_no_thread(
    data_type: DataType, days: int, times: int | None, read: Read
) -> None:
    threads_of: dict[str, Any] = {**dict.fromkeys(TYPES, 0), data_type: 150}
    reading = read(replace(PLAN, **threads_of))
    operation = {"pull_requests": "PullRequests", "issues": "Issues", "discussions": "Discussions"}[data_type]
    second: list[str] = []

    def is_second(request: Request) -> bool:
        after = request.variables["after"]
        if after and not second:
            second.append(after)
        return after in second

    blank = BlankPage(f"Repository.{FIELDS[data_type]}")
    reading.github.faults.add(blank, times=times, operation=operation, when=is_second)
    result = await ends(reading, data_type, days)
    assert result.outcome == "completed", result.failure
    since = reading.repository.world.clock.now() - timedelta(days=days)
    threads: dict[int, Any] = getattr(reading.repository, data_type)
    wanted = {each.number for each in threads.values() if each.updated_at >= f"{since:%Y-%m-%dT%H:%M:%SZ}"}
    assert wanted <= await alive(reading, data_type)


@pytest.mark.parametrize("days", [200, 10_000])
async def test_a_blank_page_in_the_middle_of_what_changed_hides_no_change(days: int, read: Read) -> None:
    reading = read(PLAN)
    assert (await reading.sweep("issues", days=days)).outcome == "completed"
    for issue in reading.repository.issues.values():
        issue.edit(body="edited")
    blank = BlankPage("Repository.issues")
    reading.github.faults.add(blank, times=3, operation="IssueListing")
    assert (await reading.sweep("issues", days=days)).outcome == "completed"
    rows = await reading.rows("select distinct body from issues where gone_at is null")
    assert [row["body"] for row in rows] == ["edited"]
