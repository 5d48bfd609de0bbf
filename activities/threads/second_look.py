"""Checks the notes of earlier sweeps on missing data. Usually one request checks a hundred notes.

GitHub may now show what was hidden, because an account is no longer flagged, a permission was granted, or a thread was
restored. Data that GitHub shows again becomes a part and is stored.
"""

import random
from collections import Counter
from datetime import datetime
from functools import partial

import structlog

from activities.threads import noting
from activities.threads.look_ahead import LookAhead
from activities.threads.noting import LISTS
from activities.threads.page_sizes import CHILDREN, PageSizes
from activities.threads.position import ThreadPosition
from activities.threads.timeline_by_type import types_in
from activities.turn import Turn
from errors import TooLarge
from github.client import GitHub
from github.nodes.node_ids import number_in
from github.nodes.permissions import NOTED, lacks_permissions
from github.threads.existence import MOST, read_existence
from github.threads.pages import read_items, read_threads
from github.threads.readings import lists_noted, noted
from github.threads.thread_types import ThreadType
from rows import Note, Part, PartKind
from store import notes, pull_requests, threads
from store.database import Database
from store.sweeps import Sweep

log = structlog.get_logger(__name__)

AT_ONCE = 100
"""Connections in one request."""
MOST_LOOKS = 3
"""Most requests for connections that failed at every size: first for all of them, then for halves."""
MOST_NOTES = 1_000
MOST_LACKING = 5_000
"""Most pull requests that one job reads again after a permission was granted."""
ASKED_OF_EACH = 5
"""Pull requests that are requested for each permission, to find out whether it was granted."""
MOST_GONE = 100
"""Most gone threads that are requested again, in one request: the latest to go."""
CONNECTIONS: dict[str, PartKind] = {
    "timeline": "timeline",
    "comments": "comments",
    "reviews": "reviews",
    "review_comments": "review_comments",
    "replies": "replies",
}


