"""Positions of a sweep over embeddings: one that an older release committed, and the steps that they take."""

from datetime import UTC, datetime
from typing import Any

from activities.embeddings.position import EmbeddingPosition

AT = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
STORED: dict[str, Any] = {
    "sizes": {"texts": 16, "text_tokens": 32},
    "as_of": "2026-11-20T09:30:00Z",
    "between": False,
    "table": "issues",
    "number": 12,
    "whole": True,
    "passes": 2,
    "whole_passes": 1,
    "threads": 90,
    "suspect": ["discussions", 7],
    "cut": 3,
}
"""As release 0.1.0 of November 2026 committed it."""


def test_a_stored_position_is_read_and_committed_unchanged() -> None:
    position = EmbeddingPosition.read(STORED)
    assert (position.as_of, position.suspect, position.number) == (AT, ("discussions", 7), 12)
    assert position.to_commit() == STORED


def test_small_batches_are_sent_until_the_suspect_is_passed() -> None:
    position = EmbeddingPosition.read(STORED)
    before = position.after_text("discussions", 6)
    assert (before.sizes["texts"], before.suspect) == (16, ("discussions", 7))
    behind = before.after_text("discussions", 7)
    assert (behind.sizes, behind.suspect) == ({"text_tokens": 32}, None)


def test_the_first_suspicion_stays_while_batches_are_halved() -> None:
    position = EmbeddingPosition().suspecting("issues", 40, texts=8).suspecting("issues", 20, texts=4)
    assert (position.suspect, position.sizes) == (("issues", 40), {"texts": 4})


def test_a_pass_begins_at_the_first_table_and_a_whole_one_is_counted() -> None:
    position = EmbeddingPosition.read(STORED).end_pass().begin_pass(whole=True, threads=91, as_of=AT)
    assert (position.table, position.number, position.passes, position.whole_passes) == ("pull_requests", None, 3, 2)
    assert not position.between
    assert position.begin_pass(whole=False, threads=91, as_of=None).whole_passes == 2


def test_a_retry_passes_over_everything_again_with_the_sizes_that_were_learned() -> None:
    position = EmbeddingPosition.read(STORED).start_over()
    assert (position.between, position.whole_passes, position.number) == (True, 0, None)
    assert position.sizes == STORED["sizes"]
