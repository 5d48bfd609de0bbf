"""Describes in a sentence what a repository or a data type waits for. `starter.py status` and `watch` show it."""

from datetime import datetime

from messages import Waiting
from progress.sentences import type_name
from progress.views import RepositoryView, TypeView

STOPS = "canceled: stops at its next page"


def of_repository(repository: RepositoryView) -> str:
    """Returns what the repository waits for, or a note that it is about to stop. If only some types wait, the text
    names these types. Returns an empty text if the repository neither waits nor stops.
    """
    if repository.cancel_requested:
        return STOPS
    waiting = _of(repository)
    if waiting is None:
        return ""
    types = f"{', '.join(map(type_name, waiting.data_types))}: " if waiting.data_types else ""
    return types + waiting.in_words(_clock)


def of_type(repository: RepositoryView, part: TypeView) -> str:
    """Returns what the type waits for, or a note that it is about to stop. Returns an empty text if the type has ended,
    or neither waits nor stops.
    """
    if part.status not in ("pending", "in_progress"):
        return ""
    if repository.cancel_requested:
        return STOPS
    waiting = _of(repository)
    if waiting is None:
        return ""
    waits = not waiting.data_types or part.data_type in waiting.data_types
    return waiting.in_words(_clock) if waits else ""


def _of(repository: RepositoryView) -> Waiting | None:
    """Returns the repository's wait, or None if the repository does not wait. Rows of an older release hold no reason
    for a wait, so the reason is guessed from the types in progress.
    """
    if repository.waiting is not None or repository.waiting_until is None:
        return repository.waiting
    at_work = {part.data_type for part in repository.types if part.status == "in_progress"}
    return Waiting(
        reason="openai_limit" if at_work == {"embeddings"} else "github_limit",
        since=repository.waiting_until,
        until=repository.waiting_until,
    )


def _clock(moment: datetime) -> str:
    return moment.astimezone().strftime("%H:%M")
