"""Whatever stands in a sweep's row as its position is read whole, or refused with words that name what is wrong."""

from datetime import datetime
from typing import Any, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from activities.attempts import MOST_ATTEMPTS
from activities.embeddings.position import EmbeddingPosition
from activities.events.counted import Counted
from activities.events.odd_pages import OddPage
from activities.events.position import EventPlace, EventPosition
from activities.position import Position
from activities.progress import Progress
from activities.threads.position import ThreadPosition
from activities.threads.review_comment_place import ReviewCommentPlace
from sandbox.github.generation import Plan
from tests.support.backfill.reading import Read, Reading

POSITIONS: tuple[type[Position], ...] = (ThreadPosition, EventPosition, EmbeddingPosition)
NAMES = sorted({name for each in POSITIONS for name in each.__dataclass_fields__})
AWARE, NAIVE = "2026-11-24T12:00:00Z", "2026-11-24T12:00:00"
MOMENTS = st.sampled_from([AWARE, NAIVE, "2026-11-24", "2026-11-24T12:00:00+02:00"])
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8) | MOMENTS,
    lambda deeper: st.lists(deeper, max_size=3) | st.dictionaries(st.sampled_from(NAMES), deeper, max_size=3),
    max_leaves=6,
)


@pytest.mark.parametrize("positions", POSITIONS)
@given(committed=st.dictionaries(st.sampled_from(NAMES), JSON, max_size=4))
def test_any_json_is_read_whole_or_refused_by_name(positions: type[Position], committed: dict[str, Any]) -> None:
    position, unreadable = positions.read_or_begin(committed)
    if unreadable is None:
        assert positions.read(position.to_commit()) == position
    else:
        assert position == positions()
        assert any(name in unreadable.message for name in committed)


COUNTED = {"stars": 0, "forks": 0, "releases": 0, "pushed_at": None, "head": None, "threads": 0, "latest": None}
INSIDE: dict[type[Any], tuple[type[Position], Any]] = {
    ThreadPosition: (ThreadPosition, lambda changed: changed),
    EventPosition: (EventPosition, lambda changed: changed),
    EmbeddingPosition: (EmbeddingPosition, lambda changed: changed),
    Progress: (ThreadPosition, lambda changed: {"progress": changed}),
    ReviewCommentPlace: (ThreadPosition, lambda changed: {"listing": changed}),
    EventPlace: (EventPosition, lambda changed: {"places": {"forks": changed}}),
    OddPage: (EventPosition, lambda changed: {"places": {"forks": {"odd": [{"cursor": None, "size": 1} | changed]}}}),
    Counted: (EventPosition, lambda changed: {"counted": COUNTED | changed}),
}
"""The classes that positions consist of: the position that holds each, and JSON of it with some fields changed."""


def holds_a_moment(hint: Any) -> bool:
    try:
        return isinstance(TypeAdapter(hint).validate_python(AWARE), datetime)
    except ValidationError:
        return False


@pytest.mark.parametrize("kind", INSIDE, ids=lambda kind: kind.__name__)
def test_a_moment_without_an_offset_is_refused_by_name(kind: type[Any]) -> None:
    positions, around = INSIDE[kind]
    names = [name for name, hint in get_type_hints(kind).items() if holds_a_moment(hint)]
    assert names
    for name in names:
        assert positions.read_or_begin(around({name: AWARE}))[1] is None
        _, unreadable = positions.read_or_begin(around({name: NAIVE}))
        assert unreadable is not None, name
        assert f"{name}: Input should have timezone info" in unreadable.message


@pytest.mark.parametrize("data_type", ["issues", "events"])
async def test_coverage_that_cannot_be_resumed_is_read_again_from_the_top(read: Read, data_type: Any) -> None:
    reading: Reading = read(Plan("acme/odd", pull_requests=0, issues=3, comments=1, events=1, years=1))
    assert (await reading.sweep(data_type)).outcome == "completed"
    update = "update backfill_coverage set position = position || $1::jsonb returning 1"
    assert await reading.rows(update, {"as_of": NAIVE})
    assert (await reading.sweep(data_type)).outcome == "completed"
    assert await reading.rows("select 1 from backfill_coverage where not position ? 'as_of'")


async def test_a_position_that_cannot_be_read_ends_the_type_with_its_words(
    read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading: Reading = read(Plan("acme/odd", pull_requests=0, issues=3, comments=1, events=1, years=1))

    def unreadable(committed: Any) -> Any:
        return ThreadPosition.read({"phase": "of a later release"} | dict(committed))

    broken = type("Broken", (ThreadPosition,), {"read": staticmethod(unreadable)})
    monkeypatch.setattr("activities.threads.reader.ThreadReader.positions", broken)
    result = await reading.sweep("issues", attempts=MOST_ATTEMPTS + 1)
    assert result.outcome == "failed"
    assert result.failure is not None
    assert "phase" in result.failure.message
