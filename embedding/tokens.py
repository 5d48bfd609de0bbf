"""Cuts texts to a number of tokens. Tokens are counted in cl100k_base, the encoding of OpenAI's embedding models. The
package `splintr` contains the vocabulary of cl100k_base.
"""

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import splintr


@cache
def _vocabulary() -> "splintr.AnyTokenizer":
    # Some 25 MB: only who embeds has them.
    import splintr

    return splintr.Tokenizer.from_pretrained("cl100k_base")


def cut(text: str, most: int) -> tuple[str, int]:
    """Returns the beginning of `text` and its number of tokens, which is at most `most`. No character is cut in two."""
    vocabulary = _vocabulary()
    tokens = vocabulary.encode_ordinary(text)
    if len(tokens) <= most:
        return text, len(tokens)
    return vocabulary.decode_bytes(tokens[:most]).decode("utf-8", "ignore"), most
