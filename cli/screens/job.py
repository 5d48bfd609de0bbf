"""A job as people see it."""

from typing import Any

from rich.box import SIMPLE
from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table

import unshown
from cli.screens import waits
from cli.screens.status_word import status_word
from cli.words import clock, date
from messages import PartStatus
from progress.views import DONE, AddonView, JobView, RepositoryView, TypeView

SHOWN_AT_ONCE = 12


def lines(job: JobView) -> dict[str, str]:
    """How everything that has begun stands, by what it is."""
    lines = {}
    for repository, part in _parts(job):
        if part.status != "pending":
            why = f": {unshown.complete(part.unshown) if part.status == 'completed' else _why(part)}".rstrip(": ")
            lines[f"{repository.full_name} {part.data_type}"] = f"{part.status}, {_amount(part)}{why}"
    for repository in job.repositories:
        if repository.status == "in_progress" and (waiting := waits.of_repository(repository)):
            lines[repository.full_name] = waiting
        elif repository.status not in ("pending", "in_progress"):
            lines[repository.full_name] = repository.status + (f": {repository.error}" if repository.error else "")
    return lines | {f"job {job.id}": _progress(job)}


def headlines(job: JobView) -> list[str]:
    lines = [
        f"Backfill {job.id} of {job.workspace_name} ({job.workspace_slug})",
        f"{job.retention_days} days, back to {date(job.cutoff_at)}: {', '.join(job.data_types)}",
        _progress(job),
    ]
    if job.addon:
        until = f", until {date(job.addon.expires_at)}" if job.addon.expires_at else ""
        bought = f", bought {date(job.addon.purchased_at)}" if job.addon.purchased_at else ""
        lines.append(f"add-on: {job.addon.retention_days} days, {job.addon.status}{bought}{until}{_outlook(job.addon)}")
    return lines


def _outlook(addon: AddonView) -> str:
    """What is going to become of the add-on, if it is not just renewed."""
    words = []
    if addon.past_due:
        words.append("a payment is past due: Polar tries again, and the add-on stays until Polar revokes it")
    if addon.renews is False:
        words.append("canceled, ends then")
    if addon.changes_at:
        plan = f"{addon.changes_to_days} days" if addon.changes_to_days else "another product"
        words.append(f"{plan} from {date(addon.changes_at)}")
    return "".join(f"; {each}" for each in words)


def _progress(job: JobView) -> str:
    """The job in one line, but for the time that is left: that changes all the time."""
    words = [f"{job.status}{' (canceling)' if job.cancel_requested_at and not job.ended else ''}"]
    if job.paused_at and not job.cancel_requested_at:
        words.append(f"paused since {date(job.paused_at)} by {job.paused_by}")
    words.append(f"{job.completed_repositories} of {job.total_repositories} repositories complete")
    if job.unshown:
        words.append(unshown.how_many(job.unshown))
    if job.failed_repositories:
        words.append(f"{job.failed_repositories} failed")
    if job.attempt:
        words.append(f"retry {job.attempt}")
    if job.retries_waiting:
        words.append(f"{job.retries_waiting} more {'retry waits' if job.retries_waiting == 1 else 'retries wait'}")
    if waiting := waits.of_job(job):
        words.append(waiting)
    return ", ".join(words) + (f": {job.error_message}" if job.error_message else "")


def screen(job: JobView) -> RenderableType:
    parts = _parts(job)
    # What runs, then what failed, then what is done: at the end of a large job its failures are what is left to see.
    order: list[PartStatus] = ["in_progress", "failed", "canceled", "completed", "skipped", "pending"]
    shown = sorted(parts, key=lambda each: order.index(each[1].status))[:SHOWN_AT_ONCE]
    table = Table.grid(padding=(0, 1))
    for repository, part in shown:
        name = f"{repository.full_name} {part.data_type}"
        table.add_row(name, _bar(part), _threads(part), status_word(part.status), _note(repository, part))
    if len(parts) > len(shown):
        table.add_row(f"and {len(parts) - len(shown)} more")
    stored, expected = sum(part.stored for _, part in parts), sum(_expected(part) for _, part in parts)
    left = f"ready about {clock(job.eta)}" if job.eta else ""
    total = ProgressBar(total=max(expected, 1), completed=stored, width=30)
    table.add_row("all that was counted so far", total, f"{stored} of {expected}", status_word(job.status), left)
    return Group(*headlines(job), table)


def _bar(part: TypeView) -> ProgressBar:
    done = part.status in DONE
    counting = part.status == "in_progress" and part.expected is None
    total = None if counting else float(max(_expected(part), 1))
    return ProgressBar(total=total, completed=total or 0 if done else part.stored, width=30, pulse=counting)


def table_of_types(job: JobView) -> Table:
    table = Table("repository", "data type", "status", "stored", "expected", "as of", "why", box=SIMPLE)
    for repository, part in _parts(job):
        expected = "" if part.expected is None else str(part.expected)
        as_of = date(part.as_of) if part.as_of else ""
        note = _note(repository, part)
        table.add_row(
            repository.full_name, part.data_type, status_word(part.status), str(part.stored), expected, as_of, note
        )
    return table


def lines_of_unshown(job: JobView) -> list[str]:
    """Which things GitHub does not show."""
    return unshown.lines([part.unshown for _, part in _parts(job) if part.unshown], SHOWN_AT_ONCE)


def _parts(job: JobView) -> list[tuple[RepositoryView, TypeView]]:
    return [(repository, part) for repository in job.repositories for part in repository.types]


def _expected(part: TypeView) -> int:
    return max(part.expected or 0, part.stored)


def _threads(part: TypeView) -> str:
    return f"{part.stored} of {part.expected}" if part.expected is not None else str(part.stored)


def _amount(part: TypeView) -> str:
    """With everything that hangs on the threads: `120 of 582, 30 reviews, 4 comments`."""
    rest = [
        f"{count} {noun.replace('_', ' ')}" for noun, count in part.counts.items() if noun != part.data_type and count
    ]
    return ", ".join([_threads(part), *rest])


def _note(repository: RepositoryView, part: TypeView) -> str:
    """What stands in its way, or did."""
    if waiting := waits.of_type(repository, part):
        return waiting
    if part.status == "failed" and not part.error:
        return repository.error or ""
    if part.status == "completed" and part.proof:
        return "; ".join(filter(None, [unshown.complete(part.unshown), _proof(part.proof), *part.notes]))
    return _why(part)


def _proof(proof: dict[str, Any]) -> str:
    """Why a type is complete, in a few words."""
    by = str(proof.get("proved_by", ""))
    if "threads_github" in proof and by == "count":
        return f"proved by count: {proof['threads_stored']} of GitHub's {proof['threads_github']}"
    return f"proved by {by}" if by else ""


def _why(part: TypeView) -> str:
    if not part.error:
        return ""
    return f"{part.error.code}: {part.error.message}" + (f" ({part.error.action})" if part.error.action else "")
