"""Reads a timeline by item type if the timeline fails at every size. Item types that still fail are read by REST
(decision 15).

The part's kind and its `split` record how far the timeline is read. Each turn sends one request. After a failure, the
next request asks for fewer item types.
"""

from activities.threads.look_ahead import LookAhead
from activities.threads.noting import note
from activities.threads.page_sizes import CHILDREN
from activities.threads.part_queue import MOST_ATTEMPTS
from activities.threads.position import ThreadPosition
from activities.turn import Turn
from errors import PartOver, RetryNow, TooLarge
from github.answers.refusals import InvalidCursor
from github.client import GitHub
from github.threads.pages import COMMENT, REVIEW, read_items
from github.threads.rest_timeline import read_rest_timeline
from github.threads.thread_types import ThreadType
from messages import RepositoryRef
from rows import Note, Part, PartKind, Split

MOST_FAILURES = 20
"""After this many failed requests for one timeline, all types that are left count as failing."""
MOST_NAMED = 12
"""Most item types that a note names."""
OWN_CONNECTIONS: dict[str, PartKind] = {COMMENT: "comments", REVIEW: "reviews"}


def begin(part: Part, item_types: list[str]) -> Part:
    """Returns a part that reads the timeline by item type. `part` is the part of kind timeline whose request failed at
    every size. The item types are divided into two groups, with one request for each group.
    """
    split = Split(_halves(item_types))
    return Part("timeline_by_type", part.node_id, part.number, part.began_at, parent=part.parent, split=split)


def types_in(words: str, known: tuple[str, ...]) -> list[str]:
    """Returns the item types with which a note's `words` begin. Returns an empty list if one of these words is not in
    `known`.
    """
    named = words.partition(": ")[0].split(", ")
    return named if all(each in known for each in named) else []


