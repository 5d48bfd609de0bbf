"""Compares readings of a list that show less than GitHub counts: two equal readings are final."""

from hashlib import blake2b
from typing import Literal

from github.nodes.actors import Node
from github.nodes.nulls import HIDDEN_KEY
from rows import Note, Page, Part

MOST_READINGS = 3
"""Most readings of a thread whose short lists differ each time."""


def noted(missing: int) -> str:
    """The `Part.reading` of a part with `missing` noted children. A later reading that lacks as many is final."""
    return f"{missing} missing"


def lists_noted(missing: int) -> str:
    """As `noted`, for a thread whose lists lack `missing` entries."""
    return f"lists: {noted(missing)}"


def again(node: Node, thread: int, kind: Literal["thread", "head"], read_as: Part | None, page: Page) -> list[Part]:
    """The part that reads the thread again if some of its lists are short (`Page.short`). After two equal readings the
    gap is noted, and no part is returned.

    `thread` is its GitHub id. `read_as` is the part that it was read as; None if it came on a page.
    """
    short = [each for each in page.short if each.thread == thread]
    if not short:
        return []
    reading = "; ".join(each.reading for each in short)
    missing = sum(each.missing for each in short)
    attempts = read_as.attempts + 1 if read_as is not None else 0
    if read_as is None or (read_as.reading not in (reading, lists_noted(missing)) and attempts < MOST_READINGS):
        return [Part(kind, node["id"], node["number"], page.asked_at, attempts=attempts, reading=reading)]
    words = "GitHub counts more than it shows, each time it is asked"
    page.hidden += [Note("hidden", each.what, node["number"], node["id"], each.missing, words) for each in short]
    return []


def reading_of(part: Part) -> str:
    """What a complete reading of a connection showed, as text; two equal texts agree."""
    children = "\n".join(sorted(set(part.seen))).encode()
    return f"{part.expected} counted, {len(set(part.seen))} shown: {blake2b(children, digest_size=8).hexdigest()}"


def hidden_in(part: Part) -> int:
    """Children of a part that GitHub refuses. Children that are only counted are not included."""
    return sum(key.startswith(HIDDEN_KEY) for key in part.seen)


def is_final(part: Part, missing: int) -> bool:
    """Whether an earlier reading of the part lacked the same number of children, so that this one is final."""
    return part.reading in (reading_of(part), noted(missing + hidden_in(part)))
