"""Shows a job as a whole: its headline, its bars, the time left, and its most frequent waits."""

import re
from collections import Counter
from collections.abc import Iterator

from rich.console import RenderableType
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

import unshown
from cli import words
from cli.rates import Rates
from cli.screens.status_word import STYLES
from messages import DATA_TYPES
from progress.sentences import count, type_name
from progress.views import AddonView, JobView, TypeTotals

WIDE = 120
"""Least width, in columns, of a screen that shows more than the essentials."""
_NAME = re.compile(r"^[^\s#:]+/[^\s#:]+")
STATE_STYLES = {
    "queued": "bold",
    "fetching": "bold cyan",
    "waiting": "bold yellow",
    "paused": "bold yellow",
    "stopping": "bold yellow",
    "completed": "bold green",
    "completed_with_notes": "bold green",
    "partly_failed": "bold red",
    "failed": "bold red",
    "canceled": "bold yellow",
}


def summary(job: JobView, width: int, rates: Rates | None = None) -> list[RenderableType]:
    """Returns the lines about the whole job, from the headline down to the time left and the waits. With `rates`, each
    type also has its speed.
    """
    headline = Text(words.say(job.headline, job.as_of), style=STATE_STYLES.get(job.headline.state, "bold"))
    return [headline, *(Text(line, style="dim") for line in about(job)), Text(), bars(job, width, rates), *_left(job)]


def about(job: JobView) -> list[str]:
    """Returns lines with facts about the job: its id, retention and types, its add-on, its retries, and its pause."""
    name = job.workspace_name
    named = name if name == job.workspace_slug else f"{name} ({job.workspace_slug})"
    types = "all data types" if len(job.data_types) == len(DATA_TYPES) else ", ".join(map(type_name, job.data_types))
    lines = [
        f"Backfill {job.id} of {named}",
        f"{job.retention_days} days, back to {words.date_and_time(job.cutoff_at)}: {types}",
    ]
    if job.addon:
        lines.append(addon(job.addon))
    more = [f"retry {job.attempt}"] if job.attempt else []
    if job.retries_waiting:
        more.append(f"{count(job.retries_waiting, 'more retry waits', 'more retries wait')}")
    if job.paused_at and not job.ended:
        more.append(f"paused since {words.at(job.paused_at, job.as_of)} by {job.paused_by}")
    return [*lines, *([", ".join(more)] if more else [])]


def addon(of: AddonView) -> str:
    """Returns the add-on in words: how many days it buys, until when, and what changes then. A usual renewal is not
    mentioned.
    """
    bought = f", bought {words.date_and_time(of.purchased_at)}" if of.purchased_at else ""
    until = f", until {words.date_and_time(of.expires_at)}" if of.expires_at else ""
    outlook = ""
    if of.past_due:
        outlook += "; a payment is past due: Polar tries again, and the add-on stays until Polar revokes it"
    if of.renews is False:
        outlook += "; canceled, ends then"
    if of.changes_at:
        plan = f"{of.changes_to_days} days" if of.changes_to_days else "another product"
        outlook += f"; {plan} from {words.date_and_time(of.changes_at)}"
    return f"add-on: {of.retention_days} days, {of.status}{bought}{until}{outlook}"


def bars(job: JobView, width: int, rates: Rates | None) -> Table:
    """Returns a table with one bar for all types together, and one bar for each type."""
    wide = width >= WIDE
    table = Table.grid(padding=(0, 2 if wide else 1))
    table.add_column(width=13, no_wrap=True)
    table.add_column(width=max(min(width - 100, 60), 24) if wide else 14, no_wrap=True)
    table.add_column(width=5, justify="right", no_wrap=True)
    table.add_column(width=20 if wide else 16, justify="right", no_wrap=True)
    table.add_column(width=11 if wide else 6, justify="right", no_wrap=True)
    table.add_column(no_wrap=True, overflow="ellipsis")
    total = job.progress
    status = job.status if job.status != "completed" or job.ended_well else "failed"
    pace = words.rate(rates.rows) if rates else ""
    table.add_row(
        Text("all", style="bold"),
        _bar(total.percent, status),
        _percent(total.percent),
        _amount(total.stored, total.expected),
        pace.replace("/", " rows/") if wide else pace,
        _repositories(job, wide=wide),
    )
    for each in job.types:
        table.add_row(
            type_name(each.data_type),
            _bar(each.percent, each.status),
            _percent(each.percent),
            _amount(each.stored, each.expected),
            words.rate(rates.of(each.data_type)) if rates else "",
            _standing(each, wide=wide),
        )
    return table


