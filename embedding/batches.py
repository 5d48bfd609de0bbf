"""Decides how many texts go into one request, and to how many tokens each text is cut."""

from collections.abc import Iterable
from dataclasses import dataclass

from embedding.tokens import cut

MOST_TEXTS = 128
"""Most texts in one request. OpenAI accepts 2,048. Fewer cost less if the worker is killed, and a batch's transaction
blocks other writers for less time (pgvector's index takes some milliseconds a vector)."""
MOST_TOKENS = 100_000
"""Most tokens in one request. OpenAI accepts 300,000, but small accounts get only 1,000,000 a minute."""
TEXT_TOKENS = 8_191
"""Most tokens that OpenAI's models accept in one text."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one request: the number of texts, the tokens of all texts together, and the tokens of each text."""

    texts: int = MOST_TEXTS
    tokens: int = MOST_TOKENS
    text_tokens: int = TEXT_TOKENS


@dataclass(frozen=True, slots=True)
class Batch:
    """The texts of one request, each cut to the limit of tokens. `tokens` is the number of tokens of all texts
    together.
    """

    texts: list[str]
    tokens: int
    longest: int
    """Tokens of the longest text."""
    cut: int
    """How many of the texts were cut."""


def fill(texts: Iterable[str], limits: Limits) -> Batch:
    """Returns a batch of the first `texts`, as many as fit into one request. The batch has at least one text unless
    `texts` is empty, because each text is cut to the limits.
    """
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
