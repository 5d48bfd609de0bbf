"""Shows a job's repositories, one below the other, with a column for each data type. Failed repositories come first,
then running repositories. Repositories without room on the screen are only counted.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from rich.text import Text

from cli import words
from cli.screens import waits
from cli.screens.status_word import STYLES
from cli.screens.summary import WIDE
from progress.sentences import type_name
from progress.views import DONE, JobView, RepositoryView, TypeView

Standing = Literal["failed", "running", "waiting", "canceled", "pending", "completed"]
ORDER: tuple[Standing, ...] = ("failed", "running", "waiting", "canceled", "pending", "completed")
KEPT: Mapping[Standing, int] = {"running": 4, "waiting": 2}
"""Lines reserved for running and waiting repositories, if there are any."""
SIGNS = {
    "completed": "✓",
    "failed": "✗",
    "canceled": "✗",
    "running": "▸",
    "waiting": "•",
    "pending": "·",
    "skipped": "–",
}
SHORT = {"pull_requests": "pulls", "discussions": "discuss.", "embeddings": "search"}
"""Short names of types, for narrow columns."""
LONGEST_NAME = 48
CELL, WIDE_CELL = 11, 20
INDENT = "    "


@dataclass(frozen=True)
class _Layout:
    name: int
    cell: int
    note: int
    """Columns for a note beside the cells; 0 if notes go below."""

    @classmethod
    def of(cls, job: JobView, width: int) -> "_Layout":
        longest = max(len(each.full_name) for each in job.repositories)
        cell = WIDE_CELL if width >= WIDE else CELL
        room = width - 2 - len(job.data_types) * cell - 1
        while room < 16 and cell > 9:
            cell, room = cell - 1, room + len(job.data_types)
        name = max(min(longest, LONGEST_NAME, room), 12)
        note = room - name - 1
        return cls(name, cell, note if note >= 30 else 0)


def standing(repository: RepositoryView) -> Standing:
    """Returns the repository's state in one word. The state is `failed` if any type of the repository has failed."""
    if repository.status == "failed" or any(each.status == "failed" for each in repository.types):
        return "failed"
    if repository.status in DONE:
        return "completed"
    if repository.status == "canceled":
        return "canceled"
    waiting = repository.waiting
    if waiting is not None and not waiting.data_types and waiting.reason != "turn":
        return "waiting"
    return "running" if repository.status == "in_progress" else "pending"


def in_order(job: JobView) -> list[RepositoryView]:
    """Returns the job's repositories sorted by state, in the order of `ORDER`. Failed repositories come first."""
    return sorted(job.repositories, key=lambda each: ORDER.index(standing(each)))


def repositories(job: JobView, width: int, lines: int) -> list[Text]:
    """Returns at most `lines` lines on the job's repositories. If there is no room for some repositories, the last line
    counts them by state.
    """
    if not job.repositories:
        return []
    layout = _Layout.of(job, width)
    room = dict.fromkeys(ORDER, 0)
    found: dict[Standing, list[RepositoryView]] = {each: [] for each in ORDER}
    for repository in job.repositories:
        found[standing(repository)].append(repository)
    shown, left = [_heading(job, layout)], dict[str, int]()
    for number, name in enumerate(ORDER):
        kept = sum(min(KEPT.get(later, 0), len(found[later])) for later in ORDER[number + 1 :])
        room[name] = lines - 1 - len(shown) - kept
        for place, repository in enumerate(found[name]):
            entry = list(_entry(repository, job, layout, width))
            if len(entry) > room[name]:
                left[name] = len(found[name]) - place
                break
            room[name] -= len(entry)
            shown += entry
    if left:
        counts = ", ".join(f"{number:,} {name}" for name, number in left.items())
        more = "  and " if len(shown) > 1 else "  "
        shown.append(Text(f"{more}{counts}", style="dim", no_wrap=True, overflow="ellipsis"))
    return shown