def waits(job: JobView) -> Iterator[str]:
    """Yields a line for each of the three most frequent waits of repositories. Yields nothing if the whole job waits,
    because the headline then says so.
    """
    if job.waiting is not None:
        return  # the headline says it
    reasons = Counter(
        (each.waiting.reason, each.waiting.in_words(words.clock))
        for each in job.repositories
        if each.waiting is not None and each.status in ("pending", "in_progress") and each.waiting.reason != "turn"
    )
    for (_, what), number in reasons.most_common(3):
        yield f"{count(number, 'repository', 'repositories')}: {what}"


def unshown_lines(job: JobView, most: int, width: int) -> list[str]:
    """Returns a line for each of the first `most` notes on things that GitHub does not show. A last line counts the
    other notes. Long names of repositories are cut, reasons are not.
    """
    parts = [its.unshown for each in job.repositories for its in each.types if its.unshown]
    name = max(width // 3, 20)
    return [_NAME.sub(lambda its: words.cut_middle(its[0], name), line) for line in unshown.lines(parts, most)]


def _left(job: JobView) -> Iterator[RenderableType]:
    if job.time_left is not None:
        reason = words.say(job.time_left.reason, job.as_of)
        yield Padding(Text(f"{words.time_left(job.time_left)}. {reason}"), (1, 0, 0, 0))
    elif job.time_left_reason is not None:
        reason = words.say(job.time_left_reason, job.as_of)
        yield Padding(Text(f"Time left unknown. {reason}", style="dim"), (1, 0, 0, 0))
    yield from (Text(line, style="yellow", no_wrap=True, overflow="ellipsis") for line in waits(job))


def _bar(percent: float | None, status: str) -> RenderableType:
    """Returns a bar. If no percentage is known, returns a text instead of a bar."""
    if percent is None:
        return Text("no total yet" if status == "in_progress" else "", style="dim")
    style = {"failed": "red", "canceled": "yellow", "completed": "green"}.get(status, "cyan")
    return ProgressBar(total=100, completed=percent, complete_style=style, finished_style="green")


def _percent(percent: float | None) -> str:
    return "" if percent is None else f"{int(percent)} %"


def _amount(stored: int, expected: int | None) -> str:
    return f"{words.few(stored)} of {words.few(expected)}" if expected is not None else words.few(stored)


def _repositories(job: JobView, *, wide: bool) -> Text:
    text = Text(f"{job.completed_repositories:,} of {job.total_repositories:,}")
    text.append(" repositories complete" if wide else " complete")
    if job.failed_repositories and wide:
        text.append(", ").append(f"{job.failed_repositories:,} failed", style=STYLES["failed"])
    return text


def _standing(of: TypeTotals, *, wide: bool) -> Text:
    """Returns how many repositories are in each state, for one data type. If all expected threads are stored, nothing
    failed and the type is still in progress, returns what remains to be done instead.
    """
    numbers = of.repositories.model_dump()
    names = ("failed", "running", "waiting", "canceled", "pending", "skipped", "completed")
    shown = [name for name in names if numbers[name]]
    text = Text()
    if of.status == "in_progress" and of.stored and of.stored == of.expected and not numbers["failed"]:
        return text.append("all stored; comments and checks follow" if wide else "stored; being checked", style="cyan")
    if len(shown) == 1:
        return text.append(shown[0], style=STYLES.get(shown[0], ""))
    if not wide and numbers["failed"]:
        text.append(f"{numbers['failed']:,} failed", style=STYLES["failed"])
        return text.append(f", {numbers['completed'] + numbers['skipped']:,} done")
    if not wide:
        return text.append(f"{numbers['completed'] + numbers['skipped']:,} of {sum(numbers.values()):,} done")
    for name in shown:
        text.append(", " if text else "").append(f"{numbers[name]:,} {name}", style=STYLES.get(name, ""))
    return text
