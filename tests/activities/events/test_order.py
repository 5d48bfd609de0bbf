"""Which source is read next, and what is left for the next leg."""

from datetime import UTC, datetime, timedelta

import pytest

from activities.events.order import Order, reached_leg_end
from activities.events.position import SOURCES, EventPlace, EventPosition, EventSourceName
from activities.events.source import EventSource
from activities.turn import Turn
from errors import RetryNow
from messages import RepositoryRef
from store.sweeps import Sweep

DOWN_TO = datetime(2026, 9, 1, tzinfo=UTC)
LONG = {"stargazers", "forks", "activity", "history"}


class Named:
    """A source that is never read."""

    can_shrink = False

    def __init__(self, name: EventSourceName) -> None:
        self.name = name
        self.is_long = name in LONG
        self.builds_on: tuple[EventSourceName, ...] = {"history": ("activity",), "threads": SOURCES[:-1]}.get(name, ())

    async def read(self, position: EventPosition) -> Turn[EventPosition]:
        raise NotImplementedError

    async def fail(self, position: EventPosition, error: RetryNow) -> Turn[EventPosition]:
        raise NotImplementedError

    async def probe(self) -> None:
        raise NotImplementedError


def following(position: EventPosition, down_to: datetime | None = None) -> list[str]:
    """The sources that are read from here on, each to its end."""
    sources: list[EventSource] = [Named(name) for name in SOURCES]
    order, names = Order(sources, down_to), []
    while (source := order.next(position)) is not None:
        names.append(str(source.name))
        position = position.with_place(source.name, EventPlace(status="complete"))
    return names


def test_sources_are_read_in_their_order() -> None:
    assert following(EventPosition().begin()) == list(SOURCES)


def test_moments_after_another_sweep_the_events_api_is_first() -> None:
    position = EventPosition().begin().inherit(EventPosition().begin().places, fresh=True)
    assert following(position)[:2] == ["events", "stargazers"]


def test_a_leg_leaves_a_long_source_and_what_builds_on_it() -> None:
    position = EventPosition().begin().with_place("activity", EventPlace(cursor="abc", recent=True))
    assert following(position, DOWN_TO) == ["stargazers", "star_history", "forks", "releases", "events"]
    assert "activity" in following(position), "the last leg reads all of it"


def test_a_leg_does_not_leave_a_short_source() -> None:
    position = EventPosition().begin().with_place("releases", EventPlace(cursor="200", recent=True))
    assert "releases" in following(position, DOWN_TO)


def test_a_leg_leaves_what_lies_below_an_earlier_sweep_that_was_deep_enough() -> None:
    left = EventPosition().begin().with_place("forks", EventPlace(cursor="abc", below="abc"))
    as_of = DOWN_TO + timedelta(days=90)
    deep = EventPosition().take_over(left, low=DOWN_TO - timedelta(days=1), as_of=as_of)
    shallow = EventPosition().take_over(left, low=DOWN_TO + timedelta(days=1), as_of=as_of)
    assert "forks" not in following(deep, DOWN_TO)
    assert "forks" in following(shallow, DOWN_TO)


@pytest.mark.parametrize(
    ("down_to", "oldest", "recent"),
    [
        (DOWN_TO, DOWN_TO - timedelta(seconds=1), True),
        (DOWN_TO, DOWN_TO, False),
        (DOWN_TO, None, False),
        (None, DOWN_TO, False),
    ],
)
def test_a_page_below_the_leg_s_end_ends_it(down_to: datetime | None, oldest: datetime | None, recent: bool) -> None:
    repository = RepositoryRef(repository_id="r", github_id=1, full_name="acme/wide")
    sweep = Sweep("j", repository, "events", DOWN_TO, 1, "in_progress", 1, {}, down_to=down_to)
    assert reached_leg_end(sweep, oldest) is recent
