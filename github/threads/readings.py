"""Compares two readings of a list that shows fewer items than GitHub counts. If the readings are equal, the second is
final.
"""

from hashlib import blake2b
from typing import Literal

from github.nodes.actors import Node
from github.nodes.nulls import HIDDEN_KEY
from rows import Note, Page, Part

MOST_READINGS = 3
"""Most readings of a thread whose lists lack other items each time."""


def noted(missing: int) -> str:
    """Returns the value of `Part.reading` for a part whose `missing` children are already noted. A later reading that
    lacks as many children is final.
    """
    return f"{missing} missing"


def lists_noted(missing: int) -> str:
    """Returns the value of `Part.reading` for a thread whose lists lack `missing` items that are already noted. A later
    reading that lacks as many items is final.
    """
    return f"lists: {noted(missing)}"


def again(node: Node, thread: int, kind: Literal["thread", "head"], read_as: Part | None, page: Page) -> list[Part]:
    """Returns the part that reads the thread again, if one of the thread's lists is short (`Page.short`). Otherwise
    returns no part. After two equal readings, or after `MOST_READINGS`, the missing items are noted and no part is
    returned.

    `thread` is the thread's GitHub id. `read_as` is the part by which the thread was read. `read_as` is None if the
    thread came with a page of the history.
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
    """Returns a text that identifies the children that a complete reading of a connection showed. Two readings agree if
    their texts are equal.
    """
    children = "\n".join(sorted(set(part.seen))).encode()
    return f"{part.expected} counted, {len(set(part.seen))} shown: {blake2b(children, digest_size=8).hexdigest()}"


def hidden_in(part: Part) -> int:
    """Returns how many children of the part GitHub refuses to show. Children that GitHub counts and leaves out without
    a refusal are not included.
    """
    return sum(key.startswith(HIDDEN_KEY) for key in part.seen)


def is_final(part: Part, missing: int) -> bool:
    """Returns whether a part is done although this reading lacks `missing` children. It is done if an earlier reading
    showed the same children, or if notes already say that as many children are missing.
    """
    return part.reading in (reading_of(part), noted(missing + hidden_in(part)))
