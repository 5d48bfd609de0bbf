"""What the reader of parts leaves of them after an answer that cannot be read."""

from copy import deepcopy
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from activities.threads.part_queue import Batch, Due
from activities.threads.part_reader import PartReader
from errors import TooLarge
from github.answers.reading import Answer
from github.threads.thread_types import THREAD_TYPES
from rows import Part

AT = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)


class Answering:
    """Instead of a client: the first of two threads has a page of comments, the second has nothing of it."""

    async def graphql(self, *_asked: Any, **_price: Any) -> Answer:
        page = {"endCursor": "next", "hasNextPage": True}
        comments = {"totalCount": 3, "nodes": [], "pageInfo": page}
        return Answer({"n0": {"comments": comments}, "n1": {"title": "?"}}, AT, 0.1)


async def test_a_part_is_as_it_was_after_an_answer_that_cannot_be_read() -> None:
    nothing = cast("Any", SimpleNamespace(repository=None))
    github, kind = cast("Any", Answering()), THREAD_TYPES["issues"]
    reader = PartReader(nothing, github, nothing, kind, nothing, nothing, nothing)
    parts = [Part("comments", f"I_{number}", number, AT, parent=number) for number in (1, 2)]
    before = deepcopy(parts)
    with pytest.raises(TooLarge, match="unreadable"):
        await reader._read(Batch(Due("comments"), parts, 10, {}))
    assert parts == before
