"""Whatever stands in a sweep's row as its position is read whole, or refused with words that name what is wrong."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.attempts import MOST_ATTEMPTS
from activities.embeddings.position import EmbeddingPosition
from activities.events.position import EventPosition
from activities.position import Position
from activities.threads.position import ThreadPosition
from sandbox.github.generation import Plan
from tests.support.backfill.reading import Read, Reading

POSITIONS: tuple[type[Position], ...] = (ThreadPosition, EventPosition, EmbeddingPosition)
NAMES = sorted({name for each in POSITIONS for name in each.__dataclass_fields__})
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
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
