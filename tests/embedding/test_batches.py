"""What goes into a request: nothing too long, nothing too much, nothing lost."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from embedding.batches import MOST_TEXTS, MOST_TOKENS, TEXT_TOKENS, Limits, fill
from embedding.tokens import cut
from tests.support.thoroughness import examples


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 0),
        ("hello world", 2),
        ("The handshake fails behind a proxy.", 7),
        ("<|endoftext|>", 7),  # as text, not as the token of that name
        ("漢字仮名", 6),
    ],
)
def test_tokens_are_openais(text: str, tokens: int) -> None:
    """By tiktoken's cl100k_base, from elsewhere."""
    assert cut(text, 100) == (text, tokens)


@settings(max_examples=examples(25, 1000))
@given(some.text(), some.integers(1, 40))
def test_a_cut_text_is_a_beginning_of_whole_characters(text: str, most: int) -> None:
    kept, tokens = cut(text, most)
    assert text.startswith(kept)
    assert tokens <= most
    assert (kept == text) or tokens == most


@settings(max_examples=examples(25, 1000))
@given(some.lists(some.text(min_size=1), min_size=1), some.integers(1, 5), some.integers(1, 30), some.integers(1, 30))
def test_a_batch_is_as_much_as_fits_and_at_least_one(
    texts: list[str], most: int, tokens: int, text_tokens: int
) -> None:
    batch = fill(texts, Limits(most, tokens, text_tokens))
    assert 1 <= len(batch.texts) <= most
    assert batch.tokens <= tokens
    assert batch.longest <= min(text_tokens, tokens)
    assert all(text.startswith(kept) for text, kept in zip(texts, batch.texts, strict=False))
    assert batch.cut == sum(kept != text for text, kept in zip(texts, batch.texts, strict=False))
    if len(batch.texts) < min(most, len(texts)):
        following = cut(texts[len(batch.texts)], min(text_tokens, tokens))[1]
        assert batch.tokens + following > tokens


def test_the_limits_are_below_openais() -> None:
    assert MOST_TEXTS <= 2_048
    assert MOST_TOKENS <= 300_000
    assert TEXT_TOKENS < 8_192


def test_a_long_run_of_one_character_is_no_burden() -> None:
    """What a log in an issue looks like; some tokenizers take minutes."""
    kept, tokens = cut("a" * 65_536 + "漢" * 65_536, TEXT_TOKENS)
    assert (len(kept), tokens) == (65_528, TEXT_TOKENS)
