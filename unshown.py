"""Describes what GitHub does not show, for `status`, `watch`, notifications, and Temporal's details."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from pydantic import BaseModel, ConfigDict

from messages import DataType, Noted

_IN_WORDS = {
    "hidden": "counted but not shown",
    "refused": "refused",
    "unavailable": "not to be had in any way",
}


class UnshownThing(BaseModel):
    """One note on something that GitHub does not show. `status`, the API and messages show notes in this form."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    repository: str
    data_type: DataType
    number: int | None
    """The thread's number; None if the note is on the repository."""
    what: str
    kind: str
    count: int
    words: str
    since: datetime
    last_seen_at: datetime

    @property
    def in_words(self) -> str:
        """The note as text, such as `octo/a#12: 3 timeline counted but not shown since 2026-11-02: Resource not
        accessible by ...`.
        """
        where = self.repository + (f"#{self.number}" if self.number is not None else "")
        words = f": {self.words}" if self.words else ""
        return f"{where}: {self.count} {self.what} {_IN_WORDS[self.kind]} since {self.since:%Y-%m-%d}{words}"


class Unshown(BaseModel):
    """The things that GitHub does not show of a job or of a data type: their number, and notes on the first few."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    things: int
    by_kind: Noted
    which: list[UnshownThing]
    more: int
    """Notes that `which` leaves out."""


def things(noted: Noted) -> int:
    return sum(number for by_what in noted.values() for number in by_what.values())


def how_many(number: int) -> str:
    """Returns the number with its noun: `3 things GitHub does not show`."""
    return f"{number} {'thing' if number == 1 else 'things'} GitHub does not show"


def complete(of: Unshown | None) -> str:
    """Returns the status of something complete of which GitHub does not show everything: `complete, 3 things GitHub
    does not show`. Returns an empty text if `of` is None, because GitHub then shows everything.
    """
    return f"complete, {how_many(of.things)}" if of else ""


def kinds(noted: Noted) -> str:
    """Returns the numbers in `noted` as text: `3 timeline, 1 comments counted but not shown; 2 thread refused`."""
    return "; ".join(
        ", ".join(f"{number} {what}" for what, number in sorted(by_what.items())) + f" {_IN_WORDS.get(kind, kind)}"
        for kind, by_what in sorted(noted.items())
    )


def lines(of: Iterable[Unshown], most: int) -> list[str]:
    """Returns lines for the first `most` notes in `of`, one line for each note. If notes are left out, here or in
    `Unshown.more`, a last line says how many.
    """
    all_of = list(of)
    named = [each for its in all_of for each in its.which]
    more = sum(its.more for its in all_of) + max(0, len(named) - most)
    return [each.in_words for each in named[:most]] + ([f"and {more} more"] if more else [])


def threads(which: Sequence[UnshownThing], more: int, most: int = 10) -> str:
    """Returns the names of the first `most` threads and lists in `which`, and then the number of notes whose things are
    not named. An example is `octo/a#12, octo/a#14, octo/b (stargazers), and 3 more`.

    `more` is the number of notes that are not in `which`.
    """
    places = [
        f"{each.repository}#{each.number}" if each.number is not None else f"{each.repository} ({each.what})"
        for each in which
    ]
    named = list(dict.fromkeys(places))
    more += sum(place not in named[:most] for place in places)
    return ", ".join(named[:most] + ([f"and {more} more"] if more else []))
