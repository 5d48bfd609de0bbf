"""How many texts go into one request, and how much of each."""

from collections.abc import Iterable
from dataclasses import dataclass

from embedding.tokens import cut

MOST_TEXTS = 128
"""Of the 2,048 that OpenAI takes: what one kill can cost stays small, and so does the time for which a batch's
transaction keeps other writers of the repository waiting (pgvector's index takes some milliseconds a vector)."""
MOST_TOKENS = 100_000
"""Of the 300,000 that OpenAI takes: small accounts get 1,000,000 a minute."""
TEXT_TOKENS = 8_191
"""The most that OpenAI's models take of one text."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What fits into one request: so many texts, so many tokens in all, so many of each text."""

    texts: int = MOST_TEXTS
    tokens: int = MOST_TOKENS
    text_tokens: int = TEXT_TOKENS


@dataclass(frozen=True, slots=True)
class Batch:
    """The beginning of a list of texts, as it is sent: each cut to what the model takes."""

    texts: list[str]
    tokens: int
    longest: int
    """Tokens of the longest text."""
    cut: int
    """How many of the texts were cut."""


def fill(texts: Iterable[str], limits: Limits) -> Batch:
    """As many of `texts`, from the first on, as fit; at least one, if there is one."""
    batch: list[str] = []
    total = longest = shortened = 0
    for text in texts:
        kept, tokens = cut(text, min(limits.text_tokens, limits.tokens))
        if batch and (len(batch) == limits.texts or total + tokens > limits.tokens):
            break
        batch.append(kept)
        total += tokens
        longest = max(longest, tokens)
        shortened += len(kept) < len(text)
    return Batch(batch, total, longest, shortened)
