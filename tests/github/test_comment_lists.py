"""How many comments a list of REST's has, as its `Link` header tells."""

from datetime import UTC, datetime
from typing import Any, cast

import pytest

from github.answers.reading import Answer
from github.client import GitHub
from github.threads.comment_lists import count_review_comments
from messages import RepositoryRef

AT = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)
REPOSITORY = RepositoryRef(repository_id="r", github_id=7, full_name="acme/app")
NEXT = "/repositories/7/pulls/comments?per_page=1&page=2"


class Answering:
    """Instead of a client: one answer, whatever is asked."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    async def rest(self, path: str) -> Answer:
        assert "per_page=1" in path
        return self._answer


@pytest.mark.parametrize(
    ("items", "next_path", "last_page", "number"),
    [([{}], NEXT, 40, 40), ([{}], None, None, 1), ([], None, None, 0), ([{}], NEXT, None, None)],
    ids=["a last page", "one page", "no comment", "more, and no last page"],
)
async def test_a_link_without_a_last_page_leaves_the_number_unknown(
    items: list[Any], next_path: str | None, last_page: int | None, number: int | None
) -> None:
    answer = Answer(items, AT, 0.1, next_path=next_path, last_page=last_page)
    assert await count_review_comments(cast("GitHub", Answering(answer)), REPOSITORY, AT) == (number, AT)
