"""Decides which notes a turn writes, and which notes of earlier sweeps a turn deletes.

A note is written in the transaction of the page that shows the gap. The note is deleted once nothing is missing any
more.
"""

from activities.threads.position import ThreadPosition
from activities.turn import Turn
from github.threads.pages import Threads
from github.threads.readings import hidden_in
from github.threads.thread_types import ThreadType
from rows import REVIEW_REQUESTS, Note, Part

LISTS = ("labels", "assignees", REVIEW_REQUESTS, "linked pull requests")
"""Lists that a thread's own node holds."""
OF_A_THREAD = ("thread", "timeline", "comments", "reviews", *LISTS)
"""What notes on one thread are about. Once the thread is read whole, such notes are deleted."""


def note(turn: Turn[ThreadPosition], kind: ThreadType, read: Threads) -> None:
    """Adds to the turn a note for everything that GitHub does not show in the answer `read`. Also deletes an earlier
    note if the answer shows the noted thread or connection whole, or shows that the noted thread is gone.
    """
    turn.noted += read.hidden
    missing = {(each.what, each.node_id) for each in turn.noted}
    missing |= {(part.what, part.node_id) for part in turn.put}
    # Hidden on an earlier page of it.
    missing |= {(part.what, part.node_id) for part in read.done if hidden_in(part)}
    whole: list[tuple[str, str]] = [
        (part.what, part.node_id) for part in read.done if part.kind not in ("thread", "head")
    ]
    for node_id in read.page.node_ids:
        whole += [(what, node_id) for what in OF_A_THREAD if what == "thread" or _is_shown(kind, what)]
    whole += [(what, node_id) for node_id in read.gone for what in OF_A_THREAD]
    turn.resolved += [each for each in whole if each not in missing]


def _is_shown(kind: ThreadType, what: str) -> bool:
    return what == kind.part or kind.kind != "discussion"


def unavailable(part: Part, words: str) -> Note:
    """Returns a note that says that GitHub does not serve the part. `words` is the reason, as text for people."""
    left = (part.expected or 0) - len(set(part.seen)) + hidden_in(part)
    what = "thread" if part.kind in ("thread", "head") else part.kind
    return Note("unavailable", what, part.number, part.node_id, 1 if what == "thread" else max(1, left), words)