class TimelineByType:
    """Reads parts of the kinds `timeline_by_type` and `timeline_by_rest`. Each turn sends one request."""

    def __init__(self, github: GitHub, repository: RepositoryRef, kind: ThreadType, look_ahead: LookAhead) -> None:
        self._github = github
        self._repository = repository
        self._type = kind
        self._look_ahead = look_ahead

    async def turn(self, position: ThreadPosition, part: Part) -> Turn[ThreadPosition]:
        """Sends the part's next request, and returns the turn. Raises `RetryNow` for an error that may pass. If the
        error does not pass, the caller calls `too_large`.
        """
        if part.kind == "timeline_by_rest":
            return await self._rest(position, part)
        split = _split(part)
        group = split.left[0]
        try:
            read = await self._look_ahead.send(
                lambda: read_items(self._github, self._type, [part], min(split.first, CHILDREN), group)
            )
        except TooLarge as error:
            return self._failed(position, part, error.message)
        except InvalidCursor:
            part.cursor, part.seen, part.attempts = None, [], part.attempts + 1
            return self._next(Turn(position), part)
        split.first = CHILDREN
        is_over = part.node_id in read.gone or bool(read.refused)
        if part in read.done and not is_over:
            # The group is read. What it hides is noted with the last one.
            hidden = [each for each in read.page.hidden if (each.what, each.node_id) == (part.what, part.node_id)]
            read.page.hidden = [each for each in read.page.hidden if each not in hidden]
            if hidden:
                split.hidden, split.words = split.hidden + hidden[-1].count, hidden[-1].words
            _to_next_group(part, split)
        turn = Turn(position, page=read.page, put=list(read.parts), gone=read.gone, points=read.cost)
        if is_over:
            turn.done.append(part)
        else:
            self._next(turn, part)
        note(turn, self._type, read)
        return turn

    def too_large(self, position: ThreadPosition, part: Part, error: RetryNow) -> Turn[ThreadPosition] | None:
        """Returns the turn after the last request failed while GitHub answered other requests. Returns None if the
        request is to be tried again.
        """
        if part.kind == "timeline_by_type":
            return self._failed(position, part, error.message)
        part.attempts += 1
        if part.attempts < MOST_ATTEMPTS:
            return None
        return self._end(Turn(position), part, f"REST: {error.message}")

    def _failed(self, position: ThreadPosition, part: Part, words: str) -> Turn[ThreadPosition]:
        """Returns the turn after a failure. A group of item types is halved. A single type is then read item by item.
        If that fails, too, the type is read by REST. After `MOST_FAILURES` failures, all remaining types are read by
        REST.
        """
        split = _split(part)
        split.failures, split.words = split.failures + 1, words
        group = split.left[0]
        if split.failures >= MOST_FAILURES:
            split.failing += [each for types in split.left for each in types]
            split.left = []
        elif len(group) > 1:
            split.left[:1] = _halves(group)
            part.cursor, part.expected, part.seen, part.reading = None, None, [], None
        elif split.first > 1:
            split.first = 1
        else:
            split.failing += group
            _to_next_group(part, split)
        return self._next(Turn(position), part)

    def _next(self, turn: Turn[ThreadPosition], part: Part) -> Turn[ThreadPosition]:
        """Decides how the part continues: with its next group of item types, or with REST. If nothing is left to read,
        the part ends. Adds the decision to `turn`, and returns `turn`.
        """
        split = _split(part)
        if part.attempts >= MOST_ATTEMPTS:
            # Readings that are never the same twice.
            split.failing += split.left[0]
            _to_next_group(part, split)
        if split.left:
            turn.put.append(part)
            return turn
        for item_type, kind in OWN_CONNECTIONS.items():
            if item_type in split.failing:
                turn.put.append(Part(kind, part.node_id, part.number, part.began_at, parent=part.parent))
        split.failing = [each for each in split.failing if each not in OWN_CONNECTIONS]
        if not split.failing:
            return self._end(turn, part, "")
        turn.done.append(part)
        turn.put.append(
            Part("timeline_by_rest", part.node_id, part.number, part.began_at, parent=part.parent, split=split)
        )
        return turn

    async def _rest(self, position: ThreadPosition, part: Part) -> Turn[ThreadPosition]:
        split = _split(part)
        try:
            read = await self._look_ahead.send(
                lambda: read_rest_timeline(self._github, self._repository, self._type, part, split.failing)
            )
        except PartOver as error:
            return self._end(Turn(position), part, f"REST: {error.message}")
        new = [key for key in dict.fromkeys(read.seen) if key not in part.seen]
        if read.next_path is not None and not new:
            part.attempts += 1
        part.seen += new
        for item_type, number in read.missing.items():
            split.missing[item_type] = split.missing.get(item_type, 0) + number
        turn = Turn(position, page=read.page)
        if read.next_path is None:
            return self._end(turn, part, "")
        if part.attempts >= MOST_ATTEMPTS:
            return self._end(turn, part, "REST: the list does not go on")
        part.cursor = read.next_path
        turn.put.append(part)
        return turn

    def _end(self, turn: Turn[ThreadPosition], part: Part, rest_failed: str) -> Turn[ThreadPosition]:
        """Returns the part's last turn. The turn notes the items that are missing, or deletes an earlier note.
        `rest_failed` is the reason why REST did not answer. `rest_failed` is empty if REST answered or was not needed.
        """
        split = _split(part)
        turn.done.append(part)
        # Where REST shows nothing of a type that fails, it may be hidden there.
        missing = [each for each in split.failing if rest_failed or split.missing.get(each) != 0]
        if not missing and not split.hidden:
            turn.resolved.append((part.what, part.node_id))
        elif not missing:
            turn.noted.append(Note("hidden", part.what, part.number, part.node_id, split.hidden, split.words))
        else:
            number = max(1, sum(split.missing.get(each, 0) for each in missing)) + split.hidden
            words = f"{_named(missing)}: {rest_failed or split.words}"
            turn.noted.append(Note("unavailable", part.what, part.number, part.node_id, number, words))
        return turn


def _split(part: Part) -> Split:
    assert part.split is not None, "a timeline that is read by its types knows them"
    return part.split


def _halves(item_types: list[str]) -> list[list[str]]:
    middle = (len(item_types) + 1) // 2
    return [half for half in (item_types[:middle], item_types[middle:]) if half]


def _to_next_group(part: Part, split: Split) -> None:
    split.left, split.first = split.left[1:], CHILDREN
    part.cursor, part.expected, part.seen, part.reading, part.attempts = None, None, [], None, 0


def _named(item_types: list[str]) -> str:
    more = len(item_types) - MOST_NAMED
    return ", ".join([*item_types[:MOST_NAMED], *([f"and {more} more"] if more > 0 else [])])