class SecondLook:
    """Checks the notes of earlier sweeps, and the threads that are marked as gone, once in a sweep."""

    def __init__(
        self,
        database: Database,
        github: GitHub,
        sweep: Sweep,
        kind: ThreadType,
        sizes: PageSizes,
        look_ahead: LookAhead,
    ) -> None:
        self._database = database
        self._github = github
        self._sweep = sweep
        self._type = kind
        self._sizes = sizes
        self._look_ahead = look_ahead
        self._stored: dict[str, int] = {}
        """Stored children of each parent, by node id: an estimate of how many a new reading returns."""

    async def turn(self, position: ThreadPosition) -> Turn[ThreadPosition] | None:
        """Returns the next turn of the check, with the parts to be read again and the notes that stay. Returns None if
        there is nothing to check.
        """
        table, repository_id = self._sweep.data_type, self._sweep.repository.repository_id
        async with self._database.transaction() as connection:
            left = await notes.to_look_again(connection, self._sweep, limit=MOST_NOTES)
            gone = await threads.gone(connection, table, repository_id, self._sweep.cutoff_at, MOST_GONE)
            ids = await threads.ids_by_node(connection, table, [note.node_id for note in left])
            self._stored = await threads.count_children(connection, table, [note.node_id for note in left])
            of_permissions = await notes.of_permissions(connection, self._sweep, NOTED)
        if of_permissions:
            return await self._look_at_permissions(position, of_permissions)
        if not left and not gone:
            return None
        self._sizes.ask("shown")
        turn = Turn(position.after_second_look())
        parents = {
            note.node_id: parent for note in left if (parent := ids.get(note.node_id) or number_in(note.node_id))
        }
        # A parent without a number cannot be read by itself.
        turn.noted += [note for note in left if note.what in CONNECTIONS and note.node_id not in parents]
        left = [note for note in left if note not in turn.noted]
        await self._look_at_threads(turn, [note for note in left if note.what == "thread"], gone)
        turn.put += self._threads_with_lists([note for note in left if note.what in LISTS], position)
        unavailable = [note for note in left if note.kind == "unavailable" and note.what == self._type.part]
        for note in left:
            if note.what in CONNECTIONS and note not in unavailable:
                turn.put.append(self._part(note, parents, position))
        await self._look_at_unavailable(turn, unavailable, parents, position)
        log.info("looked again at what was noted", notes=len(left), gone=len(gone), to_read=len(turn.put))
        return turn

    def _part(self, note: Note, parents: dict[str, int], position: ThreadPosition) -> Part:
        kind = CONNECTIONS[note.what]
        stored = self._stored.get(note.node_id)
        expected = stored + note.count if stored is not None else None
        return Part(
            kind,
            note.node_id,
            note.number,
            _as_of(position),
            expected=expected,
            parent=parents[note.node_id],
            reading=noted(note.count),
        )

    async def _look_at_permissions(self, position: ThreadPosition, left: list[Note]) -> Turn[ThreadPosition]:
        """Returns the turn that checks the notes `left`. Each of these notes is about data that all pull requests lack
        because of a missing permission.

        For each note, a few pull requests are requested. If GitHub now shows the data on these pull requests, all pull
        requests that lack the data are read again.
        """
        repository_id, since = self._sweep.repository.repository_id, self._sweep.cutoff_at
        async with self._database.transaction() as connection:
            lacking = {
                note.what: await pull_requests.lacking(connection, repository_id, note.what, since, MOST_LACKING)
                for note in left
            }
        self._sizes.ask("shown")
        asked = {each for of_one in lacking.values() for each in of_one[:ASKED_OF_EACH]}
        parts = [Part("thread", node_id, number, _as_of(position)) for node_id, number in sorted(asked)]
        turn, refused = Turn(position), set[str]()
        if parts:
            try:
                read = await self._look_ahead.send(partial(read_threads, self._github, self._type, parts))
            except TooLarge:
                return Turn(position, noted=left)
            turn = Turn(position, page=read.page, put=list(read.parts), gone=read.gone, points=read.cost)
            noting.note(turn, self._type, read)
            refused = lacks_permissions(read.page)
        for each in left:
            found = lacking[each.what]
            if each.what in refused or len(found) == MOST_LACKING:
                turn.noted.append(each)
            else:
                turn.resolved.append((each.what, each.node_id))
            if each.what not in refused:
                rest = [Part("thread", node_id, number, _as_of(position)) for node_id, number in found]
                turn.put += [part for part in rest if part not in parts]
        return turn

    def _threads_with_lists(self, left: list[Note], position: ThreadPosition) -> list[Part]:
        """Returns a part for each thread of the notes `left`. These notes are about entries that a thread's own lists
        lack (labels, assignees, ...).
        """
        missing: Counter[tuple[str, int | None]] = Counter()
        for note in left:
            missing[note.node_id, note.number] += note.count
        return [
            Part("thread", node_id, number, _as_of(position), reading=lists_noted(count))
            for (node_id, number), count in missing.items()
        ]

    async def _look_at_threads(self, turn: Turn[ThreadPosition], left: list[Note], gone: list[tuple[str, int]]) -> None:
        """Checks whether GitHub now shows the threads of the notes `left`, and the threads `gone`, which are marked as
        gone. `gone` has the node id and the number of each thread. Adds to `turn` a part for each thread that GitHub
        shows now, and the notes that stay.
        """
        of_notes = {note.node_id: note for note in left}
        numbers: dict[str, int | None] = {**dict(gone), **{note.node_id: note.number for note in left}}
        node_ids = list(numbers)
        began_at = _as_of(turn.position)
        for start in range(0, len(node_ids), MOST):
            some = node_ids[start : start + MOST]
            try:
                told = await self._look_ahead.send(partial(read_existence, self._github, some))
            except TooLarge:
                turn.noted += [of_notes[each] for each in some if each in of_notes]
                continue
            turn.points += told.cost
            for each in some:
                noted_so_far = of_notes.get(each)
                if each in told.found or (each in told.gone and noted_so_far):
                    # A note's thread that is gone is read too: that marks it.
                    turn.put.append(Part("thread", each, numbers[each], began_at, reading=noted(1)))
                elif noted_so_far and each in told.refused:
                    turn.noted.append(noted_so_far._replace(kind="refused", words=told.refused[each]))
                elif noted_so_far:
                    turn.noted.append(noted_so_far)

    async def _look_at_unavailable(
        self, turn: Turn[ThreadPosition], left: list[Note], parents: dict[str, int], position: ThreadPosition
    ) -> None:
        """Checks the connections of the notes `left`, which earlier failed at every size. Adds to `turn` a part for
        each connection that GitHub serves now, and the notes that stay. `parents` maps a thread's node id to its GitHub
        id.

        One item of each connection is requested. If a note names the item types of a timeline that failed, items of
        these types are requested.
        """
        types = {note.node_id: types_in(note.words, self._type.item_types) for note in left}
        for by_type in (True, False):
            notes_of = [note for note in left if bool(types[note.node_id]) == by_type]
            wanted = sorted({each for note in notes_of for each in types[note.node_id]}) if by_type else None
            for start in range(0, len(notes_of), AT_ONCE):
                some = notes_of[start : start + AT_ONCE]
                answered = await self._answered(
                    turn, {note.node_id: self._part(note, parents, position) for note in some}, wanted
                )
                turn.noted += [note for note in some if note.node_id not in answered]
                turn.put += [self._part(note, parents, position) for note in some if note.node_id in answered]

    async def _answered(
        self, turn: Turn[ThreadPosition], parts: dict[str, Part], item_types: list[str] | None
    ) -> set[str]:
        """Requests a page of each of the connections `parts`, and returns the keys of the parts that GitHub served.
        `parts` maps a thread's node id to its part. `item_types` are the types of a timeline's items to request. If
        `item_types` is None, one item of any type is requested.

        GitHub fails the whole request if one connection fails. Each half of the connections is then requested by
        itself. At most `MOST_LOOKS` requests are sent.
        """
        answered: set[str] = set()
        groups = [random.sample(sorted(parts), len(parts))]  # nosec B311 # an order, no secret
        for _ in range(MOST_LOOKS):
            if not groups:
                break
            group = groups.pop(0)
            asked = [parts[node_id] for node_id in group]
            first = 1 if item_types is None else CHILDREN
            try:
                read = await self._look_ahead.send(
                    partial(read_items, self._github, self._type, asked, first, item_types)
                )
            except TooLarge:
                middle = len(group) // 2
                groups += [half for half in (group[:middle], group[middle:]) if half and len(group) > 1]
                continue
            turn.points += read.cost
            answered.update(group)
        return answered


def _as_of(position: ThreadPosition) -> datetime:
    assert position.as_of is not None, "the catch-up fixes it"
    return position.as_of