def why(repository: RepositoryView) -> list[tuple[str, str]]:
    """Returns why a repository failed: pairs of a reason and advice. Types with the same failure share one pair."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for its in repository.types:
        if its.status == "failed" and its.error:
            reason = f"{its.error.code}: {its.error.message}", its.error.what_to_do
            reasons.setdefault(reason, []).append(type_name(its.data_type))
    if not reasons and repository.error:
        return [(repository.error, "")]
    return [(f"{', '.join(types)}: {what}", to_do) for (what, to_do), types in reasons.items()]


def _heading(job: JobView, layout: _Layout) -> Text:
    names = [SHORT.get(each, each) if layout.cell < WIDE_CELL else type_name(each) for each in job.data_types]
    cells = "".join(f"{name:>{layout.cell}}" for name in names)
    return Text(f"  {'':{layout.name}}{cells}", style="dim", no_wrap=True, overflow="crop")


def _entry(repository: RepositoryView, job: JobView, layout: _Layout, width: int) -> Iterator[Text]:
    """Yields the lines of one repository. The first line shows its types. A wait follows on the same line if there is
    room, else on a line of its own. Failures always have lines of their own.
    """
    word = standing(repository)
    line = Text(no_wrap=True, overflow="ellipsis")
    line.append(f"{SIGNS[word]} ", style=STYLES.get(word, ""))
    name = words.cut_middle(repository.full_name, layout.name)
    line.append(f"{name:{layout.name}}", style="bold" if word == "failed" else "dim" if word == "pending" else "")
    by_type = {each.data_type: each for each in repository.types}
    for data_type in job.data_types:
        line.append_text(_cell(repository, by_type.get(data_type), layout.cell))
    if word == "failed":
        yield line
        for what, to_do in why(repository):
            yield from _indented(what, to_do, width)
        return
    waiting = waits.of_repository(repository) if word in ("waiting", "running") or repository.cancel_requested else ""
    if waiting and layout.note:
        line.append(f"  {_cut(waiting, layout.note)}", style="yellow")
    yield line
    if waiting and not layout.note:
        yield Text(f"{INDENT}{_cut(waiting, width - len(INDENT))}", style="yellow", no_wrap=True)


def _indented(what: str, to_do: str, width: int) -> Iterator[Text]:
    """Yields `what` and the advice `to_do` on one line if both fit, else on two lines, cut to `width`. The command
    `status` shows the full texts.
    """
    room = width - len(INDENT)
    if to_do and len(what) + len(to_do) + 4 <= room:
        yield Text(f"{INDENT}{what}", style="red", no_wrap=True).append(f" → {to_do}", style="default")
        return
    yield Text(f"{INDENT}{_cut(what, room)}", style="red", no_wrap=True)
    if to_do:
        yield Text(f"{INDENT}→ {_cut(to_do, room - 2)}", no_wrap=True)


def _cell(repository: RepositoryView, its: TypeView | None, width: int) -> Text:
    """Returns the cell of one type: a sign for its status, and how many rows are stored. If the type is in progress,
    shows `stored of expected` if there is room, else a percentage.
    """
    if its is None:
        return Text(" " * width)
    waiting = repository.waiting
    held = waiting is not None and (not waiting.data_types or its.data_type in waiting.data_types)
    word = its.status if its.status != "in_progress" else "waiting" if held else "running"
    if word in ("pending", "skipped"):
        said = SIGNS[word]
    elif word in ("running", "waiting") and its.expected and its.data_type != "events":
        known = max(its.expected, its.stored)
        wide = f"{words.few(its.stored)} of {words.few(known)}"
        said = f"{SIGNS[word]} {wide if width >= len(wide) + 4 else f'{min(100 * its.stored // known, 99)} %'}"
    else:
        said = f"{SIGNS[word]} {words.few(its.stored)}"
    return Text(f"{said:>{width}}", style=STYLES.get(word, ""))


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1].rstrip()}…"
