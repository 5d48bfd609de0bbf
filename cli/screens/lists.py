"""Shows jobs, deliveries and notifications as tables."""

from collections.abc import Sequence

from rich.box import SIMPLE
from rich.table import Table
from rich.text import Text

from cli.screens.status_word import status_word
from cli.words import date_and_time
from progress.views import JobSummary
from store.deliveries import Unprocessed
from store.outbox import Unsent

UNTRIED = {
    "mail": "not tried yet; webhook.py tries it if SMTP_URL is set",
    "webhook": "not tried yet; webhook.py tries it if NOTIFY_URL is set",
}


def deliveries(waiting: Sequence[Unprocessed]) -> Table:
    table = Table("delivery", "event", "received", "attempts", "next", "in the way", box=SIMPLE)
    for each in waiting:
        again = date_and_time(each.next_attempt_at) if each.next_attempt_at else "at once"
        # What others wrote is no markup.
        row = (each.webhook_id, each.type, date_and_time(each.received_at), str(each.attempts), again, each.error or "")
        table.add_row(*map(Text, row))
    return table


def unsent(waiting: Sequence[Unsent]) -> Table:
    table = Table("channel", "milestone", "workspace", "job", "since", "attempts", "next", "in the way", box=SIMPLE)
    for each in waiting:
        again = date_and_time(each.next_attempt_at) if each.status == "pending" else "never"
        what = (each.channel, each.milestone, each.workspace, each.job_id)
        error = each.error or ("" if each.attempts else UNTRIED[each.channel])
        row = (*what, date_and_time(each.created_at), str(each.attempts), again, error)
        table.add_row(*map(Text, row))
    return table


def jobs(recent: Sequence[JobSummary]) -> Table:
    table = Table("job", "workspace", "status", "days", "repositories", "failed", "asked for", "by", box=SIMPLE)
    for job in recent:
        table.add_row(
            job.id,
            job.workspace_slug,
            status_word(job.status),
            str(job.retention_days),
            f"{job.completed_repositories} of {job.total_repositories}",
            str(job.failed_repositories),
            date_and_time(job.created_at),
            job.requested_by or "",
        )
    return table
